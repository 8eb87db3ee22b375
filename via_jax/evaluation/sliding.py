"""A whole clip seen through windows of the training's length, and one sequence made of them."""

import numpy as np

from via_jax.data.sampling import Window
from via_jax.typing import Array


def cover(frames: int, window: Window) -> np.ndarray:
    """Positions in a clip that its windows look at, float64 [windows, window.padded].

    "crop": windows of `window.frames` frames, half a window apart, the last one at the end of the
    clip; a shorter clip is repeated in one window. "resample": the whole clip in one window.
    """
    index = np.arange(window.padded) % window.frames
    if window.sampling == "resample":
        return (index * (frames - 1) / max(window.frames - 1, 1))[None]
    last = max(frames - window.frames, 0)
    starts = np.append(np.arange(0, last, max(window.frames // 2, 1)), last)
    return (starts[:, None] + index) % frames


def look(sequence: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The sequence [time, ...] at positions between its frames, [windows, padded, ...] float32."""
    low = np.floor(positions).astype(int)
    high = np.minimum(low + 1, len(sequence) - 1)
    fraction = (positions - low).reshape(*positions.shape, *(1,) * (sequence.ndim - 1))
    return (sequence[low] * (1.0 - fraction) + sequence[high] * fraction).astype(np.float32)


def join(parts: Array, frames: int, window: Window) -> np.ndarray:
    """One sequence [frames, ...] of what windows became, [windows, window.padded, ...].

    Where windows overlap, each fades into the next, see `fade`. The single window of "resample" is
    stretched back.
    """
    parts = np.asarray(parts)[:, : window.frames]
    positions = cover(frames, window)[:, : window.frames]
    if window.sampling == "resample":
        wanted = np.arange(frames)
        flat = parts[0].reshape(len(parts[0]), -1).astype(np.float64)
        columns = [np.interp(wanted, positions[0], column) for column in flat.T]
        return np.stack(columns, axis=1).reshape(frames, *parts.shape[2:])
    inside = min(window.frames, frames)  # a short clip is repeated: its first pass counts
    joined = np.zeros((0, *parts.shape[2:]))
    made = np.empty((frames, *parts.shape[2:]))
    done = 0  # frames before it are not touched again
    for start, part in zip(positions[:, 0].astype(int), parts):
        made[done:start], joined = joined[: start - done], joined[start - done :]
        joined, done = faded(joined, part[:inside]), start
    made[done:] = joined
    return made


def faded(before: np.ndarray, part: np.ndarray) -> np.ndarray:
    """A sequence that goes over into another one, which begins with it and ends at or after it.

    before: [overlap, ...]. part: [frames, ...] with at least as many frames; float64 [frames, ...].
    """
    overlap = len(before)
    share = fade(overlap).reshape(-1, *(1,) * (part.ndim - 1))
    result = part.astype(np.float64)
    result[:overlap] = before * (1.0 - share) + result[:overlap] * share
    return result


def fade(frames: int) -> np.ndarray:
    """Weights that rise from about 0 to about 1, float64 [frames]; w(t) + w(1 - t) = 1.

    The polynomial of degree 7 whose first three derivatives vanish at both ends: where windows
    disagree, neither speed nor acceleration nor jerk jumps at the ends of the overlap.
    """
    t = (np.arange(frames) + 0.5) / max(frames, 1)
    return t**4 * (35.0 - 84.0 * t + 70.0 * t**2 - 20.0 * t**3)
