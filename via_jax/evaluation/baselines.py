"""Retargeting that needs no training, or a closed form: what a learned model has to beat.

A retargeter takes (driving, source) and returns the driver's motion on the source's character.

One representation for all: joint positions in metres in the image or in space, [batch, time,
joints, coords], all joints known, every row centred so that its root lies at 0 on the average over
time; so the root's row is its path, as `transforms.from_root` returns poses. The source may have
another number of frames than the driver; the result has the driver's.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from via_jax.data.transforms import bones_of, repose
from via_jax.skeletons import Layout
from via_jax.typing import Array

Retargeter = Callable[[Array, Array], Array]
Triple = tuple[Array, Array, Array]  # driving, source, and the true retargeted sequence


def copied_driver(driving: Array, source: Array) -> Array:
    """The driver as it is."""
    del source
    return driving


def scaled_driver(layout: Layout, percentile: float | None) -> Retargeter:
    """The driver with the source's bone lengths: each bone by one factor over the window.

    The factor is the ratio of the source's length over time to the driver's, from the root outward;
    a bone keeps its direction. The root's path is scaled as the legs are, see `repose`. In 2D these
    are lengths in the image, so a camera that looks along a bone shortens it.

    Args:
      layout: a layout whose bones form a tree.
      percentile: of the lengths over time, in [0, 100]; None takes their mean.
    """

    def lengths(poses: Array) -> np.ndarray:
        size = np.linalg.norm(np.asarray(bones_of(poses, layout)), axis=-1)  # [batch, time, joints]
        return size.mean(axis=1) if percentile is None else np.percentile(size, percentile, axis=1)

    def retarget(driving: Array, source: Array) -> Array:
        # A bone that the driver never shows has no direction to scale.
        scale = lengths(source) / np.maximum(lengths(driving), 1e-6)
        return centred(np.asarray(repose(driving, scale.astype(driving.dtype), layout)), layout)

    return retarget


def centred(poses: np.ndarray, layout: Layout) -> np.ndarray:
    """Poses moved so that the root lies at 0 on the average over time."""
    root = layout.parents.index(-1)
    return poses - poses[:, :, root : root + 1].mean(axis=1, keepdims=True)


class Moments(NamedTuple):
    """Sums over frames from which a linear map is fitted, in float64.

    Attributes:
      inputs, outputs: [features], [joints x coords], sums.
      gram, cross: [features, features], [features, joints x coords], sums of products.
      squares: of the outputs' squares, all coordinates together.
      frames: how many.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    squares: float
    frames: int


def moments_of(triples: Iterable[Triple], layout: Layout) -> Moments:
    """Adds up the moments of batches, which are read once, one after the other.

    Raises:
      ValueError: no batch, or a truth that has not the driver's shape.
    """
    total: Moments | None = None
    for driving, source, truth in triples:
        if truth.shape != driving.shape:
            raise ValueError(f"truth {truth.shape} and driver {driving.shape} differ in shape")
        x = _features(driving, source, layout)
        y = _relative(truth, layout).reshape(len(x), -1)
        sums = x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y, float((y * y).sum())
        found = Moments(*sums, frames=len(x))
        total = found if total is None else together(total, found)
    if total is None:
        raise ValueError("no batch to fit a linear map to; give at least one")
    return total


def together(a: Moments, b: Moments) -> Moments:
    """Moments of the frames of both."""
    return jax.tree.map(np.add, a, b)


class Ridge(NamedTuple):
    """A linear map for each frame; itself a retargeter.

    From the driver's frame, the driver's mean and deviation over time and the source's, all with
    joints relative to the root and the root's path, to the frame of the result in the same form.

    Attributes:
      weights: [features, joints x coords].
      offset: [joints x coords].
      alpha: the regularisation that was chosen.
      error: mean squared error a coordinate on the held-out part, relative to the root, of each
        alpha that was tried.
      layout: of the poses.
    """

    weights: np.ndarray
    offset: np.ndarray
    alpha: float
    error: dict[float, float]
    layout: Layout

    def __call__(self, driving: Array, source: Array) -> Array:
        """Retargets row by row, see the top of this file."""
        flat = _features(driving, source, self.layout) @ self.weights + self.offset
        relative = flat.reshape(driving.shape)
        root = self.layout.parents.index(-1)
        path = relative[:, :, root : root + 1]
        is_root = (np.arange(relative.shape[2]) == root)[:, None]
        poses = relative + np.where(is_root, 0.0, path)
        return centred(poses, self.layout).astype(np.float32)


def fit_ridge(
    training: Iterable[Triple],
    held_out: Iterable[Triple],
    layout: Layout,
    alphas: Sequence[float],
) -> Ridge:
    """Ridge regression by the normal equations, its strength chosen on a held-out part.

    Features are centred and scaled to deviation 1, so that alpha is a share of a feature's
    variance: the same whatever the number of frames. After the choice the map is fitted again to
    both parts together.

    Args:
      training: batches of (driving, source, truth), each read once.
      held_out: others, of other characters or motions.
      layout: of the poses.
      alphas: strengths to try, each at least 0.

    Raises:
      ValueError: as `moments_of`, or no alpha.
    """
    if not len(alphas) or min(alphas) < 0:
        raise ValueError(f"alphas={list(alphas)}; expected strengths to try, each at least 0")
    fitted_to, judged_by = moments_of(training, layout), moments_of(held_out, layout)
    error = {alpha: _error(*_solve(fitted_to, alpha), judged_by) for alpha in alphas}
    best = min(error, key=error.__getitem__)
    return Ridge(*_solve(together(fitted_to, judged_by), best), best, error, layout)


def _solve(moments: Moments, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and offset that minimise the squared error plus alpha x squared weights."""
    mean_in, mean_out = moments.inputs / moments.frames, moments.outputs / moments.frames
    covariance = moments.gram / moments.frames - np.outer(mean_in, mean_in)
    cross = moments.cross / moments.frames - np.outer(mean_in, mean_out)
    # A feature that never changes, as the mean of a centred root's path, gets the weight 0.
    varies = np.diag(covariance) > 1e-12
    size = np.sqrt(np.where(varies, np.diag(covariance), 1.0))
    correlation = np.where(np.outer(varies, varies), covariance / np.outer(size, size), 0.0)
    cross = np.where(varies[:, None], cross / size[:, None], 0.0)
    values, vectors = np.linalg.eigh(correlation)
    # Without regularisation, directions that rounding alone fills are left out.
    inverse = np.where(values > 1e-10, 1.0 / (np.maximum(values, 1e-10) + alpha), 0.0)
    weights = (vectors * inverse) @ (vectors.T @ cross) / size[:, None]
    return weights, mean_out - mean_in @ weights


def _error(weights: np.ndarray, offset: np.ndarray, moments: Moments) -> float:
    """Mean squared error a coordinate of a linear map on the frames behind the moments."""
    fitted = weights.T @ moments.gram @ weights  # sum over frames of (x W)^T (x W)
    shift = 2 * (moments.inputs @ weights - moments.outputs) @ offset
    total = (
        moments.squares
        + np.trace(fitted)
        + moments.frames * offset @ offset
        + shift
        - 2 * (weights * moments.cross).sum()
    )
    return float(total / (moments.frames * len(offset)))


def _relative(poses: Array, layout: Layout) -> np.ndarray:
    """Joints relative to the root and the root's path, in float64."""
    root = layout.parents.index(-1)
    poses = np.asarray(poses, np.float64)
    is_root = (np.arange(poses.shape[2]) == root)[:, None]
    return poses - np.where(is_root, 0.0, poses[:, :, root : root + 1])


def _features(driving: Array, source: Array, layout: Layout) -> np.ndarray:
    """What the linear map reads, [batch x time, 5 x joints x coords]."""
    moves, looks = _relative(driving, layout), _relative(source, layout)
    batch, time = moves.shape[:2]
    still = np.concatenate(
        [f(axis=1).reshape(batch, -1) for x in (moves, looks) for f in (x.mean, x.std)], axis=1
    )
    frames = moves.reshape(batch, time, -1)
    still = np.broadcast_to(still[:, None], (batch, time, still.shape[1]))
    return np.concatenate([frames, still], axis=-1).reshape(batch * time, -1)
