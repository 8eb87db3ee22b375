"""Opens one clip of any format that is read here, recognised by its files."""

import json
from pathlib import Path

import numpy as np

from via_jax.data import store
from via_jax.data.clip import Clip
from via_jax.data.readers import (
    asf_amc,
    bvh,
    folder,
    kinetics,
    lcrnet,
    nw_ucla,
    openpose,
    penn_action,
)


def open_clip(path: str | Path) -> Clip:
    """Reads one clip.

    Args:
      path: a folder of OpenPose frames; an .npz of the generic format; a Penn Action .mat; a .bvh;
        an .amc beside its .asf; a NW-UCLA, Kinetics-skeleton or LCR-Net .json; or, for a clip of a
        prepared data set, that folder followed by the clip's name.

    Raises:
      ValueError: nothing there, or nothing that is read here.
    """
    path = Path(path)
    if path.is_dir() and any(path.glob("*_keypoints.json")):
        return openpose.read(path)
    if path.suffix == ".npz" and path.is_file():
        return folder.read_clip(path)
    if path.suffix == ".mat" and path.is_file():
        return penn_action.read(path)
    if path.suffix.lower() == ".bvh" and path.is_file():
        return bvh.read(path)
    if path.suffix.lower() == ".amc" and path.is_file():
        return asf_amc.read(next(item for item in asf_amc.find(path.parent) if item[0] == path))
    if path.suffix == ".json" and path.is_file():
        return _read_json(path)
    for parent in path.parents:
        if (parent / "manifest.json").is_file():
            return _read_prepared(parent, path.relative_to(parent).as_posix())
    seen = "nothing"
    if path.exists():
        seen = "a folder without *_keypoints.json" if path.is_dir() else "a file of another kind"
    raise ValueError(
        f"{path}: {seen}; expected a folder of OpenPose frames, an .npz, .mat, .bvh, .amc or .json"
        " clip, or a prepared data set followed by the name of a clip"
    )


def _read_prepared(parent: Path, name: str) -> Clip:
    data = store.load(parent)
    found = np.flatnonzero(data.names == name)
    if not len(found):
        raise ValueError(
            f"{parent} has no clip {name!r}; its names look like {data.names[:3].tolist()}"
        )
    return data.read(int(found[0]))


def _read_json(path: Path) -> Clip:
    try:
        with path.open(encoding="utf-8") as file:
            keys = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is not JSON: {error}") from error
    if isinstance(keys, dict) and "skeletons" in keys:
        return nw_ucla.read(path)
    if isinstance(keys, dict) and "data" in keys:
        return kinetics.read(path)
    if isinstance(keys, dict) and "frames" in keys:
        return lcrnet.read(path)
    raise ValueError(
        f"{path}: JSON without 'skeletons' (NW-UCLA), 'data' (Kinetics-skeleton) or"
        " 'frames' (LCR-Net)"
    )
