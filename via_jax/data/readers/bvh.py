"""BVH motion files; clips are made of those with the skeleton of the Bandai-Namco data sets."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from via_jax.data.clip import Clip
from via_jax.data.readers import strict

# Layout "bandai22", by the names in the files.
JOINTS = (
    *("joint_Root", "Hips", "Spine", "Chest", "Neck", "Head"),
    *("Shoulder_L", "UpperArm_L", "LowerArm_L", "Hand_L"),
    *("Shoulder_R", "UpperArm_R", "LowerArm_R", "Hand_R"),
    *("UpperLeg_L", "LowerLeg_L", "Foot_L", "Toes_L"),
    *("UpperLeg_R", "LowerLeg_R", "Foot_R", "Toes_R"),
)
_BANDAI = re.compile(r"dataset-(?P<dataset>\d+)_(?P<content>[^_]+)_(?P<style>[^_]+)_(?P<take>\d+)")
_CHANNEL = re.compile(r"([XYZ])(position|rotation)")
_LARGEST = 1e6  # no coordinate or angle of a person comes near it
_END_SITE = -1  # stands for an "End Site" where joints are counted from 0


@dataclasses.dataclass(frozen=True)
class Recording:
    """What a BVH file holds.

    Attributes:
      names: of the joints, parents before their children; end sites are no joints.
      parents: index of each joint's parent, -1 for the root.
      offsets: [joints, 3] from the parent to the joint, in the units of the file.
      channels: of each joint, in the order of the file, e.g. ("Xposition", "Zrotation").
      values: [time, channels of all joints], file units and degrees.
      frame_time: seconds from a frame to the next.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    values: np.ndarray
    frame_time: float


def parse_bvh(path: Path) -> Recording:
    """Reads a BVH file of one root, with channels in any order.

    Raises:
      ValueError: with the line: a hierarchy that does not nest, a joint without OFFSET or CHANNELS,
        unknown channels, a frame with another number of values, other than the declared frames.
    """
    statements = _statements(path)
    names: list[str] = []
    parents: list[int] = []
    facts: dict[tuple[int, str], list] = {}  # (joint, "OFFSET" or "CHANNELS") -> what follows
    nest: list[int] = []  # open braces
    new: int | None = None  # named, but its brace has not come
    line, words = 0, [""]
    for line, words in statements:
        key = words[0].upper()
        # Only an open joint may hold something; nothing may stand between a name and its brace.
        inside = bool(nest) and nest[-1] != _END_SITE and new is None
        if key == "MOTION":
            break
        if key in ("ROOT", "JOINT"):
            fits = inside if key == "JOINT" else not names
            _check(
                fits, path, line, " ".join(words), "one ROOT { }, and each JOINT in a joint's { }"
            )
            name = " ".join(words[1:])
            good = name != "" and name not in names
            _check(good, path, line, f"joint name {name!r}", "a name that no other joint has")
            new = len(names)
            names.append(name)
            parents.append(nest[-1] if nest else -1)
        elif key == "END":
            _check(inside, path, line, " ".join(words), "End Site in a joint's { }")
            new = _END_SITE
        elif key == "{":
            _check(new is not None, path, line, "'{'", "ROOT, JOINT or End Site before it")
            nest.append(_END_SITE if new is None else new)
            new = None
        elif key == "}":
            _check(bool(nest) and new is None, path, line, "'}'", "a '{' before it for each '}'")
            joint = nest.pop()
            known = joint == _END_SITE or {(joint, "OFFSET"), (joint, "CHANNELS")} <= facts.keys()
            _check(
                known, path, line, f"the end of {names[joint]!r}", "its OFFSET and CHANNELS first"
            )
        elif key in ("OFFSET", "CHANNELS"):
            _check(bool(nest) and new is None, path, line, key, "it in a joint's { }")
            read_fact = _offset if key == "OFFSET" else _channels
            facts[nest[-1], key] = read_fact(path, line, words)
        else:
            _check(key == "HIERARCHY", path, line, f"{' '.join(words)[:60]!r}", "a BVH keyword")
    complete = words[0].upper() == "MOTION" and bool(names) and not nest and new is None
    seen = f"{len(names)} joints, {len(nest)} braces open and {words[0][:60]!r} last"
    _check(complete, path, line, seen, "a HIERARCHY, closed, and MOTION after it")
    channels = tuple(tuple(facts[joint, "CHANNELS"]) for joint in range(len(names)))
    values, frame_time = _motion(path, line, statements, sum(map(len, channels)))
    offsets = np.array([facts[joint, "OFFSET"] for joint in range(len(names))])
    return Recording(tuple(names), tuple(parents), offsets, channels, values, frame_time)


def forward_kinematics(recording: Recording) -> np.ndarray:
    """Positions of the joints in the units of the file, [time, joints, 3].

    R_joint = R_parent R_1 R_2 R_3, the rotations in the order of the joint's channels, and
    p_joint = p_parent + R_parent offset. Position channels replace the offset along their axes
    (they are not added to it: in the Bandai-Namco files they repeat it).
    """
    time = len(recording.values)
    positions = np.zeros((time, len(recording.names), 3))
    rotations: list[Rotation] = []
    columns = iter(recording.values.T)
    for joint, parent in enumerate(recording.parents):
        local = np.tile(recording.offsets[joint], (time, 1))
        rotation = rotations[parent] if parent >= 0 else Rotation.identity(time)
        turned = rotation
        for channel, column in zip(recording.channels[joint], columns):
            if channel.endswith("position"):
                local[:, "XYZ".index(channel[0])] = column
            else:
                turned = turned * Rotation.from_euler(channel[0], column[:, None], degrees=True)
        start = positions[:, parent] if parent >= 0 else 0.0
        positions[:, joint] = start + rotation.apply(local)
        rotations.append(turned)
    return positions


def find(source: Path) -> list[Path]:
    """All .bvh files below a folder, sorted; ValueError if there is none."""
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() == ".bvh")
    if not found:
        raise ValueError(f"{source}: saw no .bvh file below it; expected at least one")
    return found


def read(item: Path, metres_per_unit: float = 0.01) -> Clip:
    """Reads a file with the 22 joints of the Bandai-Namco data sets, layout "bandai22".

    Args:
      item: a file of `find`.
      metres_per_unit: size of a length unit of the file; 0.01 means centimetres.

    Returns:
      Clip in metres, y up, all joints valid, frame rate from the file. A name like
      dataset-1_walk_old_001 gives label "walk" and the extras dataset, content, style and take; the
      .json beside the file, if any, the extras content_id and style_id, and the label where the
      name gives none.

    Raises:
      ValueError: as `parse_bvh`; other joints; fewer than 2 frames; a .json that is not
        {"content": id, "style": id}.
    """
    recording = parse_bvh(item)
    if set(recording.names) != set(JOINTS):
        raise ValueError(
            f"{item}: saw the joints {recording.names}; expected {JOINTS}: clips are made of"
            " Bandai-Namco skeletons only; for others add a layout, or use forward_kinematics"
        )
    order = [recording.names.index(name) for name in JOINTS]
    poses = forward_kinematics(recording)[None, :, order] * metres_per_unit
    named = _BANDAI.fullmatch(item.stem)
    extra = {**(named.groupdict() if named else {}), **_identifiers(item.with_suffix(".json"))}
    clip = Clip(
        poses=poses.astype(np.float32),
        valid=np.ones(poses.shape[:3], bool),
        layout="bandai22",
        name=item.stem,
        label=extra.get("content", extra.get("content_id")),
        units="metres",
        y_up=True,
        frame_rate=round(1 / recording.frame_time, 3),  # the file's 0.0333333 means 30
        extra=extra,
    )
    return strict.checked(clip, item)


def _statements(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of each line; a brace is a statement of its own."""
    # Any byte is a latin-1 character, so a foreign joint name is no error; utf-8 marks are cut.
    with path.open(encoding="latin-1") as file:
        for line, text in enumerate(file, start=1):
            for part in re.split(r"([{}])", text.removeprefix("\xef\xbb\xbf")):
                words = part.split()
                if words:
                    yield line, words


def _check(good: bool, path: Path, line: int, seen: str, expected: str) -> None:
    if not good:
        raise ValueError(f"{path}: line {line}: saw {seen}; expected {expected}")


def _numbers(path: Path, line: int, words: Sequence[str], count: int) -> list[float]:
    """The words as this many numbers."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    good = len(numbers) == count and all(-_LARGEST < number < _LARGEST for number in numbers)
    seen = f"{len(words)} values {' '.join(words)[:60]!r}"
    _check(good, path, line, seen, f"{count} number(s) within {_LARGEST:g}")
    return numbers


def _offset(path: Path, line: int, words: list[str]) -> list[float]:
    return _numbers(path, line, words[1:], 3)


def _channels(path: Path, line: int, words: list[str]) -> list[str]:
    names = words[2:]
    known = all(_CHANNEL.fullmatch(name) for name in names) and len(set(names)) == len(names)
    good = known and words[1:2] == [str(len(names))]
    _check(good, path, line, " ".join(words)[:99], "their number, then names like Xrotation")
    return names


def _motion(
    path: Path, line: int, statements: Iterator[tuple[int, list[str]]], channels: int
) -> tuple[np.ndarray, float]:
    """Values [time, channels] and frame time of what follows MOTION."""
    head = []
    for expected in (["FRAMES:"], ["FRAME", "TIME:"]):
        line, words = next(statements, (line, ["end", "of", "file"]))
        good = [word.upper() for word in words[:-1]] == expected
        _check(good, path, line, f"{' '.join(words)[:60]!r}", f"{' '.join(expected)} and a number")
        head.append((line, words[-1]))
    (count_line, count), (time_line, time) = head
    frame_time = _numbers(path, time_line, [time], 1)[0]
    good = 1e-6 < frame_time < 60
    _check(good, path, time_line, f"frame time {time}", "seconds, more than 0 and less than 60")
    rows = [np.array(_numbers(path, line, words, channels)) for line, words in statements]
    # Only the lines that are there were read, whatever number is declared.
    good = bool(rows) and count == str(len(rows))
    _check(good, path, count_line, f"Frames: {count[:20]}", f"{len(rows)}, the frames in the file")
    return np.stack(rows), frame_time


def _identifiers(path: Path) -> dict[str, str]:
    """Content and style ids of the .json of a Bandai-Namco file; empty if there is none."""
    if not path.is_file():
        return {}
    record = strict.load_json(path)
    ids = {key: strict.field(record, key, int, str(path)) for key in ("content", "style")}
    return {f"{key}_id": str(value) for key, value in ids.items()}
