"""Probabilities of actions over the time of a recording, as a PNG picture (needs [viz])."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(f"{error}; figures need it: pip install via_jax[viz]") from error

from via_jax.api import Prediction
from via_jax.predictions import Piece

SHOWN = 8  # lines that can still be told apart


def timeline(
    starts: Sequence[int],
    ends: Sequence[int],
    probabilities: np.ndarray,
    classes: Sequence[str],
    path: str | Path,
    frame_rate: float | None,
) -> None:
    """Draws a line for each of the eight classes that are most probable anywhere.

    Args:
      starts, ends: of the windows, in frames; a window's probability stands at its middle.
      probabilities: [windows, classes], in [0, 1].
      classes: names.
      path: ends in .png.
      frame_rate: frames per second, for an axis in seconds; None for one in frames.

    Raises:
      ValueError: another suffix, no window, or arrays of different lengths.
    """
    path = Path(path)
    shape = (len(starts), len(classes))
    if path.suffix != ".png" or not len(starts) or probabilities.shape != shape:
        raise ValueError(
            f"{path}: probabilities of shape {probabilities.shape}; expected a .png and {shape},"
            " at least one window"
        )
    middle = (np.asarray(starts) + np.asarray(ends)) / 2 / (frame_rate or 1.0)
    best = np.argsort(-probabilities.max(axis=0), kind="stable")[:SHOWN]
    figure = Figure(figsize=(9, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for index in best:
        axes.plot(middle, probabilities[:, index], marker=".", label=classes[index])
    axes.set(ylim=(0, 1.02), ylabel="probability", xlabel="seconds" if frame_rate else "frames")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def draw_pieces(
    pieces: Sequence[Piece], predictions: Sequence[Prediction], stem: str | Path
) -> list[Path]:
    """Draws a `timeline` for each person of one recording, and returns the files.

    stem: path without .png; "_person0" and so on are appended where persons are apart.
    """
    paths = []
    for person in dict.fromkeys(piece.person for piece in pieces):
        own = [pair for pair in zip(pieces, predictions, strict=True) if pair[0].person == person]
        path = Path(f"{stem}.png" if person is None else f"{stem}_person{person}.png")
        timeline(
            [piece.start for piece, _ in own],
            [piece.end for piece, _ in own],
            np.stack([prediction.probabilities for _, prediction in own]),
            own[0][1].classes,
            path,
            own[0][0].clip.frame_rate,
        )
        paths.append(path)
    return paths
