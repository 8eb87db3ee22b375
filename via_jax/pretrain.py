"""Pre-training without labels, from a prepared data set to checkpoints."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

import via_jax
from via_jax import guard, loop, parallel
from via_jax.checkpoints import Checkpoints, load_model
from via_jax.data import batches, store
from via_jax.data.characters import characters_of
from via_jax.data.held_out import held_out
from via_jax.data.sampling import Window, real_frames, real_steps
from via_jax.data.statistics import measure_statistics, statistics_of
from via_jax.data.views import Views, check_stream, evaluation_batch
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.encoder import TIME_FACTOR
from via_jax.models.three_encoders import ThreeEncoders
from via_jax.networks import network_of, objective_of
from via_jax.optimizers import optimizer_of
from via_jax.pairs import Given, pair_feed
from via_jax.runs import open_run
from via_jax.training import TrainState, create_state, train_step

# Settings of the model by which the same numbers are computed, up to rounding.
SAME_NUMBERS = ("remat", "temporal")


def window_of(data_config: Any) -> Window:
    """The window that a config describes, padded for the encoder."""
    return Window(**data_config.window, multiple=TIME_FACTOR)


def views_of(config: Any, data: store.Prepared, meta: dict | None = None) -> Views:
    """The views that a config describes of a prepared data set.

    meta: of the checkpoint whose statistics relative normalisations take; None measures the
    training clips.
    """
    fields = config.data.views.to_dict()
    if fields["normalisation"] == "screen" and not data.size.all():
        raise ValueError(
            f"{data.folder}: {(~data.size.all(axis=1)).sum()} clips have no image size, which"
            ' normalisation "screen" needs; set data.views.normalisation = "body"'
        )
    if fields["normalisation"] == "metric" and data.manifest["units"] != "metres":
        raise ValueError(
            f"{data.folder}: recorded in {data.manifest['units']}, and normalisation"
            ' "metric" needs metres; set data.views.normalisation = "root"'
        )
    views = Views(
        layout=data.layout, coords=config.model.coords, y_up=data.manifest["y_up"], **fields
    )
    check_bodies(views, data)
    check_stream(views)
    characters = characters_of(data, config.data.protocol, config.data.characters.to_dict())
    if characters is not None:
        views = views._replace(characters=characters.train)
    if not views.relative:
        return views
    if meta is not None:
        return views._replace(statistics=statistics_of(meta))
    sequences = data.sequences_of(data.clips_of(config.data.protocol, "train"))
    found = measure_statistics(data, sequences, window_of(config.data), views)
    return views._replace(statistics=found)


def check_bodies(views: Views, data: store.Prepared) -> None:
    """Raises ValueError where random bodies are asked for and a joint was never seen.

    A missing joint has no place to start a bone from, and would move all joints behind it.
    """
    missing = np.asarray(~data.known.all(axis=1))
    if views.bone_spread > 0 and data.manifest["coords"] == 3 and missing.any():
        clip = data.names[data.clip[np.flatnonzero(missing)[0]]]
        raise ValueError(
            f"{data.folder}: {missing.sum()} of {len(missing)} sequences have joints that were"
            f" never seen, the first in clip {clip!r}; random bodies need all joints: set"
            " data.views.bone_spread = 0, or convert with --layout to joints that all clips have"
        )


def self_error(
    config: Any,
    model: Autoencoder,
    data: store.Prepared,
    sequences: np.ndarray,
    window: Window,
    views: Views,
):
    """(state) -> {"held_out_self": mean squared error of reconstructing held-out sequences}."""
    facts, frames = batches.facts_of(data), batches.frames_of(data)
    key = jax.random.key(config.seed)
    size = min(len(sequences), 64)
    views = views._replace(test_camera=views.camera)  # choices know nothing of the test cameras
    steps, real = real_steps(window), real_frames(window)

    @parallel.together
    @jax.jit
    def sums(state: TrainState, windows, clip, weight):
        batch = evaluation_batch(windows, clip, key, views)
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        weights = None if steps is None else np.tile(steps, (size, 1))
        rebuilt: Any = model.apply(variables, batch["poses"][:, None], False, weights)
        error = jax.numpy.square(rebuilt - batch["poses"]).mean(-1)
        valid = batch["valid"] * weight[:, None, None] * real[None, :, None]
        return (error * valid).sum(), valid.sum()

    def evaluate(state: TrainState) -> dict[str, float]:
        total, count = 0.0, 0.0
        for start in range(0, len(sequences), size):
            chosen = np.resize(sequences[start : start + size], size)  # filler repeats
            weight = (np.arange(size) < len(sequences) - start).astype(np.float32)
            windows = batches.read_windows(facts, frames, chosen, window)
            windows = jax.tree.map(np.asarray, windows)  # the same on every process
            error, seen = sums(state, windows, data.clip[chosen], weight)
            total, count = total + float(error), count + float(seen)
        return {"held_out_self": total / max(count, 1.0)}

    return evaluate


def long_enough(data: store.Prepared, sequences: np.ndarray, window: Window) -> np.ndarray:
    """The sequences that fill a window, where the window asks for it; otherwise all.

    Raises:
      ValueError: none does.
    """
    if not window.drop_shorter:
        return sequences
    found = sequences[data.length[sequences] >= window.frames]
    if not len(found):
        raise ValueError(
            f"{data.folder}: no training sequence has {window.frames} frames, the longest has"
            f" {data.length[sequences].max()}: set data.window.drop_shorter = False, or take fewer"
        )
    return found


def pretrain(config: Any, workdir: str | Path) -> dict[str, float]:
    """Runs the pre-training that a config describes; a rerun continues.

    Args:
      config: see configs/base.py.
      workdir: gets config.json, metrics.jsonl, results.json and checkpoints/.

    Returns:
      The last results, also in results.json.

    Raises:
      ValueError: data, model or work directory do not fit each other or the config.
    """
    settings = config.pretrain
    if config.data.views.stream != "joint":
        raise ValueError(
            f"data.views.stream={config.data.views.stream!r} in pre-training, which rebuilds and"
            ' retargets poses; set it to "joint" here, and to another stream for the linear probe'
            " and fine-tuning"
        )
    data = store.load(config.data.folder)
    window = window_of(config.data)
    earlier = None
    if settings.start_from:
        variables, earlier = load_model(Path(settings.start_from) / "checkpoints", "latest")
    views = views_of(config, data, earlier)
    views = views._replace(move=settings.move.to_dict())
    mesh = parallel.data_mesh()
    parallel.check_batch(2 * settings.pairs, mesh, settings.accumulate)
    axis = parallel.axis_of(config.parallel.kind)
    clips = data.clips_of(config.data.protocol, "train")
    kept, left = held_out(data, clips, config.data.held_out, config.seed)
    sequences = long_enough(data, data.sequences_of(kept), window)
    model = network_of(config, data.layout)
    optimizer = optimizer_of(**settings.optimizer)

    loss_fn = objective_of(settings, model if axis is None else model.clone(axis=axis))
    meta = meta_of(config, data, views)
    if earlier is not None:
        check_same_model(earlier, meta, settings.start_from)
    else:
        example = np.zeros((2, 1, window.padded, data.layout.num_joints, config.model.coords))
        example = example.astype(np.float32)
        if isinstance(model, ThreeEncoders):
            example = example[:, 0]
        variables = jax.jit(lambda k: model.init(k, example))(jax.random.key(config.seed))
    state = create_state(variables, optimizer)

    feed = pair_feed(config, data, sequences, window, views)

    def update(state, batch, given: Given):
        rng = jax.random.fold_in(given.loss_key, state.step)
        batch = {**batch, "term_weights": given.weights}
        return train_step(
            state,
            batch,
            rng,
            loss_fn=loss_fn,
            optimizer=optimizer,
            accumulate=settings.accumulate,
            groups=2,  # drivers and their sources
            axis=axis,
        )

    rhythm = loop.rhythm_of(settings, config.data.placement)
    guarded = guard.keep_finite(update, skip=settings.skip_nonfinite > 0)
    step = loop.stepper(
        feed, guarded, data, config.data.placement, rhythm.dispatch(), config.parallel.kind
    )
    evaluate = None
    if len(left) and isinstance(model, Autoencoder):
        evaluate = self_error(config, model, data, data.sequences_of(left), window, views)
    with (
        open_run(
            workdir, stage_of(config, "pretrain"), may_change=("pretrain.skip_nonfinite",)
        ) as run,
        Checkpoints(
            run.checkpoints,
            keep_best_by="held_out_self" if evaluate else None,
            higher_is_better=False,
        ) as checkpoints,
    ):
        state = loop.run_steps(
            state,
            step,
            rhythm,
            run=run,
            checkpoints=checkpoints,
            meta=meta,
            clips=feed.clips,
            evaluate=evaluate,
            clips_of=guard.clip_names(feed.draw, feed.given, data),
            skip_nonfinite=settings.skip_nonfinite,
        )
        results = {"steps": int(state.step)} | (evaluate(state) if evaluate else {})
        run.results(**results)
    return results


def stage_of(config: Any, stage: str) -> dict:
    """The part of a config that a stage depends on; the settings of other stages may change."""
    found = {name: config.to_dict()[name] for name in ("seed", "data", "model", stage)}
    for field in SAME_NUMBERS:
        found["model"].pop(field, None)
    # Directories that are older than these settings do not name them.
    if found[stage].get("accumulate") == 1:
        del found[stage]["accumulate"]
    return found


def meta_of(config: Any, data: store.Prepared, views: Views) -> dict:
    """What a checkpoint says of itself: the model, its joints and coords, and the data it saw."""
    statistics = views.statistics
    return {
        "version": via_jax.__version__,
        "layout": data.manifest["layout"],
        "model": config.model.to_dict(),
        "views": config.data.views.to_dict(),
        "statistics": statistics
        and {name: value.tolist() for name, value in statistics._asdict().items()},
        "window": config.data.window.to_dict(),
        "dataset": data.manifest["dataset"],
        "data_sha256": data.manifest["sha256"],
        "config": config.to_dict(),
    }


def check_same_model(found: dict, wanted: dict, where: str) -> None:
    """Raises ValueError where a checkpoint's layout or model differs from what is asked for."""
    pairs = {
        "layout": (found["layout"], wanted["layout"]),
        "normalisation": tuple(meta["views"]["normalisation"] for meta in (found, wanted)),
    }
    for name, value in wanted["model"].items():
        if name in SAME_NUMBERS:
            continue
        pairs[f"model.{name}"] = (found["model"].get(name), value)
    wrong = [f"{k}: {a!r} there, {b!r} here" for k, (a, b) in pairs.items() if a != b]
    if wrong:
        raise ValueError(f"{where} holds another model ({'; '.join(wrong)}); use its settings")
