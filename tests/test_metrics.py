"""Accuracy against loops over clips, with ties and classes that never occur."""

import numpy as np
import pytest

from via_jax import metrics

CLASSES = ["bow", "clap", "kick", "run", "sit", "walk", "wave"]
LABELS = np.array([0, 0, 1, 1, 1, 3, 4, 5, 5, 6, 6, 6])  # no clip of class 2


def random_scores(seed=0):
    """[clips, classes] of few different values, so that there are ties; often right."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (len(LABELS), len(CLASSES))).astype(np.float32)
    scores[np.arange(len(LABELS)), LABELS] += rng.integers(-2, 3, len(LABELS))
    return scores


def ranks(row):
    """Classes from the most to the least likely; of equals the first one first."""
    return sorted(range(len(row)), key=lambda c: (-row[c], c))


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_is_the_loop_over_clips(seed):
    scores = random_scores(seed)
    top1, top5, right, confusion = 0, 0, dict.fromkeys(CLASSES, 0), np.zeros((7, 7), int)
    for row, label in zip(scores, LABELS):
        order = ranks(row)
        top1 += order[0] == label
        top5 += label in order[:5]
        right[CLASSES[label]] += order[0] == label
        confusion[label, order[0]] += 1
    found = metrics.accuracy(scores, LABELS, CLASSES)
    assert 0 < top1 < top5 < len(LABELS)
    assert found["top1"] == pytest.approx(100 * top1 / 12)
    assert found["top5"] == pytest.approx(100 * top5 / 12)
    assert found["clips"] == 12
    assert found["confusion"] == confusion.tolist()

    counts = dict(zip(CLASSES, np.bincount(LABELS, minlength=7).tolist()))
    rates = {name: 100 * right[name] / n if n else None for name, n in counts.items()}
    assert rates["kick"] is None
    assert found["per_class"] == pytest.approx(rates)
    occurring = [rate for rate in rates.values() if rate is not None]
    assert found["mean_class"] == pytest.approx(np.mean(occurring))


def test_classes_without_a_clip_do_not_count_in_the_mean_over_classes():
    """Of bow 1 of 2 and of sit 1 of 1 is right; the wrong one is taken for the absent clap."""
    scores = np.eye(7)[[0, 1, 4]]
    found = metrics.accuracy(scores, np.array([0, 0, 4]), CLASSES)
    assert found["mean_class"] == 75.0
    assert [name for name, rate in found["per_class"].items() if rate is None] == [
        *("clap", "kick", "run", "walk", "wave")
    ]
    assert found["top1"] == pytest.approx(200 / 3)


def test_of_equal_scores_the_first_class_is_predicted():
    found = metrics.accuracy(np.zeros((2, 7)), np.array([0, 1]), CLASSES)
    assert (found["top1"], found["top5"], found["mean_class"]) == (50, 100, 50)


def test_fewer_than_five_classes_are_all_among_the_first_five():
    found = metrics.accuracy(np.eye(3)[[1, 2, 0]], np.arange(3), CLASSES[:3])
    assert (found["top1"], found["top5"]) == (0, 100)


def test_confusion_matrix_adds_up_repeated_pairs():
    matrix = metrics.confusion_matrix(np.array([0, 2, 2, 2]), np.array([1, 2, 2, 0]), 3)
    np.testing.assert_array_equal(matrix, [[0, 1, 0], [0, 0, 0], [1, 0, 2]])


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((2, 6)), [0, 1], r"shape \(2, 6\) for 2 clips and 7 classes"),
        (np.zeros((3, 7)), [0, 1], r"shape \(3, 7\) for 2 clips"),
        (np.zeros((0, 7)), [], "at least one clip"),
        (np.zeros((2, 7)), [0, 7], "labels from 0 to 7; 7 classes"),
        (np.zeros((2, 7)), [-1, 0], "labels from -1 to 0; 7 classes"),
        (np.full((2, 7), np.nan), [0, 1], "not finite; the model has diverged"),
        (np.full((2, 7), -np.inf), [0, 1], "not finite"),
    ],
)
def test_bad_input_is_refused(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        metrics.accuracy(scores, np.array(labels, int), CLASSES)


def test_mean_and_spread():
    assert metrics.spread([]) == ""
    assert metrics.spread([70.04]) == "70.0"
    assert metrics.spread([1.0, 2.0, 4.0]) == f"2.33 ± {np.std([1, 2, 4], ddof=1):.2f}"
    assert metrics.spread([10.0, 20.0]) == f"15.0 ± {50**0.5:.1f}"
