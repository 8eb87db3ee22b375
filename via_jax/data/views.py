"""From windows to model input: through a camera, on another body, augmented, centred and scaled."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.data import augment
from via_jax.data.batches import Windows
from via_jax.data.cameras import project, random_cameras, view
from via_jax.data.characters import on_character
from via_jax.data.preprocessing import screen_frame, stream_of
from via_jax.data.sampling import partner
from via_jax.data.transforms import (
    Frame,
    Statistics,
    bones_of,
    facing,
    from_root,
    measure,
    repose,
    to_frame,
    to_root,
    turn,
)
from via_jax.skeletons import Layout
from via_jax.typing import Array, Batch


class Views(NamedTuple):
    """How the model looks at 3D recordings, and how training windows are changed.

    Attributes:
      layout: of the poses.
      coords: what the model reads, 2 or 3; 3D recordings are projected for 2D models.
      normalisation: "body" centres a window on its hips and scales it by its extent; "root" also
        puts every joint relative to the root, see `to_root`, and standardises by the statistics, as
        published retargeting does; "metric" is "root" without the scaling, so that a character's
        size shows; "screen" maps the image to [-1, 1] in width with its aspect kept, as the
        published 2D benchmarks do.
      y_up: True where the recordings' y grows upwards.
      face_front: turn 3D bodies to face the camera of yaw 0 before anything else.
      camera: ranges of `random_cameras` for training; None: the recordings' own view (2D, or the
        camera's axes of a 3D recording).
      test_camera: the same for evaluation, where each sequence keeps one camera.
      bone_spread: of random bodies in training, see `augment.random_bone_scales`; 3D only.
      move: arguments of `augment.random_move` in training.
      mirror: probability of a mirror image in training.
      noise: standard deviation of joint noise in training, in units of the scaled poses.
      lost_joints: probability that a joint is taken away in training.
      statistics: of "root" and "metric"; None leaves the poses as they are, to measure them.
      stream: what classification reads, see `preprocessing.stream_of`; pre-training, and so what
        its checkpoints say of their views, knows poses only.
      characters: [characters, joints] bone lengths in metres, see `characters.on_character`; drawn
        for each window in training instead of `bone_spread`. None keeps the recorded bodies.
    """

    layout: Layout
    coords: int
    normalisation: str
    y_up: bool
    face_front: bool
    camera: dict | None
    test_camera: dict | None
    bone_spread: float
    move: dict
    mirror: float
    noise: float
    lost_joints: float
    statistics: Statistics | None = None
    stream: str = "joint"
    characters: Array | None = None

    @property
    def relative(self) -> bool:
        """Whether joints are taken relative to the root and standardised."""
        return self.normalisation in ("root", "metric")


def _see(poses: Array, known: Array, camera, views: Views) -> Array:
    """Poses in the model's coords: projected, turned, or as they are; y up, in images down."""
    if poses.shape[-1] == 2:
        if views.coords == 3:
            raise ValueError("2D recordings cannot feed a 3D model; set model.coords = 2")
        return poses
    if camera is None:
        flat = poses[..., :2] * jnp.array([1.0, -1.0])[None, None, None]
        return poses if views.coords == 3 else flat
    middle = measure(poses, known, views.layout.hips).centre
    if views.coords == 2:
        return project(poses, camera, middle)
    return view(poses - middle[:, None, None, :], camera)


def frame_of(seen: Array, windows: Windows, views: Views) -> Frame:
    """What a window is centred and scaled by."""
    if views.normalisation in ("body", "root", "metric"):
        frame = measure(seen, windows.known, views.layout.hips)
        if views.normalisation == "metric":
            frame = frame._replace(scale=jnp.ones_like(frame.scale))
        return frame
    if views.normalisation != "screen":
        raise ValueError(
            f'normalisation={views.normalisation!r}; expected "body", "root", "metric" or "screen"'
        )
    if windows.poses.shape[-1] != 2:
        raise ValueError('normalisation "screen" is for 2D recordings; set it to "body"')
    return screen_frame(windows.size)


def placed_of(inputs: Array, views: Views) -> Array:
    """Undoes `standardised`: poses centred and scaled; a relative path gets its middle at 0."""
    if not views.relative:
        return inputs
    if views.statistics is not None:
        mean, deviation = (x[None, None] for x in views.statistics)
        inputs = inputs * deviation + mean
    return from_root(inputs, views.layout.parents.index(-1))


def _upright(windows: Windows, views: Views) -> Windows:
    """3D recordings with y up, which cameras and bodies rely on; bodies face +z where asked for."""
    poses = windows.poses
    if poses.shape[-1] == 2:
        return windows
    if not views.y_up:
        poses = poses * jnp.array([1.0, -1.0, 1.0])[None, None, None]
    if views.face_front:
        poses = turn(poses, -facing(poses, views.layout))
    return windows._replace(poses=poses)


def standardised(placed: Array, known: Array, views: Views) -> Array:
    """Model input of poses that are centred and scaled; joints that are not known are 0."""
    if views.relative:
        placed = to_root(placed, views.layout.parents.index(-1))
        if views.statistics is not None:
            mean, deviation = (x[None, None] for x in views.statistics)
            placed = (placed - mean) / deviation
    return jnp.where(known[:, None, :, None], placed, 0.0)


def check_stream(views: Views) -> None:
    """Raises ValueError for a stream that there is not, or not of these poses."""
    joints = views.layout.num_joints
    stream_of(np.zeros((1, joints, 2)), np.ones((1, joints), bool), views.layout, views.stream)
    if views.relative and views.stream != "joint":
        raise ValueError(
            f"stream={views.stream!r} of normalisation {views.normalisation!r}, whose joints are"
            " relative to the root and standardised; set data.views.normalisation to"
            ' "body" or "screen"'
        )


def _streamed(batch: Batch, known: Array, views: Views) -> Batch:
    """The stream of model input that is asked for. known: [batch, 1, joints]."""
    if views.stream == "joint":
        return batch
    poses, _ = stream_of(batch["poses"], known, views.layout, views.stream)
    _, valid = stream_of(batch["poses"], batch["valid"], views.layout, views.stream)
    return {**batch, "poses": poses, "valid": valid}


def evaluation_batch(windows: Windows, clip: Array, key: jax.Array, views: Views) -> Batch:
    """Model input without any augmentation; the camera of a clip depends on key alone.

    clip: [batch], the clip that each window belongs to; persons of a clip share its camera.
    """
    windows = _upright(windows, views)
    camera = None
    ranges = views.test_camera
    if windows.poses.shape[-1] == 3 and ranges is not None:
        keys = jax.vmap(lambda c: jax.random.fold_in(key, c))(clip)
        camera = jax.vmap(lambda k: random_cameras(k, (), **ranges))(keys)
    seen = _see(windows.poses, windows.known, camera, views)
    placed = to_frame(seen, windows.known, frame_of(seen, windows, views))
    batch = {"poses": standardised(placed, windows.known, views), "valid": windows.valid}
    return _streamed(batch, windows.known[:, None], views)


def training_batch(
    windows: Windows, key: jax.Array, views: Views, paired: bool, persons: int = 1
) -> Batch:
    """Model input for training: random bodies and cameras, augmented, centred and scaled.

    Args:
      windows: drivers, then their sources, when paired.
      key: random key of this step.
      views: what is drawn.
      paired: also return "target": each window's motion on the body and in the camera of its
        partner (the other half of the batch), the true retargeted sequence.
      persons: consecutive windows of one clip, which share camera, move and mirror image.

    Raises:
      ValueError: paired from 2D recordings, whose true retargeting is not known.
    """
    keys = jax.random.split(key, 6)
    # Mirrored before everything else, so that a motion and its target stay of one hand.
    windows = _mirrored(_upright(windows, views), keys[0], views, persons)
    batch, in_3d = windows.poses.shape[0], windows.poses.shape[-1] == 3
    other_bodies = views.bone_spread > 0 or views.characters is not None
    if paired and not (in_3d and other_bodies):
        raise ValueError(
            "the true retargeted sequence is known only for 3D recordings on random bodies; set"
            " paired = False, or bone_spread above 0 or characters with 3D recordings"
        )
    camera = None
    if in_3d and views.camera is not None:
        camera = random_cameras(keys[1], (batch // persons,), **views.camera)
        camera = jax.tree.map(lambda x: jnp.repeat(x, persons), camera)
    bodies = _draw_bodies(keys[2], batch, views) if in_3d else None
    own = _performed(windows.poses, windows.poses, bodies, views)
    seen = _see(own, windows.known, camera, views)
    frame = frame_of(seen, windows, views)

    def moved(seen, known, frame):  # a window and its target are moved alike
        placed = to_frame(seen, known, frame)
        return augment.random_move(keys[3], placed, **views.move, persons=persons)

    noisy = augment.random_noise(keys[4], moved(seen, windows.known, frame), views.noise)
    result = {"poses": standardised(noisy, windows.known, views), "valid": windows.valid}
    result["poses"], result["valid"] = augment.random_loss_of_joints(
        keys[5], result["poses"], result["valid"], views.lost_joints
    )
    _, known = augment.random_loss_of_joints(
        keys[5], result["poses"], windows.known[:, None], views.lost_joints
    )
    result = dict(_streamed(result, known, views))
    if paired:
        # Ordered by character: row i shows the partner's motion on the body and camera of row i.
        other = _performed(partner(windows.poses), windows.poses, bodies, views)
        known = partner(windows.known)
        seen = _see(other, known, camera, views)
        centre = measure(seen, known, views.layout.hips).centre
        target = standardised(moved(seen, known, frame._replace(centre=centre)), known, views)
        result |= {"target": partner(target), "target_valid": windows.valid}
    return result


def _draw_bodies(key: jax.Array, batch: int, views: Views) -> Array | None:
    """[batch, joints]: lengths of drawn characters, or factors on the recorded lengths, or None."""
    if views.characters is not None:
        chosen = jax.random.randint(key, (batch,), 0, len(views.characters))
        return jnp.asarray(views.characters)[chosen]
    if views.bone_spread > 0:
        return augment.random_bone_scales(key, batch, views.layout, views.bone_spread)
    return None


def _performed(motion: Array, body: Array, bodies: Array | None, views: Views) -> Array:
    """A motion on the drawn body of another recording; both [batch, time, joints, 3]."""
    if bodies is None:
        return motion
    if views.characters is not None:
        return on_character(motion, bodies, views.layout)
    if motion is not body:  # from the body that moved to the one that is shown
        shown, moved = (
            jnp.linalg.norm(bones_of(x, views.layout), axis=-1).mean(axis=1) for x in (body, motion)
        )
        bodies = bodies * shown / jnp.maximum(moved, 1e-6)
    return repose(motion, bodies, views.layout)


def two_view_batch(windows: Windows, key: jax.Array, views: Views) -> Batch:
    """Every window twice, as `training_batch` draws it: one motion seen as two characters.

    Returns:
      "poses" and "valid" of the first view, "other" and "other_valid" of the second. A mirror image
      is drawn once for both.
    """
    mirror_key, first_key, second_key = jax.random.split(key, 3)
    windows = _mirrored(windows, mirror_key, views, persons=1)
    views = views._replace(mirror=0.0)
    first = training_batch(windows, first_key, views, paired=False)
    second = training_batch(windows, second_key, views, paired=False)
    return {**first, "other": second["poses"], "other_valid": second["valid"]}


def _mirrored(windows: Windows, key: jax.Array, views: Views, persons: int) -> Windows:
    poses, valid, known = augment.random_mirror(
        key, *windows[:3], windows.size[:, 0], views.layout, views.mirror, persons
    )
    return Windows(poses, valid, known, windows.size)
