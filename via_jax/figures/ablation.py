"""Ablation grids as a picture: one panel a metric, one line a cell, every seed a dot."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from via_jax.figures.curves import BLUE, GREY, new_figure, save_png, tidy


def draw_grid(
    rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, str], path: str | pathlib.Path
) -> None:
    """Draws mean and standard deviation over seeds of every cell that was run.

    Args:
      rows: of `ablation.ablate`: "cell" and "results", one dictionary of numbers a seed.
      metrics: key of the numbers -> title of its panel.
      path: file to write, ending in .png; its folder is made if missing.

    Raises:
      ValueError: another suffix, or no cell that was run.
    """
    shown = [row for row in rows if row["results"]]
    if not shown:
        raise ValueError("no cell was run; expected results of at least one")
    width, height = 2.1 + 2.3 * len(metrics), 1.1 + 0.32 * len(shown)
    figure = new_figure(width, height)
    for index, (key, title) in enumerate(metrics.items()):
        axes = figure.add_subplot(1, len(metrics), index + 1)
        for line, row in enumerate(shown):
            numbers = np.array([found[key] for found in row["results"]])
            deviation = numbers.std(ddof=1) if len(numbers) > 1 else 0.0
            axes.errorbar(
                numbers.mean(), line, xerr=deviation, fmt="o", color=BLUE, capsize=3, markersize=5
            )
            places = np.full(len(numbers), line + 0.22)
            axes.plot(numbers, places, ".", color=GREY, markersize=3, alpha=0.7)
        axes.set_title(title, fontsize=9, color=GREY)
        names = [row["cell"] for row in shown] if index == 0 else [""] * len(shown)
        axes.set_yticks(range(len(shown)), names)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        tidy(axes)
    save_png(figure, path)
