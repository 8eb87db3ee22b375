"""Silhouettes and readers of codes, against loops and by what must come out."""

import math

import numpy as np
import pytest

from via_jax.evaluation import disentanglement
from via_jax.models.dictionary import Split

VIEWS, CLIPS = 3, 20
CLIP = np.tile(np.arange(CLIPS), VIEWS)
VIEW = np.repeat(["-60", "0", "60"], CLIPS)
ACTION = np.tile(np.array(["sit", "wave"])[np.arange(CLIPS) % 2], VIEWS)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def silhouette_by_hand(features, labels):
    total = 0.0
    for row, label in enumerate(labels):
        to = {
            other: [
                math.dist(features[row], x)
                for index, x in enumerate(features)
                if labels[index] == other and index != row
            ]
            for other in set(labels)
        }
        own = np.mean(to.pop(label))
        nearest = min(np.mean(found) for found in to.values())
        total += (nearest - own) / max(nearest, own)
    return total / len(labels)


def test_silhouette_is_that_of_its_definition(rng):
    features = rng.normal(size=(18, 5))
    labels = np.repeat(["a", "b", "c"], 6)
    features[labels == "b"] += 1.0
    found = disentanglement.silhouette(features, labels)
    assert found == pytest.approx(silhouette_by_hand(features, labels), abs=1e-9)


def test_separated_codes_have_a_silhouette_near_1(rng):
    centres = {"-60": -50.0, "0": 0.0, "60": 50.0}
    features = np.array([[centres[view]] * 4 for view in VIEW]) + rng.normal(size=(60, 4))
    assert disentanglement.silhouette(features, VIEW) > 0.9
    assert abs(disentanglement.silhouette(features, ACTION)) < 0.05


@pytest.mark.parametrize("labels", [["a"] * 4, ["a", "b", "c", "d"]])
def test_no_silhouette_without_groups(rng, labels):
    assert disentanglement.silhouette(rng.normal(size=(4, 2)), np.array(labels)) is None


def test_codes_equal_across_views_tell_nothing_of_the_view(rng):
    features = np.tile(rng.normal(size=(CLIPS, 8)), (VIEWS, 1))
    found = disentanglement.reading(features, VIEW, CLIP, folds=5, seed=0)
    assert found == pytest.approx(100 / 3)  # one of a clip's three views, whatever is said
    assert disentanglement.chance(VIEW) == pytest.approx(100 / 3)


def test_what_is_written_into_a_code_is_read(rng):
    features = rng.normal(size=(60, 8))
    features[:, 2] += np.where(ACTION == "sit", -20.0, 20.0)
    assert disentanglement.reading(features, ACTION, CLIP, folds=5, seed=0) == 100.0
    assert disentanglement.reading(features, VIEW, CLIP, folds=5, seed=0) < 60.0


def test_no_reader_sees_another_view_of_a_tested_clip(rng):
    """A code that names its clip, and nothing else, does not give away a label drawn per clip."""
    features = np.tile(10.0 * np.eye(CLIPS), (VIEWS, 1)) + 0.01 * rng.normal(size=(60, CLIPS))
    drawn = np.tile(rng.permutation(np.repeat(["a", "b"], CLIPS // 2)), VIEWS)
    assert disentanglement.reading(features, drawn, CLIP, folds=5, seed=0) < 75.0
    leaking = disentanglement.reading(features, drawn, np.arange(60), folds=5, seed=0)
    assert leaking > 90.0


def reader_by_hand(features, labels, classes):
    """Scores of linear discriminants whose covariance Ledoit and Wolf's formula shrinks."""
    x = (features - features.mean(axis=0)) / features.std(axis=0)
    count, channels = x.shape
    centres = [x[labels == c].mean(axis=0) for c in range(classes)]
    left = np.array([row - centres[label] for row, label in zip(x, labels)])
    covariance = sum(np.outer(row, row) for row in left) / count
    scale = np.trace(covariance) / channels
    target = scale * np.eye(channels)
    away = np.square(covariance - target).sum()
    noise = sum(np.square(np.outer(r, r) - covariance).sum() for r in left) / count**2
    share = min(noise, away) / away
    covariance = (1 - share) * covariance + share * target
    inverse = np.linalg.inv(covariance)
    return np.array(
        [
            [
                -0.5 * (row - centre) @ inverse @ (row - centre) + np.log(np.mean(labels == c))
                for c, centre in enumerate(centres)
            ]
            for row in x
        ]
    )


def test_the_reader_is_a_linear_discriminant(rng):
    labels = np.repeat([0, 1, 2], [5, 12, 9])
    features = rng.normal(size=(26, 4)) @ rng.normal(size=(4, 4)) + labels[:, None]
    kernel, bias = disentanglement.fit_reader(features, labels, 4)
    scores, expected = features @ kernel + bias, reader_by_hand(features, labels, 3)
    # Equal but for what all classes of a row have in common.
    apart = (scores[:, :3] - scores[:, :1]) - (expected - expected[:, :1])
    np.testing.assert_allclose(apart, 0.0, atol=1e-3)
    assert (scores[:, 3] < scores[:, :3].min(axis=1) - 100).all()  # never seen, never read


def test_groups_without_extent_and_dead_channels_are_read():
    features = np.array([[0.0, 5.0], [0.0, 5.0], [1.0, 5.0], [1.0, 5.0]])
    kernel, bias = disentanglement.fit_reader(features, np.array([0, 0, 1, 1]), 2)
    assert (features @ kernel + bias).argmax(axis=1).tolist() == [0, 0, 1, 1]
    assert np.isfinite(kernel).all()


def test_chance_is_the_largest_share():
    assert disentanglement.chance(np.array(["a", "b", "a", "c"])) == 50.0
    assert disentanglement.chance(np.array(["a", "a"])) is None


@pytest.mark.parametrize("folds", [1, 21])
def test_folds_that_cannot_be_dealt_are_refused(rng, folds):
    with pytest.raises(ValueError, match=rf"folds={folds} of 20 clips; expected 2 to 20"):
        disentanglement.reading(rng.normal(size=(60, 2)), VIEW, CLIP, folds=folds, seed=0)


@pytest.mark.parametrize(("frames", "weight"), [(24, (1, 1, 1)), (20, (1, 1, 0.5))])
def test_features_are_means_and_sequences(rng, frames, weight):
    split = Split(rng.normal(size=(6, 3, 4)), rng.normal(size=(6, 4)), rng.normal(size=(6, 2)))
    meta = {
        "layout": "unik17",
        "model": dict.fromkeys(
            ("coords", "width", "decoder_width", "num_heads", "num_directions"), 2
        )
        | {"learned_directions": True, "dropout": 0.0},
        "window": {
            "frames": frames,
            "sampling": "crop",
            "shortest_share": 1.0,
            "speed": (1.0, 1.0),
        },
    }
    found = disentanglement.features_of(split, meta)
    assert set(found) == set(disentanglement.FEATURES)
    for row in range(6):
        mean = sum(w * step for w, step in zip(weight, split.motion[row])) / sum(weight)
        np.testing.assert_allclose(found["motion"][row], mean, rtol=1e-5)
        np.testing.assert_array_equal(
            found["motion_sequence"][row], np.concatenate(list(split.motion[row]))
        )
    np.testing.assert_array_equal(found["character"], split.character)


def test_unknown_labels_are_left_out(rng):
    features = {"motion": rng.normal(size=(60, 3))}
    action = ACTION.copy()
    action[CLIP >= 12] = ""
    labels = {"action": action, "view": VIEW, "subject": np.full(60, "")}
    found = disentanglement.measure(features, labels, CLIP, folds=4, seed=0)
    known = CLIP < 12
    x = features["motion"][known]
    assert found["chance_action"] == 50.0
    assert found["motion_action_silhouette"] == disentanglement.silhouette(x, ACTION[known])
    assert found["motion_action_accuracy"] == disentanglement.reading(
        x, ACTION[known], CLIP[known], folds=4, seed=0
    )
    assert found["motion_view_accuracy"] is not None
    assert [found[f"{key}"] for key in found if "subject" in key] == [None] * 3


def test_the_table_sets_both_models_beside_chance():
    def numbers(value):
        parts = {f"{name}_view_accuracy": value for name in disentanglement.FEATURES}
        parts |= {f"{name}_view_silhouette": value / 100 for name in disentanglement.FEATURES}
        parts |= {key.replace("view", "subject"): None for key in parts}
        return parts | {"chance_view": 33.333, "chance_subject": None}

    assert disentanglement.table(numbers(40.0), numbers(90.0)).splitlines() == [
        "| | r_m, mean over time | r_m, all steps | r_c | chance |",
        "|---|---|---|---|---|",
        "| linear layer reads the view, %, trained | 40.0 | 40.0 | 40.0 | 33.3 |",
        "| linear layer reads the view, %, random weights | 90.0 | 90.0 | 90.0 | 33.3 |",
        "| silhouette by view, trained | 0.400 | 0.400 | 0.400 |  |",
        "| silhouette by view, random weights | 0.900 | 0.900 | 0.900 |  |",
    ]
