import numpy as np
import pytest

from via_jax.data.persons import bridge, most_moving


def rng(seed=0):
    return np.random.default_rng(seed)


# Gaps


def bridged_track(track, seen):
    """Reference of one joint: each gap from its two ends."""
    frames = np.flatnonzero(seen)
    filled = np.zeros(track.shape)
    for t in range(len(track)):
        if not len(frames):
            continue
        before, after = frames[frames <= t], frames[frames >= t]
        if len(before) and len(after):
            low, high = before[-1], after[0]
            share = 0 if high == low else (t - low) / (high - low)
            filled[t] = (1 - share) * track[low] + share * track[high]
        else:
            filled[t] = track[before[-1] if len(before) else after[0]]
    return filled


@pytest.mark.parametrize("garbage", [0.0, 1e6, np.nan, np.inf])
def test_bridge_against_a_loop(garbage):
    poses = rng().normal(size=(2, 9, 6, 3)).astype(np.float32)
    valid = rng(1).random((2, 9, 6)) < 0.5
    valid[0, :, 1] = False  # never seen
    valid[0, :, 2] = np.arange(9) == 4  # once
    valid[0, :, 3] = True
    poses[~valid] = garbage
    filled, known = bridge(poses, valid)
    for person, joint in np.ndindex(2, 6):
        expected = bridged_track(poses[person, :, joint], valid[person, :, joint])
        np.testing.assert_allclose(filled[person, :, joint], expected, atol=1e-6)
    np.testing.assert_array_equal(known, valid.any(axis=1))
    np.testing.assert_array_equal(filled[valid], poses[valid])
    assert not filled[0, :, 1].any() and not known[0, 1]
    assert filled.dtype == np.float32


def test_bridge_leaves_its_input_alone():
    poses, valid = np.ones((1, 3, 2, 2), np.float32), np.ones((1, 3, 2), bool)
    poses[0, 1, 0], valid[0, 1, 0] = 7.0, False
    bridge(poses, valid)
    assert poses[0, 1, 0, 0] == 7.0 and not valid[0, 1, 0]


# Persons


@pytest.mark.parametrize("garbage", [0.0, 1e6, np.nan, np.inf])
def test_the_most_moving_persons_come_first(garbage):
    poses = rng().normal(size=(4, 30, 5, 2)) * np.array([1.0, 3.0, 2.0, 0.5])[:, None, None, None]
    poses += np.array([50.0, 0.0, -20.0, 90.0])[:, None, None, None]  # who stands where is nothing
    valid = rng(1).random((4, 30, 5)) < 0.7
    valid[:, :, 0] = False  # a joint that nobody shows
    poses[~valid] = garbage
    energies = []
    for person in range(4):
        tracks = [poses[person, valid[person, :, j], j] for j in range(1, 5)]
        energies.append(sum(track.var(axis=0).sum() for track in tracks))
    for count in (1, 2, 4, 9):
        chosen = most_moving(poses, valid, count)
        np.testing.assert_array_equal(chosen, np.argsort(energies)[::-1][:count])


def test_equal_persons_keep_their_order():
    poses, valid = np.ones((3, 4, 5, 2)), np.ones((3, 4, 5), bool)
    np.testing.assert_array_equal(most_moving(poses, valid, 2), [0, 1])
