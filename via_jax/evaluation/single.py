"""One clip in memory as a batch of model input, seen as evaluation sees the clips of a data set."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from via_jax import skeletons
from via_jax.data.batches import Windows
from via_jax.data.clip import Clip, check_clip
from via_jax.data.persons import bridge, most_moving
from via_jax.data.prepare import to_layout
from via_jax.data.sampling import Window, evaluation_windows, real_steps
from via_jax.data.statistics import statistics_of
from via_jax.data.views import Views, evaluation_batch
from via_jax.evaluation.sliding import look
from via_jax.models.encoder import POOLING, TIME_FACTOR


def window_of(meta: dict) -> Window:
    """The window that the model of a checkpoint was trained with, padded where it must be."""
    pooled = meta["model"].get("pooling", POOLING) > 1
    return Window(**meta["window"], multiple=TIME_FACTOR if pooled else 1)


def views_of(clip: Clip, meta: dict) -> Views:
    """What the model of a checkpoint sees of a clip, without augmentation and random cameras.

    A 3D recording is seen by a 2D model along its z axis.
    """
    fields = meta["views"] | {"camera": None, "test_camera": None}
    return Views(
        layout=skeletons.get_layout(meta["layout"]),
        coords=meta["model"]["coords"],
        y_up=clip.y_up,
        statistics=statistics_of(meta),
        **fields,
    )


def batch_of(clip: Clip, meta: dict, persons: int) -> dict[str, Any]:
    """Model input of one clip; the batch of `over_clips` with one row.

    Args:
      clip: of any layout that converts to the model's; missing joints are bridged in time.
      meta: of a checkpoint.
      persons: how many the model sees, the most moving ones; those not there are not "present".

    Raises:
      ValueError: a clip that `check_clip` refuses, one without a joint that the model knows, 2D for
        a 3D model, or without the image size that normalisation "screen" needs.
    """
    check_clip(clip, min_frames=1)
    coords, layout = meta["model"]["coords"], meta["layout"]
    if clip.poses.shape[-1] < coords:
        raise ValueError(
            f"clip {clip.name!r} has {clip.poses.shape[-1]} coords and the model reads {coords};"
            " take a 2D model"
        )
    views, window = views_of(clip, meta), window_of(meta)
    if views.normalisation == "screen" and clip.image_size is None:
        raise ValueError(
            f"clip {clip.name!r} has no image size, which the model's normalisation 'screen'"
            " needs: give image_size=(width, height) in pixels"
        )
    converted = to_layout(clip, layout)
    chosen = most_moving(converted.poses, converted.valid, persons)
    poses, valid = converted.poses[chosen], converted.valid[chosen]
    seen = valid.any(axis=(1, 2))
    if not seen.any():
        raise ValueError(
            f"clip {clip.name!r} of layout {clip.layout} has no joint that the model's layout"
            f" {layout} knows"
        )
    poses, valid = poses[seen], valid[seen]
    bridged, known = bridge(poses, valid)
    people = np.minimum(np.arange(persons), len(bridged) - 1)  # the last one fills up
    draw = evaluation_windows(people, np.full(persons, clip.num_frames), window)
    positions = np.asarray(draw.low + draw.fraction, np.float64)
    poses = np.stack([look(bridged[p], x[None])[0] for p, x in zip(people, positions)])
    low, high, between = (np.asarray(x) for x in (draw.low, draw.high, draw.fraction > 0))
    observed = valid[people[:, None], low] & (valid[people[:, None], high] | ~between[..., None])
    size = np.tile(np.asarray(clip.image_size or (0, 0), np.float32), (persons, 1))
    windows = Windows(poses, observed, known[people], size)
    flat = evaluation_batch(windows, np.zeros(persons, int), jax.random.key(0), views)
    batch = {
        "poses": flat["poses"][None],
        "present": jnp.asarray(np.arange(persons) < len(bridged))[None],
    }
    weight = real_steps(window)
    return batch if weight is None else batch | {"weight": jnp.asarray(weight)[None]}
