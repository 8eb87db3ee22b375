"""Characters of the paired protocol: bodies that are not those of the recordings.

The protocol of Aberman et al. (2019) needs every motion on every character. Mixamo's characters may
not be redistributed, so ours are drawn from the proportions of recorded people, and beyond them.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from via_jax.data.batches import facts_of, frames_of, read_windows
from via_jax.data.sampling import Window
from via_jax.data.store import Prepared
from via_jax.data.transforms import ancestors, bones_of
from via_jax.skeletons import Layout
from via_jax.typing import Array


class Characters(NamedTuple):
    """Bone lengths in metres, [characters, joints], of the bone that ends in each joint."""

    train: np.ndarray
    test: np.ndarray


def proportions_of(data: Prepared, sequences: np.ndarray) -> np.ndarray:
    """Mean bone lengths of each sequence, [sequences, joints], alike left and right; the root's 0.

    Raises:
      ValueError: 2D recordings, whose bones have no fixed length, or joints that were never seen.
    """
    if data.coords != 3 or not data.known[sequences].all():
        raise ValueError(
            f"{data.folder}: characters need the bones of 3D recordings with all joints seen;"
            f" there are {data.coords} coords and {(~data.known[sequences].all(axis=1)).sum()}"
            " sequences with missing joints"
        )
    layout, window = data.layout, Window(32, 1, "resample", 1.0, (1.0, 1.0))
    poses = read_windows(facts_of(data), frames_of(data), sequences, window).poses
    lengths = np.linalg.norm(np.asarray(bones_of(poses, layout)), axis=-1).mean(axis=1)
    return (lengths + lengths[:, layout.mirror]) / 2


def draw_characters(
    proportions: np.ndarray, *, train: int, test: int, spread: float, seed: int
) -> Characters:
    """Draws characters around the mean of real people.

    The logarithms of the bone lengths are drawn from a normal distribution with the mean and the
    covariance of the recorded people's, its deviations multiplied by `spread`.

    Args:
      proportions: [sequences, joints] in metres; a joint whose bone is 0 everywhere is the root.
      train, test: how many characters of each role.
      spread: 1 gives people like the recorded ones; draws beyond 2.5 deviations are cut.
      seed: of the draws.
    """
    logs = np.log(np.maximum(proportions, 1e-6))
    mean = logs.mean(axis=0)
    _, sizes, ways = np.linalg.svd(logs - mean, full_matrices=False)
    deviations = sizes / np.sqrt(max(len(logs) - 1, 1))
    draws = np.random.default_rng(seed).standard_normal((train + test, len(sizes)))
    found = np.exp(mean + spread * (np.clip(draws, -2.5, 2.5) * deviations) @ ways)
    found = np.where(proportions.max(axis=0) > 0, found, 0.0).astype(np.float32)
    return Characters(found[:train], found[train:])


def characters_of(data: Prepared, protocol: str, settings: dict) -> Characters | None:
    """The characters that a config describes, drawn around the people of the training clips.

    settings: arguments of `draw_characters`; `train` = 0 means none.
    """
    if not settings["train"]:
        return None
    sequences = data.sequences_of(data.clips_of(protocol, "train"))
    return draw_characters(proportions_of(data, sequences), **settings)


def on_character(poses: Array, lengths: Array, layout: Layout) -> Array:
    """The same motion performed by a character: recorded bone directions, the character's lengths.

    With the recorded rotations, forward kinematics gives the same poses, since a rotation turns a
    bone whatever its length. The path of the hips is scaled by the ratio of the leg lengths, and in
    every frame the lower ankle stands as high above the floor as recorded, in that scale, so that
    feet stay on the floor and jumps stay jumps.

    Args:
      poses: [..., time, joints, 3] in metres, y up, floor at 0, all joints known.
      lengths: [..., joints] in metres, of the bone that ends in each joint.
      layout: a layout whose bones form a tree.
    """
    root, path = layout.parents.index(-1), ancestors(layout)
    bones = bones_of(poses, layout)
    recorded = jnp.sqrt(jnp.square(bones).sum(axis=-1))  # [..., time, joints]
    scale = lengths[..., None, :] / jnp.maximum(recorded, 1e-6)
    body = jnp.einsum("ij,...tjc,...tj->...tic", path, bones, scale)

    ankles = np.array([layout.index("left_ankle"), layout.index("right_ankle")])
    leg = path[ankles].sum(axis=0)
    ratio = jnp.einsum("...j,j->...", lengths, leg) / jnp.maximum(
        jnp.einsum("...tj,j->...t", recorded, leg).mean(axis=-1), 1e-6
    )
    hips = poses[..., root : root + 1, :] * ratio[..., None, None, None]
    floor = poses[..., ankles, 1].min(axis=-1) * ratio[..., None]  # [..., time]
    height = floor - body[..., ankles, 1].min(axis=-1)
    is_up = np.arange(3) == 1
    return body + jnp.where(is_up, height[..., None, None], hips)
