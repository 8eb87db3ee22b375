"""The linear probe: SGD against a loop, its choices, and tasks whose answer is known."""

import jax
import numpy as np
import pytest

from via_jax.evaluation.linear_probe import linear_probe, optimal_scores, sgd_scores

CLASSES = ["bow", "run", "sit"]
SGD = {"epochs": 3, "batch": 4, "weight_decay": 0.0, "seed": 0}


def blobs(count, seed, classes=3, spread=0.1):
    """Separable features [count, 4]; labels in turn."""
    centres = np.array([[3, 0, 0, 1], [0, 3, 0, 1], [0, 0, 3, 1]], np.float32)
    labels = np.arange(count) % classes
    noise = np.random.default_rng(seed).normal(0, spread, (count, 4))
    return (centres[labels] + noise).astype(np.float32), labels


def probe(train=None, held_out=None, test=None, **changed):
    """Of the blobs, unless another part is given."""
    train, held_out, test = train or blobs(24, 1), held_out or blobs(9, 2), test or blobs(12, 3)
    settings = {"rates": (0.1,), "penalties": (1.0,), "epochs": 20, "batch": 8}
    settings |= {"weight_decay": 0.0, "seed": 0, "classes": CLASSES, "refit": True}
    return linear_probe(*train, *held_out, *test, **{**settings, **changed})


def test_separable_features_are_classified_without_error():
    found = probe(rates=(0.03, 0.3), penalties=(0.1, 1.0))
    for name in ("top1", "top5", "mean_class", "optimum_top1", "optimum_top5"):
        assert found[name] == 100, name
    assert found["optimum_mean_class"] == found["held_out_top1"] == 100
    assert found["held_out_optimum_top1"] == 100
    assert found["clips"] == 12 and found["parameters"] == (4 + 1) * 3
    assert found["per_class"] == dict.fromkeys(CLASSES, 100)
    assert (found["rate"], found["penalty"]) == (0.03, 0.1)  # the first of equals


def test_features_without_information_are_classified_by_chance():
    rng = np.random.default_rng(0)
    parts = {}
    for name, count in (("train", 90), ("held_out", 30), ("test", 300)):
        parts[name] = (rng.normal(size=(count, 4)).astype(np.float32), np.arange(count) % 3)
    found = probe(**parts)
    assert 20 < found["top1"] < 47 and 20 < found["optimum_top1"] < 47


@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
def test_sgd_is_the_loop_over_batches(weight_decay):
    """v <- 0.9 v + g, w <- w - rate_t (g + 0.9 v); ten clips, two batches of four an epoch."""
    features, labels = blobs(10, 0, spread=1.0)
    other, _ = blobs(5, 1)
    settings = {**SGD, "weight_decay": weight_decay}
    (found,) = sgd_scores(features, labels, [other], classes=3, rate=0.5, **settings)

    start = jax.random.normal(jax.random.key(0), (4, 3))
    kernel, bias = np.sqrt(2 / 3) * np.asarray(start, np.float64), np.zeros(3)
    velocity, bias_velocity = np.zeros((4, 3)), np.zeros(3)
    rng, step = np.random.default_rng(0), 0
    for _ in range(3):
        order = rng.permutation(10)
        for rows in (order[:4], order[4:8]):  # an incomplete batch is left out
            logits = features[rows] @ kernel + bias
            probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            error = (probability - np.eye(3)[labels[rows]]) / 4
            gradient = features[rows].T @ error + weight_decay * kernel
            bias_gradient = error.sum(axis=0) + weight_decay * bias
            velocity = 0.9 * velocity + gradient
            bias_velocity = 0.9 * bias_velocity + bias_gradient
            rate = 0.5 * 0.5 * (1 + np.cos(np.pi * step / 6))
            kernel = kernel - rate * (gradient + 0.9 * velocity)
            bias = bias - rate * (bias_gradient + 0.9 * bias_velocity)
            step += 1
    np.testing.assert_allclose(found, other @ kernel + bias, rtol=1e-4, atol=1e-4)


def test_a_batch_larger_than_the_data_takes_all_of_it():
    features, labels = blobs(5, 0)
    settings = {"classes": 3, "rate": 0.1, "epochs": 3, "weight_decay": 0.0, "seed": 0}
    small, large = (
        sgd_scores(features, labels, [features], batch=batch, **settings)[0] for batch in (5, 64)
    )
    np.testing.assert_array_equal(small, large)


def test_the_optimum_does_not_depend_on_the_scale_of_features():
    features, labels = blobs(30, 0, spread=2.0)
    other, _ = blobs(7, 1, spread=2.0)
    scale = np.float32([1e-3, 1.0, 1e3, 10.0])
    (plain,) = optimal_scores(features, labels, [other], classes=3, penalty=1.0)
    (scaled,) = optimal_scores(features * scale, labels, [other * scale], classes=3, penalty=1.0)
    np.testing.assert_allclose(scaled, plain, atol=0.02)
    np.testing.assert_allclose(np.exp(plain).sum(axis=1), 1.0, rtol=1e-6)


def test_classes_that_were_never_seen_are_least_likely():
    features, labels = blobs(20, 0, classes=2)
    scores = optimal_scores(features, 2 * labels, [features], classes=3, penalty=1.0)[0]
    assert (scores[:, 1] < scores[:, [0, 2]].min(axis=1)).all() and np.isfinite(scores).all()
    found = probe(train=(features, 2 * labels))
    assert found["per_class"]["run"] is not None  # it is in the test split


def test_settings_are_chosen_on_the_held_out_part_alone():
    """A rate of nearly 0 keeps the random layer; test labels that are wrong change no choice."""
    features, labels = blobs(12, 3)
    settings = {"rates": (1e-9, 0.3), "penalties": (1e-9, 1.0)}
    right, wrong = (probe(test=(features, y), **settings) for y in (labels, (labels + 1) % 3))
    for found in (right, wrong):
        assert found["rate"] == 0.3
        assert found["held_out_top1"] == found["held_out_optimum_top1"] == 100
    assert (right["top1"], wrong["top1"]) == (100, 0)
    assert right["penalty"] == wrong["penalty"]


def test_the_held_out_clips_are_learned_from_in_the_end():
    """A class that only they show is known afterwards."""
    train, labels = blobs(20, 1, classes=2)
    held_out, held_out_labels = blobs(30, 2)
    found = probe(train=(train, labels), held_out=(held_out, held_out_labels))
    assert found["held_out_optimum_top1"] == pytest.approx(100 * 2 / 3)
    assert found["optimum_top1"] == 100


def test_a_validation_split_is_never_learned_from():
    """A class that only it shows stays unknown; the choices are as before."""
    train, labels = blobs(20, 1, classes=2)
    parts = {"train": (train, labels), "held_out": blobs(30, 2), "rates": (1e-9, 0.3)}
    found, learned = probe(**parts, refit=False), probe(**parts)
    assert found["rate"] == learned["rate"] == 0.3
    assert found["held_out_optimum_top1"] == found["optimum_top1"] == pytest.approx(100 * 2 / 3)
    assert found["per_class"]["sit"] == 0 and learned["optimum_top1"] == 100


def test_nothing_held_out_leaves_no_choice():
    nothing = (np.zeros((0, 4), np.float32), np.zeros(0, int))
    found = probe(held_out=nothing)
    assert found["top1"] == 100
    assert found["held_out_top1"] is None and found["held_out_optimum_top1"] is None
    for several in ({"rates": (0.1, 1.0)}, {"penalties": (0.1, 1.0)}):
        with pytest.raises(ValueError, match=r"nothing is held out to choose .* give one of each"):
            probe(held_out=nothing, **several)


@pytest.mark.parametrize(
    ("part", "name"), [("train", "train"), ("held_out", "held-out"), ("test", "test")]
)
def test_unknown_labels_are_refused(part, name):
    features, labels = blobs(6, 0)
    labels[[1, 4]] = -1
    with pytest.raises(
        ValueError, match=f"2 {name} clips have no known class; prepare the data without"
    ):
        probe(**{part: (features, labels)})


def test_one_class_is_refused():
    features, labels = blobs(6, 0)
    with pytest.raises(ValueError, match="clips of fewer than two classes"):
        probe(train=(features, 0 * labels))
