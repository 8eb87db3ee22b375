"""Random cameras around a 3D body and its projection to image coordinates."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from via_jax.typing import Array


class Camera(NamedTuple):
    """Where a camera stands that looks at the middle of a clip; the fields share any shape.

    Attributes:
      yaw: radians around the vertical axis; 0 looks at a body that faces +z from the front.
      elevation: radians above the horizon, positive looks down.
      inverse_distance: 1 / metres; 0 is an orthographic camera.
    """

    yaw: Array
    elevation: Array
    inverse_distance: Array


def random_cameras(
    key: jax.Array,
    shape: tuple[int, ...],
    *,
    yaw: tuple[float, float],
    elevation: tuple[float, float],
    distance: tuple[float, float],
    orthographic: float,
    mirror_yaw: bool = False,
    yaw_step: float = 0.0,
) -> Camera:
    """Draws cameras uniformly.

    Args:
      key: random key.
      shape: shape of the fields of the result.
      yaw: range in degrees.
      elevation: range in degrees.
      distance: range in metres, of the perspective cameras.
      orthographic: share of orthographic cameras, in [0, 1].
      mirror_yaw: also draw from the same range on the other side, -yaw.
      yaw_step: degrees between the angles that are drawn, from the start of the range on; 0 draws
        any angle.
    """
    keys = jax.random.split(key, 5)
    if yaw_step > 0:
        count = int((yaw[1] - yaw[0]) / yaw_step + 1.001)
        angle = yaw[0] + yaw_step * jax.random.randint(keys[0], shape, 0, count)
    else:
        angle = jax.random.uniform(keys[0], shape, minval=yaw[0], maxval=yaw[1])
    if mirror_yaw:
        angle = angle * jax.random.rademacher(keys[1], shape).astype(angle.dtype)
    tilt = jax.random.uniform(keys[2], shape, minval=elevation[0], maxval=elevation[1])
    metres = jax.random.uniform(keys[3], shape, minval=distance[0], maxval=distance[1])
    is_orthographic = jax.random.bernoulli(keys[4], orthographic, shape)
    return Camera(
        yaw=jnp.deg2rad(angle),
        elevation=jnp.deg2rad(tilt),
        inverse_distance=jnp.where(is_orthographic, 0.0, 1.0 / metres),
    )


def view(poses: Array, camera: Camera) -> Array:
    """Turns a body into the camera's axes: x to the right, y up, z towards the camera.

    poses: [..., time, joints, 3], y up. The camera's fields have the leading shape of poses.
    """

    def over_joints(angle):
        return jnp.asarray(angle)[..., None, None]

    x, y, z = poses[..., 0], poses[..., 1], poses[..., 2]
    cos, sin = jnp.cos(over_joints(camera.yaw)), jnp.sin(over_joints(camera.yaw))
    x, z = cos * x + sin * z, cos * z - sin * x
    cos, sin = jnp.cos(over_joints(camera.elevation)), jnp.sin(over_joints(camera.elevation))
    y, z = cos * y - sin * z, cos * z + sin * y
    return jnp.stack([x, y, z], axis=-1)


def project(poses: Array, camera: Camera, centre: Array | None = None) -> Array:
    """Image coordinates of a 3D body, [..., time, joints, 2], x to the right and y down.

    The unit is a metre at the distance of the centre. Perspective divides by the distance to the
    camera, which is never taken as nearer than a fifth of the distance to the centre.

    Args:
      poses: [..., time, joints, 3] in metres, y up.
      camera: fields of the leading shape of poses.
      centre: [..., 3] what the camera looks at; by default the mean over time and joints.
    """
    if centre is None:
        centre = poses.mean(axis=(-3, -2))
    seen = view(poses - centre[..., None, None, :], camera)
    nearness = jnp.asarray(camera.inverse_distance)[..., None, None]
    depth = jnp.maximum(1.0 - seen[..., 2] * nearness, 0.2)
    return jnp.stack([seen[..., 0] / depth, -seen[..., 1] / depth], axis=-1)
