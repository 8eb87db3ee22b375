"""People joined over the frames: by id, by position, across each other; gaps and single persons."""

import numpy as np
import pytest

from via_jax.data import tracking
from via_jax.data.clip import Clip, check_clip

BODY = np.stack([[0, 8, 16, 24, 12], [0, 12, 48, 30, 20]], axis=-1).astype(float)  # 24 x 48 pixels


def person(x, y=50.0, confidence=0.9, missing=()):
    """[5, (x, y, confidence)] of a body at (x, y)."""
    joints = np.concatenate([BODY + np.array([x, y]), np.full((5, 1), confidence)], axis=-1)
    joints[list(missing)] = 0.0
    return joints


def frames_of(*paths, rng=None, noise=0.0):
    """Frames of people at the x of each path, None where they are not seen, in random order."""
    rng = rng or np.random.default_rng(0)
    frames, order = [], []
    for places in zip(*paths):
        there = [i for i, x in enumerate(places) if x is not None]
        rng.shuffle(there)
        order.append(there)
        rows = [person(places[i]) for i in there]
        for row in rows:
            row[:, :2] += rng.normal(0, noise, (5, 2))
        frames.append(np.stack(rows) if rows else None)
    return frames, order


def found(frames, max_persons=2, **kwargs):
    """The x of the first joint of each person, None where missing."""
    poses, valid = tracking.follow(frames, 5, max_persons, **kwargs)
    return [
        [float(x) if seen else None for x, seen in zip(pose[:, 0, 0], mask[:, 0])]
        for pose, mask in zip(poses, valid)
    ]


# Tracks


def test_detections_are_joined_whatever_their_order():
    left, right = [100.0, 101.0, 102.0, 103.0], [300.0, 306.0, 312.0, 318.0]
    frames, _ = frames_of(left, right)
    assert found(frames) == [right, left]  # the one who moves more is first


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("speed", [2.0, 5.0, 9.0])
def test_two_who_cross_keep_their_tracks(seed, speed):
    rng = np.random.default_rng(seed)
    t = np.arange(60) - 30.0 + rng.uniform(-0.5, 0.5)
    paths = [400 + speed * t, 400 - 0.8 * speed * t]
    frames, _ = frames_of(*[list(path) for path in paths], rng=rng, noise=0.7)
    tracks = np.array(found(frames), float)
    np.testing.assert_allclose(tracks, paths, atol=4.0)


def test_one_hidden_while_two_cross():
    t = np.arange(40) - 20.0
    there, back = list(400 + 4 * t), list(400 - 3 * t)
    for frame in range(18, 23):
        back[frame] = None  # behind the other
    frames, _ = frames_of(there, back)
    assert found(frames) == [there, back]


def test_without_a_velocity_the_nearest_is_taken():
    frames, _ = frames_of([100.0, 100.0], [130.0, 128.0])
    assert sorted(found(frames)) == [[100.0, 100.0], [130.0, 128.0]]


def test_the_sum_of_the_distances_decides():
    # Taken one by one, the nearest pair (120 to 110) would leave 100 and 132 to each other.
    frames = [np.stack([person(100.0), person(120.0)]), np.stack([person(110.0), person(132.0)])]
    assert sorted(found(frames)) == [[100.0, 110.0], [120.0, 132.0]]


def test_ids_are_stronger_than_places():
    frames = [np.stack([person(100.0), person(110.0)])] * 3
    ids = [[7, 3], [3, 7], [7, 3]]
    assert sorted(found(frames, ids=ids)) == [[100.0, 110.0, 100.0], [110.0, 100.0, 110.0]]


def test_a_detection_without_id_is_followed_by_place():
    frames = [np.stack([person(100.0 + t), person(300.0 + t)]) for t in range(4)]
    ids = [[None, 3], [7, 3], [None, None], [7, 3]]
    expected = [[100.0, 101.0, 102.0, 103.0], [300.0, 301.0, 302.0, 303.0]]
    assert sorted(found(frames, ids=ids)) == expected


def test_other_ids_at_one_place_are_other_persons():
    frames = [person(100.0)[None]] * 4
    assert found(frames, ids=[[1], [1], [2], [2]]) == [
        [100.0, 100.0, None, None],
        [None, None, 100.0, 100.0],
    ]


def test_an_id_twice_in_a_frame_holds_for_the_first():
    frames = [np.stack([person(100.0), person(300.0)])] * 2
    assert found(frames, ids=[[1, None], [1, 1]]) == [[100.0, 100.0], [300.0, 300.0]]


@pytest.mark.parametrize(("seen", "kept"), [(3, 2), (2, 1), (1, 1)])
def test_short_tracks_are_dropped(seen, kept):
    assert tracking.SHORTEST == 0.1
    ghost = [600.0] * seen + [None] * (30 - seen)
    frames, _ = frames_of([100.0 + t for t in range(30)], ghost)
    assert len(found(frames)) == kept


def test_the_most_moving_come_first_and_long_tracks_before_short_ones():
    still, walk = [100.0] * 10, [300.0 + t for t in range(10)]
    run = [600.0 + 20 * t if t < 4 else None for t in range(10)]
    frames, _ = frames_of(still, walk, run)
    for count in (1, 2, 3, 9):
        assert found(frames, max_persons=count) == [walk, still, run][:count]


def test_confidence_and_places_tell_what_is_missing():
    frames = [person(100.0, confidence=0.3, missing=[2])[None], person(100.0)[None]]
    frames[1][0, 1, 0] = np.nan
    valid = tracking.follow(frames, 5, 1)[1]
    np.testing.assert_array_equal(np.argwhere(~valid), [[0, 0, 2], [0, 1, 1]])
    valid = tracking.follow(frames, 5, 1, min_confidence=0.3)[1]
    np.testing.assert_array_equal(valid.any(axis=2), [[False, True]])


def test_further_columns_go_with_their_joint():
    depth = np.arange(10.0).reshape(2, 5, 1)
    frames = [np.concatenate([np.stack([person(9.0)]), depth[[t]]], axis=-1) for t in range(2)]
    poses, _ = tracking.follow(frames, 5, 1)
    np.testing.assert_array_equal(poses[0, :, :, 2], depth[..., 0])


def test_nobody():
    poses, valid = tracking.follow([None, None], 5, 2)
    assert poses.shape == (0, 2, 5, 2) and valid.shape == (0, 2, 5)


def test_many_strangers_take_no_long_time():
    rng = np.random.default_rng(0)
    frames = [person(*rng.uniform(0, 1e5, 2))[None] for _ in range(300)]
    poses, _ = tracking.follow(frames, 5, 2)
    assert len(poses) == 2


@pytest.mark.parametrize("setting", [{"max_persons": 0}, {"max_persons": 1, "min_confidence": 1.0}])
def test_settings_out_of_range(setting):
    with pytest.raises(ValueError, match=next(reversed(setting)) + "="):
        tracking.follow([None], 5, **setting)


# Gaps and single persons


def clip_of(valid):
    valid = np.asarray(valid, bool)
    poses = np.zeros((*valid.shape, 13, 2), np.float32)
    poses[..., 0] = np.arange(valid.shape[1])[None, :, None] ** 2 + 1
    seen = np.repeat(valid[..., None], 13, axis=2)
    return Clip(poses * seen[..., None], seen, "penn13", "walk")


def filled_loop(seen, values, max_gap):
    """Reference of one joint."""
    result, valid = np.where(seen, values, 0.0), seen.copy()
    for start in range(len(seen)):
        for end in range(start + 1, len(seen)):
            gap = range(start + 1, end)
            if seen[start] and seen[end] and not seen[list(gap)].any() and len(gap) <= max_gap:
                for t in gap:
                    share = (t - start) / (end - start)
                    result[t] = (1 - share) * values[start] + share * values[end]
                    valid[t] = True
    return result, valid


@pytest.mark.parametrize("max_gap", [0, 1, 2, 3, 20])
def test_gaps_against_a_loop(max_gap):
    rng = np.random.default_rng(3)
    seen = rng.random((2, 30)) < 0.5
    clip = clip_of(seen)
    filled = tracking.fill_gaps(clip, max_gap)
    for who in range(2):
        values, valid = filled_loop(seen[who], clip.poses[who, :, 4, 0], max_gap)
        np.testing.assert_allclose(filled.poses[who, :, 4, 0], values, rtol=1e-6)
        np.testing.assert_array_equal(filled.valid[who, :, 4], valid)
    assert filled.poses.dtype == np.float32 and filled.name == "walk"


def test_a_gap_of_the_stated_length_is_the_last_one_bridged():
    clip = clip_of([[1] + [0] * 10 + [1] + [0] * 11 + [1, 0, 0]])
    valid = tracking.fill_gaps(clip).valid[0, :, 0]
    assert valid.tolist() == [True] * 12 + [False] * 11 + [True, False, False]
    with pytest.raises(ValueError, match="max_gap=-1; expected 0 or more"):
        tracking.fill_gaps(clip, -1)


def test_a_joint_never_seen_stays_missing():
    clip = clip_of([[1, 0, 1]])
    clip.valid[0, :, 3] = False
    filled = tracking.fill_gaps(clip)
    assert not filled.valid[0, :, 3].any() and not filled.poses[0, :, 3].any()


def test_one_clip_for_each_person():
    clip = clip_of([[1, 1, 0], [0, 0, 0], [1, 0, 1]])
    first, second = tracking.split_persons(clip)
    assert (first.name, second.name) == ("walk_person0", "walk_person2")
    np.testing.assert_array_equal(first.poses, clip.poses[[0]])
    np.testing.assert_array_equal(second.valid, clip.valid[[2]])
    assert check_clip(second).layout == "penn13"
