"""Bodies and motions that know nothing of each other, and forward kinematics that joins them.

A motion holds the directions of the bones, a body their lengths, so the truth of a retargeting is
`perform(motion of the driver, body of the source)`. Metres, y up, layout unik17.
"""

import dataclasses
from typing import Any

import numpy as np

from via_jax.skeletons import get_layout

LAYOUT = "unik17"

# An average adult who stands upright: (x to the left, y up, z forwards) in shares of the stature
# (after Drillis and Contini 1966, ankles at height 0), and which part's size scales the bone.
_UPRIGHT = {
    "mid_hip": ((0.0, 0.491, 0.0), "torso"),
    "chest": ((0.0, 0.635, 0.0), "torso"),
    "neck": ((0.0, 0.779, 0.0), "torso"),
    "nose": ((0.0, 0.886, 0.05), "head"),
    "head": ((0.0, 0.959, 0.0), "head"),
    "left_shoulder": ((0.122, 0.779, 0.0), "shoulders"),
    "left_elbow": ((0.122, 0.593, 0.0), "upper arm"),
    "left_wrist": ((0.122, 0.447, 0.0), "forearm"),
    "left_hip": ((0.056, 0.491, 0.0), "hips"),
    "left_knee": ((0.056, 0.246, 0.0), "thigh"),
    "left_ankle": ((0.056, 0.0, 0.0), "shank"),
}
_AVERAGE_STATURE = 1.71  # metres
_MIRRORED = np.array([-1.0, 1.0, 1.0])


@dataclasses.dataclass(frozen=True, eq=False)
class Bodies:
    """Characters. lengths: [..., joints] metres, of the bone ending in a joint; 0 at the root."""

    lengths: np.ndarray

    def __getitem__(self, index: Any) -> "Bodies":
        """Some of the bodies: any NumPy index into the leading axes."""
        return Bodies(self.lengths[index])


@dataclasses.dataclass(frozen=True, eq=False)
class Motions:
    """Motions of one action, without the body that performs them.

    Attributes:
      action: the class.
      directions: [..., time, joints, 3] unit vectors along the bones ending in a joint; root: 0.
      lift: [..., time] height of the lower ankle above the floor, in leg lengths, at least 0.
    """

    action: str
    directions: np.ndarray
    lift: np.ndarray

    def __getitem__(self, index: Any) -> "Motions":
        """Some of the motions: any NumPy index into the leading axes."""
        return Motions(self.action, self.directions[index], self.lift[index])


def random_bodies(rng: np.random.Generator, count: int, spread: float) -> Bodies:
    """Draws left-right symmetric characters, [count, joints].

    Args:
      rng: source of randomness.
      count: number of characters, at least 1.
      spread: how far from the average, in [0, 4]; a body part is scaled by exp(0.12 spread d), the
        whole by exp(0.06 spread d), with d normal, cut at 2. 0 is the average adult, 1 differs
        like adults, 2 and above are caricatures.

    Raises:
      ValueError: no character, or a spread outside its range.
    """
    if count < 1:
        raise ValueError(f"count={count} characters; expected at least 1")
    if not 0 <= spread <= 4:
        raise ValueError(f"spread={spread} must lie in [0, 4], in units of the spread of adults")
    parts = list(dict.fromkeys(part for _, part in _UPRIGHT.values()))
    draws = np.clip(rng.standard_normal((count, len(parts) + 1)), -2, 2)
    scale = np.exp(spread * (0.12 * draws[:, :-1] + 0.06 * draws[:, -1:])) * _AVERAGE_STATURE
    part_of = [parts.index(_UPRIGHT[_as_left(name)][1]) for name in get_layout(LAYOUT).joints]
    average = np.linalg.norm(_upright_bones(), axis=-1)
    return Bodies((average * scale[:, part_of]).astype(np.float32))


def bone_directions(frames: dict[str, np.ndarray]) -> np.ndarray:
    """Unit vectors [..., joints, 3], float32, along the bones of a pose; 0 at the root.

    frames: joint name -> rotation [..., 3, 3] of the bone ending in it, for all but the root.
    """
    joints = get_layout(LAYOUT).joints
    bones = _upright_bones()
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    units = np.divide(bones, lengths, out=np.zeros_like(bones), where=lengths > 0)
    some = next(iter(frames.values()))
    directions = np.zeros((*some.shape[:-2], len(joints), 3), np.float32)
    for index, name in enumerate(joints):
        if name in frames:
            directions[..., index, :] = frames[name] @ units[index]
    return directions


def mirror(motions: Motions) -> Motions:
    """The same motions with left and right exchanged."""
    order = list(get_layout(LAYOUT).mirror)
    swapped = motions.directions[..., order, :] * _MIRRORED.astype(motions.directions.dtype)
    return dataclasses.replace(motions, directions=swapped)


def perform(motions: Motions, bodies: Bodies) -> np.ndarray:
    """Joint positions [..., time, joints, 3], float32 metres, of bodies that perform motions.

    The leading axes broadcast: `perform(motions[:, None], bodies)` is every motion by every body.
    The lower ankle is at height 0, or at the motion's lift. The ankle that carries the body does
    not slide, but a steady course is taken out, as on a treadmill: the clip stays in view, with the
    hips above the origin on average.

    Raises:
      ValueError: leading axes that do not broadcast.
    """
    try:
        np.broadcast_shapes(motions.lift.shape[:-1], bodies.lengths.shape[:-1])
    except ValueError as error:
        raise ValueError(
            f"motions of leading shape {motions.lift.shape[:-1]} and bodies of leading shape"
            f" {bodies.lengths.shape[:-1]} do not broadcast; for all pairs pass motions[:, None]"
        ) from error
    layout = get_layout(LAYOUT)
    bones = bodies.lengths[..., None, :, None] * motions.directions
    poses = _chain(bones)
    ankles = poses[..., [layout.index("left_ankle"), layout.index("right_ankle")], :]
    left, right = (ankles[..., side, :] for side in (0, 1))
    # The share of the left foot: 1 where it is lower by more than a few centimetres.
    share = 0.5 + 0.5 * np.tanh((right[..., 1] - left[..., 1]) / 0.03)
    share = 0.5 * (share[..., 1:, None] + share[..., :-1, None])
    steps = share * np.diff(left, axis=-2) + (1 - share) * np.diff(right, axis=-2)
    root = np.zeros_like(left)
    if steps.shape[-2]:
        root[..., 1:, :] = -np.cumsum(steps - steps.mean(axis=-2, keepdims=True), axis=-2)
    root -= root.mean(axis=-2, keepdims=True)
    leg = bodies.lengths[..., [layout.index("left_knee"), layout.index("left_ankle")]].sum(-1)
    root[..., 1] = motions.lift * leg[..., None] - ankles[..., 1].min(axis=-1)
    return poses + root[..., None, :]


def _as_left(name: str) -> str:
    return name.replace("right_", "left_")


def _upright_bones() -> np.ndarray:
    """[joints, 3] bone that ends in each joint of the average adult, in statures; 0 at the root."""
    layout = get_layout(LAYOUT)
    places = np.array([_UPRIGHT[_as_left(name)][0] for name in layout.joints])
    places[[name.startswith("right_") for name in layout.joints]] *= _MIRRORED
    parents = np.array(layout.parents)
    return np.where(parents[:, None] >= 0, places - places[parents], 0.0)


def _chain(bones: np.ndarray) -> np.ndarray:
    """Adds up the bones [..., joints, 3] from the root, which is at the origin."""
    layout = get_layout(LAYOUT)
    poses = np.zeros_like(bones)
    for joint in layout.depth_first()[1:]:
        poses[..., joint, :] = poses[..., layout.parents[joint], :] + bones[..., joint, :]
    return poses
