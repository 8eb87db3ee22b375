"""From drawn frames to windows: gather the frames around each position and interpolate.

Placement "device" keeps the whole prepared data set on the device and gathers inside the compiled
step; "host" gathers the same frames from the memory map and sends them. Both give equal batches.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from via_jax.data.sampling import Draw, Window, evaluation_windows
from via_jax.data.store import Prepared
from via_jax.typing import Array


class Facts(NamedTuple):
    """What a step knows of every sequence; small, always on the device.

    Attributes:
      row, length: int32 [sequences].
      scale: [sequences], origin: [sequences, coords], of the fixed-point values.
      known: bool [sequences, joints].
      size: [sequences, 2], width and height of the image; 0 where unknown.
    """

    row: Array
    length: Array
    scale: Array
    origin: Array
    known: Array
    size: Array


class Frames(NamedTuple):
    """Frames of sequences: int16 values [..., joints, coords] and observed joints [..., joints]."""

    values: Array
    valid: Array


def facts_of(data: Prepared) -> Facts:
    """The facts of a prepared data set, as host arrays.

    Raises:
      ValueError: more rows than 32-bit indices can name.
    """
    if len(data.frames) > np.iinfo(np.int32).max:
        raise ValueError(
            f"{len(data.frames)} rows; at most 2^31 - 1 can be indexed: split the data"
        )
    return Facts(
        row=data.row.astype(np.int32),
        length=data.length,
        scale=data.scale,
        origin=data.origin,
        known=data.known,
        size=data.size[data.clip],
    )


def frames_of(data: Prepared) -> Frames:
    """All frames of a prepared data set, memory-mapped."""
    return Frames(data.frames, data.valid)


def gather(frames: Frames, row: Array, draw: Draw) -> tuple[Frames, Frames]:
    """The frames on both sides of each drawn position, [batch, time, ...].

    Works alike on device arrays inside a compiled step and on memory maps on the host.
    row: [batch], first rows of the drawn sequences.
    """
    low, high = row[:, None] + draw.low, row[:, None] + draw.high
    return (
        Frames(frames.values[low], frames.valid[low]),
        Frames(frames.values[high], frames.valid[high]),
    )


class Windows(NamedTuple):
    """Windows in input units.

    Attributes:
      poses: [batch, time, joints, coords]. valid: [batch, time, joints]. known: [batch, joints].
      size: [batch, 2], width and height of the image; 0 where unknown.
    """

    poses: Array
    valid: Array
    known: Array
    size: Array


def blend(low: Frames, high: Frames, draw: Draw, facts: Facts) -> Windows:
    """Interpolates between frames and undoes the fixed point; valid where both frames are."""
    fraction = draw.fraction[:, :, None, None]
    values = low.values * (1.0 - fraction) + high.values * fraction
    scale = jnp.asarray(facts.scale)[draw.sequence]
    origin = jnp.asarray(facts.origin)[draw.sequence]
    known = jnp.asarray(facts.known)[draw.sequence]
    poses = values * scale[:, None, None, None] + origin[:, None, None, :]
    poses = jnp.where(known[:, None, :, None], poses, 0.0)
    valid = low.valid & jnp.where(draw.fraction[..., None] > 0, high.valid, True)
    size = jnp.asarray(facts.size)[draw.sequence]
    return Windows(poses, valid & known[:, None, :], known, size)


def read_windows(facts: Facts, frames: Frames, sequences: np.ndarray, window: Window) -> Windows:
    """The windows that evaluation sees of the given sequences, gathered on the host."""
    draw = evaluation_windows(sequences, facts.length[sequences], window)
    draw = Draw(*(np.asarray(x) for x in draw))
    low, high = gather(frames, facts.row[sequences], draw)
    return blend(low, high, draw, facts)


class Persons(NamedTuple):
    """The sequences of a batch of clips with a fixed number of persons.

    Attributes:
      sequence: [batch, persons]; where a person is not there, another one of the clip.
      present: bool [batch, persons].
    """

    sequence: Array
    present: Array


def persons_of(first_sequence: Array, persons: Array, clips: Array, count: int) -> Persons:
    """The first `count` persons of each clip; first_sequence, persons: [clips of the data set]."""
    index = jnp.arange(count)[None, :]
    there = jnp.asarray(persons)[clips][:, None]
    sequence = jnp.asarray(first_sequence)[clips][:, None] + jnp.minimum(index, there - 1)
    return Persons(sequence, index < there)


def without_absent(poses: Array, present: Array) -> Array:
    """Poses [batch, persons, ...] with zeros for persons that are not there, as published code.

    present: bool [batch, persons].
    """
    return jnp.where(present.reshape(*present.shape, *(1,) * (poses.ndim - 2)), poses, 0.0)
