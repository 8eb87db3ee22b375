"""Pure functions on skeleton sequences: windows, centring, turning, other bodies."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from via_jax.skeletons import Layout
from via_jax.typing import Array


def pad_window(x: Array, multiple: int, axis: int) -> Array:
    """Repeats a window from its start until its length divides by `multiple`."""
    length = x.shape[axis]
    wanted = -(-length // multiple) * multiple
    return x.take(np.arange(wanted) % length, axis=axis)


class Frame(NamedTuple):
    """Where a window stood before it was centred and scaled.

    Attributes:
      centre: [..., coords], mean position of the hips over the window, in input units.
      scale: [...], root mean square distance of the joints from the hips, in input units.
    """

    centre: Array
    scale: Array


def hips_of(poses: Array, known: Array, hips: tuple[int, int]) -> Array:
    """Middle of the known hips in each frame, [..., time, coords]; without hips, of all joints.

    poses: [..., time, joints, coords]. known: [..., joints].
    """
    is_hip = np.isin(np.arange(poses.shape[-2]), hips)
    weight = known & np.broadcast_to(is_hip, known.shape)
    weight = jnp.where(weight.any(axis=-1, keepdims=True), weight, known).astype(poses.dtype)
    total = jnp.maximum(weight.sum(axis=-1), 1.0)
    return jnp.einsum("...tvc,...v->...tc", poses, weight) / total[..., None, None]


def measure(poses: Array, known: Array, hips: tuple[int, int]) -> Frame:
    """Centre and scale of a window; the scale of a window without extent is 1.

    poses: [..., time, joints, coords]. known: [..., joints], joints to measure by.
    """
    root = hips_of(poses, known, hips)
    weight = jnp.broadcast_to(known[..., None, :], poses.shape[:-1]).astype(poses.dtype)
    squared = jnp.square(poses - root[..., None, :]).sum(axis=-1)
    mean = (squared * weight).sum(axis=(-2, -1)) / jnp.maximum(weight.sum(axis=(-2, -1)), 1.0)
    return Frame(root.mean(axis=-2), jnp.where(mean > 1e-12, jnp.sqrt(mean), 1.0))


def to_frame(poses: Array, known: Array, frame: Frame) -> Array:
    """Centres and scales a window: (poses - centre) / scale; joints that are not known become 0."""
    centred = (poses - frame.centre[..., None, None, :]) / frame.scale[..., None, None, None]
    return jnp.where(known[..., None, :, None], centred, 0.0)


def from_frame(poses: Array, frame: Frame) -> Array:
    """Undoes `to_frame`: poses x scale + centre, in input units."""
    return poses * frame.scale[..., None, None, None] + frame.centre[..., None, None, :]


class Statistics(NamedTuple):
    """Mean and standard deviation of root-relative poses over a training set, [joints, coords]."""

    mean: Array
    deviation: Array


def to_root(poses: Array, root: int) -> Array:
    """Joints relative to the root; the root's own row holds its move since the frame before.

    The published preprocessing of retargeting (Aberman et al. 2019): limbs are not drowned by the
    body's path. The first move repeats the second. poses: [..., time, joints, coords].
    """
    path = poses[..., root : root + 1, :]
    before = np.maximum(np.arange(poses.shape[-3]) - 1, 0)
    moves = path - path[..., before, :, :]
    if poses.shape[-3] > 1:
        moves = moves[..., np.maximum(np.arange(poses.shape[-3]), 1), :, :]
    is_root = (np.arange(poses.shape[-2]) == root)[:, None]
    return jnp.where(is_root, jnp.broadcast_to(moves, poses.shape), poses - path)


def from_root(poses: Array, root: int) -> Array:
    """Undoes `to_root`; the root's path is the sum of its moves, with its middle at 0."""
    moves = poses[..., root : root + 1, :]
    path = jnp.cumsum(moves, axis=-3) - moves[..., :1, :, :]
    path = path - path.mean(axis=-3, keepdims=True)
    is_root = (np.arange(poses.shape[-2]) == root)[:, None]
    return jnp.where(is_root, path, poses + path)


def facing(poses: Array, layout: Layout) -> Array:
    """Angle about the vertical axis by which a 3D body is turned from facing +z, radians [...].

    The body faces across the mean line from its right shoulder and hip to its left ones, which lies
    along +x when it faces +z. poses: [..., time, joints, 3], y up.
    """
    left = [layout.index(name) for name in ("left_shoulder", "left_hip")]
    right = [layout.index(name) for name in ("right_shoulder", "right_hip")]
    across = (poses[..., left, :] - poses[..., right, :]).sum(axis=(-3, -2))
    return jnp.arctan2(-across[..., 2], across[..., 0])


def turn(poses: Array, angle: Array) -> Array:
    """Turns 3D poses [..., time, joints, 3] about the vertical axis by angle [...] in radians."""
    cos, sin = jnp.cos(angle)[..., None, None], jnp.sin(angle)[..., None, None]
    x, y, z = poses[..., 0], poses[..., 1], poses[..., 2]
    return jnp.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def ancestors(layout: Layout) -> np.ndarray:
    """[joints, joints]: entry (i, j) is 1 where j lies on the way from the root to i, or is i."""
    parents = layout.parents
    matrix = np.eye(layout.num_joints, dtype=np.float32)
    for joint in range(layout.num_joints):
        parent = parents[joint]
        while parent >= 0:
            matrix[joint, parent] = 1.0
            parent = parents[parent]
    return matrix


def bones_of(poses: Array, layout: Layout) -> Array:
    """The bone that ends in each joint, [..., joints, coords]: joint minus parent, root 0."""
    parents = np.asarray(layout.parents)
    has_parent = (parents >= 0).astype(np.float32)
    bones = poses - poses[..., parents, :]
    return jnp.einsum("...jc,j->...jc", bones, has_parent)


def scale_bones(poses: Array, bone_scale: Array, layout: Layout) -> Array:
    """Changes the length of every bone in place: directions and the root's path stay.

    poses: [..., time, joints, coords]. bone_scale: [..., joints]. layout: bones form a tree.
    """
    root = layout.parents.index(-1)
    moved = jnp.einsum(
        "ij,...tjc,...j->...tic", ancestors(layout), bones_of(poses, layout), bone_scale
    )
    return moved + poses[..., root : root + 1, :]


def repose(poses: Array, bone_scale: Array, layout: Layout) -> Array:
    """The same motion on another body: every bone keeps its direction and changes its length.

    The hips' path is scaled by the ratio of the leg lengths, so that feet on the floor (y = 0) stay
    about there. Where there are true joint rotations this equals forward kinematics.

    Args:
      poses: [..., time, joints, 3], y up, floor at 0, all joints known.
      bone_scale: [..., joints], factor on the bone that ends in each joint; the root's is ignored.
      layout: a layout whose bones form a tree.
    """
    root, path = layout.parents.index(-1), ancestors(layout)
    bones = bones_of(poses, layout)
    lengths = jnp.sqrt(jnp.square(bones).sum(axis=-1)).mean(axis=-2)  # [..., joints]
    leg = path[layout.index("left_ankle")] + path[layout.index("right_ankle")]
    scaled_leg = jnp.einsum("...j,...j,j->...", lengths, bone_scale, leg)
    ratio = scaled_leg / jnp.maximum(jnp.einsum("...j,j->...", lengths, leg), 1e-6)
    moved = jnp.einsum("ij,...tjc,...j->...tic", path, bones, bone_scale)
    return moved + poses[..., root : root + 1, :] * ratio[..., None, None, None]
