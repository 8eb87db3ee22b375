"""The losses of the paper (Eq. 3 to 7) as pure functions of arrays.

Squared errors are means over valid elements; distances between features are Euclidean norms of the
flattened features of one sequence.
"""

import jax.numpy as jnp

from via_jax.typing import Array


def mean_over_valid(values: Array, valid: Array) -> Array:
    """Mean of values where valid; 0 where nothing is valid. Both arrays have one shape."""
    weight = valid.astype(values.dtype)
    return (values * weight).sum() / jnp.maximum(weight.sum(), 1.0)


def joint_error(predicted: Array, target: Array, valid: Array) -> Array:
    """Mean squared error of the joints (Eq. 4), in squared input units.

    Args:
      predicted, target: [batch, time, joints, coords].
      valid: [batch, time, joints], 0 where missing or padded.
    """
    return mean_over_valid(jnp.square(predicted - target).mean(axis=-1), valid)


def velocity_error(predicted: Array, target: Array, valid: Array) -> Array:
    """Mean squared error of the joints' moves from frame to frame (Eq. 7, without lambda).

    A move counts where the joint is valid in both frames. Shapes as in `joint_error`.
    """
    moves = jnp.diff(predicted, axis=1) - jnp.diff(target, axis=1)
    both = valid[:, 1:] * valid[:, :-1]
    return mean_over_valid(jnp.square(moves).mean(axis=-1), both)


def distance(a: Array, b: Array) -> Array:
    """Euclidean norm of a - b over all axes but the first, [batch]; its gradient at a = b is 0."""
    squared = jnp.square(a - b).reshape(a.shape[0], -1).sum(axis=1)
    positive = squared > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def triplet(anchor: Array, positive: Array, negative: Array, margin: float) -> Array:
    """Mean of max(0, |anchor - positive| - |anchor - negative| + margin) (Eq. 6), [batch, ...]."""
    gap = distance(anchor, positive) - distance(anchor, negative)
    return jnp.maximum(gap + margin, 0.0).mean()
