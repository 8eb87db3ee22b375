"""Training curves and confusion matrices as PNG pictures (needs the [viz] extra)."""

import difflib
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ImportError(f"{error}; figures need it: pip install via_jax[viz]") from error

BLUE = "#0072B2"
GREY = "#404040"
_MAX_NUMBERED = 20  # classes; numbers in the cells of a larger matrix would be unreadable


def loss_curves(
    metrics: Sequence[Mapping[str, Any]],
    path: str | pathlib.Path,
    keys: Sequence[str] | None = None,
) -> None:
    """Writes one small plot per scalar over the training steps.

    The axis is logarithmic where all values are positive and span a factor of 3 or more. Values
    that are not finite leave a gap. Where a step occurs twice (a resumed run), the last one counts.

    Args:
      metrics: records such as the lines of metrics.jsonl, each with "step" and some scalars, not
        always the same ones.
      path: file to write, ending in .png; its folder is made if missing.
      keys: scalars to draw, in this order; None draws all that occur.

    Raises:
      ValueError: another suffix, no record, a record without "step", a key that never occurs, or a
        value that is no scalar.
    """
    path = _png(path)
    if not metrics:
        raise ValueError("no metrics to draw; expected at least one record with 'step'")
    for index, record in enumerate(metrics):
        if "step" not in record:
            raise ValueError(f"record {index} holds {list(record)}; expected 'step' among them")
    names = list(dict.fromkeys(key for record in metrics for key in record if key != "step"))
    wanted = names if keys is None else list(keys)
    if not wanted:
        raise ValueError("no scalar beside 'step' to draw; expected at least one")
    for key in wanted:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"no record holds {key!r}; {hint}the records hold {names}")

    columns = min(len(wanted), 3)
    rows = math.ceil(len(wanted) / columns)
    figure = new_figure(3.4 * columns, 2.5 * rows)
    for index, key in enumerate(wanted):
        steps, values = _series(metrics, key)
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.plot(steps, values, color=BLUE, linewidth=1.4, marker="." if len(steps) < 3 else "")
        axes.set_title(key, fontsize=10, color=GREY)
        finite = values[np.isfinite(values)]
        if not len(finite):
            axes.text(0.5, 0.5, "no finite value", ha="center", transform=axes.transAxes)
        elif finite.min() > 0 and finite.max() >= 3 * finite.min():
            axes.set_yscale("log")
        if index + columns >= len(wanted):  # nothing below it
            axes.set_xlabel("step", fontsize=9, color=GREY)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        tidy(axes)
    save_png(figure, path)


def confusion_matrix(matrix: np.ndarray, classes: Sequence[str], path: str | pathlib.Path) -> None:
    """Writes how the samples of each class were classified, in percent of the class.

    Args:
      matrix: [classes, classes] counts or fractions, not negative; row: true class, column:
        predicted class. A class without samples leaves its row white.
      classes: name of each class, in the order of the matrix.
      path: file to write, ending in .png; its folder is made if missing.

    Raises:
      ValueError: another suffix, a matrix that is not square, has a negative or not finite entry or
        sums to 0, or another number of class names.
    """
    path = _png(path)
    matrix = np.asarray(matrix, np.float64)
    count = len(classes)
    if matrix.shape != (count, count) or count == 0:
        raise ValueError(
            f"matrix has shape {matrix.shape} for {count} class names; expected a row and a column"
            " per class"
        )
    if not (np.isfinite(matrix).all() and (matrix >= 0).all() and matrix.any()):
        raise ValueError(
            f"matrix has entries from {matrix.min()} to {matrix.max()}; expected finite counts, not"
            " negative and not all 0"
        )
    totals = matrix.sum(axis=1, keepdims=True)
    percent = 100 * matrix / np.where(totals > 0, totals, 1)

    side = min(2.5 + (0.42 if count <= _MAX_NUMBERED else 0.16) * count, 24)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.add_subplot()
    blues = LinearSegmentedColormap.from_list("blues", ["white", BLUE, "#00304D"])
    image = axes.imshow(percent, cmap=blues, vmin=0, vmax=100)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, shrink=0.8, aspect=25)
    bar.set_label("% of the true class", fontsize=9, color=GREY)
    bar.outline.set_color("#C0C0C0")
    bar.ax.tick_params(labelsize=8, color=GREY, labelcolor=GREY)
    axes.set_xticks(range(count), classes, rotation=90)
    axes.set_yticks(range(count), classes)
    axes.set_xlabel("predicted class", fontsize=9, color=GREY)
    axes.set_ylabel("true class", fontsize=9, color=GREY)
    axes.tick_params(labelsize=8 if count <= _MAX_NUMBERED else 6, length=0, labelcolor=GREY)
    axes.spines[:].set_color("#C0C0C0")
    if count <= _MAX_NUMBERED:
        for row, column in np.argwhere(percent >= 0.5):
            color = "white" if percent[row, column] > 40 else GREY
            text = f"{percent[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    save_png(figure, path)


def _series(metrics: Sequence[Mapping[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps in rising order and the values of one scalar, [records] each; gaps are NaN."""
    found: dict[float, float] = {}
    for record in metrics:
        if key not in record:
            continue
        value = np.asarray(record[key])
        if value.shape or not np.issubdtype(value.dtype, np.number):
            raise ValueError(
                f"{key!r} at step {record['step']} is {record[key]!r}; expected a single number;"
                " name the scalars to draw in keys"
            )
        found[float(record["step"])] = float(value) if np.isfinite(value) else math.nan
    steps = np.array(sorted(found))
    return steps, np.array([found[step] for step in steps])


def tidy(axes) -> None:
    """Light axes and a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#A0A0A0")
    axes.grid(color="#E6E6E6", linewidth=0.6)
    axes.tick_params(labelsize=8, color="#A0A0A0", labelcolor=GREY)
    axes.tick_params(which="minor", labelsize=7, color="#A0A0A0", labelcolor=GREY)


def _png(path: str | pathlib.Path) -> pathlib.Path:
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"cannot write {path.name!r}; expected a name that ends in .png")
    return path


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, whose panels do not overlap."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    return figure


def save_png(figure: Figure, path: str | pathlib.Path) -> None:
    """Writes a figure; ValueError where the path does not end in .png."""
    path = _png(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)  # whatever the user's settings say, no window system
    figure.savefig(path, dpi=120, facecolor="white", bbox_inches="tight", pad_inches=0.15)
