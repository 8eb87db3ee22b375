"""What a training step sees, as a pure function of the seed and the step.

    draw = f(seed, step): which sequences, which frames of them, who is retargeted onto whom.

Nothing here has a state: a resumed run draws what the first would have, on any number of devices.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.typing import Array


@dataclasses.dataclass(frozen=True)
class Window:
    """How a window is cut from a sequence.

    Attributes:
      frames: length T of the window.
      multiple: the window is padded to a multiple of this by repeating it; 8 for the encoder.
      sampling: "resample" stretches a part of the sequence to T frames, "crop" cuts T frames and
        repeats a sequence that is shorter.
      shortest_share: "resample" in training takes a random part of at least this share, in (0, 1].
      speed: "crop" in training steps by a random number of frames from this range.
      drop_shorter: pre-training leaves out sequences of fewer than `frames` frames.
    """

    frames: int
    multiple: int
    sampling: str
    shortest_share: float
    speed: tuple[float, float]
    drop_shorter: bool = False

    def __post_init__(self):
        if self.sampling not in ("resample", "crop"):
            raise ValueError(f'sampling={self.sampling!r}; expected "resample" or "crop"')
        if self.frames < 1 or not 0 < self.shortest_share <= 1:
            raise ValueError(
                f"a window of frames={self.frames}, shortest_share={self.shortest_share};"
                " expected at least one frame and a share in (0, 1]"
            )

    @property
    def padded(self) -> int:
        """Length after padding."""
        return -(-self.frames // self.multiple) * self.multiple


class Draw(NamedTuple):
    """Frames to gather for a batch of windows.

    Attributes:
      sequence: [batch], which sequence of the data set.
      low, high: [batch, time], the two frames between which each position lies.
      fraction: [batch, time], how far from low to high, in [0, 1).
    """

    sequence: Array
    low: Array
    high: Array
    fraction: Array


def epoch_items(key: jax.Array, step: Array, batch: int, count: int) -> Array:
    """Items `step x batch ... + batch` of an endless row of permutations of range(count).

    Each epoch of `count` items holds every item once; a batch may span the end of an epoch.
    """
    if not 1 <= batch <= count:
        raise ValueError(
            f"a batch of {batch} from {count} sequences; expected 1 to {count}: take fewer"
        )
    # Split before multiplying, so that step x batch cannot overflow 32 bits.
    step = jnp.asarray(step, jnp.uint32)
    whole, rest = step // jnp.uint32(count), step % jnp.uint32(count)
    first = rest * jnp.uint32(batch)  # below count x batch
    epoch = whole * jnp.uint32(batch) + first // jnp.uint32(count)
    position = first % jnp.uint32(count) + jnp.arange(batch, dtype=jnp.uint32)
    this = jax.random.permutation(jax.random.fold_in(key, epoch), count)
    following = jax.random.permutation(jax.random.fold_in(key, epoch + 1), count)
    inside = position < count
    return jnp.where(
        inside,
        this[jnp.where(inside, position, 0)],
        following[jnp.where(inside, 0, position - count)],
    )


class Clusters(NamedTuple):
    """Sequences sorted by cluster, so that one of another cluster can be drawn in one step.

    Attributes:
      order: [count], items sorted by cluster.
      start, size: [count], where each item's cluster starts in `order`, and how many it has.
    """

    order: Array
    start: Array
    size: Array


def sort_by_cluster(cluster: np.ndarray) -> Clusters:
    """Prepares drawing from another cluster. cluster: [count] of any integers.

    Raises:
      ValueError: a single cluster, which leaves nothing to draw.
    """
    values, inverse, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    if len(values) < 2:
        raise ValueError("all sequences lie in one cluster; a source needs at least two clusters")
    starts = np.cumsum(sizes) - sizes
    return Clusters(
        order=np.argsort(inverse, kind="stable").astype(np.int32),
        start=starts[inverse].astype(np.int32),
        size=sizes[inverse].astype(np.int32),
    )


def from_another_cluster(key: jax.Array, items: Array, clusters: Clusters) -> Array:
    """Draws for each item one of another cluster, uniformly. items: [batch] -> [batch]."""
    start, size = jnp.asarray(clusters.start)[items], jnp.asarray(clusters.size)[items]
    others = len(clusters.order) - size
    index = jax.random.randint(key, items.shape, 0, others)
    return jnp.asarray(clusters.order)[jnp.where(index < start, index, index + size)]


def partner(x: Array) -> Array:
    """Swaps drivers and sources, the two halves of a batch of pairs along the first axis."""
    return jnp.roll(x, x.shape[0] // 2, axis=0)


def training_windows(key: jax.Array, sequence: Array, length: Array, window: Window) -> Draw:
    """Draws a random window of each sequence; sequence, length: [batch]."""
    part, begin = jax.random.uniform(key, (2, *sequence.shape))
    length = length.astype(jnp.float32)
    if window.sampling == "resample":
        share = window.shortest_share + (1 - window.shortest_share) * part
        span = share * (length - 1)
        start = begin * (length - 1 - span)
        step = span / max(window.frames - 1, 1)
    else:
        low, high = window.speed
        step = low + (high - low) * part
        room = jnp.maximum(length - 1 - (window.frames - 1) * step, 0.0)
        start = jnp.floor(begin * (jnp.floor(room) + 1))  # the window ends within the sequence
    return _positions(sequence, length, start, step, window)


def evaluation_windows(sequence: Array, length: Array, window: Window) -> Draw:
    """The window that evaluation sees: the whole sequence resampled, or the middle of it."""
    length = jnp.asarray(length).astype(jnp.float32)
    if window.sampling == "resample":
        start = jnp.zeros_like(length)
        step = (length - 1) / max(window.frames - 1, 1)
    else:
        start = jnp.floor(jnp.maximum(length - window.frames, 0) / 2)
        step = jnp.ones_like(length)
    return _positions(jnp.asarray(sequence), length, start, step, window)


def _positions(sequence: Array, length: Array, start: Array, step: Array, window: Window) -> Draw:
    index = jnp.arange(window.padded) % window.frames
    position = start[:, None] + step[:, None] * index[None, :]
    position = position % jnp.maximum(length[:, None], 1.0)  # a short sequence is repeated
    last = length.astype(jnp.int32)[:, None] - 1
    low = jnp.minimum(jnp.floor(position).astype(jnp.int32), last)
    return Draw(sequence, low, jnp.minimum(low + 1, last), position - low)


def real_frames(window: Window) -> np.ndarray:
    """bool [padded], False for the frames that only fill up the window."""
    return np.arange(window.padded) < window.frames


def real_steps(window: Window) -> np.ndarray | None:
    """[padded / multiple] share of real frames behind each code; None where all are real."""
    if window.padded == window.frames:
        return None
    return real_frames(window).reshape(-1, window.multiple).mean(axis=1).astype(np.float32)
