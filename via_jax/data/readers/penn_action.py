"""Penn Action: one MATLAB file per video with 13 annotated joints (Zhang et al., ICCV 2013).

`labels/NNNN.mat` holds action, pose (the coarse viewpoint), x and y [time, 13] in pixels from the
top left, visibility [time, 13], train (1 or -1), dimensions (height, width, frames) and nframes.

What is missing. A joint out of view has a placeholder: visibility 0 and x = y <= 1.5 (the point
(1, 1), rescaled with the video) or (0, 0). These are 8.8 % of all entries; no visible joint lies
there. A further 13.2 % have visibility 0 but a position: joints hidden behind the body, placed by
the annotators. They move smoothly, and their bones are about as long as the clip's visible ones
(the median ratio is 0.97, quartiles 0.75 and 1.20; among the visible 0.93 and 1.07). In one clip
(1516) no joint at all is marked visible, so the official split of 2326 clips needs them. A hidden
joint with a position counts as valid unless `keep_occluded` is False.

Left and right. Joints 1, 3, 5, ... behave as the anatomical right, whatever the official text says;
layout "penn13" follows the behaviour.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.matlab import load_mat
from via_jax.data.readers.strict import checked

# Class names in label order.
LABELS = (
    *("baseball_pitch", "baseball_swing", "bench_press", "bowl", "clean_and_jerk", "golf_swing"),
    *("jump_rope", "jumping_jacks", "pullup", "pushup", "situp", "squat", "strum_guitar"),
    *("tennis_forehand", "tennis_serve"),
)
VIEWPOINTS = ("front", "back", "left", "right")
_SPLITS = {1: "train", -1: "test"}
_JOINTS = 13
_PLACEHOLDER = 2.0  # pixels; placeholders reach 1.5, no annotated joint has both coordinates below
_LARGEST = 1e6  # pixels, far beyond any video
_KEYS = ("action", "pose", "x", "y", "visibility", "train", "dimensions", "nframes")
_Record = Mapping[str, np.ndarray | str]


def find(source: Path) -> list[Path]:
    """Lists the label files, in order, of a Penn Action folder or of its folder labels/.

    Raises:
      ValueError: no NNNN.mat there.
    """
    folder = source / "labels" if (source / "labels").is_dir() else source
    files = sorted(path for path in folder.glob("*.mat") if re.fullmatch(r"\d{4}", path.stem))
    if not files:
        raise ValueError(f"{folder}: no NNNN.mat; expected the folder labels/ of Penn Action")
    return files


def read(item: Path, keep_occluded: bool = True) -> Clip:
    """Reads one video's annotation: layout penn13, one person, 2D pixels, y down.

    Args:
      item: path of a NNNN.mat.
      keep_occluded: whether hidden joints that the annotators placed all the same are valid.

    Returns:
      A clip with label, camera (the coarse viewpoint), image size and official split.

    Raises:
      ValueError: not a MATLAB v5 file, a field missing or of another type or size, an unknown
        action, viewpoint or split, fewer than two frames, or no valid joint.
    """
    record = _load(item)
    time = _integer(record, "nframes", item)
    height, width, length = _matrix(record, "dimensions", (1, 3), item)[0].tolist()
    if length != time or not (1 <= height < _LARGEST and 1 <= width < _LARGEST):
        raise ValueError(
            f"{item}: dimensions {height:g} x {width:g} x {length:g} with nframes {time};"
            " expected height, width and the same number of frames"
        )
    x, y = (_matrix(record, key, (time, _JOINTS), item) for key in ("x", "y"))
    if (np.abs([x, y]) > _LARGEST).any():
        raise ValueError(f"{item}: x or y above {_LARGEST:g}; expected pixels")
    visible = _matrix(record, "visibility", (time, _JOINTS), item) > 0
    # NaN compares false, so it is missing too.
    placed = ((x > _PLACEHOLDER) | (y > _PLACEHOLDER)) & np.isfinite(x + y)
    valid = placed & (visible | keep_occluded)
    poses = np.where(valid[..., None], np.stack([x, y], axis=-1), 0.0)
    clip = Clip(
        poses=poses[None].astype(np.float32),
        valid=valid[None],
        layout="penn13",
        name=item.stem,
        label=_word(record, "action", LABELS, item),
        camera=_word(record, "pose", VIEWPOINTS, item),
        image_size=(int(width), int(height)),
        split=split_of_flag(_integer(record, "train", item), item),
    )
    return checked(clip, item)


def split_of_flag(flag: int, path: Path) -> str:
    """Turns the field `train` into "train" (1) or "test" (-1).

    Raises:
      ValueError: another number.
    """
    if flag not in _SPLITS:
        raise ValueError(f"{path}: train is {flag}; expected 1 (train) or -1 (test)")
    return _SPLITS[flag]


def _load(path: Path) -> _Record:
    record = load_mat(path, _KEYS)
    for key in _KEYS:
        if key not in record:
            raise ValueError(f"{path}: no field {key!r}; expected {', '.join(_KEYS)}")
    return record


def _matrix(record: _Record, key: str, shape: tuple[int, int], path: Path) -> np.ndarray:
    value = record[key]
    if isinstance(value, str):
        raise ValueError(f"{path}: {key} is a text; expected numbers of shape {shape}")
    if value.shape != shape:
        raise ValueError(f"{path}: {key} has shape {value.shape}; expected {shape}")
    return value


def _integer(record: _Record, key: str, path: Path) -> int:
    value = _matrix(record, key, (1, 1), path)[0, 0]
    if not np.isfinite(value) or value != round(value):
        raise ValueError(f"{path}: {key} is {value}; expected a whole number")
    return int(value)


def _word(record: _Record, key: str, allowed: tuple[str, ...], path: Path) -> str:
    value = record[key]
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{path}: {key} is {value!r}; expected one of {', '.join(allowed)}")
    return value
