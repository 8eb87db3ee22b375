import dataclasses
import itertools
import types
from typing import Any

import numpy as np
import pytest

from via_jax.data import splits, store
from via_jax.data.clip import Clip
from via_jax.data.held_out import draw_labels, draw_per_class, held_out, to_choose_by


def data_of(subjects: list[str], labels: list[int]) -> Any:
    """What the draws look at of a prepared data set."""
    return types.SimpleNamespace(subjects=np.array(subjects), label=np.array(labels))


@pytest.fixture
def people():
    """Sixty clips of six people and three classes; twenty more belong to somebody else."""
    subjects = [f"s{i % 6}" for i in range(60)] + ["other"] * 20
    return data_of(subjects, [i // 2 % 3 for i in range(80)])


@pytest.fixture
def strangers():
    """Eighty clips without subjects: 40, 30 and 10 of three classes."""
    return data_of([""] * 80, [0] * 40 + [1] * 30 + [2] * 10)


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("which", ["people", "strangers"])
def test_the_parts_are_disjoint_and_complete(request, which, fraction):
    data, clips = request.getfixturevalue(which), np.arange(60)
    kept, left = held_out(data, clips, fraction, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, left])), clips)
    assert len(kept) and len(left)
    assert (np.diff(kept) > 0).all() and (np.diff(left) > 0).all()
    for part, again in zip((kept, left), held_out(data, clips, fraction, seed=3), strict=True):
        np.testing.assert_array_equal(part, again)


@pytest.mark.parametrize("which", ["people", "strangers"])
def test_the_seed_decides(request, which):
    data = request.getfixturevalue(which)
    drawn = {tuple(held_out(data, np.arange(60), 0.3, seed)[1]) for seed in range(8)}
    assert len(drawn) > 1


@pytest.mark.parametrize(("fraction", "count"), [(0.05, 1), (0.17, 1), (0.3, 2), (0.5, 3)])
def test_people_are_held_out_as_a_whole(people, fraction, count):
    kept, left = held_out(people, np.arange(60), fraction, seed=0)
    mine, theirs = set(people.subjects[kept]), set(people.subjects[left])
    assert not mine & theirs and len(theirs) == count
    assert "other" not in theirs  # does not belong to the training clips


def test_somebody_is_always_kept(people):
    kept, _ = held_out(people, np.arange(60), 0.99, seed=0)
    assert len(set(people.subjects[kept])) == 1


@pytest.mark.parametrize("fraction", [0.125, 0.4, 0.6])
def test_whole_people_come_as_near_to_the_share_as_they_can(fraction):
    clips = {"a": 50, "b": 10, "c": 13, "d": 7}
    data = data_of([person for person, count in clips.items() for _ in range(count)], [0] * 80)
    possible = set()
    for order in itertools.permutations(clips):
        sizes = np.cumsum([clips[person] for person in order[:3]])
        possible.add(int(min(sizes, key=lambda size: abs(size - fraction * 80))))
    drawn = {len(held_out(data, np.arange(80), fraction, seed)[1]) for seed in range(30)}
    assert drawn <= possible and len(drawn) > 1


@pytest.mark.parametrize(
    "subjects", [["a", "b", "c"] * 20, ["a", "b", "c", "d", ""] * 12], ids=["three", "one unknown"]
)
def test_few_or_unknown_people_share_each_class(subjects):
    data = data_of(subjects, [0] * 40 + [1] * 20)
    _, left = held_out(data, np.arange(60), 0.25, seed=0)
    np.testing.assert_array_equal(np.bincount(data.label[left]), [10, 5])


def test_only_the_people_of_the_training_clips_count():
    data = data_of(["a", "b", "c"] * 20 + ["d"] * 20, [0] * 40 + [1] * 40)
    _, left = held_out(data, np.arange(60), 0.25, seed=0)
    np.testing.assert_array_equal(np.bincount(data.label[left]), [10, 5])


def test_nothing_is_held_out(people):
    kept, left = held_out(people, np.arange(5, 60), 0.0, seed=0)
    np.testing.assert_array_equal(kept, np.arange(5, 60))
    assert left.shape == (0,) and left.dtype == kept.dtype


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 1.5])
def test_bad_fractions(people, fraction):
    with pytest.raises(ValueError, match=rf"held_out={fraction} must lie in \[0, 1\)"):
        held_out(people, np.arange(60), fraction, seed=0)


SMARTHOME = [
    *(("Walk", "p03", "c01"), ("Enter", "p04", "c01"), ("Walk", "p06", "c01")),
    *(("Walk", "p03", "c05"), ("Enter", "p02", "c05"), ("Cook.Cut", "p02", "c05")),
    *(("Walk", "p10", "c02"), ("Enter", "p07", "c03"), ("Walk", "p09", "c04")),
    *(("Walk", "p12", "c06"), ("WatchTV", "p13", "c01")),
]


def smarthome() -> store.Prepared:
    """Prepared clips as far as the draws look at them, with the roles of Toyota Smarthome."""
    empty = np.zeros((1, 1, 13, 2), np.float32)
    roles = [
        splits.split_of(
            "smarthome",
            Clip(empty, empty[..., 0] > 0, "lcrnet13", str(i), label, subject, camera),
        )
        for i, (label, subject, camera) in enumerate(SMARTHOME)
    ]
    known: Any = dict.fromkeys(field.name for field in dataclasses.fields(store.Prepared))
    labels, subjects, _ = (np.array(column) for column in zip(*SMARTHOME, strict=True))
    known |= {
        "label": np.unique(labels, return_inverse=True)[1],
        "subjects": subjects,
        "splits": {
            protocol: np.array([role.get(protocol, "") for role in roles])
            for protocol in ("cross_subject", "cross_view1", "cross_view2")
        },
    }
    return store.Prepared(**known)


@pytest.mark.parametrize("fraction", [0.0, 0.3])
@pytest.mark.parametrize(
    ("protocol", "train"), [("cross_view1", [0, 1, 2]), ("cross_view2", [0, 1, 2, 7, 8, 9])]
)
def test_smarthome_chooses_by_camera_5(protocol, train, fraction):
    kept, left = to_choose_by(smarthome(), protocol, fraction, seed=0)
    assert kept.tolist() == train and left.tolist() == [3, 4]


def test_without_validation_clips_training_clips_are_held_out():
    data = smarthome()
    train = data.clips_of("cross_subject", "train")
    kept, left = to_choose_by(data, "cross_subject", 0.3, seed=1)
    for part, expected in zip((kept, left), held_out(data, train, 0.3, seed=1), strict=True):
        np.testing.assert_array_equal(part, expected)
    assert len(left) and to_choose_by(data, "cross_subject", 0.0, seed=1)[0].tolist() == [*train]
    with pytest.raises(ValueError, match=r"held_out=1.5 must lie in \[0, 1\)"):
        to_choose_by(data, "cross_view1", 1.5, seed=0)
    with pytest.raises(ValueError, match="no protocol 'official'"):
        to_choose_by(data, "official", 0.3, seed=0)


def test_draw_per_class(strangers):
    clips = np.arange(1, 80)  # 39, 30 and 10
    drawn = draw_per_class(strangers, clips, 0.1, seed=0)
    np.testing.assert_array_equal(np.bincount(strangers.label[drawn]), [4, 3, 1])
    assert np.isin(drawn, clips).all() and (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, draw_per_class(strangers, clips, 0.1, seed=0))
    assert not np.array_equal(drawn, draw_per_class(strangers, clips, 0.1, seed=1))
    one_each = draw_per_class(strangers, clips, 0.001, seed=0)
    np.testing.assert_array_equal(strangers.label[one_each], [0, 1, 2])
    np.testing.assert_array_equal(draw_per_class(strangers, clips, 1.0, seed=0), clips)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5])
def test_draw_labels(strangers, fraction):
    clips = np.arange(20, 80)
    drawn = draw_labels(strangers, clips, fraction, seed=0)
    assert len(drawn) == round(60 * fraction)
    assert np.isin(drawn, clips).all() and (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, draw_labels(strangers, clips, fraction, seed=0))
    assert not np.array_equal(drawn, draw_labels(strangers, clips, fraction, seed=1))


def test_draw_labels_is_not_per_class(strangers):
    counts = {
        tuple(np.bincount(strangers.label[draw_labels(strangers, np.arange(80), 0.1, seed)]))
        for seed in range(20)
    }
    assert len(counts) > 3


def test_draw_labels_ends(strangers):
    clips = np.arange(20, 80)
    np.testing.assert_array_equal(draw_labels(strangers, clips, 1.0, seed=0), clips)
    assert len(draw_labels(strangers, clips, 0.001, seed=0)) == 1


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.1])
def test_bad_shares_of_labels(strangers, fraction):
    with pytest.raises(ValueError, match=rf"label_fraction={fraction} must lie in \(0, 1\]"):
        draw_labels(strangers, np.arange(60), fraction, seed=0)
    with pytest.raises(ValueError, match=rf"fraction={fraction} must lie in \(0, 1\]"):
        draw_per_class(strangers, np.arange(60), fraction, seed=0)
