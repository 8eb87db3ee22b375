"""Kinetics-skeleton: one JSON file per clip, from OpenPose's 18 joints (Yan et al., AAAI 2018).

A file holds {"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y] * 18, "score": [18]}]}],
"label", "label_index"}. x and y are divided by the width and the height of the image: 0 to 1 with y
down, whatever its aspect.

What is missing: a joint with score 0 or at (0, 0), and a frame without skeleton. Frames are placed
by `frame_index`. Persons have no identity in these files; they are followed, see
`tracking.follow`.
"""

from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.detected import frame_rows
from via_jax.data.readers.strict import checked, field, load_json, numbers
from via_jax.data.tracking import follow

_JOINTS = 18


def find(source: Path) -> list[Path]:
    """Lists the clips, in order: the *.json of a folder, or the source itself if it is a file.

    Raises:
      ValueError: no *.json there.
    """
    if source.is_file():
        return [source]
    files = sorted(path for path in source.glob("*.json") if not path.name.startswith("."))
    if not files:
        raise ValueError(f"{source}: no *.json; expected a folder of Kinetics-skeleton clips")
    return files


def read(item: Path, max_persons: int = 2) -> Clip:
    """Reads one clip: layout openpose18, 2D in normalised units, y down.

    Args:
      item: path of a clip.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.

    Returns:
      A clip with label and extra label_index (None and absent where the file has none).

    Raises:
      ValueError: no valid JSON, frame indices that do not grow, a pose without 36 numbers, a score
        without 18, fewer than two frames, or no person at all.
    """
    record = load_json(item)
    indices, people = [], []
    for i, frame in enumerate(field(record, "data", list, str(item))):
        where = f"{item}: frame {i}"
        indices.append(field(frame, "frame_index", int, where))
        people.append(_people(field(frame, "skeleton", list, where), where))
    if not any(len(frame) for frame in people):
        raise ValueError(
            f"{item}: nobody in {len(people)} frames; expected a person in one of them"
        )
    rows, length = frame_rows(indices, item)
    frames: list[np.ndarray | None] = [None] * length
    for row, frame in zip(rows, people, strict=True):
        frames[row] = frame
    poses, valid = follow(frames, _JOINTS, max_persons)
    clip = Clip(
        poses=poses,
        valid=valid,
        layout="openpose18",
        name=item.stem,
        label=field(record, "label", str, str(item)) if "label" in record else None,
        units="normalised",
        extra={"label_index": str(field(record, "label_index", int, str(item)))}
        if "label_index" in record
        else {},
    )
    return checked(clip, item)


def _people(skeletons: list, where: str) -> np.ndarray:
    """Returns [people, joints, (x, y, confidence)] of a frame."""
    people = []
    for i, skeleton in enumerate(skeletons):
        person = f"{where}, person {i}"
        pose = numbers(field(skeleton, "pose", list, person), (2 * _JOINTS,), f"{person}, pose")
        score = numbers(field(skeleton, "score", list, person), (_JOINTS,), f"{person}, score")
        people.append(np.concatenate([pose.reshape(_JOINTS, 2), score[:, None]], axis=-1))
    return np.array(people).reshape(-1, _JOINTS, 3)
