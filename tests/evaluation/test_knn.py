"""Nearest neighbours against a loop, with ties, and beside the linear probe."""

import json

import numpy as np
import pytest

from via_jax.evaluation import protocols
from via_jax.evaluation.knn import knn_probe, nearest

CLASSES = ["bow", "run", "sit", "wave"]


def voted(train, labels, feature, k):
    """Reference: cosines one by one, then votes counted; of equal counts the first class."""
    cosines = [
        sum(a * b for a, b in zip(row, feature)) / np.linalg.norm(row) / np.linalg.norm(feature)
        for row in train.astype(float)
    ]
    votes = dict.fromkeys(range(4), 0)
    for index in sorted(range(len(train)), key=lambda i: -cosines[i])[:k]:
        votes[labels[index]] += 1
    return max(votes, key=lambda c: (votes[c], -c))


@pytest.mark.parametrize("k", [1, 2, 5, 20, 40])
def test_the_majority_of_the_most_similar_is_the_loop_over_clips(k):
    rng = np.random.default_rng(0)
    train, others = (rng.normal(size=(n, 6)).astype(np.float32) for n in (40, 25))
    labels = np.arange(40) % 4
    found = nearest(train, labels, others, k)
    assert found.tolist() == [voted(train, labels, feature, k) for feature in others]
    assert k == 40 or len(set(found.tolist())) > 1


def test_only_the_direction_of_a_feature_counts():
    rng = np.random.default_rng(1)
    train, others = rng.normal(size=(30, 5)), rng.normal(size=(20, 5))
    labels = rng.integers(0, 4, 30)
    lengths = rng.uniform(0.1, 50, (30, 1))
    plain = nearest(train, labels, others, 5)
    np.testing.assert_array_equal(nearest(train * lengths, labels, others * 3, 5), plain)


def test_of_equally_many_votes_the_first_class_wins_though_it_is_farther():
    angles = np.deg2rad([1.0, 2.0, 10.0, 11.0, 80.0])
    train = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    labels = np.array([3, 3, 1, 1, 0])
    assert nearest(train, labels, np.array([[1.0, 0.0]]), 4).tolist() == [1]
    assert nearest(train, labels, np.array([[1.0, 0.0]]), 3).tolist() == [3]


def test_features_of_length_zero_are_no_error():
    train = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    found = nearest(train, np.array([2, 0, 0, 1]), np.zeros((2, 3)), 4)
    assert found.tolist() == [0, 0]


def test_accuracies_are_over_clips_and_over_the_classes_that_occur():
    """Of class 0 one of three clips is right, of class 1 the only one; class 2 has no test clip."""
    train, labels = np.eye(3), np.array([0, 1, 2])
    test = np.array([[1, 0.1, 0], [0, 1, 0.1], [0, 0, 1], [0.2, 1, 0]])
    found = knn_probe(train, labels, test, np.array([0, 0, 0, 1]), classes=CLASSES)
    assert found == {"knn1_top1": 50.0, "knn1_mean_class": pytest.approx((100 / 3 + 100) / 2)}


def test_more_neighbours_than_training_clips_are_left_out():
    rng = np.random.default_rng(0)
    for count, expected in ((4, [1]), (5, [1, 5]), (19, [1, 5]), (20, [1, 5, 20])):
        train, labels = rng.normal(size=(count, 3)), np.arange(count) % 3
        found = knn_probe(train, labels, train, labels, classes=CLASSES)
        assert list(found) == [f"knn{k}_{x}" for k in expected for x in ("top1", "mean_class")]
        assert found["knn1_top1"] == 100  # each clip is its own neighbour
        for k in (0, count + 1):
            with pytest.raises(ValueError, match=f"{k} neighbours of {count} clips"):
                nearest(train, labels, train, k)


def test_the_probe_reports_it(tiny_config, tiny_data, tmp_path, monkeypatch):
    """Neighbours come from the whole training split: nothing is chosen on the held-out part."""
    config = tiny_config
    config.linear_probe.feature = "poses"
    config.linear_probe.rates, config.linear_probe.penalties = (0.1,), (1.0,)
    config.linear_probe.epochs = 1
    given = []

    def watch(*features, **how):
        given.append(features)
        return knn_probe(*features, **how)

    monkeypatch.setattr(protocols, "knn_probe", watch)
    protocols.linear_probe(config, tmp_path)
    stored = json.loads((tmp_path / "results.json").read_text())
    ((train, labels, test, test_labels),) = given
    assert len(train) == 24 and len(test) == 9
    kept, left, _ = protocols.split_clips(config, tiny_data, 1.0)
    np.testing.assert_array_equal(labels, tiny_data.label[[*kept, *left]])  # as the features
    expected = {
        f"knn{k}_top1": 100 * np.mean(nearest(train, labels, test, k) == test_labels)
        for k in (1, 5, 20)
    }
    assert {name: stored[name] for name in expected} == pytest.approx(expected)
    assert max(expected.values()) > 40 and "knn20_mean_class" in stored
