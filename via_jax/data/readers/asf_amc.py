"""HDM05, CMU mocap and their like: clips of Acclaim files, a motion with the body beside it."""

import re
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers import strict
from via_jax.data.readers.acclaim import forward_kinematics, parse_amc, parse_asf

# Layout "hdm05": the root, then the end of each bone, in the order of the ASF files.
JOINTS = (
    "root",
    *("lhipjoint", "lfemur", "ltibia", "lfoot", "ltoes"),
    *("rhipjoint", "rfemur", "rtibia", "rfoot", "rtoes"),
    *("lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head"),
    *("lclavicle", "lhumerus", "lradius", "lwrist", "lhand", "lfingers", "lthumb"),
    *("rclavicle", "rhumerus", "rradius", "rwrist", "rhand", "rfingers", "rthumb"),
)
# Folders 1, 2, ... of the HDM05 train and test subset.
_CLASSES = (
    *("depositFloorR", "elbowToKnee", "grabHighR", "hopBothLegs", "jogLeftCircle", "kickLFront"),
    *("lieDownFloor", "rotateArmsBothBackward", "sneak", "squat", "throwBasketball"),
)
_CLASS_OF_FOLDER = {str(folder): name for folder, name in enumerate(_CLASSES, start=1)}
_HDM05 = re.compile(r"HDM_(?P<subject>[a-z]+)_(?P<label>[a-z]\w*)_(?P<take>\d+)_(?P<rate>[1-9]\d*)")
_CMU = re.compile(r"(?P<subject>\d+)_(?P<take>\d+)")


def find(source: Path) -> list[tuple[Path, Path]]:
    """Pairs (motion, body) of all .amc files below a folder, sorted.

    The body stands in the same folder: the .asf whose name starts the motion's (HDM_bd.asf for
    HDM_bd_squat1Reps_001_120.amc, 01.asf for 01_02.amc), or the only .asf there.

    Raises:
      ValueError: no .amc below the folder, or one without a body.
    """
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() == ".amc")
    if not found:
        raise ValueError(
            f"{source}: saw no .amc file below it; expected .amc files with their .asf"
        )
    return [with_body(amc) for amc in found]


def with_body(amc: Path) -> tuple[Path, Path]:
    """The pair of `find` of one motion.

    Raises:
      ValueError: no such file, or one without a body.
    """
    if not amc.is_file():
        raise ValueError(f"{amc}: no file; expected an .amc beside its .asf")
    bodies = sorted(path for path in amc.parent.iterdir() if path.suffix.lower() == ".asf")
    named = [body for body in bodies if f"{amc.stem}_".startswith(f"{body.stem}_")]
    if not named and len(bodies) != 1:
        raise ValueError(
            f"{amc}: saw the bodies {[body.name for body in bodies]} beside it; expected one .asf"
            " file in its folder, or one whose name starts the motion's name"
        )
    return amc, max(named or bodies, key=lambda body: len(body.stem))


def read(item: tuple[Path, Path], keep_every: int = 4) -> Clip:
    """Reads one motion of the 31 joints of `JOINTS`, layout "hdm05".

    Args:
      item: a pair of `find`.
      keep_every: 1 keeps all frames, n every n-th from the first on; 4 turns the 120 frames per
        second of HDM05 into 30.

    Returns:
      Clip in metres, y up, all joints valid. A HDM05 name gives subject, label, take and frame
      rate; in the folders train/1 to test/11 the folder gives label and split. A CMU name gives
      subject and take. No AMC file tells its frame rate: it is None without a HDM05 name.

    Raises:
      ValueError: as `parse_asf`, `parse_amc` and `forward_kinematics`, with the path; a body that
        lacks some of the joints; keep_every below 1 or leaving fewer than 2 frames.
    """
    if keep_every < 1:
        raise ValueError(f"keep_every={keep_every} must be at least 1")
    amc, asf = item
    skeleton = parse_asf(asf)
    lacking = [name for name in JOINTS if name not in skeleton.names]
    if lacking:
        seen = f"the bones {skeleton.names[1:]}, without {lacking}"
        raise ValueError(f"{asf}: saw {seen}; expected those of HDM05 and CMU")
    motion = {name: values[::keep_every] for name, values in parse_amc(amc).items()}
    try:
        positions = forward_kinematics(skeleton, motion)
    except ValueError as error:
        raise ValueError(f"{amc}: {error} (body {asf.name})") from error
    poses = positions[None, :, [skeleton.names.index(name) for name in JOINTS]]
    hdm05 = _HDM05.fullmatch(amc.stem)
    name = hdm05 or _CMU.fullmatch(amc.stem)
    facts = name.groupdict() if name else {}
    label, split = facts.get("label"), None
    if hdm05 and amc.parent.name in _CLASS_OF_FOLDER:
        label = _CLASS_OF_FOLDER[amc.parent.name]
        split = amc.parent.parent.name if amc.parent.parent.name in ("train", "test") else None
    clip = Clip(
        poses=poses.astype(np.float32),
        valid=np.ones(poses.shape[:3], bool),
        layout="hdm05",
        name=amc.stem,
        label=label,
        subject=facts.get("subject"),
        units="metres",
        y_up=True,
        frame_rate=float(facts["rate"]) / keep_every if hdm05 else None,
        split=split,
        extra={"take": facts["take"]} if facts else {},
    )
    return strict.checked(clip, amc)
