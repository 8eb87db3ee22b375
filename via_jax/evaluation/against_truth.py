"""Retargeting judged where the truth is known, and the model as a retargeter of metric poses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.data.transforms import bones_of
from via_jax.data.true_pairs import TruePairs
from via_jax.data.views import Views, placed_of, standardised
from via_jax.evaluation.baselines import Retargeter
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.three_encoders import ThreeEncoders
from via_jax.skeletons import Layout
from via_jax.typing import Array, Tree


def input_of(poses: Array, views: Views) -> Array:
    """Model input of metric poses [batch, time, joints, coords] with all joints known."""
    return standardised(poses, jnp.ones((len(poses), poses.shape[2]), bool), views)


def retargeter_of(model: Autoencoder | ThreeEncoders, variables: Tree, views: Views) -> Retargeter:
    """A network as a function of metric poses; ViA's: decode(r_m of driving + r_c of source)."""

    @jax.jit
    def retarget(driving: Array, source: Array) -> Array:
        if isinstance(model, ThreeEncoders):
            both = input_of(driving, views), input_of(source, views)
            made: Any = model.apply(variables, *both, method="retarget")
            return placed_of(made, views)
        inputs = jnp.concatenate([input_of(driving, views), input_of(source, views)])
        code: Any = model.apply(variables, inputs[:, None], False, method="encode")
        split: Any = model.apply(variables, code, method="split")
        motion, character = split.motion[: len(driving)], split.character[len(driving) :]
        poses: Any = model.apply(variables, motion, character, False, method="decode")
        return placed_of(poses, views)

    return retarget


def judge_pairs(
    retarget: Retargeter, pairs: TruePairs, layout: Layout, batch: int = 64
) -> dict[str, float]:
    """What a retargeter makes of all pairs, against the truth.

    Returns:
      Means over pairs, frames, joints and coords; lengths in centimetres.
      "mse", "mae": squared and absolute error of the joints relative to the hips of each frame,
        as the published protocol; cm^2 and cm.
      "bone_error": absolute difference of the bones' lengths from the true ones in that frame.
      "not_rigid": in 2D, by how much bones are longer than the character's, which no rigid body
        can show, in percent of the length; in 3D, their deviation over time, in percent.
      "foot_skating": way of the ankles, a frame, where the true ones stand; "jitter": absolute
        third difference of the joints, a frame. "true_foot_skating" and "true_jitter" are the
        truth's own.
      "pairs": how many.
    """
    sums: dict[str, float] = {}
    root = layout.parents.index(-1)
    ankles = [layout.index("left_ankle"), layout.index("right_ankle")]
    bones = np.asarray(layout.parents) >= 0
    for start in range(0, len(pairs.truth), batch):
        part = np.arange(start, min(start + batch, len(pairs.truth)))
        filled = np.resize(part, batch)  # one shape for the compiled function
        made = np.asarray(retarget(pairs.driving[filled], pairs.source[filled]))[: len(part)]
        truth, stands = pairs.truth[part], pairs.stands[part, :-1]
        error = (made - made[:, :, [root]]) - (truth - truth[:, :, [root]])
        ours, theirs = (
            np.linalg.norm(np.asarray(bones_of(x, layout))[:, :, bones], axis=-1)
            for x in (made, truth)
        )
        lengths = np.maximum(pairs.lengths[part][:, None, bones], 1e-6)
        if made.shape[-1] == 2:
            not_rigid = np.maximum(ours / lengths - 1.0, 0.0)
        else:
            not_rigid = ours.std(axis=1) / np.maximum(ours.mean(axis=1), 1e-6)
        step, true_step = (
            np.linalg.norm(np.diff(x[:, :, ankles], axis=1), axis=-1) for x in (made, truth)
        )
        found = {
            "mse": 1e4 * np.square(error).mean(axis=(1, 2, 3)).sum(),
            "mae": 1e2 * np.abs(error).mean(axis=(1, 2, 3)).sum(),
            "bone_error": 1e2 * np.abs(ours - theirs).mean(axis=(1, 2)).sum(),
            "not_rigid": 1e2 * not_rigid.reshape(len(part), -1).mean(axis=1).sum(),
            "foot_skating": 1e2 * (step * stands).sum(),
            "true_foot_skating": 1e2 * (true_step * stands).sum(),
            "stands": stands.sum(),
            "jitter": 1e2 * np.abs(np.diff(made, 3, axis=1)).mean(axis=(1, 2, 3)).sum(),
            "true_jitter": 1e2 * np.abs(np.diff(truth, 3, axis=1)).mean(axis=(1, 2, 3)).sum(),
        }
        sums = {name: sums.get(name, 0.0) + float(value) for name, value in found.items()}
    stands_in_all = max(sums.pop("stands"), 1.0)
    count = len(pairs.truth)
    results = {
        name: total / (stands_in_all if "skating" in name else count)
        for name, total in sums.items()
    }
    return results | {"pairs": count}
