"""Northwestern-UCLA: one JSON file per clip with 20 Kinect joints (Wang et al., CVPR 2014).

`aAA_sSS_eEE_vVV.json` (action, subject, repetition, view) holds
{"file_name", "skeletons": [time][20][x, y, z], "label": 1 to 10}, in metres, in the frame of the
camera: x right, y up, z away. The views of a performance are not frame-aligned.

What is missing: NaN, null or an empty list in place of a joint or a frame, and a joint at exactly
(0, 0, 0), the camera's own place (12 joints in two clips of the published files).
Two clips hold one frame only (a02_s09_e04_v02 and _v03); they are official, so one frame is enough.
"""

import re
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.strict import checked, field, load_json, numbers

# Class names in label order, and the numbers the actions have in the file names.
LABELS = (
    *("pick up with one hand", "pick up with two hands", "drop trash", "walk around", "sit down"),
    *("stand up", "donning", "doffing", "throw", "carry"),
)
ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)
_JOINTS = 20
_NAME = re.compile(r"a(\d{2})_(s\d{2})_(e\d{2})_(v\d{2})")


def find(source: Path) -> list[Path]:
    """Lists the clips, in order, of the NW-UCLA folder or of its folder all_sqe/.

    Raises:
      ValueError: no aAA_sSS_eEE_vVV.json there.
    """
    folder = source / "all_sqe" if (source / "all_sqe").is_dir() else source
    files = sorted(path for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))
    if not files:
        raise ValueError(f"{folder}: no aAA_sSS_eEE_vVV.json; expected the files of NW-UCLA")
    return files


def read(item: Path) -> Clip:
    """Reads one clip: layout kinect20, one person, 3D metres, y up.

    Returns:
      A clip with label, subject ("s01"), camera ("v01") and extra repetition ("e00").

    Raises:
      ValueError: a file name of another form, no valid JSON, a frame that does not hold 20 joints
        of 3 numbers, a label other than the file name's action, or no valid joint.
    """
    parts = _NAME.fullmatch(item.stem)
    if parts is None or int(parts[1]) not in ACTIONS:
        raise ValueError(
            f"{item}: expected a name aAA_sSS_eEE_vVV.json with an action of {ACTIONS}"
        )
    label = ACTIONS.index(int(parts[1]))
    record = load_json(item)
    if field(record, "label", int, str(item)) != label + 1:
        raise ValueError(
            f"{item}: label {record['label']}; expected {label + 1}, of the action in the name"
        )
    frames = field(record, "skeletons", list, str(item))
    if not frames:
        raise ValueError(f"{item}: no frame; expected at least one skeleton")
    raw = np.stack([_frame(frame, f"{item}: frame {i}") for i, frame in enumerate(frames)])
    valid = np.isfinite(raw).all(axis=-1) & (raw != 0).any(axis=-1)  # [time, joints]
    clip = Clip(
        poses=np.where(valid[..., None], raw, 0.0)[None].astype(np.float32),
        valid=valid[None],
        layout="kinect20",
        name=item.stem,
        label=LABELS[label],
        subject=parts[2],
        camera=parts[4],
        units="metres",
        y_up=True,
        extra={"repetition": parts[3]},
    )
    return checked(clip, item, min_frames=1)


def _frame(frame: object, where: str) -> np.ndarray:
    """Returns [joints, 3], NaN where joints or the frame are absent."""
    absent = [None, None, None]
    if frame is None or frame == []:
        return np.full((_JOINTS, 3), np.nan)
    if not isinstance(frame, list):
        raise ValueError(
            f"{where}: of type {type(frame).__name__}; expected a list of {_JOINTS} joints"
        )
    joints = [absent if joint is None or joint == [] else joint for joint in frame]
    return numbers(joints, (_JOINTS, 3), where)
