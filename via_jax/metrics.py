"""Accuracy of classification: sums and counts over clips, divided once at the end."""

import numpy as np

from via_jax.typing import Array


def confusion_matrix(labels: Array, predicted: Array, classes: int) -> np.ndarray:
    """Counts [classes, classes]: rows are true classes, columns predicted ones."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predicted)), 1)
    return matrix


def accuracy(scores: Array, labels: Array, classes: list[str]) -> dict:
    """Accuracy of every clip's scores.

    Args:
      scores: [clips, classes], the highest is predicted; of equal scores the first class.
      labels: int [clips].
      classes: names.

    Returns:
      "top1", "top5", "mean_class" (mean over the classes that occur of their top-1), all in
      percent, "clips", "per_class" {name: percent, None where the class does not occur} and
      "confusion" (counts, rows are true classes).

    Raises:
      ValueError: shapes that do not fit, a label out of range, scores that are not finite, no clip.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.shape != (len(labels), len(classes)) or not len(labels):
        raise ValueError(
            f"scores of shape {scores.shape} for {len(labels)} clips and {len(classes)} classes;"
            " expected [clips, classes] with at least one clip"
        )
    if labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError(f"labels from {labels.min()} to {labels.max()}; {len(classes)} classes")
    if not np.isfinite(scores).all():
        raise ValueError("scores are not finite; the model has diverged")
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = order == labels[:, None]
    confusion = confusion_matrix(labels, order[:, 0], len(classes))
    counts = confusion.sum(axis=1)
    rates = np.diag(confusion) / np.maximum(counts, 1)
    return {
        "top1": 100.0 * float(hits[:, :1].sum()) / len(labels),
        "top5": 100.0 * float(hits[:, :5].sum()) / len(labels),
        "mean_class": 100.0 * float(rates[counts > 0].mean()),
        "clips": len(labels),
        "per_class": {
            name: 100.0 * float(rate) if count else None
            for name, rate, count in zip(classes, rates, counts)
        },
        "confusion": confusion.tolist(),
    }


def spread(numbers: list[float]) -> str:
    """Mean and sample standard deviation as text; one number stands alone.

    One digit behind the point, two where the mean lies below 10.
    """
    if not numbers:
        return ""
    mean = float(np.mean(numbers))
    digits = 1 if abs(mean) >= 10 else 2
    text = f"{mean:.{digits}f}"
    return text if len(numbers) == 1 else f"{text} ± {np.std(numbers, ddof=1):.{digits}f}"
