import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data import transforms
from via_jax.data.synthetic import random_motions
from via_jax.data.synthetic_bodies import Bodies, perform, random_bodies
from via_jax.skeletons import get_layout

LAYOUT = get_layout("unik17")
ROOT = LAYOUT.index("mid_hip")
HIPS = (1, 2)  # of the small poses below


def rng(seed=0):
    return np.random.default_rng(seed)


# Windows


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_pad_window_repeats_from_the_start(array):
    x = array(np.arange(10).reshape(2, 5))
    padded = transforms.pad_window(x, 8, axis=1)
    np.testing.assert_array_equal(padded[0], [0, 1, 2, 3, 4, 0, 1, 2])
    np.testing.assert_array_equal(transforms.pad_window(x, 5, axis=1), x)
    twice = transforms.pad_window(x, 5, axis=0)
    np.testing.assert_array_equal(twice, x[np.array([0, 1, 0, 1, 0])])


# Centre and scale


def measured(poses, known, hips):
    """Reference of `measure` for one window."""
    by = [h for h in hips if known[h]] or list(np.flatnonzero(known))
    roots = [np.mean([pose[j] for j in by], axis=0) for pose in poses]
    squares = [
        ((pose[j] - root) ** 2).sum()
        for pose, root in zip(poses, roots, strict=True)
        for j in np.flatnonzero(known)
    ]
    return np.mean(roots, axis=0), np.sqrt(np.mean(squares))


@pytest.mark.parametrize("coords", [2, 3])
@pytest.mark.parametrize("missing", [(), (1,), (1, 2), (0, 4)])
@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_measure_against_a_loop(coords, missing, array):
    poses = (rng().normal(size=(2, 4, 5, coords)) + 3).astype(np.float32)
    known = np.ones((2, 5), bool)
    known[1, list(missing)] = False
    frame = transforms.measure(array(poses), array(known), HIPS)
    for i in range(2):
        centre, scale = measured(poses[i].astype(np.float64), known[i], HIPS)
        np.testing.assert_allclose(frame.centre[i], centre, rtol=1e-5)
        np.testing.assert_allclose(frame.scale[i], scale, rtol=1e-5)


def test_a_window_without_extent_has_scale_one():
    poses = np.full((3, 4, 5, 2), 7.0, np.float32)
    known = np.array([[True] * 5, [False] * 5, [True] + [False] * 4])
    frame = transforms.measure(poses, known, HIPS)
    np.testing.assert_array_equal(frame.scale, 1.0)
    np.testing.assert_array_equal(transforms.to_frame(poses, known, frame), 0.0)


def test_to_frame_centres_and_scales():
    poses = (rng().normal(size=(2, 4, 5, 2)) * 40 + 300).astype(np.float32)
    known = np.ones((2, 5), bool)
    placed = transforms.to_frame(poses, known, transforms.measure(poses, known, HIPS))
    again = transforms.measure(placed, known, HIPS)
    np.testing.assert_allclose(again.centre, 0.0, atol=1e-5)
    np.testing.assert_allclose(again.scale, 1.0, atol=1e-5)
    other = 2.5 * poses - np.float32(100)  # another place and size of the person in the image
    frame = transforms.measure(other, known, HIPS)
    np.testing.assert_allclose(transforms.to_frame(other, known, frame), placed, atol=1e-4)


def test_from_frame_undoes_to_frame():
    poses = (rng().normal(size=(2, 3, 4, 5, 2)) * 40 + 300).astype(np.float32)
    known = rng(1).random((2, 3, 5)) < 0.7
    frame = transforms.measure(poses, known, HIPS)
    placed = transforms.to_frame(poses, known, frame)
    where = np.broadcast_to(known[:, :, None], poses.shape[:-1])
    np.testing.assert_allclose(
        np.asarray(transforms.from_frame(placed, frame))[where], poses[where], rtol=1e-5
    )
    assert not np.asarray(placed)[~where].any()


def test_joints_that_are_not_known_do_not_leak():
    poses = rng().normal(size=(2, 4, 5, 2)).astype(np.float32)
    known = np.array([[True, False, True, True, False], [False, False, False, True, True]])
    garbage = np.where(known[:, None, :, None], poses, np.float32(1e4))
    frame, same = (transforms.measure(x, known, HIPS) for x in (poses, garbage))
    np.testing.assert_array_equal(frame.centre, same.centre)
    np.testing.assert_array_equal(frame.scale, same.scale)
    np.testing.assert_array_equal(
        transforms.to_frame(poses, known, frame), transforms.to_frame(garbage, known, frame)
    )


# Bodies


def bone_lengths(poses):
    return np.linalg.norm(transforms.bones_of(poses, LAYOUT), axis=-1)


def test_ancestors_lead_to_the_root():
    matrix = transforms.ancestors(LAYOUT)
    wrist = ["left_wrist", "left_elbow", "left_shoulder", "neck", "chest", "mid_hip"]
    expected = np.isin(np.array(LAYOUT.joints), wrist)
    np.testing.assert_array_equal(matrix[LAYOUT.index("left_wrist")], expected)
    np.testing.assert_array_equal(matrix[:, ROOT], 1)
    assert matrix[ROOT].sum() == 1


def test_bones_add_up_to_the_pose():
    poses = rng().normal(size=(2, 4, 17, 3)).astype(np.float32)
    bones = np.asarray(transforms.bones_of(poses, LAYOUT))
    for parent, child in LAYOUT.bones:
        expected = poses[:, :, child] - poses[:, :, parent]
        np.testing.assert_allclose(bones[:, :, child], expected, atol=1e-6)
    assert not bones[:, :, ROOT].any()


@pytest.mark.parametrize("change", [transforms.repose, transforms.scale_bones])
def test_bones_keep_their_direction_and_change_their_length(change):
    poses = rng().normal(size=(2, 4, 17, 3)).astype(np.float32)
    factor = rng(1).uniform(0.5, 2.0, size=(2, 17)).astype(np.float32)
    moved = change(poses, factor, LAYOUT)
    bones, changed = (transforms.bones_of(x, LAYOUT) for x in (poses, moved))
    np.testing.assert_allclose(changed, bones * factor[:, None, :, None], atol=1e-5)
    ones = np.ones((2, 17), np.float32)
    np.testing.assert_allclose(change(poses, ones, LAYOUT), poses, atol=1e-5)


def test_scale_bones_keeps_the_path():
    poses = rng().normal(size=(2, 4, 17, 2)).astype(np.float32)
    moved = transforms.scale_bones(poses, np.full((2, 17), 2.0, np.float32), LAYOUT)
    np.testing.assert_allclose(moved[:, :, ROOT], poses[:, :, ROOT], atol=1e-6)


def test_repose_scales_the_path_with_the_legs():
    poses = rng().normal(size=(1, 4, 17, 3)).astype(np.float32)
    grown = transforms.repose(poses, np.full((1, 17), 1.5, np.float32), LAYOUT)
    np.testing.assert_allclose(grown, 1.5 * poses, rtol=1e-4, atol=1e-5)
    no_leg = [i for i, name in enumerate(LAYOUT.joints) if name[-3:] not in ("hip", "nee", "kle")]
    factor = np.ones((1, 17), np.float32)
    factor[:, no_leg] = 3.0
    np.testing.assert_allclose(
        transforms.repose(poses, factor, LAYOUT)[:, :, ROOT], poses[:, :, ROOT], atol=1e-5
    )


def test_repose_is_forward_kinematics():
    motions = random_motions(rng(2), "squat", 3, num_frames=20)
    bodies = random_bodies(rng(3), 6, spread=2.0)
    mine, other = perform(motions, bodies[:3]), perform(motions, bodies[3:])
    lengths = np.where(bodies.lengths > 0, bodies.lengths, 1)
    moved = np.asarray(transforms.repose(mine, lengths[3:] / lengths[:3], LAYOUT))
    np.testing.assert_allclose(moved - moved[:, :, [ROOT]], other - other[:, :, [ROOT]], atol=1e-5)
    np.testing.assert_allclose(bone_lengths(moved).mean(axis=1), bodies.lengths[3:], atol=1e-5)
    ankles = [LAYOUT.index("left_ankle"), LAYOUT.index("right_ankle")]
    assert np.abs(moved[:, :, ankles, 1].min(axis=-1)).max() < 0.1  # metres, "about there"


def test_a_body_twice_as_large_performs_the_same_path():
    motions = random_motions(rng(4), "walk", 1, num_frames=20)
    body = random_bodies(rng(5), 1, spread=1.0)
    small, large = perform(motions, body), perform(motions, Bodies(2 * body.lengths))
    moved = transforms.repose(small, np.full((1, 17), 2.0, np.float32), LAYOUT)
    # How a foot is judged to carry the body depends on metres, so the path is only nearly twice.
    np.testing.assert_allclose(moved, large, atol=0.05)


def test_root_relative_poses_against_a_loop():
    poses = np.random.default_rng(0).normal(size=(2, 5, 4, 2))
    expected = np.empty_like(poses)
    for time in range(5):
        for joint in range(4):
            expected[:, time, joint] = poses[:, time, joint] - poses[:, time, 2]
        before = max(time, 1)
        expected[:, time, 2] = poses[:, before, 2] - poses[:, before - 1, 2]
    np.testing.assert_allclose(transforms.to_root(poses, 2), expected, atol=1e-6)


def test_from_root_undoes_to_root_up_to_the_place():
    poses = np.random.default_rng(0).normal(size=(2, 9, 4, 3))
    again = np.asarray(transforms.from_root(transforms.to_root(poses, 1), 1))
    middle = poses[:, :, 1:2].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(again, poses - middle, atol=1e-5)
    assert not np.asarray(transforms.to_root(poses[:, :1], 1))[:, :, 1].any()  # one frame


def test_a_turned_body_faces_where_it_was_turned():
    poses = np.zeros((3, 2, 17, 3))
    for side, x in (("left", 0.2), ("right", -0.2)):  # the left of a body that faces +z lies at +x
        for joint in ("shoulder", "hip"):
            poses[..., LAYOUT.index(f"{side}_{joint}"), 0] = x
    angles = np.radians([0.0, 50.0, -170.0])
    np.testing.assert_allclose(transforms.facing(poses, LAYOUT), 0.0, atol=1e-6)
    turned = transforms.turn(poses, angles)
    np.testing.assert_allclose(transforms.facing(turned, LAYOUT), angles, atol=1e-5)
    # +z turns towards +x by a positive angle, y stays.
    ahead = transforms.turn(np.tile([0.0, 3.0, 1.0], (1, 1, 1, 1)), np.radians([90.0]))
    np.testing.assert_allclose(ahead[0, 0, 0], [1.0, 3.0, 0.0], atol=1e-6)
