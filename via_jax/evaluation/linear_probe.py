"""Linear probing: one linear layer on frozen features (paper, "linear evaluation").

Two layers are fitted to the same features. `sgd_probe` is the paper's protocol: the layer of the
classifier, trained by SGD on the features as they are. `optimal_probe` solves the same task to its
optimum on standardised features; it tells what the features hold, and is kinder to features of
unequal scale, above all to those of random weights.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from via_jax import metrics


@functools.partial(jax.jit, static_argnames=("classes", "weight_decay"))
def _sgd(features, labels, order, rate, key, *, classes, weight_decay):
    """The layer after the steps of `order` [steps, batch]; the rate falls to 0 by a cosine."""
    optimizer = optax.chain(
        optax.add_decayed_weights(weight_decay), optax.sgd(1.0, momentum=0.9, nesterov=True)
    )
    scale = (2.0 / classes) ** 0.5  # as the published classifiers start
    layer = {
        "kernel": scale * jax.random.normal(key, (features.shape[1], classes)),
        "bias": jnp.zeros((classes,)),
    }

    def loss(layer, x, y):
        logits = x @ layer["kernel"] + layer["bias"][None]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def step(carried, now):
        layer, state = carried
        rows, progress = now
        grads = jax.grad(loss)(layer, features[rows], labels[rows])
        updates, state = optimizer.update(grads, state, layer)
        falling = rate * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        return (
            optax.apply_updates(layer, jax.tree.map(lambda u: falling * u, updates)),
            state,
        ), None

    progress = jnp.linspace(0.0, 1.0, len(order), endpoint=False)
    (layer, _), _ = jax.lax.scan(step, (layer, optimizer.init(layer)), (order, progress))
    return layer


def sgd_scores(
    train: np.ndarray,
    labels: np.ndarray,
    others: list[np.ndarray],
    *,
    classes: int,
    rate: float,
    epochs: int,
    batch: int,
    weight_decay: float,
    seed: int,
) -> list[np.ndarray]:
    """Logits of other clips by a layer trained by SGD with Nesterov momentum 0.9.

    Args:
      train: [clips, channels], features as they are. labels: int [clips].
      others: features to score.
      classes: number of classes.
      rate: learning rate at the start; it falls to 0 by a cosine.
      epochs: passes over the training clips.
      batch: clips in a step, at most all of them.
      weight_decay: added to the gradient.
      seed: of the start and of the order.
    """
    batch = min(batch, len(train))
    rng = np.random.default_rng(seed)
    per_epoch = len(train) // batch
    order = np.concatenate(
        [rng.permutation(len(train))[: per_epoch * batch] for _ in range(epochs)]
    ).reshape(-1, batch)
    layer = _sgd(
        jnp.asarray(train),
        jnp.asarray(labels),
        order,
        rate,
        jax.random.key(seed),
        classes=classes,
        weight_decay=weight_decay,
    )
    kernel, bias = np.asarray(layer["kernel"]), np.asarray(layer["bias"])
    return [other @ kernel + bias for other in others]


def optimal_scores(
    train: np.ndarray,
    labels: np.ndarray,
    others: list[np.ndarray],
    *,
    classes: int,
    penalty: float,
) -> list[np.ndarray]:
    """Log-probabilities by multinomial logistic regression on standardised features.

    Args:
      train: [clips, channels]. labels: int [clips].
      others: features to score.
      classes: number of classes; those never seen in training are least likely.
      penalty: C of scikit-learn, larger fits closer.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=3000))
    model.fit(train, labels)
    results = []
    for other in others:
        scores = np.full((len(other), classes), -1e9)
        # Not predict_log_proba, which warns where a probability underflows to 0.
        probability = np.maximum(model.predict_proba(other).astype(np.float64), 1e-300)
        scores[:, model.classes_] = np.log(probability)
        results.append(scores)
    return results


def linear_probe(
    train: np.ndarray,
    train_labels: np.ndarray,
    held_out: np.ndarray,
    held_out_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    *,
    classes: list[str],
    rates: tuple[float, ...],
    penalties: tuple[float, ...],
    epochs: int,
    batch: int,
    weight_decay: float,
    seed: int,
    refit: bool,
) -> dict:
    """Accuracy of a linear layer on frozen features, by the paper's protocol and at the optimum.

    The learning rate and the penalty are chosen on the held-out part of the training split, or on a
    validation split; then the layer is fitted again on the whole training split, and the test split
    is read once.

    Args:
      train, held_out, test: features, [clips, channels].
      train_labels, held_out_labels, test_labels: int [clips].
      classes: names of all classes.
      rates: learning rates to choose from. penalties: C to choose from. The first of equals wins.
      epochs, batch, weight_decay, seed: see `sgd_scores`.
      refit: whether the held-out clips are of the training split, to be learned from in the end.

    Returns:
      What `metrics.accuracy` says of the test split by SGD; "optimum_top1", "optimum_top5" and
      "optimum_mean_class"; the chosen "rate" and "penalty", "held_out_top1",
      "held_out_optimum_top1", and "parameters" of the layer.

    Raises:
      ValueError: a training split of one class, an unknown label (-1), or nothing held out with
        several settings to choose from.
    """
    for name, labels in (
        ("train", train_labels),
        ("held-out", held_out_labels),
        ("test", test_labels),
    ):
        if len(labels) and labels.min() < 0:
            raise ValueError(
                f"{(labels < 0).sum()} {name} clips have no known class; prepare the data without"
                " them"
            )
    if len(np.unique(train_labels)) < 2:
        raise ValueError("the training split has clips of fewer than two classes")
    if not len(held_out_labels) and len(rates) + len(penalties) > 2:
        raise ValueError(
            f"nothing is held out to choose from the rates {rates} and penalties {penalties};"
            " give one of each"
        )
    sgd = functools.partial(
        sgd_scores,
        classes=len(classes),
        epochs=epochs,
        batch=batch,
        weight_decay=weight_decay,
        seed=seed,
    )
    optimum = functools.partial(optimal_scores, classes=len(classes))
    everything, every_label = train, train_labels
    if refit:
        everything = np.concatenate([train, held_out])
        every_label = np.concatenate([train_labels, held_out_labels])

    def chosen(fit, name, candidates):
        """Accuracy on the test split of the best candidate on the held-out part."""
        best, best_top1 = candidates[0], None
        if len(held_out_labels):
            tops = [
                metrics.accuracy(
                    fit(train, train_labels, [held_out], **{name: candidate})[0],
                    held_out_labels,
                    classes,
                )["top1"]
                for candidate in candidates
            ]
            best, best_top1 = candidates[int(np.argmax(tops))], max(tops)
        scores = fit(everything, every_label, [test], **{name: best})[0]
        return metrics.accuracy(scores, test_labels, classes), best, best_top1

    result, rate, by_sgd = chosen(sgd, "rate", rates)
    solved, penalty, by_optimum = chosen(optimum, "penalty", penalties)
    return result | {
        "optimum_top1": solved["top1"],
        "optimum_top5": solved["top5"],
        "optimum_mean_class": solved["mean_class"],
        "rate": rate,
        "penalty": penalty,
        "held_out_top1": by_sgd,
        "held_out_optimum_top1": by_optimum,
        "parameters": (train.shape[1] + 1) * len(classes),
    }
