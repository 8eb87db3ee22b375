"""How far motion and character are apart in the code (paper, Figure 5, in numbers).

Recordings are seen by a few known cameras, see `known_views`, so that one motion is there as
several characters. Two measures tell where action, view and subject lie: the silhouette of the
codes grouped by them, and the accuracy of a linear layer that tries to read them from the codes.
"""

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import silhouette_score

from via_jax.data.sampling import real_steps
from via_jax.evaluation.known_views import UNKNOWN, model_of
from via_jax.models.classifier import mean_over_time
from via_jax.models.dictionary import Split

FEATURES = {  # what `features_of` returns, in the words of a table
    "motion": "r_m, mean over time",
    "motion_sequence": "r_m, all steps",
    "character": "r_c",
}


def features_of(split: Split, meta: dict) -> dict[str, np.ndarray]:
    """One vector a row from each part of the code.

    Returns:
      "motion": the mean of r_m over time, which is by construction the code's mean without its part
      along D_c; "motion_sequence": r_m of all steps, flattened, so that the course in time counts;
      "character": r_c.
    """
    weight = real_steps(model_of(meta)[1])
    if weight is not None:
        weight = np.tile(weight, (len(split.motion), 1))
    return {
        "motion": np.asarray(mean_over_time(split.motion, weight)),
        "motion_sequence": np.asarray(split.motion).reshape(len(split.motion), -1),
        "character": np.asarray(split.character),
    }


def silhouette(features: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean silhouette of the groups, in [-1, 1]: 1 is far apart, 0 is mixed; Euclidean distances.

    features: [rows, channels]. labels: [rows]. None for fewer than two groups, or only groups of
    one row.
    """
    groups = len(np.unique(labels))
    if not 2 <= groups < len(labels):
        return None
    return float(silhouette_score(features, labels))


def reading(
    features: np.ndarray, labels: np.ndarray, clips: np.ndarray, *, folds: int, seed: int
) -> float | None:
    """Accuracy in percent of a linear layer that reads the labels from the features.

    Clips are dealt into folds; each fold is read by a layer fitted to the others, see
    `fit_reader`, so that no layer has seen another view of a clip that it is tested on.

    Args:
      features: [rows, channels]. labels: [rows].
      clips: [rows], the clip that a row comes from.
      folds: at least 2.
      seed: of the dealing.

    Returns:
      None where all labels are equal.

    Raises:
      ValueError: fewer clips than folds, or fewer than two folds.
    """
    classes, wanted = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        return None
    names, clip = np.unique(clips, return_inverse=True)
    if not 2 <= folds <= len(names):
        raise ValueError(f"folds={folds} of {len(names)} clips; expected 2 to {len(names)} folds")
    fold = (np.random.default_rng(seed).permutation(len(names)) % folds)[clip]
    right = 0
    for number in range(folds):
        test = fold == number
        kernel, bias = fit_reader(features[~test], wanted[~test], len(classes))
        read = (features[test] @ kernel + bias).argmax(axis=1)
        right += int((read == wanted[test]).sum())
    return 100.0 * right / len(labels)


def fit_reader(
    features: np.ndarray, labels: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel [channels, classes] and bias [classes] of linear discriminants, in closed form.

    The covariance within the classes is shrunk as Ledoit and Wolf do; labels that do not occur are
    never read. features: [rows, channels]. labels: int [rows].
    """
    x = features.astype(np.float64)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 1e-12, deviation, 1.0)
    x = (x - mean) / deviation
    counts = np.bincount(labels, minlength=classes)
    one_hot = np.eye(classes)[labels]
    centres = one_hot.T @ x / np.maximum(counts, 1)[:, None]  # [classes, channels]
    covariance = ledoit_wolf(x - centres[labels], assume_centered=True)[0]
    covariance += 1e-6 * np.eye(len(covariance))  # groups may have no extent
    kernel = np.linalg.solve(covariance, centres.T)
    share = np.where(counts > 0, np.maximum(counts, 1) / len(x), 1e-300)
    bias = np.log(share) - 0.5 * (centres.T * kernel).sum(axis=0)
    kernel = kernel / deviation[:, None]
    return kernel, bias - mean @ kernel


def chance(labels: np.ndarray) -> float | None:
    """Accuracy in percent of always naming the most frequent label; None where all are equal."""
    _, counts = np.unique(labels, return_counts=True)
    return 100.0 * float(counts.max()) / len(labels) if len(counts) > 1 else None


def measure(
    features: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    clips: np.ndarray,
    *,
    folds: int,
    seed: int,
) -> dict[str, float | None]:
    """All numbers, flat: "<feature>_<label>_silhouette" and "_accuracy", and "chance_<label>".

    Rows with an unknown label are left out of that label's numbers; None where nothing is left.
    Arguments as `features_of` and `labels_of` return them, and as in `reading`.
    """
    result: dict[str, float | None] = {}
    for label, values in labels.items():
        rows = values != UNKNOWN
        result[f"chance_{label}"] = chance(values[rows])
        for name, vectors in features.items():
            x, y = vectors[rows], values[rows]
            result[f"{name}_{label}_silhouette"] = silhouette(x, y)
            result[f"{name}_{label}_accuracy"] = reading(x, y, clips[rows], folds=folds, seed=seed)
    return result


def table(trained: dict[str, float | None], random: dict[str, float | None]) -> str:
    """Markdown of what `measure` found of a trained model and of random weights."""
    labels = [key.removeprefix("chance_") for key in trained if key.startswith("chance_")]

    def cell(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    lines = [
        f"| | {' | '.join(FEATURES.values())} | chance |",
        "|---" * (len(FEATURES) + 2) + "|",
    ]
    for title, kind, digits in (
        ("linear layer reads the {}, %", "accuracy", 1),
        ("silhouette by {}", "silhouette", 3),
    ):
        for label in labels:
            for weights, found in (("trained", trained), ("random weights", random)):
                numbers = [cell(found[f"{name}_{label}_{kind}"], digits) for name in FEATURES]
                if not any(numbers):
                    continue  # not known of this data set
                by_chance = cell(found[f"chance_{label}"], 1) if kind == "accuracy" else ""
                row = [f"{title.format(label)}, {weights}", *numbers, by_chance]
                lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"
