"""Linear probe and fine-tuning as a config describes them, and fusion, into a work directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from via_jax import loop, metrics
from via_jax.checkpoints import Checkpoints, load_model
from via_jax.data import store
from via_jax.data.held_out import draw_labels, to_choose_by
from via_jax.data.views import Views
from via_jax.evaluation import features, fusion
from via_jax.evaluation import fine_tune as tuning
from via_jax.evaluation import linear_probe as probing
from via_jax.evaluation.knn import knn_probe
from via_jax.models.autoencoder import Autoencoder
from via_jax.pretrain import check_same_model, meta_of, stage_of, views_of, window_of
from via_jax.runs import open_run
from via_jax.typing import Tree


def autoencoder_of(
    config: Any, data: store.Prepared, checkpoint: str, which: Any
) -> tuple[Tree, Views]:
    """A pre-trained autoencoder, or a random one where checkpoint is empty, and what it sees.

    Returns:
      (variables, views).

    Raises:
      ValueError: a checkpoint of another model or layout.
    """
    if checkpoint:
        variables, meta = load_model(Path(checkpoint) / "checkpoints", which)
        views = views_of(config, data, meta)
        check_same_model(meta, meta_of(config, data, views), checkpoint)
        return variables, views
    model = Autoencoder(joints=data.layout.num_joints, **config.model)
    shape = (2, 1, window_of(config.data).padded, data.layout.num_joints, config.model.coords)
    init = jax.jit(lambda key: model.init(key, np.zeros(shape, np.float32)))
    return init(jax.random.key(config.seed)), views_of(config, data)


def split_clips(
    config: Any, data: store.Prepared, label_fraction: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips to learn from, to choose by and to test on: (train, held out, test)."""
    protocol = config.data.protocol
    kept, left = to_choose_by(data, protocol, config.data.held_out, config.seed)
    test = data.clips_of(protocol, "test")
    return draw_labels(data, kept, label_fraction, config.seed), left, test


def linear_probe(config: Any, workdir: str | Path) -> dict:
    """Probes a frozen encoder by a linear layer and by nearest neighbours; writes the results.

    Args:
      config: see configs/base.py, section linear_probe.
      workdir: gets config.json and results.json.

    Raises:
      ValueError: data, checkpoint or work directory do not fit the config.
    """
    settings = config.linear_probe
    data = store.load(config.data.folder).of_protocol(config.data.protocol)
    window = window_of(config.data)
    variables, views = autoencoder_of(config, data, settings.checkpoint, settings.which)
    variables = features.repeat_persons(variables, config.data.persons)
    train, left, test = split_clips(config, data, 1.0)
    # What is held out of the training clips is learned from in the end, validation clips never.
    refit = bool((data.splits[config.data.protocol][left] == "train").all())
    common = {
        "model": config.model.to_dict(),
        "feature": settings.feature,
        "published_persons": config.data.published_persons,
        "window": window,
        "persons": config.data.persons,
        "batch": settings.batch,
        "seed": config.seed,
    }
    # The cameras of training clips and of test clips are different ones.
    seen = views._replace(test_camera=views.camera)
    if settings.statistics == "adapted":
        variables = features.adapt(variables, data, train, views=seen, **common)
    elif settings.statistics != "frozen":
        raise ValueError(f'statistics={settings.statistics!r}; expected "frozen" or "adapted"')
    with open_run(workdir, stage_of(config, "linear_probe")) as run:
        known = features.extract(
            variables, data, np.concatenate([train, left]), views=seen, **common
        )
        unknown = features.extract(variables, data, test, views=views, **common)
        result = probing.linear_probe(
            known[: len(train)],
            data.label[train],
            known[len(train) :],
            data.label[left],
            unknown,
            data.label[test],
            classes=data.classes,
            rates=tuple(settings.rates),
            penalties=tuple(settings.penalties),
            epochs=settings.epochs,
            batch=settings.batch,
            weight_decay=settings.weight_decay,
            seed=config.seed,
            refit=refit,
        )
        learned = np.concatenate([train, left]) if refit else train
        neighbours = knn_probe(
            known[: len(learned)],
            data.label[learned],
            unknown,
            data.label[test],
            classes=data.classes,
        )
        run.results(**flat(result), **neighbours)
    return headline(result)


def fine_tune(config: Any, workdir: str | Path) -> dict:
    """Fine-tunes a classifier, from a checkpoint or from scratch; a rerun continues.

    Args:
      config: see configs/base.py, section fine_tune.
      workdir: gets config.json, metrics.jsonl, results.json, scores.npz and checkpoints/.

    Raises:
      ValueError: data, checkpoint or work directory do not fit the config.
    """
    settings = config.fine_tune
    data = store.load(config.data.folder).of_protocol(config.data.protocol)
    if settings.checkpoint:
        pretrained, views = autoencoder_of(config, data, settings.checkpoint, settings.which)
    else:
        pretrained, views = None, views_of(config, data)
    train, left, test = split_clips(config, data, settings.label_fraction)
    best_by = "held_out_top1" if len(left) and settings.eval_every else None
    with (
        open_run(workdir, stage_of(config, "fine_tune")) as run,
        Checkpoints(run.checkpoints, keep_best_by=best_by) as checkpoints,
    ):
        result = tuning.fine_tune(
            pretrained,
            data,
            train,
            test,
            model=config.model.to_dict(),
            feature=settings.feature,
            window=window_of(config.data),
            views=views,
            persons=config.data.persons,
            published_persons=config.data.published_persons,
            batch=settings.batch,
            accumulate=settings.accumulate,
            label_smoothing=settings.label_smoothing,
            optimizer=settings.optimizer.to_dict(),
            rhythm=loop.rhythm_of(settings, config.data.placement),
            placement=config.data.placement,
            kind=config.parallel.kind,
            seed=config.seed,
            run=run,
            checkpoints=checkpoints,
            meta=meta_of(config, data, views) | {"classes": data.classes},
            held_out=left,
        )
        run.results(**flat(result), train_clips=len(train))
    return headline(result)


def fuse(runs: Sequence[str | Path], weights: Sequence[float], workdir: str | Path) -> dict:
    """Fuses what fine-tuning left in several work directories, see `fusion.fuse`.

    Args:
      runs: work directories, each once.
      weights: of their probabilities, in the same order.
      workdir: gets config.json and results.json: the accuracies of the fusion, and as lists
        "each_top1", "each_top5" and "each_mean_class" of the runs.

    Raises:
      ValueError: a directory twice or without scores, or what `fusion.fuse` refuses.
    """
    folders = [str(Path(run)) for run in runs]
    if len(set(folders)) < len(folders):
        raise ValueError(f"{', '.join(folders)}: a run can be fused only once; raise its weight")
    scores = {folder: fusion.read_scores(folder) for folder in folders}
    fused = fusion.fuse(scores, weights)

    def accuracy(of: fusion.Scores) -> dict:
        return metrics.accuracy(of.scores, of.labels, of.classes.tolist())

    each, result = [accuracy(of) for of in scores.values()], accuracy(fused)
    names = ("top1", "top5", "mean_class")
    parts = {f"each_{name}": [found[name] for found in each] for name in names}
    with open_run(workdir, {"runs": folders, "weights": list(weights)}) as run:
        run.results(**flat(result), **parts)
    return headline(result) | {"each_top1": parts["each_top1"]}


def flat(result: dict) -> dict:
    """Results with flat keys: the table of classes becomes one key per class."""
    rest = {key: value for key, value in result.items() if key != "per_class"}
    return rest | {f"class_{name}": value for name, value in result["per_class"].items()}


def headline(result: dict) -> dict:
    """The few numbers that a person wants to see first."""
    names = ("top1", "top5", "mean_class", "optimum_top1", "held_out_top1", "clips")
    return {name: result[name] for name in names if result.get(name) is not None}
