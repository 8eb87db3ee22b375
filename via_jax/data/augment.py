"""Random changes of training windows: bodies, in-plane moves, mirror images, noise, lost joints."""

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.skeletons import Layout
from via_jax.typing import Array


def random_bone_scales(key: jax.Array, batch: int, layout: Layout, spread: float) -> Array:
    """Factors on bone lengths, [batch, joints], alike left and right.

    Args:
      key: random key.
      batch: number of bodies.
      layout: of the poses.
      spread: standard deviation of the logarithm; 0 changes nothing, 0.15 covers most adults.
        Draws beyond 2.5 deviations are cut.
    """
    draws = jax.random.truncated_normal(key, -2.5, 2.5, (batch, layout.num_joints))
    one_side = np.minimum(np.arange(layout.num_joints), layout.mirror)
    return jnp.exp(spread * draws[:, one_side])


def random_move(
    key: jax.Array,
    poses: Array,
    *,
    rotation: float,
    scale: float,
    squeeze: float,
    shift: float,
    moving: bool,
    persons: int = 1,
) -> Array:
    """Rotates in the image plane, squeezes in width, scales and shifts each window.

    Args:
      key: random key.
      poses: [batch, time, joints, 2 or 3], centred; a 3D body is turned around its vertical axis
        instead, by the same angle.
      rotation: largest angle in degrees, drawn uniformly from both sides.
      scale: largest relative change of size, in [0, 1).
      squeeze: largest relative loss of width, in [0, 1); stands for a turn of the body in 2D.
      shift: largest shift, in units of the poses.
      moving: draw start and end values and move between them over the window, as the published
        classifiers do; False keeps one draw over the window.
      persons: consecutive windows that show one scene and move alike.
    """
    batch, time, _, coords = poses.shape
    keys = jax.random.split(key, 4)

    def path(k, low, high, shape=()):
        ends = jax.random.uniform(k, (batch // persons, 2, *shape), minval=low, maxval=high)
        ends = jnp.repeat(ends, persons, axis=0)
        if not moving:
            ends = jnp.broadcast_to(ends[:, :1], ends.shape)
        along = jnp.linspace(0.0, 1.0, time).reshape(1, time, *(1,) * len(shape))
        return ends[:, :1] * (1.0 - along) + ends[:, 1:] * along  # [batch, time, ...]

    angle = jnp.deg2rad(path(keys[0], -rotation, rotation))[..., None]
    factor = path(keys[1], 1.0 - scale, 1.0 + scale)[..., None, None]
    width = path(keys[2], 1.0 - squeeze, 1.0)[..., None]
    offset = path(keys[3], -shift, shift, (coords,))[:, :, None, :]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    if coords == 2:
        x, y = poses[..., 0] * width, poses[..., 1]
        turned = jnp.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    else:
        x, y, z = poses[..., 0], poses[..., 1], poses[..., 2]
        turned = jnp.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)
    return turned * factor + offset


def random_mirror(
    key: jax.Array,
    poses: Array,
    valid: Array,
    known: Array,
    width: Array,
    layout: Layout,
    probability: float,
    persons: int = 1,
) -> tuple[Array, Array, Array]:
    """Mirrors windows: x becomes width - x, left joints change places with right ones.

    poses: [batch, time, joints, coords]. valid: [batch, time, joints]. known: [batch, joints].
    width: [batch], of the image; 0 mirrors about the origin. persons: consecutive windows that show
    one scene and are mirrored together.
    """
    flip = jax.random.bernoulli(key, probability, (poses.shape[0] // persons,))
    flip = jnp.repeat(flip, persons)
    mirror = np.asarray(layout.mirror)
    swapped = poses[:, :, mirror]
    x = width[:, None, None, None] - swapped[..., :1]
    mirrored = jnp.concatenate([x, swapped[..., 1:]], axis=-1)
    return (
        jnp.where(flip[:, None, None, None], mirrored, poses),
        jnp.where(flip[:, None, None], valid[:, :, mirror], valid),
        jnp.where(flip[:, None], known[:, mirror], known),
    )


def random_noise(key: jax.Array, poses: Array, sigma: float) -> Array:
    """Adds Gaussian noise of standard deviation sigma, in units of the poses."""
    return poses + sigma * jax.random.normal(key, poses.shape)


def random_loss_of_joints(
    key: jax.Array, poses: Array, valid: Array, probability: float
) -> tuple[Array, Array]:
    """Takes each joint away for a whole window with a probability; it becomes 0 and not valid.

    poses: [batch, time, joints, coords]. valid: [batch, time, joints].
    """
    keep = ~jax.random.bernoulli(key, probability, (poses.shape[0], 1, poses.shape[2]))
    return jnp.where(keep[..., None], poses, 0.0), valid & keep
