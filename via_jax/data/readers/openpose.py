"""OpenPose: a folder per video with one JSON file per frame (Cao et al., BODY_25 and COCO models).

`NAME_000000000000_keypoints.json` holds {"people": [{"pose_keypoints_2d": [x, y, confidence,
...]}]} with 25 or 18 joints. Persons have no identity in these files; `follow` gives them one.

What is missing: a joint with confidence 0 or at (0, 0) (OpenPose writes 0, 0, 0), and a frame
without people. Frames are ordered by the number in the file name; a number left out is a frame
without people.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.strict import checked, field, load_json, numbers

_LAYOUTS = {25: "openpose25", 18: "openpose18"}  # by number of joints
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
    """Reads one video: layout openpose25 or openpose18, 2D, y down.

    Args:
      item: folder of frames.
      max_persons: how many persons to keep, see `follow`; fewer where fewer were seen.
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
    frames: list[np.ndarray | None] = [None] * length
    joints = None
    for row, (_, path) in zip(rows, numbered, strict=True):
        people = _people(path)
        if people:
            joints = joints or len(people[0])
            for person in people:
                if len(person) != joints:
                    raise ValueError(f"{path}: {len(person)} joints; expected {joints} as before")
            frames[row] = np.stack(people)
    if joints is None:
        raise ValueError(
            f"{item}: nobody in {len(files)} frames; expected a person in at least one"
        )
    poses, valid = follow(frames, joints, max_persons, min_confidence)
    clip = Clip(
        poses=poses,
        valid=valid,
        layout=_LAYOUTS[joints],
        name=item.absolute().name,
        units="pixels" if np.abs(poses).max(initial=0.0) > 1.5 else "normalised",
    )
    return checked(clip, item)


def frame_rows(frame_numbers: Sequence[int], path: Path) -> tuple[list[int], int]:
    """Gives each frame its row; frames lost in between leave a row free.

    Args:
      frame_numbers: in ascending order; steps may be longer than one.
      path: for the message.

    Returns:
      The rows, from 0, and the number of rows.

    Raises:
      ValueError: a number that does not grow, or more frames lost than there are.
    """
    steps = [following - number for number, following in itertools.pairwise(frame_numbers)]
    for number, step in zip(frame_numbers, steps, strict=False):
        if step < 1:
            raise ValueError(
                f"{path}: frame {number + step} after frame {number}; expected growing numbers,"
                " one video only"
            )
    step = math.gcd(*steps) or 1
    rows = [(number - frame_numbers[0]) // step for number in frame_numbers]
    if rows[-1] + 1 > 2 * len(rows):
        raise ValueError(
            f"{path}: {len(rows)} frames with numbers {frame_numbers[0]} to {frame_numbers[-1]};"
            " expected at most half of the frames to be lost"
        )
    return rows, rows[-1] + 1


@dataclasses.dataclass
class _Track:
    """One person over the frames: what was seen when, the body's size and how much it moved."""

    # frame -> ([joints, (x, y, ...)], [joints] bool)
    seen: dict[int, tuple[np.ndarray, np.ndarray]]
    size: float
    motion: float


def follow(
    frames: Sequence[np.ndarray | None],
    joints: int,
    max_persons: int,
    min_confidence: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Follows persons over the frames and keeps the main ones.

    Greedy: in each frame the closest pair of a known person (as last seen) and a detection is
    joined, then the next closest; persons seen more lately come first, so that a false detection of
    long ago takes nobody over. The distance is the mean over the joints valid in both; beyond the
    diagonal of the body's box, or without a common joint, a detection is a new person.
    Kept first are the persons seen in at least half as many frames as the one seen most, ordered by
    the distance they moved in all (the mean over joints, summed over frames); then the others.

    Args:
      frames: [people, joints, (x, y, confidence, ...)] per frame, None where nobody is; further
        columns go with their joint and decide nothing.
      joints: number of joints.
      max_persons: at least 1.
      min_confidence: joints at or below it are missing, in [0, 1).

    Returns:
      poses [persons, time, joints, (x, y, ...)] float32, 0 where missing, and valid [persons, time,
      joints]; persons <= max_persons.

    Raises:
      ValueError: max_persons or min_confidence out of range.
    """
    if max_persons < 1:
        raise ValueError(f"max_persons={max_persons}; expected at least 1")
    if not 0 <= min_confidence < 1:
        raise ValueError(f"min_confidence={min_confidence}; expected a number in [0, 1)")
    tracks: list[_Track] = []
    for time, people in enumerate(frames):
        if people is not None:
            _extend(tracks, time, people, min_confidence)
    longest = max((len(track.seen) for track in tracks), default=0)
    tracks.sort(key=lambda track: (2 * len(track.seen) < longest, -track.motion))
    kept = tracks[:max_persons]
    columns = next((people.shape[-1] for people in frames if people is not None), 3)
    poses = np.zeros((len(kept), len(frames), joints, columns - 1), np.float32)
    valid = np.zeros((len(kept), len(frames), joints), bool)
    for person, track in enumerate(kept):
        for time, (pose, seen) in track.seen.items():
            poses[person, time] = np.where(seen[:, None], pose, 0.0)
            valid[person, time] = seen
    return poses, valid


def _extend(tracks: list[_Track], time: int, people: np.ndarray, min_confidence: float) -> None:
    """Adds a frame's detections to the tracks, or as new tracks."""
    places, confidence = people[..., :2], people[..., 2]
    seen = (confidence > min_confidence) & np.isfinite(places).all(-1) & (places != 0).any(-1)
    poses = np.delete(people, 2, axis=-1)
    detections = [(pose, mask) for pose, mask in zip(poses, seen, strict=True) if mask.any()]
    sizes = [math.hypot(*np.ptp(pose[mask, :2], axis=0)) for pose, mask in detections]
    pairs = []
    for i, track in enumerate(tracks):
        last_time, (last_pose, last_seen) = next(reversed(track.seen.items()))
        for j, (pose, mask) in enumerate(detections):
            common = mask & last_seen
            if common.any():
                distance = np.linalg.norm((pose - last_pose)[common, :2], axis=-1).mean()
                if distance <= max(track.size, sizes[j]):
                    pairs.append((time - last_time, float(distance), i, j))
    taken: set[int] = set()
    joined: set[int] = set()
    for _, distance, i, j in sorted(pairs):
        if i not in taken and j not in joined:
            taken.add(i)
            joined.add(j)
            tracks[i].seen[time] = detections[j]
            tracks[i].motion += distance
            tracks[i].size = max(tracks[i].size, sizes[j])
    for j, detection in enumerate(detections):
        if j not in joined:
            tracks.append(_Track({time: detection}, sizes[j], 0.0))


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
        if values.size not in {3 * joints for joints in _LAYOUTS}:
            raise ValueError(f"{where}: {values.size} numbers; expected 75 or 54 (25 or 18 joints)")
        people.append(values.reshape(-1, 3))
    return people
