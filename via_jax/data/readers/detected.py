"""What the readers of pose detectors share: frames in order, joint layouts by their number."""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from via_jax import skeletons
from via_jax.data import tracking
from via_jax.data.clip import Clip
from via_jax.data.readers.strict import checked, load_json, numbers

# Layout by the number of joints in a file, and how many of them make the body. Whole-body models
# (COCO-WholeBody, Halpe-136) list the face and the hands after it.
BODIES = {
    17: ("coco17", 17),
    18: ("openpose18", 18),
    25: ("openpose25", 25),
    26: ("halpe26", 26),
    33: ("mediapipe33", 33),
    133: ("coco17", 17),
    136: ("halpe26", 26),
}
_NUMBER = re.compile(r"(.*?)([0-9]{1,18})[^0-9]*", re.DOTALL)
_SPARSEST = 20  # a list that leaves out the frames without people may leave out 19 of 20


class Person(NamedTuple):
    """One detection.

    Attributes:
      joints: [joints, (x, y, confidence)] floats; confidence in [0, 1], 0 where missing.
      track: the detector's id of the person, None without.
    """

    joints: np.ndarray
    track: int | None = None


def clip_of(
    frames: Sequence[Sequence[Person]],
    path: Path,
    *,
    layout: str | None,
    max_persons: int,
    min_confidence: float,
    image_size: tuple[int, int] | None = None,
) -> Clip:
    """Follows the people of a video and makes a clip of the main ones, see `tracking.follow`.

    Args:
      frames: the people of each frame, in order.
      path: what was read; the clip has its name.
      layout: name of the joint layout, None takes the usual one of this number of joints.
      max_persons: how many persons to keep; fewer where fewer were seen.
      min_confidence: joints at or below it are missing, in [0, 1).
      image_size: (width, height) in pixels where it is known.

    Returns:
      A clip in 2D, y down, in pixels; "normalised" where no coordinate goes beyond 1.5.

    Raises:
      ValueError: nobody, people of several numbers of joints or of another than the layout's, fewer
        than two frames, or no valid joint.
    """
    counts = {len(person.joints) for people in frames for person in people}
    if not counts:
        raise ValueError(
            f"{path}: nobody in {len(frames)} frames; expected a person in one of them"
        )
    if len(counts) > 1:
        raise ValueError(
            f"{path}: people with {min(counts)} and with {max(counts)} joints; expected one number"
        )
    name, body = layout_of(counts.pop(), layout, path)
    stacked = [
        np.stack([person.joints[:body] for person in people]) if people else None
        for people in frames
    ]
    ids = [[person.track for person in people] for people in frames]
    poses, valid = tracking.follow(stacked, body, max_persons, min_confidence, ids)
    clip = Clip(
        poses=poses,
        valid=valid,
        layout=name,
        name=path.absolute().name if path.is_dir() else path.stem,
        units="pixels" if np.abs(poses).max(initial=0.0) > 1.5 else "normalised",
        image_size=image_size,
    )
    return checked(clip, path)


def layout_of(joints: int, layout: str | None, path: Path) -> tuple[str, int]:
    """Returns a layout for a number of joints, and how many of these it takes.

    Raises:
      ValueError: the layout named has another number, or none is known for it.
    """
    if layout is not None:
        wanted = skeletons.get_layout(layout).num_joints
        if joints != wanted:
            raise ValueError(
                f"{path}: people of {joints} joints; expected {wanted}, as layout {layout} has"
            )
        return layout, wanted
    if joints not in BODIES:
        known = ", ".join(f"{count} ({name})" for count, (name, _) in BODIES.items())
        raise ValueError(f"{path}: people of {joints} joints; expected one of {known}")
    return BODIES[joints]


def triples(value: Any, where: str) -> np.ndarray:
    """Returns [joints, (x, y, confidence)] of a flat list x, y, confidence, x, ...

    Raises:
      ValueError: no list of numbers, or another number of them than a body of `BODIES` has.
    """
    flat = numbers(value, (None,), where)
    if flat.size % 3 or flat.size // 3 not in BODIES:
        counts = ", ".join(str(3 * count) for count in BODIES)
        raise ValueError(
            f"{where}: {flat.size} numbers; expected x, y and confidence of each joint, that is one"
            f" of {counts}"
        )
    return flat.reshape(-1, 3)


def track_of(value: Any, where: str) -> int | None:
    """Returns a track id: a whole number or None; of lists around it the first element counts.

    Raises:
      ValueError: something else.
    """
    seen = value
    while isinstance(value, list) and value:  # AlphaPose keeps the ids of the merged detections
        value = value[0]
    if value is None:
        return None
    if type(value) in (int, float) and abs(value) < 2**53 and value == int(value):
        return int(value)
    raise ValueError(f"{where}: track id {str(seen)[:40]!r}; expected a whole number")


def frames_of(item: Path, people_of: Callable[[Any, str], list[Person]]) -> list[list[Person]]:
    """Reads a folder with a JSON file for each frame, or one file with a list of frames.

    Args:
      item: the folder or the file.
      people_of: turns a frame's JSON into its people; takes the place in the file too.

    Raises:
      ValueError: as `frame_files`, `frame_rows` or people_of; a file that holds no JSON or no list.
    """
    if item.is_dir():
        files = frame_files(item)
        rows, length = frame_rows([number for number, _ in files], item)
        frames: list[list[Person]] = [[] for _ in range(length)]
        for row, (_, path) in zip(rows, files):
            frames[row] = people_of(load_json(path), str(path))
        return frames
    content = load_json(item)
    if not isinstance(content, list):
        raise ValueError(f"{item}: of type {type(content).__name__}; expected a list of frames")
    return [people_of(frame, f"{item}: frame {i}") for i, frame in enumerate(content)]


def in_order(
    records: Iterable[tuple[int, Person]], path: Path, frames: Iterable[int] = ()
) -> list[list[Person]]:
    """Sorts people, interleaved in any order, into the frames from the first to the last.

    Args:
      records: (frame number, person). Frames without people may be missing from the list.
      path: for the message.
      frames: numbers of frames that are there whether somebody was seen or not.

    Raises:
      ValueError: more frames without people than can be, see `frame_rows`.
    """
    by_frame: dict[int, list[Person]] = {number: [] for number in frames}
    for number, person in records:
        by_frame.setdefault(number, []).append(person)
    if not by_frame:
        return []
    rows, length = frame_rows(sorted(by_frame), path, sparsest=_SPARSEST)
    ordered: list[list[Person]] = [[] for _ in range(length)]
    for row, number in zip(rows, sorted(by_frame)):
        ordered[row] = by_frame[number]
    return ordered


def frame_rows(
    frame_numbers: Sequence[int], path: Path, sparsest: int = 2
) -> tuple[list[int], int]:
    """Gives each frame its row; frames lost in between leave a row free.

    Args:
      frame_numbers: in ascending order; steps may be longer than one.
      path: for the message.
      sparsest: at most so many rows a frame.

    Returns:
      The rows, from 0, and the number of rows.

    Raises:
      ValueError: a number that does not grow, or more frames lost than `sparsest` allows.
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
    if rows[-1] + 1 > sparsest * len(rows):
        share = "half" if sparsest == 2 else f"{sparsest - 1} of {sparsest}"
        raise ValueError(
            f"{path}: {len(rows)} frames with numbers {frame_numbers[0]} to {frame_numbers[-1]};"
            f" expected at most {share} of the frames to be lost"
        )
    return rows, rows[-1] + 1


def numbered(name: str, where: str) -> tuple[str, int]:
    """Splits a name at its last number: "cam2_012.jpg" gives ("cam2_", 12).

    Raises:
      ValueError: no number in it.
    """
    match = _NUMBER.fullmatch(Path(name).stem)
    if match is None:
        raise ValueError(f"{where}: {name[:80]!r}; expected a name with the number of the frame")
    return match[1], int(match[2])


def frame_files(folder: Path) -> list[tuple[int, Path]]:
    """Returns (frame number, file) of the *.json of a folder, in order of the last number.

    Raises:
      ValueError: none, a name without a number, or names of several videos.
    """
    files = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if not files:
        raise ValueError(f"{folder}: no *.json; expected a file for each frame")
    names = [numbered(path.name, str(path)) for path in files]
    if len({before for before, _ in names}) > 1:
        raise ValueError(
            f"{folder}: files of several names, as {files[0].name} and {files[-1].name}; expected"
            " the frames of one video"
        )
    return sorted((number, path) for (_, number), path in zip(names, files))
