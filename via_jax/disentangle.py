"""Numbers and pictures of how a pre-trained model keeps motion and character apart."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from via_jax.checkpoints import Which, load_model
from via_jax.data import store
from via_jax.data.views import Views
from via_jax.evaluation import canonical, known_views
from via_jax.evaluation.disentanglement import features_of, measure, table
from via_jax.figures.code_map import code_map, embed
from via_jax.figures.grid import canonical_sheet, traversal_sheet
from via_jax.models.dictionary import Split
from via_jax.runs import open_run
from via_jax.typing import Tree

BATCH = 64  # rows at once; results do not depend on it
FOLDS = 5
ACTIONS_SHOWN = 4
DIRECTIONS_SHOWN = 5
DEVIATIONS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


def disentangle(
    checkpoint: str | Path,
    folder: str | Path,
    protocol: str,
    out: str | Path,
    *,
    which: Which,
    yaws: Sequence[float],
    count: int,
    show: Sequence[str],
    directions: Sequence[int],
    seed: int,
) -> str:
    """Encodes test clips seen by known cameras; writes numbers and pictures.

    Args:
      checkpoint: work directory of a pre-training. which: of its checkpoints.
      folder: prepared data set in the model's layout.
      protocol: whose test clips are taken.
      out: gets config.json, results.json, disentanglement.md, tsne.png, canonical.png and
        traversal.png. Keys of results.json that begin with "random_" are of random weights.
      yaws: see `known_views.see`.
      count: at most so many clips.
      show: names of the clips in canonical.png, the first one in traversal.png; without names one
        clip of each of four actions.
      directions: to traverse; without any the five along which the clips vary most.
      seed: of draws, folds, random weights and t-SNE.

    Returns:
      The tables, Markdown.

    Raises:
      ValueError: data, clips or directions that are not there or do not fit the model.
    """
    variables, meta = load_model(Path(checkpoint) / "checkpoints", which)
    data, out = store.load(Path(folder)), Path(out)
    views = known_views.views_of(meta, data)
    test = data.clips_of(protocol, "test")
    drawn = known_views.draw_clips(test, count, seed)
    shown = known_views.clips_to_show(data, drawn, show, ACTIONS_SHOWN)
    seen = known_views.see(data, np.union1d(drawn, shown), meta, tuple(yaws))
    labels = known_views.labels_of(data, seen)
    if len(directions):
        canonical.check_directions(directions, meta)
    settings = {
        "checkpoint": str(checkpoint),
        "which": which,
        "data": str(folder),
        "protocol": protocol,
        "yaws": list(yaws),
        "clips": count,
        "show": list(show),
        "directions": list(directions),
        "seed": seed,
    }
    random = known_views.random_variables(meta, seed)
    with open_run(out, settings) as run:
        inputs = canonical.inputs_placed(seen.inputs, meta, views)
        found = []
        for weights in (variables, random):
            split = known_views.encode(weights, meta, seen.inputs, BATCH)
            features = features_of(split, meta)
            numbers = measure(features, labels, seen.clip, folds=FOLDS, seed=seed)
            poses = canonical.decode(
                weights, meta, views, split.motion, np.zeros_like(split.character)
            )
            for name, rows in (("input", inputs), ("canonical", poses)):
                apart = canonical.distances(rows, seen, views, seed)
                numbers |= {f"{name}_{key}": value for key, value in apart.items()}
            found.append((numbers, split, features, poses))
        (numbers, split, features, poses), (at_random, *_) = found
        run.results(clips=len(np.unique(seen.clip)), views=len(np.unique(seen.view)), **numbers)
        run.results(**{f"random_{key}": value for key, value in at_random.items()})
        text = table(numbers, at_random) + "\n" + canonical.canonical_table(numbers, at_random)
        (out / "disentanglement.md").write_text(text)
        maps = {
            "motion r_m": embed(features["motion"], seed),
            "character r_c": embed(features["character"], seed),
        }
        code_map(maps, labels, out / "tsne.png")
        _poses(variables, meta, views, data, seen, split, inputs, poses, shown, directions, out)
    return text


def _poses(
    variables: Tree,
    meta: dict,
    views: Views,
    data: store.Prepared,
    seen: known_views.Seen,
    split: Split,
    inputs: np.ndarray,
    poses: np.ndarray,
    shown: np.ndarray,
    directions: Sequence[int],
    out: Path,
) -> None:
    """canonical.png and traversal.png."""
    rows = np.stack([np.flatnonzero(seen.clip == clip) for clip in shown])  # [clips, views]
    y_up = views.coords == 3
    actions = known_views.labels_of(data, seen)["action"][rows[:, 0]]
    names = [action or str(data.names[clip]) for action, clip in zip(actions, shown)]
    canonical_sheet(
        inputs[rows],
        poses[rows],
        seen.known[rows],
        views.layout,
        out / "canonical.png",
        names,
        [f"seen from {view}°" if len(rows[0]) > 1 else "own view" for view in seen.view[rows[0]]],
        y_up=y_up,
    )
    row = rows[0, len(rows[0]) // 2]
    chosen = np.asarray(directions, int)
    if not len(chosen):
        chosen = canonical.widest(split.magnitudes, DIRECTIONS_SHOWN)
    changed = canonical.traverse(variables, meta, views, split, row, chosen, np.asarray(DEVIATIONS))
    traversal_sheet(
        changed,
        seen.known[row],
        views.layout,
        out / "traversal.png",
        chosen.tolist(),
        DEVIATIONS,
        y_up=y_up,
    )
