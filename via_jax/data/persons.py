"""The persons of a recorded clip: gaps in their tracks bridged, the most moving found.

NumPy alone: the processes that prepare data would start slower and larger with jax.
"""

import numpy as np


def bridge(poses: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fills missing joints in time where the joint was seen in the clip.

    Gaps are bridged linearly; before the first and after the last sighting the joint stays where
    it was seen. A joint never seen stays 0 and is not known.

    Args:
      poses: [persons, time, joints, coords].
      valid: [persons, time, joints].

    Returns:
      (poses, known), known [persons, joints] is True for joints seen at least once.
    """
    filled = np.where(valid[..., None], poses, 0).astype(np.float32)
    known = np.asarray(valid.any(axis=1))
    frames = np.arange(poses.shape[1])
    for person, joint in np.argwhere(known & ~valid.all(axis=1)):
        seen = frames[valid[person, :, joint]]
        for coord in range(poses.shape[-1]):
            track = filled[person, :, joint, coord]
            filled[person, :, joint, coord] = np.interp(frames, seen, track[seen])
    return filled, known


def motion_energy(poses: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """How much each person moves, [persons], in squared units of the poses.

    The energy is the variance of the valid joints over time, summed over joints and coords.
    poses: [persons, time, joints, coords]. valid: [persons, time, joints].
    """
    weight = valid[..., None].astype(np.float64)
    seen = np.maximum(weight.sum(axis=1), 1.0)
    poses = np.where(valid[..., None], poses, 0.0)  # a missing joint may hold NaN
    mean = poses.sum(axis=1) / seen
    variance = (np.square(poses - mean[:, None]) * weight).sum(axis=1) / seen
    return np.asarray(variance.sum(axis=(1, 2)))


def most_moving(poses: np.ndarray, valid: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` persons of largest motion energy, the most moving first.

    poses: [persons, time, joints, coords]. valid: [persons, time, joints].
    """
    return np.argsort(-motion_energy(poses, valid), kind="stable")[:count]
