"""The Acclaim grammar: ASF files (a body), AMC files (its motion), and where the bones then are."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

_LARGEST = 1e6  # no length, coordinate or angle of a person comes near it
_ROTATIONS = ("rx", "ry", "rz")
_TRANSLATIONS = ("tx", "ty", "tz")


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A body as an ASF file describes it: the root, then its bones.

    Attributes:
      names: of the root ("root") and the bones, in the order of the file.
      parents: index of each one's parent, -1 for the root.
      directions: [joints, 3] unit vectors, from the parent's end to the bone's own; root 0.
      lengths: [joints] bone lengths in the units of the file; root 0.
      axes: [joints, 3] degrees, rotations about x, y, z to the bone's own axes; root 0.
      dof: degrees of freedom ("rx", "tz", ...) of each, in the order of the AMC values.
      metres_per_unit: size of a length unit of the file; 0.0254 / 0.45 in HDM05 and CMU.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    directions: np.ndarray
    lengths: np.ndarray
    axes: np.ndarray
    dof: tuple[tuple[str, ...], ...]
    metres_per_unit: float


def parse_asf(path: Path) -> Skeleton:
    """Reads the body of an ASF file.

    Raises:
      ValueError: with the line: a number that is none, an axis order other than XYZ, radians, a
        bone without name, direction, length or axis, a hierarchy that is not a tree of all bones.
    """
    section, unit = "", 0.0
    root_dof: tuple[str, ...] = ()
    bones: list[dict] = []
    tree: list[tuple[int, list[str]]] = []
    for line, words in _lines(path):
        key, values = words[0].lower(), words[1:]
        if key.startswith(":"):
            section = key
        elif section == ":units" and key == "length":
            unit = _numbers(path, line, values, 1)[0]
            _check(unit > 1e-3, path, line, f"length unit {unit}", "above 0.001, such as 0.45")
        elif section == ":root" and key == "order":
            root_dof = tuple(word.lower() for word in values)
            complete = sorted(root_dof) == sorted(_TRANSLATIONS + _ROTATIONS)
            _check(complete, path, line, f"root order {values}", "TX TY TZ RX RY RZ")
        elif section == ":root" and key in ("position", "orientation"):
            zero = not any(_numbers(path, line, values, 3))
            _check(zero, path, line, f"root {key} {values}", "0 0 0, the only one read")
        elif (section, key) in ((":units", "angle"), (":root", "axis")):
            known = values == ["deg" if key == "angle" else "XYZ"]
            _check(known, path, line, f"{key} {values}", "angle deg, axis XYZ")
        elif section == ":bonedata" and key == "begin":
            bones.append({"line": line, "dof": ()})
        elif section == ":bonedata" and key in ("name", "direction", "length", "axis", "dof"):
            _check(bool(bones), path, line, f"{key!r} outside a bone", "'begin' before it")
            bones[-1][key] = _bone_value(path, line, key, values)
        elif section == ":hierarchy" and key not in ("begin", "end"):
            tree.append((line, words))
    if unit == 0 or not root_dof or not bones:
        raise ValueError(
            f"{path}: saw length unit {unit or None}, root order {root_dof or None} and"
            f" {len(bones)} bones; expected an ASF file with :units, :root and :bonedata"
        )
    for bone in bones:
        missing = [key for key in ("name", "direction", "length", "axis") if key not in bone]
        _check(not missing, path, bone["line"], f"a bone without {missing}", "all of them")
    names = ("root", *(bone["name"] for bone in bones))
    return Skeleton(
        names=names,
        parents=_parents(path, names, tree),
        directions=np.array([[0.0, 0.0, 0.0], *(bone["direction"] for bone in bones)]),
        lengths=np.array([0.0, *(bone["length"] for bone in bones)]),
        axes=np.array([[0.0, 0.0, 0.0], *(bone["axis"] for bone in bones)]),
        dof=(root_dof, *(bone["dof"] for bone in bones)),
        metres_per_unit=0.0254 / unit,  # the unit counts inches
    )


def parse_amc(path: Path) -> dict[str, np.ndarray]:
    """Reads the motion of an AMC file: for each bone [time, dof], as written (degrees, file units).

    Raises:
      ValueError: with the line: a number that is none, radians, frames that do not count up by
        one, a frame whose bones or numbers of values differ from the first frame's.
    """
    frames: list[dict[str, list[float]]] = []
    number, degrees = 0, False
    for line, words in _lines(path):
        if words[0].startswith(":"):
            keyword = words[0].upper()
            _check(keyword != ":RADIANS", path, line, keyword, ":DEGREES; convert the file")
            degrees = degrees or keyword == ":DEGREES"
        elif len(words) == 1 and words[0].isdecimal():
            if len(frames) > 1:
                _check_frame(path, line, frames[0], frames[-1])
            last, number = number, int(words[0][:18])  # no frame number needs more digits
            _check(not frames or number == last + 1, path, line, f"frame {number}", f"{last + 1}")
            frames.append({})
        else:
            good = bool(frames) and len(words) > 1 and words[0] not in frames[-1]
            _check(good, path, line, f"{words[0]!r}", "a frame, then each bone once with values")
            frames[-1][words[0]] = _numbers(path, line, words[1:], len(words) - 1)
    if not frames or not degrees:
        seen = f"{len(frames)} frames and {'' if degrees else 'no '}:DEGREES"
        raise ValueError(f"{path}: saw {seen}; expected an AMC file, :DEGREES and then frames")
    _check_frame(path, line, frames[0], frames[-1])
    return {bone: np.array([frame[bone] for frame in frames]) for bone in frames[0]}


def forward_kinematics(skeleton: Skeleton, motion: dict[str, np.ndarray]) -> np.ndarray:
    """Positions of the root and the bone ends in metres, [time, joints, 3], y up.

    With C = R_xyz(axis) and M = R_xyz(dof), both about the fixed axes x, y, z in turn:
    R_bone = R_parent C M C^-1 and p_bone = p_parent + R_bone (direction * length).

    Args:
      skeleton: the body.
      motion: [time, dof] of each bone that has a dof: degrees, and skeleton units for the root.

    Raises:
      ValueError: the motion has other bones, or other numbers of values, than the skeleton's dof.
    """
    wanted = {name: len(dof) for name, dof in zip(skeleton.names, skeleton.dof) if dof}
    seen = {name: values.shape[1] for name, values in motion.items()}
    for bone in wanted | seen:
        if wanted.get(bone) != seen.get(bone):
            numbers = f"{seen.get(bone, 'no')} values of {bone!r} per frame"
            raise ValueError(f"saw {numbers}; the skeleton has {wanted.get(bone, 'none')}")
    time = len(motion["root"])
    positions = np.empty((time, len(skeleton.names), 3))
    rotations: dict[int, Rotation] = {}
    for joint in _parents_first(skeleton.parents):
        dof = skeleton.dof[joint]
        values = motion.get(skeleton.names[joint], np.zeros((time, 0)))
        angles = _columns(values, dof, _ROTATIONS)
        axis = Rotation.from_euler("xyz", skeleton.axes[joint], degrees=True)
        local = axis * Rotation.from_euler("xyz", angles, degrees=True) * axis.inv()
        bone = skeleton.directions[joint] * skeleton.lengths[joint]
        parent = skeleton.parents[joint]
        rotations[joint] = local if parent < 0 else rotations[parent] * local
        start = _columns(values, dof, _TRANSLATIONS) if parent < 0 else positions[:, parent]
        positions[:, joint] = start + rotations[joint].apply(bone)
    return positions * skeleton.metres_per_unit


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that is neither empty nor a comment."""
    # Any byte is a latin-1 character; comments hold names of German folders.
    with path.open(encoding="latin-1") as file:
        for line, text in enumerate(file, start=1):
            words = text.split()
            if words and not words[0].startswith("#"):
                yield line, words


def _check(good: bool, path: Path, line: int, seen: str, expected: str) -> None:
    if not good:
        raise ValueError(f"{path}: line {line}: saw {seen[:200]}; expected {expected}")


def _numbers(path: Path, line: int, words: Sequence[str], count: int) -> list[float]:
    """The first `count` words as numbers; more may follow, as an axis' order does."""
    try:
        numbers = [float(word) for word in words[:count]]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(-_LARGEST < number < _LARGEST for number in numbers):
        expected = f"{count} number(s) within {_LARGEST:g}"
        _check(False, path, line, f"{' '.join(words)[:60]!r}", expected)
    return numbers


def _bone_value(path: Path, line: int, key: str, words: list[str]) -> object:
    """The value of one line of a bone."""
    if key == "name":
        _check(len(words) == 1, path, line, f"name {words}", "one word")
        return words[0]
    if key == "dof":
        dof = tuple(word.lower() for word in words)
        # The order x, y, z is the only one whose meaning was checked against recordings.
        known = dof == tuple(name for name in _ROTATIONS if name in dof)
        _check(known, path, line, f"dof {words}", "some of rx ry rz in this order")
        return dof
    if key == "length":
        length = _numbers(path, line, words, 1)[0]
        _check(length >= 0, path, line, f"length {length}", "0 or more")
        return length
    if key == "axis":
        _check(words[3:] == ["XYZ"], path, line, f"axis {words}", "three angles, then XYZ")
    return _numbers(path, line, words, 3)


def _parents(path: Path, names: tuple[str, ...], tree: list[tuple[int, list[str]]]) -> tuple:
    """Parent indices from the lines "parent child child ..." of the hierarchy."""
    index = {name: joint for joint, name in enumerate(names)}
    if len(index) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{path}: saw the bones {twice} twice; expected different names")
    parents = [-1] * len(names)
    for line, words in tree:
        for word in words:
            _check(word in index, path, line, f"{word!r}", f"one of the bones {names}")
        for child in words[1:]:
            free = child != "root" and parents[index[child]] < 0
            _check(free, path, line, f"a further parent of {child!r}", "one, and none of the root")
            parents[index[child]] = index[words[0]]
    loose = [names[joint] for joint in set(range(len(names))) - set(_parents_first(parents))]
    if loose:
        raise ValueError(f"{path}: saw no way from the root to bones {loose}; expected one tree")
    return tuple(parents)


def _parents_first(parents: Sequence[int]) -> list[int]:
    """The joints that hang on joint 0, each after its parent."""
    order = [0]
    for joint in order:  # grows while it is read
        order += [child for child, parent in enumerate(parents) if parent == joint]
    return order


def _check_frame(path: Path, line: int, first: dict, frame: dict) -> None:
    """Refuses a frame that ends at the line with other bones or values than the first one."""
    for bone in first | frame:
        wanted, number = len(first.get(bone, ())), len(frame.get(bone, ()))
        seen = f"a frame ending before it with {number} values of {bone!r}"
        _check(number == wanted, path, line, seen, f"{wanted}, as in the first frame")


def _columns(values: np.ndarray, dof: tuple[str, ...], wanted: Sequence[str]) -> np.ndarray:
    """[time, 3] the wanted degrees of freedom, 0 where a bone has them not."""
    zero = np.zeros(len(values))
    return np.stack([values[:, dof.index(name)] if name in dof else zero for name in wanted], 1)
