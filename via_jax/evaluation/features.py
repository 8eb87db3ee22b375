"""Features of clips from a frozen encoder: the temporal mean of the motion code, or of the code."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.data.batches import without_absent
from via_jax.data.sampling import Window
from via_jax.data.store import Prepared
from via_jax.data.views import Views
from via_jax.evaluation.clips import over_clips
from via_jax.models.classifier import mean_over_time
from via_jax.models.dictionary import DirectionDictionary
from via_jax.models.encoder import POOLING, Encoder, mean_over_persons
from via_jax.typing import Array, Batch, Tree


def encoder_parts(model: dict) -> tuple[Encoder, DirectionDictionary]:
    """The encoder and the dictionary of a model section, see configs/base.py.

    Only converted weights have a "pooling" of their own, and older checkpoints no "temporal".
    """
    pooling, temporal = model.get("pooling", POOLING), model.get("temporal", "conv")
    return (
        Encoder(model["width"], model["num_heads"], jnp.dtype(model["dtype"]), pooling, temporal),
        DirectionDictionary(model["num_directions"], model["learned_directions"]),
    )


def features_of(
    variables: Tree, batch: Batch, *, model: dict, feature: str, published_persons: bool
) -> Array:
    """Features [batch, channels] of model input; evaluation mode, running statistics.

    Args:
      variables: {"params", "batch_stats"} of an autoencoder.
      batch: see `over_clips`.
      model: its settings.
      feature: "motion", the temporal mean of r_m; "code", that of r; "poses", the flattened input
        itself, a baseline without any encoder.
      published_persons: average absent persons too, as the published code does.

    Raises:
      ValueError: another feature, or "motion" of weights without a dictionary.
    """
    if feature == "poses":
        return batch["poses"].reshape(len(batch["poses"]), -1)
    poses = batch["poses"]
    if published_persons:
        poses = without_absent(poses, batch["present"])
    if feature not in ("motion", "code"):
        raise ValueError(f'feature={feature!r}; expected "motion", "code" or "poses"')
    if feature == "motion" and "dictionary" not in variables["params"]:
        raise ValueError(
            'feature="motion" of weights without a dictionary, such as a converted classifier;'
            ' take feature="code"'
        )
    encoder, dictionary = encoder_parts(model)
    code: Any = encoder.apply(
        {
            "params": variables["params"]["encoder"],
            "batch_stats": variables["batch_stats"]["encoder"],
        },
        poses,
        False,
    )
    code = mean_over_persons(code, None if published_persons else batch["present"])
    weight = batch.get("weight")
    if feature == "motion":
        params = {"params": variables["params"]["dictionary"]}
        split: Any = dictionary.apply(params, code, weight)
        code = split.motion
    return mean_over_time(code, weight)


def extract(
    variables: Tree,
    data: Prepared,
    clips: np.ndarray,
    *,
    model: dict,
    feature: str,
    published_persons: bool,
    window: Window,
    views: Views,
    persons: int,
    batch: int,
    seed: int,
) -> np.ndarray:
    """Features of clips, [clips, channels] float32; see `features_of` and `over_clips`."""

    def function(variables: Any, inputs: Batch) -> Array:
        return features_of(
            variables, inputs, model=model, feature=feature, published_persons=published_persons
        )

    return over_clips(
        function,
        variables,
        data,
        clips,
        window=window,
        views=views,
        persons=persons,
        batch=batch,
        seed=seed,
    )


def adapt(
    variables: Tree,
    data: Prepared,
    clips: np.ndarray,
    *,
    model: dict,
    feature: str,
    published_persons: bool,
    **how: Any,
) -> Tree:
    """The variables with batch statistics re-estimated on other clips; parameters stay.

    The published "linear evaluation" lets the statistics of the frozen backbone follow the new
    data. Here that is done once, before features are taken, and only where it is asked for: each
    batch norm gets the mean over batches of its batch statistics. Arguments as in `extract`.
    """
    del feature, published_persons
    encoder, _ = encoder_parts(model)
    # One update of zeros is a tenth of the statistics of the batch, without rounding errors of old.
    zeros = jax.tree.map(np.zeros_like, variables["batch_stats"]["encoder"])

    def function(variables: Any, inputs: Batch) -> Array:
        params = variables["params"]["encoder"]
        _, changed = encoder.apply(
            {"params": params, "batch_stats": zeros},
            inputs["poses"],
            True,
            mutable=["batch_stats"],
        )
        flat = jnp.concatenate([x.reshape(-1) for x in jax.tree.leaves(changed["batch_stats"])])
        return jnp.broadcast_to(flat[None], (inputs["poses"].shape[0], len(flat)))

    updated = over_clips(function, variables, data, clips, **how).mean(axis=0)
    leaves, structure = jax.tree.flatten(zeros)
    ends = np.cumsum([leaf.size for leaf in leaves])
    stats = [
        (10.0 * piece).reshape(leaf.shape).astype(np.float32)
        for leaf, piece in zip(leaves, np.split(updated, ends[:-1]))
    ]
    encoder_stats = jax.tree.unflatten(structure, stats)
    return {
        **variables,
        "batch_stats": {**variables["batch_stats"], "encoder": encoder_stats},
    }


def repeat_persons(variables: Tree, persons: int) -> Tree:
    """Gives an encoder the input batch norm of so many persons.

    The entries of a one-person encoder are repeated for each; one of more persons, such as a
    converted classifier, keeps those of the first ones.
    """
    if "block1" not in variables["params"]["encoder"]:
        return variables  # of another model, which whoever uses them says
    block = variables["params"]["encoder"]["block1"]["spatial"]
    size = persons * block["dependency"].shape[-1] * block["kernel"].shape[1]  # joints x coords

    def widen(tree: Tree) -> Tree:
        norm = tree["encoder"]["input_norm"]
        norm = {name: np.resize(np.asarray(value), size) for name, value in norm.items()}
        return {**tree, "encoder": {**tree["encoder"], "input_norm": norm}}

    return {
        **variables,
        "params": widen(variables["params"]),
        "batch_stats": widen(variables["batch_stats"]),
    }
