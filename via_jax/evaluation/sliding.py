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

    Where windows overlap they are averaged, weighted by the distance from a window's ends, so that
    none begins or ends with a jump. The single window of "resample" is stretched back.
    """
    parts = np.asarray(parts)[:, : window.frames]
    flat = parts.reshape(*parts.shape[:2], -1).astype(np.float64)
    positions = cover(frames, window)[:, : window.frames]
    if window.sampling == "resample":
        wanted = np.arange(frames)
        columns = [np.interp(wanted, positions[0], column) for column in flat[0].T]
        return np.stack(columns, axis=1).reshape(frames, *parts.shape[2:])
    inside = min(window.frames, frames)  # a short clip is repeated: its first pass counts
    index = np.arange(inside)
    near_middle = 1.0 + np.minimum(index, inside - 1 - index)
    total, weight = np.zeros((frames, flat.shape[-1])), np.zeros((frames, 1))
    for part, where in zip(flat, positions.astype(int)):
        total[where[:inside]] += part[:inside] * near_middle[:, None]
        weight[where[:inside]] += near_middle[:, None]
    return (total / weight).reshape(frames, *parts.shape[2:])
