"""A clip as codes of its windows, and codes as one sequence again."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from via_jax import skeletons
from via_jax.data.batches import Windows
from via_jax.data.clip import Clip, check_clip
from via_jax.data.persons import bridge, most_moving
from via_jax.data.prepare import to_layout
from via_jax.data.sampling import Window, real_steps
from via_jax.data.statistics import statistics_of
from via_jax.data.transforms import Frame, facing, to_frame, turn
from via_jax.data.views import Views, frame_of, placed_of, standardised
from via_jax.evaluation.sliding import cover, join, look
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.dictionary import Split
from via_jax.models.encoder import TIME_FACTOR
from via_jax.skeletons import Layout
from via_jax.typing import Array, Tree


class Coded(NamedTuple):
    """The most moving person of a clip as a model sees it, and its windows taken apart.

    Attributes:
      poses: [time, joints, coords], bridged, in the clip's units and the model's layout; turned to
        face the camera where the model was trained so.
      known, valid: [joints] and [time, joints], which joints the clip has at all, and saw.
      angle: by which the body was turned away from the camera, radians []; None if left alone.
      windows: of the clip, see `sliding.cover`; their batch axis is that of the windows.
      stood: centre [windows, coords] and scale [windows] of the windows, in the clip's units.
    """

    poses: np.ndarray
    known: np.ndarray
    valid: np.ndarray
    angle: np.ndarray | None
    windows: Split
    stood: Frame

    @property
    def way(self) -> np.ndarray:
        """From the clip's middle to that of each window, [windows, coords], in window scales."""
        centre, scale = (np.asarray(x) for x in self.stood)
        return (centre - centre.mean(axis=0)) / scale[:, None]


def encode_clip(variables: Tree, meta: dict, clip: Clip) -> Coded:
    """Encodes a clip window by window; variables and meta as `checkpoints.load_model` has them.

    Raises:
      ValueError: a clip that `check_clip` refuses, a 2D clip for a 3D model, no joint that the
        model knows, or no image size where the model's normalisation needs it.
    """
    model, window, views = parts_of(meta)
    poses, known, valid = model_input(clip, views.layout, model.coords)
    angle = None
    if model.coords == 3 and views.face_front:
        angle = np.asarray(facing(poses, views.layout))
        poses = np.asarray(turn(poses, -angle))
    seen = look(poses, cover(len(poses), window))
    knowns = np.broadcast_to(known, (len(seen), len(known)))
    stood = _frames_of(seen, knowns, clip, views)
    inputs = standardised(to_frame(seen, knowns, stood), knowns, views)
    windows = _encode(model, variables, inputs, real_steps(window))
    windows = Split(*(np.asarray(x) for x in windows))
    return Coded(poses, known, valid, angle, windows, Frame(*(np.asarray(x) for x in stood)))


def decode_onto(variables: Tree, meta: dict, driver: Coded, character: Array) -> np.ndarray:
    """p = D_Pose(r_m of the driver + r_c) of the driver's windows, joined to one sequence.

    The root's path is the decoded one within a window and the driver's way from window to window.

    Args:
      variables, meta, driver: as in `encode_clip`, and what it returned.
      character: r_c [channels]; zeros give the canonical view.

    Returns:
      [time, joints, coords] around 0, in window scales.
    """
    model, window, views = parts_of(meta)
    motion = driver.windows.motion
    one = np.broadcast_to(character, (len(motion), motion.shape[-1]))
    decoded = np.asarray(placed_of(_decode(model, variables, motion, one), views))
    poses = join(decoded + driver.way[:, None, None, :], len(driver.poses), window)
    return redefined(poses, views.layout)


def directions_of(variables: Tree, meta: dict) -> np.ndarray:
    """The dictionary D_c, [channels, directions]."""
    model, _, _ = parts_of(meta)
    channels = len(variables["params"]["dictionary"]["directions"])
    split: Any = model.apply(variables, np.eye(channels, dtype=np.float32)[:, None], method="split")
    return np.asarray(split.magnitudes)  # of unit codes: the rows of D_c


def parts_of(meta: dict) -> tuple[Autoencoder, Window, Views]:
    """The model of a checkpoint, its window, and what it saw in training, without augmentation.

    Raises:
      ValueError: the checkpoint is not of ViA's autoencoder.
    """
    network = meta.get("config", {}).get("pretrain", {}).get("network", "via")
    if network != "via":
        raise ValueError(
            f"this checkpoint is of the network {network!r}, which experiments.paired judges; codes"
            " and retargeted clips are made by ViA's: name another checkpoint"
        )
    layout = skeletons.get_layout(meta["layout"])
    model = Autoencoder(joints=layout.num_joints, **meta["model"])
    statistics = statistics_of(meta)
    views = Views(
        layout=layout, coords=model.coords, y_up=True, statistics=statistics, **meta["views"]
    )
    return model, Window(**meta["window"], multiple=TIME_FACTOR), views


@functools.partial(jax.jit, static_argnames="model")
def _encode(model: Autoencoder, variables: Tree, poses: Array, weight: Array | None) -> Any:
    code: Any = model.apply(variables, poses[:, None], False, method="encode")
    if weight is not None:
        weight = jnp.tile(weight, (len(code), 1))
    return model.apply(variables, code, weight, method="split")


@functools.partial(jax.jit, static_argnames="model")
def _decode(model: Autoencoder, variables: Tree, motion: Array, character: Array) -> Any:
    return model.apply(variables, motion, character, False, method="decode")


def _frames_of(poses: Array, known: Array, clip: Clip, views: Views) -> Frame:
    """What each window is centred and scaled by, as in the model's training."""
    size = np.zeros((len(poses), 2), np.float32)
    if views.normalisation == "metric" and clip.units != "metres":
        raise ValueError(
            f"clip {clip.name!r} is in {clip.units}, and the model's normalisation"
            ' "metric" needs metres; take a model trained with "root"'
        )
    if views.normalisation == "screen":
        if clip.image_size is None:
            raise ValueError(
                f"clip {clip.name!r} has no image size, which the model's normalisation"
                f" {views.normalisation!r} needs; write it into the clip, or take a model trained"
                ' with "body"'
            )
        size = size + np.asarray(clip.image_size, np.float32)
    valid = np.broadcast_to(known[:, None], poses.shape[:3])
    return frame_of(poses, Windows(poses, valid, known, size), views)


def redefined(poses: np.ndarray, layout: Layout) -> np.ndarray:
    """Decoded poses whose trunk joints are again what UNIK-17 defines by the limbs.

    The decoder writes hips and their middle apart. Scaling bones keeps the definition: the bones
    on both sides of a defined joint are equally long, so they get one factor.
    """
    if layout.name != "unik17":
        return poses
    limbs, valid = skeletons.get_layout("lcrnet13"), np.ones(poses.shape[:-1], bool)
    poses, valid = skeletons.convert(poses, valid, layout, limbs)
    return skeletons.convert(poses, valid, limbs, layout)[0]


def model_input(
    clip: Clip, layout: Layout, coords: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bridged poses [time, joints, coords] of one person, known [joints], valid [time, joints]."""
    check_clip(clip)
    clip = to_layout(clip, layout.name)
    person = most_moving(clip.poses, clip.valid, 1)
    poses, valid = clip.poses[person], clip.valid[person]
    if poses.shape[-1] < coords:
        raise ValueError(f"clip {clip.name!r} is 2D and the model 3D; take a 2D model")
    if poses.shape[-1] == 3:  # the model saw 3D with y up and images with y down
        sign = 1.0 if clip.y_up == (coords == 3) else -1.0
        poses = (poses * np.array([1.0, sign, 1.0], np.float32))[..., :coords]
    bridged, known = bridge(poses, valid)
    if not known.any():
        raise ValueError(
            f"clip {clip.name!r} has no joint that the model's layout {layout.name} knows"
        )
    return bridged[0], known[0], valid[0]
