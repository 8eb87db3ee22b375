"""What a motion looks like without its character, and with a changed one (paper, Figure 4)."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from via_jax.data.transforms import measure, to_frame
from via_jax.data.views import Views, placed_of
from via_jax.evaluation.known_views import Seen, model_of
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.dictionary import Split
from via_jax.typing import Array, Tree


@functools.partial(jax.jit, static_argnames="model")
def _decode(model: Autoencoder, variables: Tree, motion: Array, character: Array) -> Any:
    return model.apply(variables, motion, character, False, method="decode")


def decode(
    variables: Tree, meta: dict, views: Views, motion: Array, character: Array
) -> np.ndarray:
    """D_Pose(r_m + r_c), [rows, time, joints, coords], centred and scaled, without padding.

    motion: [rows, time / 8, channels]. character: [rows, channels]; zeros give the canonical view.
    """
    model, window = model_of(meta)
    decoded = placed_of(_decode(model, variables, motion, character), views)
    return np.asarray(decoded)[:, : window.frames]


def inputs_placed(inputs: np.ndarray, meta: dict, views: Views) -> np.ndarray:
    """Model input as `decode` returns poses, to be set beside them."""
    _, window = model_of(meta)
    return np.asarray(placed_of(inputs, views))[:, : window.frames]


def distances(poses: np.ndarray, seen: Seen, views: Views, seed: int) -> dict[str, float | None]:
    """How far the same window lies apart in two views, and how far different clips do in one view.

    Each row is centred and scaled for itself, so that a body's joints lie about 1 from its hips;
    then the distance of two rows is the root mean square over frames and joints that both know.

    Args:
      poses: of every row, [rows, time, joints, coords].
      seen: the rows.
      views: their layout.
      seed: each clip is compared with one other clip, drawn by it.

    Returns:
      "between_views": mean over clips and pairs of views; "between_clips": mean over views and
      drawn pairs of clips. None where there is one view, or one clip, only.
    """
    size = measure(poses, seen.known, views.layout.hips)
    poses = np.asarray(to_frame(poses, seen.known, size))

    def apart(first: np.ndarray, second: np.ndarray) -> list[float]:
        squared = np.square(poses[first] - poses[second]).sum(axis=-1)  # [pairs, time, joints]
        both = (seen.known[first] & seen.known[second])[:, None].repeat(squared.shape[1], axis=1)
        counted = (squared * both).sum(axis=(1, 2)) / np.maximum(both.sum(axis=(1, 2)), 1)
        return np.sqrt(counted)[both.any(axis=(1, 2))].tolist()

    rows = np.arange(len(poses)).reshape(-1, len(np.unique(seen.clip)))  # [views, clips]
    order = np.random.default_rng(seed).permutation(rows.shape[1])
    views_apart = [
        apart(rows[one], rows[other]) for one in range(len(rows)) for other in range(one)
    ]
    clips_apart = [apart(row[order], row[np.roll(order, 1)]) for row in rows if len(order) > 1]

    def mean(parts: list[list[float]]) -> float | None:
        return float(np.mean(np.concatenate(parts))) if parts else None

    return {"between_views": mean(views_apart), "between_clips": mean(clips_apart)}


def directions_of(variables: Tree, meta: dict) -> np.ndarray:
    """The dictionary D_c, [channels, directions]."""
    model, _ = model_of(meta)
    channels = len(variables["params"]["dictionary"]["directions"])
    split: Any = model.apply(variables, np.eye(channels, dtype=np.float32)[:, None], method="split")
    return np.asarray(split.magnitudes)  # of unit codes: the rows of D_c


def check_directions(directions: Sequence[int] | np.ndarray, meta: dict) -> None:
    """Raises ValueError for no direction, or one that the dictionary does not have."""
    count = meta["model"]["num_directions"]
    if not len(directions) or not all(0 <= direction < count for direction in directions):
        raise ValueError(f"directions {list(directions)}; expected some of 0 to {count - 1}")


def widest(magnitudes: Array, count: int) -> np.ndarray:
    """Indices of the directions along which the rows vary most, the widest first."""
    return np.argsort(-np.std(magnitudes, axis=0), kind="stable")[:count]


def traverse(
    variables: Tree,
    meta: dict,
    views: Views,
    split: Split,
    row: int,
    directions: Sequence[int] | np.ndarray,
    deviations: np.ndarray,
) -> np.ndarray:
    """One row decoded with one of its magnitudes changed at a time.

    Args:
      variables, meta, views: of the model.
      split: of many rows, which tell the mean and standard deviation of every magnitude.
      row: whose motion and other magnitudes are kept.
      directions: int [directions], which magnitude is changed.
      deviations: [values], what it is set to, in standard deviations from its mean.

    Returns:
      [directions, values, time, joints, coords], as `decode`.

    Raises:
      ValueError: a direction that the dictionary does not have.
    """
    check_directions(directions, meta)
    basis = directions_of(variables, meta)
    mean, spread = split.magnitudes.mean(axis=0), split.magnitudes.std(axis=0)
    characters = []
    for direction in directions:
        wanted = mean[direction] + np.asarray(deviations) * spread[direction]
        change = wanted - split.magnitudes[row, direction]
        characters.append(split.character[row] + change[:, None] * basis[:, direction])
    character = np.concatenate(characters).astype(np.float32)
    motion = np.repeat(split.motion[row : row + 1], len(character), axis=0)
    poses = decode(variables, meta, views, motion, character)
    return poses.reshape(len(directions), len(deviations), *poses.shape[1:])


def canonical_table(trained: dict[str, float | None], random: dict[str, float | None]) -> str:
    """Markdown of `distances` of the input and of canonical poses, of a model and random weights.

    Keys as `distances` has them, with "input_" or "canonical_" in front.
    """
    lines = [
        "| distance in body sizes | same window, two views | two clips, same view | ratio |",
        "|---|---|---|---|",
    ]
    for title, found, name in (
        ("input", trained, "input"),
        ("canonical, trained", trained, "canonical"),
        ("canonical, random weights", random, "canonical"),
    ):
        views, clips = found[f"{name}_between_views"], found[f"{name}_between_clips"]
        if views is not None and clips is not None:
            lines.append(f"| {title} | {views:.3f} | {clips:.3f} | {views / clips:.2f} |")
    return "\n".join(lines) + "\n"
