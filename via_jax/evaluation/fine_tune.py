"""Fine-tuning: the whole encoder and a linear layer, trained with labels (paper, "fine-tuning")."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from via_jax import guard, loop, metrics, parallel
from via_jax.checkpoints import Checkpoints
from via_jax.data import batches
from via_jax.data.sampling import Draw, Window, epoch_items, real_steps, training_windows
from via_jax.data.store import Prepared
from via_jax.data.views import Views, training_batch
from via_jax.evaluation.clips import over_clips
from via_jax.evaluation.features import repeat_persons
from via_jax.evaluation.fusion import Scores, write_scores
from via_jax.models.classifier import Classifier
from via_jax.models.encoder import POOLING
from via_jax.optimizers import optimizer_of
from via_jax.runs import Run
from via_jax.training import LossFn, TrainState, create_state, train_step
from via_jax.typing import Array, Batch, Tree


def classification_loss(model: Classifier, label_smoothing: float) -> LossFn:
    """Cross-entropy of a batch with "poses", "present", "label" and perhaps "weight"."""

    def loss_fn(params, batch_stats, batch, rng):
        del rng
        logits, updated = model.apply(
            {"params": params, "batch_stats": batch_stats},
            batch["poses"],
            True,
            batch["present"],
            batch.get("weight"),
            mutable=["batch_stats"],
        )
        targets = optax.smooth_labels(
            jax.nn.one_hot(batch["label"], model.num_classes), label_smoothing
        )
        loss = optax.softmax_cross_entropy(logits, targets).mean()
        hits = (logits.argmax(axis=-1) == batch["label"]).astype(jnp.float32)
        scalars = {"loss": loss, "train_top1": 100.0 * hits.mean()}
        return loss, (updated["batch_stats"], scalars)

    return loss_fn


class Labelled(NamedTuple):
    """What batches of labelled clips are drawn by.

    Attributes:
      order_key, key: of the order of the clips, and of their windows and views.
      clips: [chosen], clips to draw from.
      first_sequence, persons, label: [clips of the data set].
    """

    order_key: jax.Array
    key: jax.Array
    clips: Array
    first_sequence: Array
    persons: Array
    label: Array

    def chosen(self, step: Array, batch: int) -> Array:
        """The clips of a step; every epoch is a permutation of them."""
        return jnp.asarray(self.clips)[epoch_items(self.order_key, step, batch, len(self.clips))]


def clip_feed(
    data: Prepared,
    clips: np.ndarray,
    *,
    window: Window,
    views: Views,
    persons: int,
    published_persons: bool,
    batch: int,
    seed: int,
) -> loop.Feed:
    """Batches of labelled clips; every epoch is a permutation of them."""
    order_key, key = jax.random.split(jax.random.key(seed))
    weight = real_steps(window)
    given = Labelled(
        order_key, key, clips, data.first_sequence, data.persons, data.label.astype(np.int32)
    )

    def draw(step, facts, given: Labelled):
        now = given.chosen(step, batch)
        people = batches.persons_of(given.first_sequence, given.persons, now, persons)
        window_key = jax.random.fold_in(jax.random.fold_in(given.key, step), 0)
        # One window for all persons of a clip: they belong to the same moment.
        lengths = facts.length[people.sequence[:, 0]]
        one = training_windows(window_key, people.sequence[:, 0], lengths, window)
        several = [jnp.repeat(x, persons, axis=0) for x in one]
        return Draw(*several)._replace(sequence=people.sequence.reshape(-1))

    def finish(low, high, draw: Draw, facts, step, given: Labelled) -> Batch:
        windows = batches.blend(low, high, draw, facts)
        view_key = jax.random.fold_in(jax.random.fold_in(given.key, step), 1)
        poses = training_batch(windows, view_key, views, False, persons)["poses"]
        poses = poses.reshape(batch, persons, *poses.shape[1:])
        now = given.chosen(step, batch)
        present = batches.persons_of(given.first_sequence, given.persons, now, persons).present
        if published_persons:
            poses = batches.without_absent(poses, present)
        result = {
            "poses": poses,
            "present": jnp.ones_like(present) if published_persons else present,
            "label": jnp.asarray(given.label)[now],
        }
        if weight is not None:
            result["weight"] = jnp.broadcast_to(weight[None], (batch, len(weight)))
        return result

    return loop.Feed(draw, finish, clips=batch, given=given)


def classifier_of(model: dict, num_classes: int, feature: str) -> Classifier:
    """The classifier on the encoder of a model section, see `features.encoder_parts`."""
    return Classifier(
        num_classes=num_classes,
        width=model["width"],
        num_heads=model["num_heads"],
        num_directions=model["num_directions"],
        learned_directions=model["learned_directions"],
        dtype=model["dtype"],
        feature=feature,
        pooling=model.get("pooling", POOLING),
        remat=model.get("remat", False),
        temporal=model.get("temporal", "conv"),
    )


def log_probabilities(
    model: Classifier, variables: Tree, inputs: Batch, published_persons: bool
) -> Array:
    """Log-probabilities of the classes, float32 [batch, classes]. inputs: see `over_clips`."""
    poses, present, weight = inputs["poses"], inputs["present"], inputs.get("weight")
    if published_persons:
        poses = batches.without_absent(poses, present)
        present = jnp.ones_like(present)
    logits: Any = model.apply(variables, poses, False, present, weight)
    return jax.nn.log_softmax(logits.astype(jnp.float32))


def score(
    model: Classifier,
    variables: Tree,
    data: Prepared,
    clips: np.ndarray,
    *,
    window: Window,
    views: Views,
    persons: int,
    published_persons: bool,
    batch: int,
    seed: int,
) -> np.ndarray:
    """Log-probabilities of the classes for clips, float32 [clips, classes]; see `over_clips`."""

    def function(variables: Any, inputs: Batch) -> Array:
        return log_probabilities(model, variables, inputs, published_persons)

    return over_clips(
        function,
        variables,
        data,
        clips,
        window=window,
        views=views,
        persons=persons,
        batch=batch,
        seed=seed,
    )


def fine_tune(
    pretrained: Tree | None,
    data: Prepared,
    train: np.ndarray,
    test: np.ndarray,
    *,
    model: dict,
    feature: str,
    window: Window,
    views: Views,
    persons: int,
    published_persons: bool,
    batch: int,
    accumulate: int,
    label_smoothing: float,
    optimizer: dict,
    rhythm: loop.Rhythm,
    placement: str,
    kind: str,
    seed: int,
    run: Run,
    checkpoints: Checkpoints,
    meta: dict,
    held_out: np.ndarray,
) -> dict:
    """Trains a classifier and returns its accuracy on the test clips after the last step.

    The scores of the test clips are written to scores.npz of the run, see `fusion.Scores`.

    Args:
      pretrained: {"params", "batch_stats"} of an autoencoder, whose encoder (and dictionary, for
        feature "motion") is the start; None starts from scratch.
      data: prepared data set.
      train, test, held_out: indices of clips; the held-out ones are only reported along the way.
      model: settings of the encoder and the dictionary, see configs/base.py.
      feature: "code" or "motion".
      window, views, persons, published_persons: what the model sees of a clip.
      batch: clips in a step, at most all of them.
      accumulate: micro-batches of a step.
      label_smoothing: in [0, 1).
      optimizer: arguments of `optimizer_of`.
      rhythm, placement, kind, run, checkpoints, meta: of the loop.
      seed: of the draws and of new weights.

    Raises:
      ValueError: clips without a label, or weights of another model.
    """
    for name, clips in (("training", train), ("held-out", held_out), ("test", test)):
        unknown = int((data.label[clips] < 0).sum())
        if unknown:
            raise ValueError(
                f"{unknown} {name} clips have no known class; prepare the data without them"
            )
    batch = min(batch, len(train))
    parallel.check_batch(batch, parallel.data_mesh(), accumulate)
    axis = parallel.axis_of(kind)
    classifier = classifier_of(model, len(data.classes), feature)
    shape = (2, persons, window.padded, data.layout.num_joints, views.coords)
    init = jax.jit(lambda k: classifier.init(k, np.zeros(shape, np.float32), False))
    variables = init(jax.random.key(seed))
    if pretrained is not None:
        variables = from_pretrained(variables, pretrained, persons)
    update_rule = optimizer_of(**optimizer)
    loss_fn = classification_loss(classifier.clone(axis=axis), label_smoothing)
    state = create_state(variables, update_rule)
    feed = clip_feed(
        data,
        train,
        window=window,
        views=views,
        persons=persons,
        published_persons=published_persons,
        batch=batch,
        seed=seed,
    )

    def update(state, inputs, given):
        return train_step(
            state,
            inputs,
            given.key,
            loss_fn=loss_fn,
            optimizer=update_rule,
            accumulate=accumulate,
            axis=axis,
        )

    def scores_of(state: TrainState, clips: np.ndarray, views: Views) -> np.ndarray:
        return score(
            classifier,
            {"params": state.params, "batch_stats": state.batch_stats},
            data,
            clips,
            window=window,
            views=views,
            persons=persons,
            published_persons=published_persons,
            batch=batch,
            seed=seed,
        )

    def on_held_out(state: TrainState) -> dict[str, float]:
        # Choices know nothing of the test cameras.
        seen = views._replace(test_camera=views.camera)
        scores = scores_of(state, held_out, seen)
        found = metrics.accuracy(scores, data.label[held_out], data.classes)
        return {"held_out_top1": found["top1"]}

    state = loop.run_steps(
        state,
        loop.stepper(
            feed, guard.keep_finite(update, skip=False), data, placement, rhythm.dispatch(), kind
        ),
        rhythm,
        run=run,
        checkpoints=checkpoints,
        meta=meta,
        clips=batch,
        evaluate=on_held_out if len(held_out) else None,
        clips_of=guard.clip_names(feed.draw, feed.given, data),
    )
    scores, labels = scores_of(state, test, views), data.label[test]
    result = metrics.accuracy(scores, labels, data.classes)
    if jax.process_index() == 0:
        write_scores(run.workdir, Scores(data.names[test], labels, np.array(data.classes), scores))
    return result | (on_held_out(state) if len(held_out) else {})


def from_pretrained(variables: Tree, pretrained: Tree, persons: int) -> Tree:
    """A new classifier's variables with the encoder and dictionary of a pre-trained autoencoder.

    Raises:
      ValueError: arrays of another shape, with their names.
    """
    pretrained = repeat_persons(pretrained, persons)
    result = {"params": dict(variables["params"]), "batch_stats": dict(variables["batch_stats"])}
    for part in ("params", "batch_stats"):
        for module in result[part]:
            if module == "head":
                continue
            new, old = result[part][module], pretrained[part].get(module, {})
            for path, value in jax.tree_util.tree_leaves_with_path(new):
                found = _at(old, path)
                if found is None or found.shape != value.shape:
                    seen = None if found is None else found.shape
                    raise ValueError(
                        f"{part}/{module}{jax.tree_util.keystr(path)}: {seen} in the checkpoint,"
                        f" {value.shape} expected; it is a checkpoint of another model"
                    )
            result[part][module] = jax.tree.map(jnp.asarray, old)
    return result


def _at(tree: Tree, path: tuple) -> Any:
    for entry in path:
        if not isinstance(tree, dict) or entry.key not in tree:
            return None
        tree = tree[entry.key]
    return tree
