"""Linear probing: one linear layer on frozen features (paper, "linear evaluation")."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from via_jax import metrics


def fit(features: np.ndarray, labels: np.ndarray, penalty: float):
    """Multinomial logistic regression on standardised features, solved to the optimum.

    Args:
      features: [clips, channels].
      labels: int [clips].
      penalty: C of scikit-learn, larger fits closer.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000))
    return model.fit(features, labels)


def scores_of(model, features: np.ndarray, classes: int) -> np.ndarray:
    """Log-probabilities [clips, classes]; classes never seen in training are least likely."""
    scores = np.full((len(features), classes), -1e9)
    scores[:, model.classes_] = model.predict_log_proba(features)
    return np.maximum(scores, -1e9)


def linear_probe(
    train: np.ndarray,
    train_labels: np.ndarray,
    held_out: np.ndarray,
    held_out_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    *,
    classes: list[str],
    penalties: tuple[float, ...],
) -> dict:
    """Accuracy of a linear layer on frozen features.

    The penalty is chosen on the held-out part of the training split; then the layer is fitted again
    on the whole training split, and the test split is read once.

    Args:
      train, held_out, test: features, [clips, channels].
      train_labels, held_out_labels, test_labels: int [clips].
      classes: names of all classes.
      penalties: candidates; the first of equals is taken.

    Returns:
      What `metrics.accuracy` says of the test split, with "penalty", "held_out_top1" and
      "parameters" of the layer.

    Raises:
      ValueError: a training split of one class, an unknown label (-1), or nothing held out with
        several penalties to choose from.
    """
    for name, labels in (
        ("train", train_labels),
        ("held-out", held_out_labels),
        ("test", test_labels),
    ):
        if len(labels) and labels.min() < 0:
            raise ValueError(
                f"{(labels < 0).sum()} {name} clips have no known class; leave them out"
            )
    if len(np.unique(train_labels)) < 2:
        raise ValueError("the training split has clips of fewer than two classes")
    chosen, best = penalties[0], -1.0
    if len(held_out_labels):
        for penalty in penalties:
            model = fit(train, train_labels, penalty)
            scores = scores_of(model, held_out, len(classes))
            top1 = metrics.accuracy(scores, held_out_labels, classes)["top1"]
            if top1 > best:
                chosen, best = penalty, top1
    elif len(penalties) > 1:
        raise ValueError(f"nothing is held out to choose from the penalties {penalties}; give one")
    model = fit(
        np.concatenate([train, held_out]), np.concatenate([train_labels, held_out_labels]), chosen
    )
    result = metrics.accuracy(scores_of(model, test, len(classes)), test_labels, classes)
    return result | {
        "penalty": chosen,
        "held_out_top1": best if len(held_out_labels) else None,
        "parameters": (train.shape[1] + 1) * len(classes),
    }
