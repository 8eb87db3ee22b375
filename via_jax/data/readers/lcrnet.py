"""LCR-Net: one JSON file per video with 13 joints in 2D and 3D (Rogez et al., TPAMI 2019).

{"frames": [[{"pose2d": 13 x then 13 y, "pose3d": 13 x, 13 y, 13 z}, ...], ...]}: a list of people
per frame, empty where nobody is. Toyota Smarthome, Posetics and UNIK's Penn Action come in it. The
2D poses are pixels of an image of 640 x 480, y down, as UNIK takes them in all three data sets.

What is missing: in 2D a joint of which a coordinate is exactly 0; in 3D, where 0 lies inside the
body, a joint at (0, 0, 0) or missing in 2D. Persons have no identity in these files; they are
followed in 2D as in the OpenPose reader (UNIK takes them as they are listed in each frame).

Axes in 3D. No public text states them, and none of these files was at hand, so this part is not
confirmed. LCR-Net's own 3D is in metres, x to the left of the image, y up, z away: its demo program
shows it from that side, and its threshold between two poses is 0.3. Poses refined by SSTA-PRS may
have been lifted by VideoPose3D, which gives metres with y down (camera) or z up (world). The reader
gives y up in any case: it asks the 2D poses of the same file which axis is the vertical, see
`upright`.
"""

from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.strict import checked, field, load_json, numbers
from via_jax.data.tracking import follow

IMAGE_SIZE = (640, 480)  # width and height in pixels
_JOINTS = 13


def read(item: Path, coords: int = 2, max_persons: int = 2) -> Clip:
    """Reads one video: layout lcrnet13.

    Args:
      item: path of a JSON file.
      coords: 2 gives pixels, y down; 3 gives metres, y up, each person around its own origin.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.

    Returns:
      A clip named as the file, without the facts that only its data set knows.

    Raises:
      ValueError: other coords, no valid JSON, a pose2d without 26 numbers or, in 3D, a pose3d
        without 39, fewer than two frames, or no person at all.
    """
    if coords not in (2, 3):
        raise ValueError(f"coords={coords}; expected 2 or 3")
    frames: list[np.ndarray | None] = []
    for i, people in enumerate(field(load_json(item), "frames", list, str(item))):
        where = f"{item}: frame {i}"
        if not isinstance(people, list):
            raise ValueError(f"{where}: of type {type(people).__name__}; expected a list of people")
        rows = [_person(person, coords, f"{where}, person {j}") for j, person in enumerate(people)]
        frames.append(np.stack(rows) if rows else None)
    poses, valid = follow(frames, _JOINTS, max_persons)
    if not len(poses):
        raise ValueError(
            f"{item}: nobody in {len(frames)} frames; expected a person in one of them"
        )
    if coords == 3:
        pixels, poses = poses[..., :2], poses[..., 2:]
        valid &= np.isfinite(poses).all(axis=-1) & (poses != 0).any(axis=-1)
        poses = upright(np.where(valid[..., None], poses, 0.0), pixels, valid)
    clip = Clip(
        poses=poses,
        valid=valid,
        layout="lcrnet13",
        name=item.stem,
        units="pixels" if coords == 2 else "metres",
        y_up=coords == 3,
        image_size=IMAGE_SIZE if coords == 2 else None,
    )
    return checked(clip, item)


def upright(poses: np.ndarray, pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Turns 3D poses so that y grows upwards in the image of the same poses.

    The image's rows are fitted by the three coordinates, all relative to the middle of each pose,
    over the whole clip. Of y and z the one that tells more of them is the vertical; its sign says
    which way. Half or quarter turns bring it to y up, so no body becomes its mirror image.

    Args:
      poses: [persons, time, joints, 3] float32, 0 where missing.
      pixels: [persons, time, joints, 2], y down.
      valid: [persons, time, joints] bool.

    Returns:
      [persons, time, joints, 3] float32, 0 where missing.
    """
    both = np.concatenate([poses, pixels[..., 1:]], axis=-1).astype(np.float64)
    count = np.maximum(valid.sum(axis=-1), 1)[..., None, None]
    middle = (both * valid[..., None]).sum(axis=-2, keepdims=True) / count
    rows = (both - middle)[valid]  # [observed joints, (x, y, z, image row)]
    _, along_y, along_z = np.linalg.lstsq(rows[:, :3], rows[:, 3], rcond=None)[0]
    x, y, z = np.moveaxis(poses, -1, 0)
    if abs(along_y) >= abs(along_z):
        turned = (x, y, z) if along_y <= 0 else (-x, -y, z)
    else:
        turned = (x, z, -y) if along_z <= 0 else (x, -z, y)
    return np.stack(turned, axis=-1)


def _person(person: object, coords: int, where: str) -> np.ndarray:
    """Returns [joints, (x, y, confidence)], confidence 0 or 1; in 3D with x, y and z after it."""
    flat = numbers(field(person, "pose2d", list, where), (None,), f"{where}, pose2d")
    pixels = _by_joint(flat, 2, f"{where}, pose2d")
    columns = [pixels, (pixels != 0).all(axis=-1, keepdims=True)]
    if coords == 3:
        flat = numbers(field(person, "pose3d", list, where), (None,), f"{where}, pose3d")
        columns.append(_by_joint(flat, 3, f"{where}, pose3d"))
    return np.concatenate(columns, axis=-1)


def _by_joint(flat: np.ndarray, coords: int, where: str) -> np.ndarray:
    """Returns [joints, coords] of a list that holds all x, then all y, ..."""
    if flat.size != coords * _JOINTS:
        raise ValueError(
            f"{where}: {flat.size} numbers; expected {coords * _JOINTS}, {_JOINTS} of each of"
            f" {', '.join('xyz'[:coords])}"
        )
    return flat.reshape(coords, _JOINTS).T
