"""t-SNE of motion and character codes, coloured by what they may hold (paper, Figure 5)."""

import pathlib
from collections.abc import Mapping

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image
except ImportError as error:
    raise ImportError(f"{error}; figures need it: pip install via_jax[viz]") from error

# Okabe and Ito's colours, which colour-blind readers can tell apart, without yellow on white.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = ("o", "^", "x")
_REST = "#D8D8D8"
_GREY = "#404040"


def embed(features: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE of features [rows, channels] in the plane, [rows, 2], from their principal plane.

    Raises:
      ValueError: fewer than 4 rows.
    """
    if len(features) < 4:
        raise ValueError(f"{len(features)} rows; t-SNE needs at least 4")
    perplexity = min(30.0, (len(features) - 1) / 3)
    model = TSNE(init="pca", perplexity=perplexity, random_state=seed)
    # On shared cores OpenMP's threads wait for each other, busily, a hundred times as long.
    with threadpool_limits(1):
        return model.fit_transform(np.asarray(features, np.float32))


def code_map(
    maps: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    path: str | pathlib.Path,
) -> None:
    """Draws each map once for each label, with one legend under each column.

    The 21 most frequent values of a label have a colour and a marker of their own; the others, and
    unknown ones, are light grey. Kinds of label that are not known at all are left out.

    Args:
      maps: title of a row of panels -> [points, 2].
      labels: title of a column -> str [points], "" where unknown.
      path: file to write, ending in .png; its folder is made if missing.

    Raises:
      ValueError: another suffix, no map or label, another number of points, or points that are not
        finite.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"cannot write {path.name!r}; expected a name that ends in .png")
    known = {title: values for title, values in labels.items() if (values != "").any()}
    if not maps or not known:
        raise ValueError(f"{len(maps)} maps and {len(known)} known labels; expected one of each")
    count = len(next(iter(known.values())))
    for title, points in maps.items():
        if points.shape != (count, 2) or not np.isfinite(points).all():
            raise ValueError(
                f"map {title!r} has shape {points.shape}; expected finite ({count}, 2), as labels"
            )
    for title, values in known.items():
        if len(values) != count:
            raise ValueError(f"label {title!r} has {len(values)} values; expected {count}")
    figure = Figure(figsize=(3.6 * len(known), 3.3 * len(maps) + 1.5), layout="constrained")
    panels = figure.subplots(len(maps), len(known), squeeze=False)
    order = np.random.default_rng(0).permutation(count)  # no value lies on top of the others
    for row, (name, points) in enumerate(maps.items()):
        for column, (title, values) in enumerate(known.items()):
            axes = panels[row, column]
            _scatter(axes, points[order], values[order])
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color("#C0C0C0")
            axes.set_title(f"{name}, by {title}", fontsize=10, color=_GREY)
    for column in range(len(known)):
        handles, names = panels[-1, column].get_legend_handles_labels()
        panels[-1, column].legend(
            handles,
            names,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.02),
            ncols=2 if max(map(len, names)) > 8 else 4,
            fontsize=7.5,
            frameon=False,
            markerscale=1.6,
            handletextpad=0.1,
            columnspacing=0.8,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)  # whatever the user's settings say, no window system
    figure.savefig(path, dpi=120, facecolor="white")
    with Image.open(path) as image:  # few colours: a palette makes the file a third
        small = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def _scatter(axes, points: np.ndarray, values: np.ndarray) -> None:
    """Points of each value in its colour and marker, named as in the legend."""
    names, counts = np.unique(values[values != ""], return_counts=True)
    most = names[np.argsort(-counts, kind="stable")][: len(_COLORS) * len(_MARKERS)]
    shown = sorted(most, key=_in_order)
    for index, name in enumerate(shown):
        mine = values == name
        axes.scatter(
            *points[mine].T,
            s=9,
            color=_COLORS[index % len(_COLORS)],
            marker=_MARKERS[index // len(_COLORS)],
            linewidths=0.6,
            alpha=0.8,
            label=str(name),
        )
    rest = ~np.isin(values, shown)
    if rest.any():
        name = "others" if len(shown) < len(names) else "unknown"
        axes.scatter(*points[rest].T, s=7, color=_REST, linewidths=0.8, zorder=0, label=name)


def _in_order(name: str) -> tuple[bool, float, str]:
    """Numbers by their size, then words."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
