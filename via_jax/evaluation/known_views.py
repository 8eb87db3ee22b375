"""Clips of a prepared data set seen by a few known cameras, and what a model encodes of them."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from via_jax import skeletons
from via_jax.data.batches import facts_of, frames_of, read_windows
from via_jax.data.sampling import Window, real_steps
from via_jax.data.statistics import statistics_of
from via_jax.data.store import Prepared
from via_jax.data.views import Views, evaluation_batch
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.dictionary import Split
from via_jax.models.encoder import TIME_FACTOR
from via_jax.typing import Array, Tree

UNKNOWN = ""  # label of what a data set does not tell


def draw_clips(clips: np.ndarray, count: int, seed: int) -> np.ndarray:
    """A seeded draw of at most `count` clips, sorted.

    Raises:
      ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f"clips={count}; expected at least 1")
    return np.sort(np.random.default_rng(seed).permutation(clips)[:count])


def clips_to_show(
    data: Prepared, clips: np.ndarray, names: Sequence[str], count: int
) -> np.ndarray:
    """The clips of these names; without names one clip of each of `count` actions, evenly chosen.

    Raises:
      ValueError: a name that the data set does not have.
    """
    if names:
        missing = sorted(set(names) - set(data.names.tolist()))
        if missing:
            raise ValueError(
                f"{data.folder} has no clip {', '.join(missing)}; its names look like"
                f" {data.names[:3].tolist()}"
            )
        return np.array([np.flatnonzero(data.names == name)[0] for name in names])
    labels = np.unique(data.label[clips])
    chosen = labels[np.linspace(0, len(labels) - 1, min(count, len(labels))).round().astype(int)]
    return np.array([clips[data.label[clips] == label][0] for label in chosen])


class Seen(NamedTuple):
    """Clips as a model sees them; a row is one clip in one view, view after view.

    Attributes:
      inputs: model input, [rows, time, joints, coords] float32, padded for the encoder.
      known: bool [rows, joints].
      clip: int [rows], index of the clip in the data set.
      view: str [rows], the camera: its yaw in degrees, or its name in the data set.
    """

    inputs: np.ndarray
    known: np.ndarray
    clip: np.ndarray
    view: np.ndarray


def model_of(meta: dict) -> tuple[Autoencoder, Window]:
    """The model of a checkpoint, and the window that it was trained on."""
    joints = skeletons.get_layout(meta["layout"]).num_joints
    return Autoencoder(joints=joints, **meta["model"]), Window(
        **meta["window"], multiple=TIME_FACTOR
    )


def random_variables(meta: dict, seed: int) -> Tree:
    """New random weights of the model of a checkpoint, to compare with."""
    model, window = model_of(meta)
    shape = (1, 1, window.padded, model.joints, model.coords)
    init = jax.jit(lambda key: model.init(key, np.zeros(shape, np.float32)))
    return jax.tree.map(np.asarray, init(jax.random.key(seed)))


def views_of(meta: dict, data: Prepared) -> Views:
    """What the model of a checkpoint sees of a prepared data set.

    Raises:
      ValueError: another joint layout.
    """
    if data.manifest["layout"] != meta["layout"]:
        raise ValueError(
            f"{data.folder}: layout {data.manifest['layout']!r}, the model's is {meta['layout']!r};"
            f" prepare the data with --layout={meta['layout']}"
        )
    return Views(
        layout=data.layout,
        coords=meta["model"]["coords"],
        y_up=data.manifest["y_up"],
        statistics=statistics_of(meta),
        **meta["views"],
    )


def see(data: Prepared, clips: np.ndarray, meta: dict, yaws: tuple[float, ...]) -> Seen:
    """The first person of every clip in every view: its middle window, or all of it resampled.

    Args:
      data: prepared data set. clips: indices of clips.
      meta: of the checkpoint of the model that is to see them.
      yaws: of the orthographic cameras around 3D recordings, degrees; 0 stands in front of a body
        where the model's views turn bodies to the front. None at all: the recordings' own view.

    Raises:
      ValueError: no clip, yaws around 2D recordings, or another joint layout.
    """
    views = views_of(meta, data)
    if not len(clips):
        raise ValueError(f"{data.folder}: no clips to encode")
    if yaws and data.coords == 2:
        raise ValueError(
            f"{data.folder} holds 2D recordings, which have their own view; set no yaws"
        )
    _, window = model_of(meta)
    windows = read_windows(facts_of(data), frames_of(data), data.first_sequence[clips], window)
    cameras: list[dict | None] = [None]
    if yaws:
        still = {"elevation": (0.0, 0.0), "distance": (1.0, 1.0), "orthographic": 1.0}
        cameras = [{"yaw": (yaw, yaw), **still} for yaw in yaws]
    inputs = []
    for camera in cameras:
        batch = evaluation_batch(
            windows, clips, jax.random.key(0), views._replace(test_camera=camera)
        )
        inputs.append(np.asarray(batch["poses"]))
    names = [np.full(len(clips), f"{yaw:g}") for yaw in yaws] or [data.cameras[clips]]
    return Seen(
        inputs=np.concatenate(inputs),
        known=np.tile(np.asarray(windows.known), (len(cameras), 1)),
        clip=np.tile(clips, len(cameras)),
        view=np.concatenate(names),
    )


@functools.partial(jax.jit, static_argnames="model")
def _encode(model: Autoencoder, variables: Tree, inputs: Array, weight: Array | None) -> Any:
    code: Any = model.apply(variables, inputs[:, None], False, method="encode")
    return model.apply(variables, code, weight, method="split")


def encode(variables: Tree, meta: dict, inputs: np.ndarray, batch: int) -> Split:
    """Motion [rows, time / 8, channels], character and magnitudes of model input; NumPy arrays."""
    model, window = model_of(meta)
    weight = real_steps(window)
    if weight is not None:
        weight = np.tile(weight, (batch, 1))
    parts = []
    for start in range(0, len(inputs), batch):
        rows = np.arange(start, start + batch) % len(inputs)  # filled up, the filling is dropped
        split = _encode(model, variables, inputs[rows], weight)
        parts.append([np.asarray(x)[: len(inputs) - start] for x in split])
    return Split(*(np.concatenate(column) for column in zip(*parts)))


def labels_of(data: Prepared, seen: Seen) -> dict[str, np.ndarray]:
    """Action, view and subject of each row as text; UNKNOWN where the data set does not tell."""
    classes = np.array([*data.classes, UNKNOWN])  # label -1 is the last one
    return {
        "action": classes[data.label[seen.clip]],
        "view": seen.view,
        "subject": data.subjects[seen.clip],
    }
