import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data import augment
from via_jax.skeletons import get_layout

LAYOUT = get_layout("penn13")
KEY = jax.random.key(0)
STILL = {
    "rotation": 0.0,
    "scale": 0.0,
    "squeeze": 0.0,
    "shift": 0.0,
    "moving": False,
}
MANY = 200  # windows, enough to come near the bounds


def poses_of(coords=2, batch=MANY):
    """Windows [batch, 5, 13, coords], every frame the same pose."""
    pose = np.random.default_rng(0).normal(size=(batch, 1, 13, coords)).astype(np.float32)
    return np.repeat(pose, 5, axis=1)


def moved(poses, key=KEY, **settings):
    return np.asarray(augment.random_move(key, poses, **{**STILL, **settings}))


# Bodies


def test_bones_are_scaled_alike_left_and_right():
    scales = augment.random_bone_scales(KEY, MANY, LAYOUT, 0.2)
    assert scales.shape == (MANY, 13)
    np.testing.assert_array_equal(scales, scales[:, np.array(LAYOUT.mirror)])
    logs = np.log(scales)
    assert 0.18 < logs.std() < 0.2 and abs(logs.mean()) < 0.02  # cut draws lose a little
    assert 0.4 < np.abs(logs).max() <= 2.5 * 0.2 + 1e-6
    left = [pair[0] for pair in LAYOUT.pairs]
    assert np.abs(np.corrcoef(logs[:, left].T) - np.eye(6)).max() < 0.3  # but each on its own


def test_no_spread_changes_no_bone():
    np.testing.assert_array_equal(augment.random_bone_scales(KEY, 3, LAYOUT, 0.0), 1.0)


# Moves


@pytest.mark.parametrize("coords", [2, 3])
@pytest.mark.parametrize("moving", [False, True])
def test_no_move_changes_nothing(coords, moving):
    poses = poses_of(coords)
    np.testing.assert_allclose(moved(poses, moving=moving), poses, atol=1e-6)


def test_rotation_stays_within_its_angle():
    poses = poses_of()
    turned = moved(poses, rotation=30.0)
    before, after = poses @ np.array([1, 1j]), turned @ np.array([1, 1j])
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-5)
    angle = np.angle(after / before, deg=True)
    np.testing.assert_allclose(angle, angle[:, :1, :1] + np.zeros((1, 5, 13)), atol=1e-2)
    assert -30.01 < angle.min() < -27 and 27 < angle.max() < 30.01


def test_a_3d_body_turns_around_its_vertical_axis():
    poses = poses_of(3)
    turned = moved(poses, rotation=30.0, squeeze=0.9)  # a 3D body is not squeezed
    np.testing.assert_allclose(turned[..., 1], poses[..., 1], atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(poses, axis=-1), atol=1e-5
    )
    before, after = (x[..., 2] + 1j * x[..., 0] for x in (poses, turned))
    angle = np.angle(after / before, deg=True)
    np.testing.assert_allclose(angle, angle[:, :1, :1] + np.zeros((1, 5, 13)), atol=0.05)
    assert 27 < np.abs(angle).max() < 30.05


def test_scale_squeeze_and_shift_stay_within_their_bounds():
    poses = poses_of()
    factor = moved(poses, scale=0.2) / poses
    assert 0.8 - 1e-4 < factor.min() < 0.82 and 1.18 < factor.max() < 1.2 + 1e-4
    factor = moved(poses, squeeze=0.4) / poses
    np.testing.assert_allclose(factor[..., 1], 1.0, atol=1e-5)
    assert 0.6 - 1e-4 < factor[..., 0].min() < 0.62 and 0.98 < factor[..., 0].max() < 1 + 1e-4
    offset = moved(poses, shift=0.3) - poses
    assert -0.3 - 1e-4 < offset.min() < -0.28 and 0.28 < offset.max() < 0.3 + 1e-4
    np.testing.assert_allclose(offset, offset[:, :1, :1] + np.zeros((1, 5, 13, 1)), atol=1e-5)
    assert np.abs(offset[..., 0] - offset[..., 1]).max() > 0.1  # each coordinate on its own


@pytest.mark.parametrize("coords", [2, 3])
def test_a_moving_move_runs_from_start_to_end(coords):
    poses = poses_of(coords)
    offset = (moved(poses, shift=0.3, moving=True) - poses)[:, :, 0]
    steps = np.diff(offset, axis=1)
    np.testing.assert_allclose(steps, steps[:, :1] + np.zeros((1, 4, 1)), atol=1e-5)
    assert np.abs(steps).max() > 0.05
    assert np.abs(offset).max() < 0.3 + 1e-4


SETTINGS = {
    "rotation": 10.0,
    "scale": 0.1,
    "squeeze": 0.2,
    "shift": 0.2,
    "moving": True,
}


@pytest.mark.parametrize("coords", [2, 3])
def test_one_key_moves_a_window_and_another_alike(coords):
    first = poses_of(coords, 4)
    second = np.random.default_rng(1).normal(size=first.shape).astype(np.float32)
    middle = moved((first + second) / 2, **SETTINGS)  # moves are affine
    both = (moved(first, **SETTINGS) + moved(second, **SETTINGS)) / 2
    np.testing.assert_allclose(middle, both, atol=1e-5)
    np.testing.assert_array_equal(moved(first, **SETTINGS), moved(first, **SETTINGS))
    assert np.abs(moved(first, jax.random.key(1), **SETTINGS) - moved(first, **SETTINGS)).max() > 0


# Mirror images


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(0)
    shape = (40, 3, 13)
    known = rng.random((40, 13)) < 0.8
    valid = (rng.random(shape) < 0.8) & known[:, None]
    return rng.normal(size=(*shape, 3)).astype(np.float32), valid, known


def mirrored(windows, probability=1.0, width=0.0):
    poses, valid, known = windows
    widths = np.full(len(poses), width, np.float32)
    return augment.random_mirror(KEY, poses, valid, known, widths, LAYOUT, probability)


@pytest.mark.parametrize("width", [0.0, 640.0])
def test_a_mirror_image_swaps_left_and_right(windows, width):
    poses, valid, known = windows
    image = mirrored(windows, width=width)
    left, right = LAYOUT.index("left_wrist"), LAYOUT.index("right_wrist")
    for one, other in ((left, right), (right, left), (0, 0)):
        expected = poses[:, :, other] * np.array([-1, 1, 1]) + np.array([width, 0, 0])
        np.testing.assert_allclose(image[0][:, :, one], expected, atol=1e-6)
        np.testing.assert_array_equal(image[1][:, :, one], valid[:, :, other])
        np.testing.assert_array_equal(image[2][:, one], known[:, other])
    again = mirrored(image, width=width)
    np.testing.assert_allclose(again[0], poses, atol=1e-4)
    for x, y in zip(again[1:], windows[1:], strict=True):
        np.testing.assert_array_equal(x, y)


def test_each_window_is_mirrored_as_a_whole_or_not(windows):
    never, some, always = (mirrored(windows, p) for p in (0.0, 0.5, 1.0))
    for x, y in zip(never, windows, strict=True):
        np.testing.assert_array_equal(x, y)
    flipped = np.array([np.array_equal(some[0][i], always[0][i]) for i in range(40)])
    assert 10 < flipped.sum() < 30
    for mixed, yes, no in zip(some, always, never, strict=True):
        np.testing.assert_array_equal(mixed[flipped], yes[flipped])
        np.testing.assert_array_equal(mixed[~flipped], no[~flipped])


# Noise and lost joints


def test_noise_has_its_size():
    poses = poses_of()
    noise = augment.random_noise(KEY, poses, 0.5) - poses
    assert abs(noise.std() - 0.5) < 0.01 and abs(noise.mean()) < 0.02
    np.testing.assert_array_equal(augment.random_noise(KEY, poses, 0.0), poses)


def test_joints_are_lost_for_a_whole_window(windows):
    poses, valid, _ = windows
    kept, seen = augment.random_loss_of_joints(KEY, poses, valid, 0.25)
    lost = np.asarray((kept == 0).all(axis=(1, 3)))
    assert abs(lost.mean() - 0.25) < 0.05
    assert (lost.any(axis=1) & ~lost.all(axis=1)).mean() > 0.8  # each joint on its own
    np.testing.assert_array_equal(kept, np.where(lost[:, None, :, None], 0, poses))
    np.testing.assert_array_equal(seen, valid & ~lost[:, None])


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_no_joint_or_every_joint_is_lost(windows, probability):
    poses, valid, _ = windows
    kept, seen = augment.random_loss_of_joints(KEY, jnp.asarray(poses), valid, probability)
    np.testing.assert_array_equal(kept, poses * np.float32(1 - probability))
    np.testing.assert_array_equal(seen, valid & (probability == 0))


def test_persons_of_a_clip_move_and_mirror_alike(windows):
    poses, valid, known = (np.repeat(x[:20], 2, axis=0) for x in windows)  # every window twice
    moved = np.asarray(augment.random_move(KEY, poses, **SETTINGS, persons=2))
    np.testing.assert_array_equal(moved[::2], moved[1::2])
    assert np.abs((moved - poses)[0] - (moved - poses)[2]).max() > 1e-3
    widths = np.zeros(len(poses), np.float32)
    image = augment.random_mirror(KEY, poses, valid, known, widths, LAYOUT, 0.5, persons=2)
    np.testing.assert_array_equal(image[0][::2], image[0][1::2])
    flipped = np.abs(np.asarray(image[0]) - poses).max(axis=(1, 2, 3)) > 0
    assert 5 < flipped[::2].sum() < 15
