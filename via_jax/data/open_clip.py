"""Opens one clip of any format that is read here, recognised by its files or named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from via_jax.data import store
from via_jax.data.clip import Clip
from via_jax.data.detect import FORMATS, recognise
from via_jax.data.readers import (
    alphapose,
    asf_amc,
    bvh,
    coco,
    folder,
    kinetics,
    lcrnet,
    mediapipe,
    mmpose,
    nw_ucla,
    openpose,
    penn_action,
    poses_csv,
    pyskl,
    ultralytics,
)
from via_jax.skeletons import get_layout

_PLAIN: dict[str, Callable[[Path], Clip]] = {
    "penn_action": penn_action.read,
    "bvh": bvh.read,
    "nw_ucla": nw_ucla.read,
}
_LAID_OUT: dict[
    str, Callable[[Path, str | None, int, float], Clip]
] = {  # the number of joints is what the file says of its layout
    "alphapose": alphapose.read,
    "mmpose": mmpose.read,
    "ultralytics": ultralytics.read,
    "coco": coco.read,
    "csv": poses_csv.read,
}


def open_clip(
    path: str | Path,
    file_format: str | None = None,
    layout: str | None = None,
    max_persons: int = 2,
    min_confidence: float = 0.0,
    image_size: tuple[int, int] | None = None,
) -> Clip:
    """Reads one clip.

    Args:
      path: what a pose detector wrote: a folder of OpenPose frames; JSON of AlphaPose, MMPose,
        Ultralytics, MediaPipe or of COCO results; a .csv of poses. A recording: an .npz of the
        generic format; a Penn Action .mat; a .bvh; an .amc beside its .asf; a NW-UCLA,
        Kinetics-skeleton or LCR-Net .json. Or a clip of several: a prepared data set followed by
        the clip's name, and the same with pyskl's annotations (FILE.pkl/NAME), which must be named.
      file_format: one of `detect.FORMATS`; None recognises it.
      layout: name of the joint layout, where the file leaves it open; None takes the usual one of
        this number of joints.
      max_persons: persons kept of a file with detections, see `tracking.follow`. Recordings keep
        all. To bridge short absences or to split the persons, see `tracking`.
      min_confidence: joints detected with this confidence or a lower one are missing, in [0, 1).
      image_size: (width, height) in pixels, for MediaPipe, which divides by it.

    Raises:
      ValueError: nothing there, nothing that is read here, a format or layout of another name, or
        what the format's reader refuses; with the path.
    """
    path = Path(path)
    if file_format is not None and file_format not in FORMATS:
        raise ValueError(f"{path}: format {file_format!r}; expected one of {', '.join(FORMATS)}")
    if layout is not None:
        get_layout(layout)  # another name is refused before the file is read
    if image_size is not None and min(image_size) < 1:
        raise ValueError(f"{path}: image_size {image_size}; expected width and height in pixels")
    kind = recognise(path) if file_format is None else file_format
    if kind in _LAID_OUT:
        return _LAID_OUT[kind](path, layout, max_persons, min_confidence)
    if kind in _PLAIN:
        clip = _PLAIN[kind](path)
    elif kind == "npz":
        clip = folder.read_clip(path, layout)
    elif kind == "openpose":
        clip = openpose.read(path, max_persons, min_confidence)
    elif kind == "mediapipe":
        clip = mediapipe.read(path, image_size, max_persons, min_confidence)
    elif kind == "kinetics":
        clip = kinetics.read(path, max_persons)
    elif kind == "lcrnet":
        clip = lcrnet.read(path, max_persons=max_persons)
    elif kind == "asf_amc":
        clip = asf_amc.read(asf_amc.with_body(path))
    elif kind == "pyskl":
        clip = _read_pyskl(path)
    else:
        clip = _read_prepared(path)
    if layout not in (None, clip.layout):
        raise ValueError(f"{path}: layout {clip.layout}; expected {layout}, as named")
    return clip


def _read_prepared(path: Path) -> Clip:
    parent = next((above for above in path.parents if (above / "manifest.json").is_file()), None)
    if parent is None:
        raise ValueError(f"{path}: no prepared data set above it; expected FOLDER/NAME")
    data = store.load(parent)
    name = path.relative_to(parent).as_posix()
    found = np.flatnonzero(data.names == name)
    if not len(found):
        raise ValueError(
            f"{parent} has no clip {name!r}; its names look like {data.names[:3].tolist()}"
        )
    return data.read(int(found[0]))


def _read_pyskl(path: Path) -> Clip:
    parent = next((above for above in path.parents if above.is_file()), None)
    if parent is None:
        raise ValueError(f"{path}: no file above it; expected FILE.pkl/NAME")
    name = path.relative_to(parent).as_posix()
    items = pyskl.find(parent)
    names = [
        item.record.get("frame_dir") if isinstance(item.record, dict) else None for item in items
    ]
    if name not in names:
        raise ValueError(f"{parent} has no clip {name!r}; its names look like {names[:3]}")
    return pyskl.read(items[names.index(name)])
