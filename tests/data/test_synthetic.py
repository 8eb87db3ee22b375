import numpy as np
import pytest

from via_jax.data import synthetic
from via_jax.data.clip import check_clip
from via_jax.data.synthetic_actions import ACTIONS
from via_jax.data.synthetic_angles import Values, path
from via_jax.data.synthetic_bodies import perform, random_bodies
from via_jax.skeletons import get_layout

LAYOUT = get_layout("unik17")
ANKLES = [LAYOUT.index("left_ankle"), LAYOUT.index("right_ankle")]


def motions(action, count=4, num_frames=40, seed=0, **settings):
    rng = np.random.default_rng(seed)
    return synthetic.random_motions(rng, action, count, num_frames=num_frames, **settings)


def small_clips(seed=0, **settings):
    sizes = {
        "clips_per_class": 3,
        "test_clips_per_class": 2,
        "num_frames": 12,
        "train_characters": 4,
        "test_characters": 2,
    }
    return synthetic.make_clips(seed, **{**sizes, **settings})


# Motions


def test_kicks_come_with_either_foot():
    average = random_bodies(np.random.default_rng(0), 1, spread=0.0)
    height = perform(motions("kick", 60, num_frames=60), average)[:, :, ANKLES, 1].max(axis=1)
    left = height[:, 0] > height[:, 1]
    assert 0.25 < left.mean() < 0.75
    assert height.max(axis=1).min() > 0.2  # each clip shows one


def test_heading_turns_the_body_and_nothing_else():
    ahead, turned = (motions("squat", heading=heading, seed=3) for heading in (0.0, 60.0))
    assert np.abs(ahead.directions - turned.directions)[..., [0, 2]].max() > 0.3
    np.testing.assert_allclose(ahead.directions[..., 1], turned.directions[..., 1], atol=1e-6)


def test_tempo_and_frame_rate_set_the_pace():
    slow = motions("wave", tempo=(0.5, 0.5), num_frames=31, posture=0.0, sway=0.0, heading=0.0)
    fast = motions("wave", tempo=(1.0, 1.0), num_frames=16, posture=0.0, sway=0.0, heading=0.0)
    np.testing.assert_allclose(slow.directions[:, ::2], fast.directions, atol=1e-5)
    finer = motions("wave", frame_rate=60.0, num_frames=31, tempo=(0.5, 0.5))
    coarse = motions("wave", frame_rate=30.0, num_frames=16, tempo=(0.5, 0.5))
    np.testing.assert_allclose(finer.directions[:, ::2], coarse.directions, atol=1e-5)


def test_path_goes_through_its_keys_and_repeats():
    keys: list[tuple[float, Values]] = [(0.1, 1.0), (0.4, np.array([[3.0], [5.0]])), (0.8, 0.0)]
    turns = np.array([[0.1, 0.4, 0.8, 1.1, -0.6, 0.6]])
    expected = np.array([[1, 3, 0, 1, 3, 1.5], [1, 5, 0, 1, 5, 2.5]])
    np.testing.assert_allclose(path(turns, keys), expected, atol=1e-9)
    fine = path(np.linspace(0, 2, 2001)[None], keys)
    assert np.abs(np.diff(fine, axis=1)).max() < 0.04  # no jumps


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"action": "walks"}, "unknown action 'walks'; expected one of walk, run"),
        ({"count": 0}, "count=0"),
        ({"num_frames": 0}, "num_frames=0"),
        ({"tempo": (1.5, 1.0)}, "tempo="),
        ({"tempo": (0.0, 1.0)}, "tempo="),
        ({"frame_rate": 0.0}, "frame_rate=0.0"),
        ({"heading": -1.0}, "heading=-1.0"),
        ({"posture": -1.0}, "posture=-1.0"),
        ({"sway": -1.0}, "sway=-1.0"),
    ],
)
def test_bad_motions_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        motions(**{"action": "walk", **settings})


# Corruption


def test_corrupt_loses_the_asked_share_for_the_asked_time():
    poses = np.ones((20, 200, 17, 2), np.float32)
    noisy, valid = synthetic.corrupt(
        poses, np.random.default_rng(0), noise=0.1, missing=0.2, stretch=6.0
    )
    assert noisy.dtype == np.float32 and valid.shape == poses.shape[:-1]
    assert abs((~valid).mean() - 0.2) < 0.02
    ends = (~valid[:, :-1] & valid[:, 1:]).sum()
    assert abs((~valid[:, :-1]).sum() / ends - 6.0) < 0.4
    assert np.all(noisy[~valid] == 0)
    assert abs((noisy[valid] - 1).std() - 0.1) < 0.005
    assert abs((noisy[valid] - 1).mean()) < 0.005


def test_corrupt_does_nothing_by_default_and_leaves_its_input():
    poses = np.random.default_rng(1).normal(size=(5, 17, 3))
    before = poses.copy()
    noisy, valid = synthetic.corrupt(poses, np.random.default_rng(0))
    np.testing.assert_array_equal(noisy, before)
    assert valid.all()
    synthetic.corrupt(poses, np.random.default_rng(0), noise=1.0, missing=0.5)
    np.testing.assert_array_equal(poses, before)


@pytest.mark.parametrize(
    "settings", [{"noise": -0.1}, {"missing": 0.6}, {"missing": -0.1}, {"stretch": 0.5}]
)
def test_bad_corruption_is_refused(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))}="):
        synthetic.corrupt(np.zeros((4, 17, 2)), np.random.default_rng(0), **settings)


# Data sets


def test_clips_are_labelled_valid_and_split_by_character_and_motion():
    clips = small_clips()
    assert len(clips) == (3 + 2) * len(ACTIONS) and len(ACTIONS) >= 12
    assert len({clip.name for clip in clips}) == len({clip.extra["motion"] for clip in clips})
    for clip in clips:
        check_clip(clip)
        assert clip.poses.shape == (1, 12, 17, 3) and clip.poses.dtype == np.float32
        assert clip.valid.all() and clip.y_up and clip.units == "metres"
        assert clip.frame_rate == 30.0
    by_split = {
        split: [clip for clip in clips if clip.split == split] for split in ("train", "test")
    }
    for split, per_class in (("train", 3), ("test", 2)):
        labels = [clip.label for clip in by_split[split]]
        assert {label: labels.count(label) for label in ACTIONS} == dict.fromkeys(
            ACTIONS, per_class
        )
    subjects = [{clip.subject for clip in part} for part in by_split.values()]
    assert not subjects[0] & subjects[1]
    assert len(subjects[0]) == 4 and len(subjects[1]) == 2


def test_a_subject_has_one_body():
    seen: dict[str | None, np.ndarray] = {}
    for clip in small_clips(1):
        pose = clip.poses[0, 0]
        lengths = np.array([np.linalg.norm(pose[a] - pose[b]) for a, b in LAYOUT.bones])
        np.testing.assert_allclose(lengths, seen.setdefault(clip.subject, lengths), atol=2e-6)
    distinct = np.array(list(seen.values()))
    assert len(distinct) == 6 and distinct.std(axis=0).min() > 1e-3


def trunk(clip):
    """[time, 3] direction from the chest to the neck: the same for all bodies."""
    bone = clip.poses[0, :, LAYOUT.index("neck")] - clip.poses[0, :, LAYOUT.index("chest")]
    return bone / np.linalg.norm(bone, axis=-1, keepdims=True)


def test_clips_depend_on_the_seed_alone():
    first, again, other = (small_clips(seed) for seed in (5, 5, 6))
    for one, two in zip(first, again, strict=True):
        assert (one.name, one.subject) == (two.name, two.subject)
        np.testing.assert_array_equal(one.poses, two.poses)
    for one, two in zip(first, other, strict=True):
        assert one.name == two.name
        assert np.abs(trunk(one) - trunk(two)).max() > 0.02  # a motion of its own
    fewer = small_clips(5, actions=("throw", "walk"))
    by_name = {clip.name: clip for clip in first}
    assert {clip.label for clip in fewer} == {"throw", "walk"}
    for clip in fewer:
        np.testing.assert_array_equal(clip.poses, by_name[clip.name].poses)


def test_no_test_clips_need_no_test_characters():
    clips = small_clips(test_clips_per_class=0, test_characters=0)
    assert {clip.split for clip in clips} == {"train"}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"clips_per_class": 0}, "clips_per_class=0"),
        ({"test_clips_per_class": -1}, "test_clips_per_class=-1"),
        ({"num_frames": 1}, "num_frames=1"),
        ({"train_characters": 0}, "count=0 characters"),
        ({"test_spread": 9.0}, "spread=9.0"),
        ({"actions": ()}, r"actions=\(\)"),
        ({"actions": ("walk", "walk")}, "each only once"),
        ({"actions": ("fly",)}, "unknown action 'fly'"),
        ({"sway": -1.0}, "sway=-1.0"),
    ],
)
def test_bad_data_sets_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        small_clips(**settings)
