"""NTU RGB+D 60 and 120: a text file per clip with Kinect 2 bodies (Shahroudy 2016, Liu 2019).

`SsssCcccPpppRrrrAaaa.skeleton` (setup, camera, performer, replication, action) holds the number of
frames; for each frame the number of bodies; for each body a line of 10 values that begins with its
tracking number, a line with the number of joints, and for each joint a line of 12 values: x, y, z,
four image coordinates, four of the orientation, trackingState. NTU RGB+D 60 is setup 1 to 17.

Axes are the sensor's: metres, x to its left, y up, z away from it. They are right-handed like those
of the other 3D readers, so nothing is turned: up x (left hip to right hip) points where toes do.

What is missing: a frame in which the body is not listed, and a joint at (0, 0, 0) or with a NaN.
trackingState is not used: an inferred joint (1) is the sensor's own guess, and the
published results on this data set keep it.

Bodies are followed by their tracking number, in whatever order a frame lists them. The sensor may
lose a person and give another number later, which makes another person here; it may also see
one in a chair. The data set's authors keep the bodies that move most, and so does `prepare`.
"""

import collections
import itertools
import math
import re
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.strict import checked

SETUPS_60 = 17  # the setups of NTU RGB+D 60 come first
_JOINTS, _COORDS = 25, 3
_NAME = re.compile(r"(S\d{3})(C\d{3})(P\d{3})(R\d{3})(A\d{3})")
_LAST = (32, 3, 106, 2, 120)  # of setups, cameras, performers, replications, actions
_FRAME_RATE = 30.0
_BODY_VALUES, _JOINT_VALUES = 10, 12
_LARGEST = 1e6  # beyond any metre or pixel
_MOST = 100_000  # bodies times frames of one clip; the longest clips have some hundred frames


def find(source: Path) -> list[Path]:
    """Lists the files of NTU RGB+D 120 below a folder, in order of their names.

    Names in the official lists of samples with missing skeletons are left out: put
    NTU_RGBD120_samples_with_missing_skeletons.txt (or the one of NTU RGB+D 60) into the folder, as
    published. Any file below it whose name contains "missing_skeleton" is read as such a list.

    Raises:
      ValueError: no *.skeleton of that name there, all of them left out, or a list without names.
    """
    lists = sorted(path for path in source.rglob("*missing_skeleton*") if path.is_file())
    missing = set().union(*map(_listed, lists))
    named = [path for path in source.rglob("*.skeleton") if _NAME.fullmatch(path.stem)]
    files = sorted((path for path in named if path.stem not in missing), key=lambda path: path.name)
    if not files:
        raise ValueError(
            f"{source}: {len(named)} SsssCcccPpppRrrrAaaa.skeleton, none but those listed as"
            " missing; expected the skeleton files of NTU RGB+D"
        )
    return files


def find_60(source: Path) -> list[Path]:
    """Lists the files of NTU RGB+D 60: as `find`, setups 1 to 17 only.

    Raises:
      ValueError: as `find`, or all files are of later setups.
    """
    files = [path for path in find(source) if int(path.stem[1:4]) <= SETUPS_60]
    if not files:
        raise ValueError(f"{source}: no file of setup S001 to S017; expected NTU RGB+D 60")
    return files


def read(item: Path) -> Clip:
    """Reads one clip: layout ntu25, one person for each body seen, 3D metres, y up, 30 Hz.

    Returns:
      A clip with label ("A001" to "A120"), subject ("P001"), camera ("C001") and the extras setup
      ("S001") and replication ("R001").

    Raises:
      ValueError: a file name of another form, as `parse`, nobody in the file, or one frame only.
    """
    parts = _NAME.fullmatch(item.stem)
    if parts is None or not all(
        1 <= int(part[1:]) <= last for part, last in zip(parts.groups(), _LAST, strict=True)
    ):
        raise ValueError(
            f"{item}: expected a name SsssCcccPpppRrrrAaaa.skeleton, with numbers from 001 to"
            f" {', '.join(f'{last:03}' for last in _LAST)}"
        )
    poses, valid = parse(item, _JOINTS, _COORDS)
    if not valid.any():
        raise ValueError(
            f"{item}: nobody in {poses.shape[1]} frames; expected a body. Such samples are in the"
            " official list: put NTU_RGBD120_samples_with_missing_skeletons.txt beside the files"
            " and they are left out"
        )
    setup, camera, subject, replication, label = parts.groups()
    clip = Clip(
        poses=poses,
        valid=valid,
        layout="ntu25",
        name=item.stem,
        label=label,
        subject=subject,
        camera=camera,
        units="metres",
        y_up=True,
        frame_rate=_FRAME_RATE,
        extra={"setup": setup, "replication": replication},
    )
    return checked(clip, item)


def parse(path: Path, joints: int, coords: int) -> tuple[np.ndarray, np.ndarray]:
    """Reads a file of this grammar; UAV-Human has it too.

    Only the first `coords` values of a joint are turned into numbers. Lines after the last frame
    are not read. Where a frame lists a tracking number twice, the second is another person.

    Args:
      path: the file.
      joints: how many a body must have.
      coords: 3 for x, y, z, or 2 for x, y.

    Returns:
      (poses, valid): [persons, time, joints, coords] float32 in the file's units, and [persons,
      time, joints] bool; persons in the order of their first frames, none where nobody was seen.

    Raises:
      ValueError: no file, a file that ends early, a line with another number of values, another
        number of joints, a count, tracking number or coordinate that is none or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected text") from error
    lines = data.removesuffix(b"\n").split(b"\n")
    frames, line = _count(lines, 0, path), 1
    persons: dict[tuple[int, int], int] = {}
    person_of, frame_of, first_of = [], [], []  # of each body of each frame
    for frame in range(frames):  # ends where the lines do, whatever the count says
        bodies, line = _count(lines, line, path), line + 1
        times: collections.Counter[int] = collections.Counter()
        for _ in range(bodies):
            number = _tracking_number(lines, line, path)
            if _count(lines, line + 1, path) != joints:
                raise _wrong(lines, line + 1, path, f"{joints}, the number of joints")
            person_of.append(persons.setdefault((number, times[number]), len(persons)))
            frame_of.append(frame)
            first_of.append(line + 2)
            times[number] += 1
            line += 2 + joints
    if line > len(lines):
        raise _wrong(lines, line - 1, path, "")
    if len(persons) * frames > _MOST:
        raise ValueError(
            f"{path}: {len(persons)} bodies in {frames} frames; expected a product of at most"
            f" {_MOST}"
        )
    values = _coordinates(data, lines, first_of, joints, coords, path)
    seen = ~np.isnan(values).any(axis=-1) & (values != 0).any(axis=-1)  # [bodies, joints]
    poses = np.zeros((len(persons), frames, joints, coords), np.float32)
    valid = np.zeros((len(persons), frames, joints), bool)
    poses[person_of, frame_of] = np.where(seen[..., None], values, 0.0)
    valid[person_of, frame_of] = seen
    return poses, valid


def _listed(path: Path) -> set[str]:
    """Returns the names in a list of missing samples; the published lists begin with prose."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; expected a list of samples, as published") from error
    names = {line.strip().removesuffix(".skeleton") for line in lines}
    names = {name for name in names if _NAME.fullmatch(name)}
    if not names:
        raise ValueError(f"{path}: no name SsssCcccPpppRrrrAaaa; expected one a line, as published")
    return names


def _coordinates(
    data: bytes, lines: list[bytes], first_of: list[int], joints: int, coords: int, path: Path
) -> np.ndarray:
    """Returns [bodies, joints, coords] float64 of the joint lines that begin at each `first_of`."""
    where = np.add.outer(np.array(first_of, np.int64), np.arange(joints))  # [bodies, joints]
    lengths = _words_of_lines(data)[where]
    for body, joint in np.argwhere(lengths != _JOINT_VALUES)[:1]:
        raise _wrong(lines, where[body, joint], path, f"{_JOINT_VALUES} values of a joint")
    rows = [row for first in first_of for row in lines[first : first + joints]]
    words = list(itertools.chain.from_iterable([row.split(None, coords) for row in rows]))
    del words[coords :: coords + 1]  # the rest of each line stays text, which is most of the speed
    try:
        values = np.fromiter(map(float, words), np.float64, len(words))
    except ValueError:
        values = np.array([_number(word) for word in words])
    values = values.reshape(-1, joints, coords)
    for body, joint, _ in np.argwhere(np.abs(values) > _LARGEST)[:1]:
        raise _wrong(lines, where[body, joint], path, f"{coords} coordinates first")
    return values


def _words_of_lines(data: bytes) -> np.ndarray:
    """Returns how many words each line holds, at once for all lines."""
    text = np.frombuffer(data, np.uint8)
    begins = text > ord(" ")
    begins[1:] &= text[:-1] <= ord(" ")
    starts = np.concatenate([[0], np.flatnonzero(text[:-1] == ord("\n")) + 1])
    return np.add.reduceat(begins, starts, dtype=np.int64)


def _number(word: bytes) -> float:
    """Returns the number, or one that is too large where the word is none."""
    try:
        return float(word)
    except ValueError:
        return math.inf


def _count(lines: list[bytes], line: int, path: Path) -> int:
    try:
        count = int(lines[line])
    except (IndexError, ValueError):
        count = -1
    if count < 0:
        raise _wrong(lines, line, path, "a number of frames, bodies or joints")
    return count


def _tracking_number(lines: list[bytes], line: int, path: Path) -> int:
    """Returns a body's number as an integer: two of 17 digits may be the same float."""
    words = lines[line].split() if line < len(lines) else []
    try:
        if len(words) == _BODY_VALUES:
            return int(words[0])
    except ValueError:
        pass
    raise _wrong(lines, line, path, f"{_BODY_VALUES} values of a body, its whole number first")


def _wrong(lines: list[bytes], line: int, path: Path, expected: str) -> ValueError:
    if line >= len(lines):
        return ValueError(
            f"{path}: ends after line {len(lines)}; expected at least {line + 1} lines, by the"
            " numbers of frames, bodies and joints"
        )
    seen = repr(lines[line].strip().decode("latin-1")[:60])
    return ValueError(f"{path}: line {line + 1}: {seen}; expected {expected}")
