"""Single poses in a grid with names of its rows and columns, as PNG (paper, Figure 4)."""

import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from via_jax.figures.skeleton import TORSO, fit, project, shorten, stick_figure
from via_jax.skeletons import Layout


def grid(
    poses: np.ndarray,
    valid: np.ndarray,
    layout: Layout,
    path: str | pathlib.Path,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    size: int = 110,
    y_up: bool = False,
    group: int = 1,
) -> None:
    """Draws one pose a cell, all in one scale and with the root joint at one place.

    Args:
      poses: [rows, columns, joints, coords], 2 or 3 coords; 3D is seen along its z axis.
      valid: bool [rows, columns, joints].
      layout: joint layout.
      path: file to write, ending in .png; its folder is made if missing.
      rows, columns: their names.
      size: height of a cell in pixels, at least 64; its width follows the poses.
      y_up: True where y grows upwards.
      group: so many columns stand close together under the name of their first.

    Raises:
      ValueError: another suffix, no cell, other shapes, a valid joint that is not finite, or a
        number of names that does not fit.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"cannot write {path.name!r}; expected a name that ends in .png")
    poses, valid = np.asarray(poses), np.asarray(valid, bool)
    shape = (len(rows), len(columns) * group, layout.num_joints)
    if 0 in shape or poses.shape[:-1] != shape or valid.shape != shape:
        raise ValueError(
            f"poses have shape {poses.shape}, valid {valid.shape}; expected {shape} and 2 or 3"
            f" coords: {len(rows)} rows, {len(columns)} groups of {group} columns, and the"
            f" joints of {layout.name}"
        )
    if not np.isfinite(poses[valid]).all():
        raise ValueError("NaN or infinity at a valid joint; expected finite poses")
    if not valid.any():
        raise ValueError("no valid joint in any cell, nothing to draw")
    root = layout.parents.index(-1)
    centred = (project(poses, 0.0) - project(poses, 0.0)[..., root : root + 1, :]).reshape(
        -1, layout.num_joints, 2
    )
    seen = centred[valid.reshape(centred.shape[:2])]
    across, along = np.ptp(seen, axis=0)
    width = round(size * min(max(across / max(along, 1e-9), 0.5), 1.5))
    pixels = fit(centred, valid.reshape(centred.shape[:2]), width, size, y_up).reshape(*shape, 2)

    texts, font = shorten(rows, 150, 13)
    side = 20 + round(max(font.getlength(text) for text in texts))
    small, wide, top = 4, 14, 28
    step = group * (width + small) + wide - small
    page = Image.new("RGB", (side + len(columns) * step, top + len(rows) * (size + small)), "white")
    draw = ImageDraw.Draw(page)
    names, font_of_names = shorten(columns, step - wide, 13)
    for index, name in enumerate(names):
        middle = side + index * step + (step - wide) / 2
        draw.text((middle, top / 2), name, TORSO, font_of_names, anchor="mm")
    for row, text in enumerate(texts):
        upper = top + row * (size + small)
        draw.text((side - 10, upper + size / 2), text, TORSO, font, anchor="rm")
        for column in range(shape[1]):
            left = side + column // group * step + column % group * (width + small)
            cell = stick_figure(pixels[row, [column]], valid[row, [column]], layout, width, size)
            page.paste(cell, (left, upper))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, optimize=True)


def canonical_sheet(
    inputs: np.ndarray,
    canonical: np.ndarray,
    known: np.ndarray,
    layout: Layout,
    path: str | pathlib.Path,
    clips: Sequence[str],
    views: Sequence[str],
    *,
    y_up: bool,
    moments: int = 3,
) -> None:
    """Writes what a model sees of clips in several views, and their motion without character below.

    Args:
      inputs, canonical: [clips, views, time, joints, coords].
      known: bool [clips, views, joints]; only these are drawn.
      layout, path, y_up: as in `grid`.
      clips, views: their names.
      moments: so many evenly spaced frames of each, at least 1.

    Raises:
      ValueError: as `grid`.
    """
    frames = inputs.shape[2]
    chosen = ((np.arange(moments) + 0.5) * frames / moments).astype(int)
    both = np.stack([inputs, canonical], axis=1)[:, :, :, chosen]  # [clips, 2, views, moments, ...]
    poses = both.reshape(2 * len(clips), -1, *both.shape[-2:])
    valid = known[:, None, :, None].repeat(2, axis=1).repeat(moments, axis=3)
    titles = [f"{clip}{kind}" for clip in clips for kind in (": input", ": canonical")]
    valid = valid.reshape(poses.shape[:-1])
    grid(poses, valid, layout, path, titles, views, y_up=y_up, group=moments)


def traversal_sheet(
    poses: np.ndarray,
    known: np.ndarray,
    layout: Layout,
    path: str | pathlib.Path,
    directions: Sequence[int],
    deviations: Sequence[float],
    *,
    y_up: bool,
) -> None:
    """Writes the middle frame for every value (columns) of every direction (rows).

    Args:
      poses: [directions, values, time, joints, coords].
      known: bool [joints]; only these are drawn.
      layout, path, y_up: as in `grid`.
      directions: their numbers.
      deviations: the values, in standard deviations from the mean.

    Raises:
      ValueError: as `grid`.
    """
    middle = poses[:, :, poses.shape[2] // 2]
    valid = np.broadcast_to(known, middle.shape[:-1])
    rows = [f"direction {direction}" for direction in directions]
    columns = [f"{value:+g} sd" if value else "mean" for value in deviations]
    grid(middle, valid, layout, path, rows, columns, y_up=y_up)
