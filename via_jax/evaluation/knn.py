"""Nearest neighbours on frozen features, the probe without anything to train or to choose."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from via_jax import metrics

NEIGHBOURS = (1, 5, 20)  # k


def nearest(
    train: np.ndarray, labels: np.ndarray, others: np.ndarray, neighbours: int
) -> np.ndarray:
    """Classes of clips by majority vote of the most similar training clips, int [clips].

    Similarity is the cosine of two features; each of the k neighbours has one vote. Of classes with
    equally many votes the first in label order wins, however near its neighbours are. Which of
    equally similar clips is the last neighbour is left to scikit-learn; equal input gives equal
    results. A feature of length 0 is as similar to all others.

    Args:
      train: [training clips, channels]. labels: int [training clips].
      others: [clips, channels].
      neighbours: k, at most the number of training clips.

    Raises:
      ValueError: more neighbours than training clips.
    """
    if not 1 <= neighbours <= len(train):
        raise ValueError(f"{neighbours} neighbours of {len(train)} clips; expected 1 to all")
    # On features of length 1, the nearest by distance are those of the largest cosine.
    model = KNeighborsClassifier(n_neighbors=neighbours, algorithm="brute")
    model.fit(normalize(train.astype(np.float64)), labels)
    return np.asarray(model.predict(normalize(others.astype(np.float64))))


def knn_probe(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    *,
    classes: list[str],
    neighbours: tuple[int, ...] = NEIGHBOURS,
) -> dict[str, float]:
    """Accuracy of nearest neighbours, see `nearest`.

    Args:
      train, test: features, [clips, channels].
      train_labels, test_labels: int [clips].
      classes: names of all classes.
      neighbours: k's; those larger than the training set are left out.

    Returns:
      For each k "knn{k}_top1" and "knn{k}_mean_class", in percent; see `metrics.accuracy`.
    """
    result: dict[str, float] = {}
    for k in neighbours:
        if k > len(train):
            continue
        predicted = nearest(train, train_labels, test, k)
        found = metrics.accuracy(np.eye(len(classes))[predicted], test_labels, classes)
        result |= {f"knn{k}_{name}": found[name] for name in ("top1", "mean_class")}
    return result
