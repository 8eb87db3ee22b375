"""Characters: forward kinematics as the reference, feet on the floor, how they are drawn."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from via_jax.data.batches import facts_of, frames_of, read_windows
from via_jax.data.characters import (
    characters_of,
    draw_characters,
    on_character,
    proportions_of,
)
from via_jax.data.sampling import Window
from via_jax.data.true_pairs import windows_of
from via_jax.data.views import training_batch
from via_jax.pretrain import views_of
from via_jax.skeletons import get_layout

LAYOUT = get_layout("mixamo15")
perform = jax.jit(on_character, static_argnames="layout")
SETTINGS = {"train": 3, "test": 2, "spread": 1.5, "seed": 4}


def forward_kinematics(rotations, offsets, lengths):
    """Every joint turns the bones behind it: p = p_parent + R_parent (offset x length)."""
    time = len(rotations)
    poses, turned = np.zeros((time, 15, 3)), [None] * 15
    for joint in LAYOUT.depth_first():
        parent = LAYOUT.parents[joint]
        if parent < 0:
            turned[joint] = rotations[:, joint]
            continue
        for t in range(time):
            bone = turned[parent][t] @ (offsets[joint] * lengths[joint])
            poses[t, joint] = poses[t, parent] + bone
        turned[joint] = np.einsum("tij,tjk->tik", turned[parent], rotations[:, joint])
    return poses


@pytest.fixture(scope="module")
def recorded():
    """A body that bends all joints at random, its lengths, and the same motion on another body."""
    rng = np.random.default_rng(0)
    turns = Rotation.random(5 * 15, random_state=rng).as_matrix().reshape(5, 15, 3, 3)
    offsets = rng.normal(size=(15, 3))
    offsets /= np.linalg.norm(offsets, axis=1, keepdims=True)
    lengths, others = rng.uniform(0.1, 0.5, (2, 15))
    lengths[8] = others[8] = 0.0
    way = rng.normal(0, 0.2, (5, 1, 3)) + np.array([0.0, 1.0, 0.0])
    poses = forward_kinematics(turns, offsets, lengths) + way
    return poses, lengths, forward_kinematics(turns, offsets, others), others


def test_equals_forward_kinematics_with_other_lengths(recorded):
    poses, _, wanted, others = recorded
    made = np.asarray(perform(poses.astype(np.float32), others.astype(np.float32), layout=LAYOUT))
    np.testing.assert_allclose(made - made[:, [8]], wanted - wanted[:, [8]], atol=1e-5)


def test_own_lengths_change_nothing(recorded):
    poses, lengths, _, _ = recorded
    made = perform(poses.astype(np.float32), lengths.astype(np.float32), layout=LAYOUT)
    np.testing.assert_allclose(made, poses, atol=1e-5)


def test_the_lower_ankle_stands_as_high_as_recorded_in_the_scale_of_the_legs(recorded):
    poses, lengths, _, others = recorded
    made = np.asarray(perform(poses.astype(np.float32), others.astype(np.float32), layout=LAYOUT))
    legs = [9, 10, 11, 12, 13, 14]
    ratio = others[legs].sum() / lengths[legs].sum()
    lowest = poses[:, [11, 14], 1].min(axis=1)
    np.testing.assert_allclose(made[:, [11, 14], 1].min(axis=1), ratio * lowest, atol=1e-5)
    way = poses[:, 8] * ratio
    np.testing.assert_allclose(made[:, 8, [0, 2]], way[:, [0, 2]], atol=1e-5)


def test_a_bone_without_length_stays_finite():
    still = np.zeros((2, 15, 3), np.float32)
    lengths = np.full(15, 0.3, np.float32)
    made = perform(still, lengths, layout=LAYOUT)
    np.testing.assert_array_equal(made, 0.0)


def test_proportions_are_mean_lengths_alike_on_both_sides(tiny_data):
    sequences = np.array([3, 7])
    found, layout = proportions_of(tiny_data, sequences), tiny_data.layout
    for row, sequence in enumerate(sequences):
        poses = tiny_data.read(int(tiny_data.clip[sequence])).poses[0]
        for joint, parent in enumerate(layout.parents):
            other = layout.mirror[joint]
            sides = [
                np.linalg.norm(poses[:, j] - poses[:, layout.parents[j]], axis=1).mean()
                for j in (joint, other)
            ]
            wanted = 0.0 if parent < 0 else np.mean(sides)
            assert found[row, joint] == pytest.approx(wanted, abs=2e-3)


def test_draws_follow_the_people_and_their_spread():
    rng = np.random.default_rng(0)
    size = rng.normal(0, 0.1, (400, 1))
    people = np.exp(size + rng.normal(0, 0.03, (400, 3))) * np.array([0.4, 0.2, 0.0])
    drawn = draw_characters(people, train=4000, test=10, spread=2.0, seed=0)
    assert drawn.train.shape == (4000, 3) and drawn.test.shape == (10, 3)
    assert (drawn.train[:, 2] == 0).all() and drawn.train.dtype == np.float32
    logs, real = np.log(drawn.train[:, :2]), np.log(people[:, :2])
    np.testing.assert_allclose(logs.mean(axis=0), real.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(np.cov(logs.T), 4 * np.cov(real.T), rtol=0.15)
    same = draw_characters(people, train=1, test=1, spread=0.0, seed=1)
    np.testing.assert_allclose(same.train[0, :2], np.exp(real.mean(axis=0)), rtol=1e-5)


def test_characters_of_a_config(tiny_data):
    assert characters_of(tiny_data, "official", SETTINGS | {"train": 0}) is None
    one, two = (characters_of(tiny_data, "official", SETTINGS) for _ in range(2))
    np.testing.assert_array_equal(one.train, two.train)
    everyone = np.concatenate([one.train, one.test])
    assert len(np.unique(everyone.round(4), axis=0)) == 5
    np.testing.assert_array_equal(everyone, everyone[:, tiny_data.layout.mirror])


def test_missing_joints_are_refused(tiny_data):
    known = tiny_data.known.copy()
    known[2, 5] = False
    with pytest.raises(ValueError, match="1 sequences with missing joints"):
        proportions_of(dataclasses.replace(tiny_data, known=known), np.array([1, 2]))


def test_training_pairs_show_the_partners_motion_on_the_drawn_character(tiny_data, tiny_config):
    """Row i's target is its motion on the body of its partner: bones, view and scale agree."""
    views = tiny_config.data.views
    views.normalisation, views.bone_spread, views.camera = "metric", 0.0, None
    tiny_config.data.characters = SETTINGS
    tiny_config.model.coords = 3
    views.move.rotation, views.move.scale = 0.0, 0.3
    found = views_of(tiny_config, tiny_data)._replace(statistics=None)
    window = Window(16, 8, "crop", 1.0, (1.0, 1.0))
    facts, frames = facts_of(tiny_data), frames_of(tiny_data)
    windows = read_windows(facts, frames, np.arange(6), window)
    batch = training_batch(windows, jax.random.key(2), found, True)
    poses, target = np.asarray(batch["poses"]), np.asarray(batch["target"])
    parents = np.asarray(tiny_data.layout.parents)
    root, bones = tiny_data.layout.parents.index(-1), parents >= 0

    def lengths(x):
        world = x - np.where(np.arange(17)[:, None] == root, x, 0)  # limbs are relative already
        return np.linalg.norm(world[:, :, bones] - world[:, :, parents[bones]], axis=-1)

    for row in range(6):
        other = (row + 3) % 6
        shown, wanted = lengths(target)[row], lengths(poses)[other]
        np.testing.assert_allclose(shown, wanted, rtol=1e-3)
        factor = wanted[0].sum() / found.characters[:, bones].sum(axis=1)
        assert np.abs(factor - 1).min() < 0.31  # one of the characters, scaled by 0.7 to 1.3
        ratio = wanted[0] / found.characters[:, bones]
        assert (ratio.std(axis=1) / ratio.mean(axis=1)).min() < 1e-3
    assert not np.allclose(poses[0], target[3], atol=1e-2)


def test_windows_are_those_of_the_published_count(tiny_data):
    """floor(T / hop) - 1 windows of two hops."""
    count = sum(int(tiny_data.length[s]) // 5 - 1 for s in range(4))
    windows = windows_of(tiny_data, np.arange(4), 10, 5, 0)
    assert windows.shape == (count, 10, 17, 3)
    np.testing.assert_allclose(
        windows[1], tiny_data.read(int(tiny_data.clip[0])).poses[0, 5:15], atol=1e-4
    )
    assert len(windows_of(tiny_data, np.arange(4), 10, 5, 3)) == 3
    with pytest.raises(ValueError, match=r"0 windows of 500 frames; expected at least two"):
        windows_of(tiny_data, np.arange(4), 500, 5, 0)
