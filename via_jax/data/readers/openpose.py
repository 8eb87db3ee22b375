"""OpenPose: a folder per video with one JSON file per frame (Cao et al., BODY_25 and COCO models).

`NAME_000000000000_keypoints.json` holds {"people": [{"pose_keypoints_2d": [x, y, confidence,
...]}]} with 25 or 18 joints. Persons have no identity in these files; `tracking.follow` gives
them one.

What is missing: a joint with confidence 0 or at (0, 0) (OpenPose writes 0, 0, 0), and a frame
without people. Frames are ordered by the number in the file name; a number left out is a frame
without people.
"""

import re
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.detected import Person, clip_of, frame_rows
from via_jax.data.readers.strict import field, load_json, numbers

_JOINTS = (25, 18)  # BODY_25 and COCO
_NAME = re.compile(r"(?:.*\D)?(\d+)_keypoints")


def find(source: Path) -> list[Path]:
    """Lists the folders of frames, in order: the source itself or the folders in it.

    Raises:
      ValueError: no *_keypoints.json in either.
    """
    if _files(source):
        return [source]
    folders = sorted(folder for folder in source.glob("*") if folder.is_dir() and _files(folder))
    if not folders:
        raise ValueError(
            f"{source}: no *_keypoints.json in it or in its folders;"
            " expected what OpenPose wrote with --write_json"
        )
    return folders


def read(item: Path, max_persons: int = 2, min_confidence: float = 0.0) -> Clip:
    """Reads one video: layout openpose25 or openpose18, 2D, y down; the first body says which.

    Args:
      item: folder of frames.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.
      min_confidence: joints at or below it are missing, in [0, 1).

    Returns:
      A clip in pixels; "normalised" where no coordinate goes beyond 1.5, as with --keypoint_scale 3
      or 4. Its name is the folder's.

    Raises:
      ValueError: no frames, a file name without a number or with one that occurs twice, no valid
        JSON, people with another number of joints, fewer than two frames, or no person at all.
    """
    files = _files(item)
    if not files:
        raise ValueError(f"{item}: no *_keypoints.json; expected a folder written by OpenPose")
    numbered = sorted((_frame_number(path), path) for path in files)
    rows, length = frame_rows([number for number, _ in numbered], item)
    frames: list[list[Person]] = [[] for _ in range(length)]
    joints = None
    for row, (_, path) in zip(rows, numbered, strict=True):
        for person in _people(path):
            joints = joints or len(person)
            if len(person) != joints:
                raise ValueError(f"{path}: {len(person)} joints; expected {joints} as before")
            frames[row].append(Person(person))
    return clip_of(
        frames, item, layout=None, max_persons=max_persons, min_confidence=min_confidence
    )


def _files(folder: Path) -> list[Path]:
    files = folder.glob("*_keypoints.json")
    return sorted(path for path in files if not path.name.startswith("."))


def _frame_number(path: Path) -> int:
    parts = _NAME.fullmatch(path.stem)
    if parts is None:
        raise ValueError(f"{path}: no frame number; expected NAME_000000000000_keypoints.json")
    return int(parts[1])


def _people(path: Path) -> list[np.ndarray]:
    """Returns [joints, (x, y, confidence)] of each person of a frame that has a pose."""
    people = []
    for i, person in enumerate(field(load_json(path), "people", list, str(path))):
        where = f"{path}: person {i}"
        values = numbers(field(person, "pose_keypoints_2d", list, where), (None,), where)
        if values.size == 0:
            continue  # a face or a hand without a body
        if values.size not in {3 * joints for joints in _JOINTS}:
            raise ValueError(f"{where}: {values.size} numbers; expected 75 or 54 (25 or 18 joints)")
        people.append(values.reshape(-1, 3))
    return people
