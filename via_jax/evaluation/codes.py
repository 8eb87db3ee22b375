"""A clip as codes of its windows, and codes as one sequence again."""

import functools
from collections.abc import Callable
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

# Windows that the model sees at once. Longer recordings are seen in batches of one compiled shape,
# so that the model's memory does not grow with them.
BATCH = 16


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
        """From the clip's middle to that of each window, [windows, coords], in window scales.

        Each move from window to window in their mean scale: a scale that changes a little far from
        the middle would make the body jump.
        """
        path = np.cumsum(moves(self.stood), axis=0)
        return path - path.mean(axis=0)


def moves(stood: Frame) -> np.ndarray:
    """How far each window's centre is from the one before, [windows, coords], in their mean scale.

    The first one's is 0.
    """
    centre, scale = (np.asarray(x, np.float64) for x in stood)
    between = np.sqrt(scale[1:] * scale[:-1])
    return np.concatenate([0 * centre[:1], np.diff(centre, axis=0) / between[:, None]])


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

    def encode(positions: np.ndarray) -> tuple[Split, Frame]:
        return encode_windows(variables, meta, look(poses, positions), known, clip)

    windows, stood = _in_batches(encode, cover(len(poses), window))
    return Coded(poses, known, valid, angle, windows, stood)


def encode_windows(
    variables: Tree, meta: dict, seen: np.ndarray, known: np.ndarray, clip: Clip
) -> tuple[Split, Frame]:
    """Codes of windows of one body, all in one batch, and where they stood in the clip's units.

    Args:
      variables, meta: as in `encode_clip`.
      seen: [windows, window.padded, joints, coords], bridged, as `model_input` has them.
      known: [joints], which of them count.
      clip: tells units and image size.

    Raises:
      ValueError: no image size or other units than the model's normalisation needs.
    """
    model, window, views = parts_of(meta)
    knowns = np.broadcast_to(known, (len(seen), len(known)))
    stood = _frames_of(seen, knowns, clip, views)
    inputs = standardised(to_frame(seen, knowns, stood), knowns, views)
    windows = _encode(model, variables, inputs, real_steps(window))
    return Split(*(np.asarray(x) for x in windows)), Frame(*(np.asarray(x) for x in stood))


def decode_windows(variables: Tree, meta: dict, motion: Array, character: Array) -> np.ndarray:
    """Decoded windows [windows, window.padded, joints, coords] in window scales, in one batch.

    motion: r_m [windows, steps, channels]. character: r_c [channels].
    """
    model, _, views = parts_of(meta)
    one = np.broadcast_to(character, (len(motion), motion.shape[-1]))
    return np.asarray(placed_of(_decode(model, variables, motion, one), views))


def _in_batches(function: Callable[[Any], Any], rows: Array) -> Any:
    """function(rows) of at most BATCH rows at once, joined along the first axis; arrays or trees.

    The last batch is filled up, so that all are compiled as one.
    """
    count = len(rows)
    size = min(BATCH, count)
    parts = []
    for start in range(0, count, size):
        index = np.minimum(np.arange(start, start + size), count - 1)
        part = function(rows[index])
        parts.append(jax.tree.map(lambda x, left=count - start: x[:left], part))
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def decode_onto(variables: Tree, meta: dict, driver: Coded, character: Array) -> np.ndarray:
    """p = D_Pose(r_m of the driver + r_c) of the driver's windows, joined to one sequence.

    The root's path is the decoded one within a window and the driver's way from window to window.

    Args:
      variables, meta, driver: as in `encode_clip`, and what it returned.
      character: r_c [channels]; zeros give the canonical view.

    Returns:
      [time, joints, coords] around 0, in window scales.
    """
    _, window, views = parts_of(meta)
    decoded = _in_batches(
        lambda motion: decode_windows(variables, meta, motion, character), driver.windows.motion
    )
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
    poses = seen_by(poses, clip, coords)
    bridged, known = bridge(poses, valid)
    if not known.any():
        raise ValueError(
            f"clip {clip.name!r} has no joint that the model's layout {layout.name} knows"
        )
    return bridged[0], known[0], valid[0]


def seen_by(poses: np.ndarray, clip: Clip, coords: int) -> np.ndarray:
    """Poses [..., 2 or 3] of a clip as a model of so many coords saw its training's, [..., coords].

    A 2D model sees 3D along its z axis.

    Raises:
      ValueError: 2D for a 3D model.
    """
    if poses.shape[-1] < coords:
        raise ValueError(f"clip {clip.name!r} is 2D and the model 3D; take a 2D model")
    if poses.shape[-1] == 3:  # the model saw 3D with y up and images with y down
        sign = 1.0 if clip.y_up == (coords == 3) else -1.0
        poses = (poses * np.array([1.0, sign, 1.0], np.float32))[..., :coords]
    return poses
