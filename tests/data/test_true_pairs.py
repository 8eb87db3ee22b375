"""True pairs: which motion, body and view each sequence shows, and that the truth is the truth."""

import jax
import numpy as np
import pytest

from via_jax.data.cameras import Camera, project
from via_jax.data.characters import characters_of, on_character
from via_jax.data.transforms import facing, turn
from via_jax.data.true_pairs import true_pairs, windows_of

YAWS = [-60.0, 0.0, 60.0]


@pytest.fixture(scope="module")
def setting(tiny_data):
    settings = {"train": 3, "test": 3, "spread": 1.5, "seed": 0}
    characters = characters_of(tiny_data, "official", settings).test
    windows = windows_of(tiny_data, np.array([0, 9, 18, 25]), 16, 8, 0)
    return windows, characters, tiny_data.layout


@pytest.fixture(scope="module")
def pairs(setting):
    return true_pairs(*setting, yaws=YAWS, coords=2, seed=123)


@pytest.fixture(scope="module")
def shown(setting):
    """(window, character, yaw) -> the projected sequence, one at a time."""
    windows, characters, layout = setting

    @jax.jit
    def show(poses, lengths, yaw):
        front = turn(poses, -facing(poses, layout))
        zero = np.float32(0)
        seen = project(on_character(front, lengths, layout), Camera(yaw, zero, zero))
        return seen - seen[:, layout.parents.index(-1)].mean(axis=0)[None, None]

    return lambda window, body, yaw: np.asarray(
        show(windows[window], characters[body], np.float32(np.deg2rad(yaw)))
    )


def test_every_ordered_pair_of_characters_sees_every_motion(setting, pairs):
    count = len(setting[0])
    assert len(pairs.truth) == 6 * count == len(pairs.motion)
    assert sorted(zip(pairs.motion, pairs.body)) == sorted(
        (motion, body) for motion in range(count) for body in range(3) for _ in range(2)
    )
    np.testing.assert_array_equal(pairs.lengths, setting[1][pairs.body])


def test_each_sequence_is_a_motion_on_a_character_in_a_view(setting, pairs, shown):
    """Driver: its motion and view; truth: its motion, the other's body and view; by search."""
    count = len(setting[0])

    def find(sequence, bodies):
        found = [
            (window, body, yaw)
            for window in range(count)
            for body in bodies
            for yaw in YAWS
            if np.abs(shown(window, body, yaw) - sequence).max() < 1e-4
        ]
        assert len(found) == 1
        return found[0]

    views = {}
    for index in range(0, len(pairs.truth), 5):
        motion, body = pairs.motion[index], pairs.body[index]
        driver = find(pairs.driving[index], range(3))
        source = find(pairs.source[index], [body])
        truth = find(pairs.truth[index], [body])
        assert driver[0] == truth[0] == motion and source[0] != motion
        assert driver[1] != body and truth[2] == source[2]
        for window, yaw in ((driver[0], driver[2]), (source[0], source[2])):
            assert views.setdefault(window, yaw) == yaw  # one view for each motion
    assert len(set(views.values())) > 1


def test_a_seed_fixes_the_draws(setting, pairs):
    again = true_pairs(*setting, yaws=YAWS, coords=2, seed=123)
    np.testing.assert_array_equal(again.source, pairs.source)
    other = true_pairs(*setting, yaws=YAWS, coords=2, seed=124)
    assert not np.array_equal(other.source, pairs.source)


def test_in_3d_bones_keep_the_characters_lengths(setting):
    pairs = true_pairs(*setting, yaws=YAWS, coords=3, seed=1)
    parents = np.asarray(setting[2].parents)
    bones = parents >= 0
    for poses in (pairs.truth, pairs.source):
        lengths = np.linalg.norm(poses[:, :, bones] - poses[:, :, parents[bones]], axis=-1)
        wanted = np.broadcast_to(pairs.lengths[:, None, bones], lengths.shape)
        np.testing.assert_allclose(lengths, wanted, atol=1e-4)


def test_ankles_stand_where_they_are_low_and_slow(setting):
    """A body with straight legs that stays, and lifts its left foot from frame 6 on."""
    windows, characters, layout = setting
    still = np.repeat(windows[:2, :1], 16, axis=1)
    for side in ("left", "right"):
        hip, knee, ankle = (layout.index(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        still[:, :, hip, 1] = still[:, :, layout.index("mid_hip"), 1]
        still[:, :, knee] = still[:, :, hip] - np.array([0, 0.4, 0], np.float32)
        still[:, :, ankle] = still[:, :, knee] - np.array([0, 0.4, 0], np.float32)
    knee, ankle = layout.index("left_knee"), layout.index("left_ankle")
    still[:, 6:, ankle] = still[:, 6:, knee] + np.array([0, 0.05, 0.3], np.float32)
    stands = true_pairs(still, characters, layout, yaws=[0.0], coords=2, seed=0).stands
    assert stands[:, :, 1].all()
    assert stands[:, :5, 0].all() and not stands[:, 5:, 0].any()
