from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from via_jax.data.cameras import Camera, project, random_cameras, view

POINT = np.array([1.0, 2.0, 3.0], np.float32)  # to the left, up and in front of a body facing +z


def camera_at(yaw, elevation=0.0, inverse_distance=0.0):
    return Camera(*np.array([np.deg2rad(yaw), np.deg2rad(elevation), inverse_distance], np.float32))


def seen(point, camera):
    """Image of a single point, [2], the camera looking at the origin."""
    return project(np.array(point, np.float32)[None, None], camera, np.zeros(3, np.float32))[0, 0]


@pytest.mark.parametrize(
    ("yaw", "elevation", "image"),
    [
        (0, 0, (1, -2)),  # front: the body's left is to the right, up is negative
        (180, 0, (-1, -2)),  # back
        (90, 0, (3, -2)),  # from the body's right side it faces to the right
        (-90, 0, (-3, -2)),
        (0, 90, (1, 3)),  # from above it faces down
        (0, -90, (1, -3)),
    ],
)
def test_known_views(yaw, elevation, image):
    np.testing.assert_allclose(seen(POINT, camera_at(yaw, elevation)), image, atol=1e-5)


def test_perspective_magnifies_what_is_near():
    image = [seen((1, 1, z), camera_at(0, 0, 1 / 4)) for z in (-4.0, 0.0, 2.0)]
    np.testing.assert_allclose(image, [(0.5, -0.5), (1, -1), (2, -2)], atol=1e-6)


@pytest.mark.parametrize("z", [3.2, 4.0, 40.0])  # close to, in and behind the camera
def test_nothing_is_nearer_than_a_fifth(z):
    np.testing.assert_allclose(seen((1, 1, z), camera_at(0, 0, 1 / 4)), (5, -5), rtol=1e-6)


@pytest.fixture(scope="module")
def scene():
    """(poses [4, 2, 3, 3], cameras [4]), two of the cameras orthographic."""
    poses = jax.random.normal(jax.random.key(0), (4, 2, 3, 3)) + 5.0
    yaw, elevation = jax.random.uniform(jax.random.key(1), (2, 4), minval=-3.0, maxval=3.0)
    return poses, Camera(yaw, elevation / 2, jnp.array([0.0, 0.1, 0.0, 0.2]))


def turns_of(cameras):
    """Yaw around y, then elevation around x, by SciPy."""
    angles = np.stack([cameras.yaw, cameras.elevation], axis=-1)
    return Rotation.from_euler("yx", np.asarray(angles, np.float64)).as_matrix()


def test_view_is_a_rotation(scene):
    poses, cameras = scene
    expected = np.einsum("bij,btvj->btvi", turns_of(cameras), poses)
    np.testing.assert_allclose(view(poses, cameras), expected, atol=1e-5)
    axes = np.broadcast_to(np.eye(3, dtype=np.float32), (4, 1, 3, 3))
    turned = np.asarray(view(axes, cameras)[:, 0], np.float64)
    np.testing.assert_allclose(np.linalg.det(turned), 1.0, atol=1e-6)
    np.testing.assert_allclose(turned @ turned.swapaxes(1, 2), axes[:, 0], atol=1e-6)


def test_project_is_a_pinhole_camera(scene):
    poses, cameras = (np.asarray(x) for x in scene[0]), scene[1]
    for i, (pose, turn) in enumerate(zip(poses, turns_of(cameras), strict=True)):
        centre = pose.mean(axis=(0, 1))
        one = Camera(*(field[i] for field in cameras))
        expected = np.zeros((2, 3, 2))
        for t, v in np.ndindex(2, 3):
            x, y, z = turn @ (pose[t, v] - centre)
            distance = 1e9 if one.inverse_distance == 0 else 1 / one.inverse_distance
            expected[t, v] = np.array([x, -y]) * distance / (distance - z)
        np.testing.assert_allclose(project(pose, one), expected, atol=1e-5)


def test_cameras_of_a_batch_do_not_mix(scene):
    poses, cameras = scene
    together = project(poses, cameras)
    for i in range(4):
        alone = project(poses[i], Camera(*(field[i] for field in cameras)))
        np.testing.assert_allclose(together[i], alone, atol=1e-6)


def test_the_centre_is_what_the_camera_looks_at(scene):
    poses, cameras = scene
    middle = poses[:, 1, 2]
    np.testing.assert_allclose(project(poses, cameras, middle)[:, 1, 2], 0.0, atol=1e-6)
    shifted = project(poses + middle[:, None, None], cameras)
    np.testing.assert_allclose(shifted, project(poses, cameras), atol=1e-4)


RANGES: dict[str, Any] = {"yaw": (20.0, 60.0), "elevation": (-10.0, 30.0), "distance": (2.0, 8.0)}


def test_random_cameras_fill_their_ranges():
    drawn = random_cameras(jax.random.key(0), (500, 2), **RANGES, orthographic=0.25)
    for values, (low, high) in (
        (np.rad2deg(drawn.yaw), RANGES["yaw"]),
        (np.rad2deg(drawn.elevation), RANGES["elevation"]),
        (1 / drawn.inverse_distance[drawn.inverse_distance > 0], RANGES["distance"]),
    ):
        span = high - low
        assert low - 1e-3 <= values.min() < low + 0.05 * span
        assert high - 0.05 * span < values.max() <= high + 1e-3
        assert abs(values.mean() - (low + high) / 2) < 0.05 * span
    assert drawn.yaw.shape == (500, 2)
    assert abs((drawn.inverse_distance == 0).mean() - 0.25) < 0.05


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_no_cameras_are_orthographic(share):
    drawn = random_cameras(jax.random.key(0), (50,), **RANGES, orthographic=share)
    assert ((drawn.inverse_distance == 0) == (share == 1)).all()


def test_mirrored_yaw_comes_from_both_sides():
    settings = {**RANGES, "orthographic": 0.0}
    drawn = random_cameras(jax.random.key(3), (300,), **settings, mirror_yaw=True)
    plain = random_cameras(jax.random.key(3), (300,), **settings)
    np.testing.assert_array_equal(jnp.abs(drawn.yaw), plain.yaw)
    np.testing.assert_array_equal(drawn.elevation, plain.elevation)
    assert 0.4 < (drawn.yaw < 0).mean() < 0.6
