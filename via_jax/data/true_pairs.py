"""Pairs whose true retargeted sequence is known, made of recorded motions and drawn characters.

The protocol of Aberman et al. (2019) as TransMoMo (Yang et al., CVPR 2020) measures it: every
ordered pair of test characters, one yaw angle for each motion, orthographic projection.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.data.cameras import Camera, project, view
from via_jax.data.characters import on_character
from via_jax.data.store import Prepared
from via_jax.data.transforms import facing, turn
from via_jax.skeletons import Layout
from via_jax.typing import Array

STANDS = 0.01  # metres a frame: an ankle that moves less, close to the floor, stands on it
LOW = 0.05  # metres above the lowest place of the window


class TruePairs(NamedTuple):
    """Test pairs in metres; each sequence has the middle of its hips' path at 0.

    Attributes:
      driving, source, truth: [pairs, time, joints, coords]; the truth is the motion of driving on
        the character and in the view of source.
      lengths: [pairs, joints], the bones of the source's character.
      stands: bool [pairs, time, 2], whether the true left and right ankle stands on the floor.
      motion, body: int [pairs], which window drives, and on which character the truth is.
    """

    driving: np.ndarray
    source: np.ndarray
    truth: np.ndarray
    lengths: np.ndarray
    stands: np.ndarray
    motion: np.ndarray
    body: np.ndarray


def windows_of(
    data: Prepared, sequences: np.ndarray, frames: int, hop: int, limit: int
) -> np.ndarray:
    """Windows of 3D sequences, [windows, frames, joints, 3]; shorter sequences give none.

    limit: at most so many, taken evenly; 0 takes all.

    Raises:
      ValueError: no sequence is long enough, or joints were never seen.
    """
    starts = [
        (sequence, start)
        for sequence in sequences
        for start in range(0, int(data.length[sequence]) - frames + 1, hop)
    ]
    if len(starts) < 2 or not data.known[sequences].all():
        raise ValueError(
            f"{data.folder}: {len(starts)} windows of {frames} frames; expected at least two, of"
            " sequences with all joints seen"
        )
    if limit:
        evenly = np.linspace(0, len(starts) - 1, min(limit, len(starts))).round().astype(int)
        starts = [starts[index] for index in evenly]
    return np.stack([_rows(data, sequence, start, frames) for sequence, start in starts])


def _rows(data: Prepared, sequence: int, start: int, frames: int) -> np.ndarray:
    first = data.row[sequence] + start
    values = data.frames[first : first + frames].astype(np.float32)
    return values * data.scale[sequence] + data.origin[sequence]


def true_pairs(
    windows: np.ndarray,
    characters: np.ndarray,
    layout: Layout,
    *,
    yaws: list[float],
    coords: int,
    seed: int,
) -> TruePairs:
    """Every window as a driver, on every ordered pair of characters.

    Each window has one yaw angle and one source, another window, both drawn once.

    Args:
      windows: [windows, time, joints, 3] in metres, y up.
      characters: [characters, joints] in metres, at least two.
      layout: of the poses.
      yaws: degrees, 0 is seen from the front.
      coords: 2 projects (y down), 3 turns only (y up).
      seed: of the draws; the published protocol takes 123.
    """
    rng = np.random.default_rng(seed)
    count = len(windows)
    yaw = np.deg2rad(rng.choice(np.asarray(yaws), count)).astype(np.float32)
    other = (np.arange(count) + rng.integers(1, count, count)) % count
    bodies = len(characters)
    first, second = np.nonzero(~np.eye(bodies, dtype=bool))
    motion = np.tile(np.arange(count), len(first))
    first, second = np.repeat(first, count), np.repeat(second, count)
    partner = other[motion]

    facing_front = turn(windows, -facing(windows, layout))

    @jax.jit
    def seen(poses, lengths, angle):
        world = on_character(poses, lengths, layout)
        camera = Camera(angle, jnp.zeros_like(angle), jnp.zeros_like(angle))
        hips = world[..., layout.parents.index(-1), :].mean(axis=-2)
        if coords == 2:
            return project(world, camera, hips), _stands(world, layout)
        return view(world - hips[:, None, None, :], camera), _stands(world, layout)

    def shown(index, body, camera) -> list[np.ndarray]:
        made = [
            seen(facing_front[index[part]], characters[body[part]], yaw[camera[part]])
            for part in np.array_split(np.arange(len(index)), max(1, len(index) // 256))
        ]
        return [np.concatenate([np.asarray(x[i]) for x in made]) for i in range(2)]

    truth, stands = shown(motion, second, partner)
    return TruePairs(
        driving=shown(motion, first, motion)[0],
        source=shown(partner, second, partner)[0],
        truth=truth,
        lengths=characters[second],
        stands=stands,
        motion=motion,
        body=second,
    )


def _stands(world: Array, layout: Layout) -> Array:
    """Whether each ankle stands: low, and slower than a threshold; [batch, time, 2]."""
    ankles = np.array([layout.index("left_ankle"), layout.index("right_ankle")])
    path = world[..., ankles, :]
    moves = jnp.linalg.norm(jnp.diff(path, axis=-3), axis=-1)
    moves = jnp.concatenate([moves, moves[..., -1:, :]], axis=-2)
    height = path[..., 1] - path[..., 1].min(axis=(-2, -1), keepdims=True)
    return (moves < STANDS) & (height < LOW)
