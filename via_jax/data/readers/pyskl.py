"""pyskl's annotation files: all clips of a data set in one pickle (Duan et al., ACM MM 2022).

{"split": {name: [frame_dir, ...]}, "annotations": [{"frame_dir", "label", "total_frames",
"keypoint" [persons, time, joints, coords] float16, and for 2D "keypoint_score" [persons, time,
joints], "img_shape" and "original_shape" (height, width)}, ...]}. 17 joints in 2D are COCO's, found
by HRNet, in pixels with y down; 25 in 3D are NTU RGB+D's, in metres with y up. float16 steps are
1 pixel beyond 1024 and 2 millimetres beyond 2 metres.

A pickle can run code; `unpickle` reads it without. For NTU RGB+D the files were denoised, and
persons who appear one after the other share a row of "keypoint".

What is missing: a joint at the origin, which stands for an absent person, and in 2D one of score 0.
The Kinetics file holds no skeletons, only where they lie, and is refused.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.strict import checked, field, numbers
from via_jax.data.readers.unpickle import load_pickle

_LAYOUTS = {(17, 2): "coco17", (25, 3): "ntu25"}  # by number of joints and coords
_SPLIT = re.compile(r"(?:([\w-]{1,40})_)?(train|val|test)(\d{0,2})", re.ASCII)
_NTU = re.compile(r"S\d{3}(C\d{3})(P\d{3})R\d{3}A\d{3}", re.ASCII)
_MOST_LABELS = 1000


class Item(NamedTuple):
    """One annotation.

    Attributes:
      path: the pickle.
      number: of the annotation in the file, from 0.
      record: the annotation, unchecked.
      roles: {protocol: role} by the file's splits.
    """

    path: Path
    number: int
    record: Any
    roles: dict[str, str]


def find(source: Path) -> list[Item]:
    """Reads the pickle and lists its annotations, in its order.

    Args:
      source: the file, or a folder with one *.pkl.

    Raises:
      ValueError: none or several *.pkl, what `load_pickle` refuses, no "split" and "annotations",
        a split's name that does not end in train, val or test, or a clip in two parts of a split.
    """
    path = source
    if not source.is_file():
        files = sorted(source.glob("*.pkl"))
        if len(files) != 1:
            raise ValueError(f"{source}: {len(files)} *.pkl; expected one, or name the file itself")
        path = files[0]
    content = load_pickle(path)
    annotations = field(content, "annotations", list, str(path))
    roles = _roles(field(content, "split", dict, str(path)), path)
    return [
        Item(path, number, record, roles.get(_name(record), {}))
        for number, record in enumerate(annotations)
    ]


def read(item: Item) -> Clip:
    """Reads one annotation: layout coco17 in pixels, or ntu25 in metres.

    Returns:
      A clip named by frame_dir. Label: the file's number with leading zeros ("007"), as it has no
      names and classes are numbered in alphabetical order. Camera ("C001") and subject ("P001")
      where the name is one of NTU RGB+D. Extra: the roles, {protocol: role}.

    Raises:
      ValueError: a field missing or of another type, shape or range; joints and coords other than
        17 in 2D and 25 in 3D; fewer than two frames, or no valid joint.
    """
    where = f"{item.path}: annotation {item.number}"
    record = item.record
    name = field(record, "frame_dir", str, where)
    label = field(record, "label", int, where)
    if not 0 <= label < _MOST_LABELS:
        raise ValueError(f"{where}: label {label}; expected 0 to {_MOST_LABELS - 1}")
    time = field(record, "total_frames", int, where)
    poses = numbers(
        field(record, "keypoint", np.ndarray, where),
        (None, time, None, None),
        f"{where}, keypoint",
    )
    layout = _LAYOUTS.get(poses.shape[2:])
    if layout is None:
        joints, coords = poses.shape[2:]
        raise ValueError(
            f"{where}: {joints} joints in {coords}D; expected 17 in 2D (COCO) or 25 in 3D (NTU)"
        )
    valid = np.isfinite(poses).all(axis=-1) & (poses != 0).any(axis=-1)
    flat = layout == "coco17"
    if flat:
        scores = field(record, "keypoint_score", np.ndarray, where)
        valid &= numbers(scores, poses.shape[:3], f"{where}, keypoint_score") > 0
    ntu = _NTU.fullmatch(name)
    clip = Clip(
        poses=np.where(valid[..., None], poses, 0.0).astype(np.float32),
        valid=valid,
        layout=layout,
        name=name,
        label=f"{label:03d}",
        subject=ntu[2] if ntu else None,
        camera=ntu[1] if ntu else None,
        units="pixels" if flat else "metres",
        y_up=not flat,
        image_size=_image_size(record, where) if flat else None,
        extra=item.roles,
    )
    return checked(clip, item.path)


def _name(record: Any) -> str:
    """Returns the frame_dir; "" where `read` will refuse the record."""
    name = record.get("frame_dir") if isinstance(record, dict) else None
    return name if isinstance(name, str) else ""


def _roles(split: dict, path: Path) -> dict[str, dict[str, str]]:
    """Returns {frame_dir: {protocol: role}}.

    The protocol of "xsub_train" is "xsub", of "train" "official", of "train1" "split1". Where a
    protocol has no test part, "val" is it: that is what published results are measured on.
    """
    parts = {}
    for name in split:
        match = _SPLIT.fullmatch(str(name))
        if match is None:
            raise ValueError(
                f"{path}: split {str(name)[:80]!r}; expected a name that ends in train, val or test"
            )
        prefix, part, number = match.groups()
        plain = "split" if number else "official"
        parts[name] = (f"{prefix or plain}{number}", part)
    tested = {protocol for protocol, part in parts.values() if part == "test"}
    roles: dict[str, dict[str, str]] = {}
    for name, (protocol, part) in parts.items():
        val = "validation" if protocol in tested else "test"
        role = {"train": "train", "val": val, "test": "test"}[part]
        for member in field(split, name, list, f"{path}: split"):
            if not isinstance(member, str):
                raise ValueError(
                    f"{path}: split {name!r} holds a {type(member).__name__}; expected names"
                )
            if roles.setdefault(member, {}).setdefault(protocol, role) != role:
                raise ValueError(
                    f"{path}: clip {member!r} is in {name!r} and in another part of that split;"
                    " expected each clip in one part"
                )
    return roles


def _image_size(record: dict, where: str) -> tuple[int, int]:
    """Returns (width, height); the file has height first."""
    match record.get("img_shape"):
        case (int() as height, int() as width) if min(height, width) > 0:
            return width, height
    raise ValueError(f"{where}: no img_shape; expected (height, width) in pixels")
