"""Batch norms of an encoder folded into the layers before them, for evaluation.

With running statistics a batch norm is y -> a y + b for each channel, and every one but the first
follows a layer that is linear in its weights: a W and a c + b instead of W and c give the same. The
first, over the input, stays: it differs from joint to joint, and the layer behind it does not.
"""

from typing import Any

import numpy as np

from via_jax.models.encoder import EPSILON
from via_jax.typing import Tree

# Layer and norm within a block, and within its units. A spatial unit is itself a layer: its heads
# are summed before the norm.
PAIRS = (("down", "down_norm"), ("conv", "norm"), ("residual", "residual_norm"))


def fold_norms(variables: Tree) -> Tree:
    """Variables for a model with `folded=True`, as NumPy arrays; the given ones stay as they are.

    Args:
      variables: {"params", "batch_stats"} of an encoder, or of a model with a part "encoder".

    Raises:
      KeyError: a norm without its statistics.
    """
    params, statistics = variables["params"], variables["batch_stats"]
    if "encoder" in params:
        inner = fold_norms({"params": params["encoder"], "batch_stats": statistics["encoder"]})
        return {
            "params": {**params, "encoder": inner["params"]},
            "batch_stats": {**statistics, "encoder": inner["batch_stats"]},
        }
    folded, kept = {}, {}
    for name, part in params.items():
        if name.startswith("block"):
            folded[name] = _fold(part, statistics[name])
        else:
            folded[name], kept[name] = part, statistics[name]
    return {"params": folded, "batch_stats": kept}


def _fold(params: Any, statistics: Any) -> dict[str, Any]:
    """Parameters of a block or a unit without its norms."""
    folded = dict(params)
    for layer, norm in PAIRS:
        if layer in params and norm in params:
            del folded[norm]
            folded[layer] = _scaled(params[layer], params[norm], statistics[norm])
    for name in ("spatial", "temporal"):
        if name in params:
            folded[name] = _fold(params[name], statistics[name])
    if "dependency" in params:  # a spatial unit
        norm = folded.pop("norm")
        folded |= _scaled(params, norm, statistics["norm"])
    return folded


def _scaled(layer: Any, norm: Any, statistics: Any) -> dict[str, np.ndarray]:
    """Kernel [..., channels] and bias [channels] or [heads, channels] with a norm in them."""
    mean, variance = (np.asarray(statistics[name], np.float64) for name in ("mean", "var"))
    factor = np.asarray(norm["scale"], np.float64) / np.sqrt(variance + EPSILON)
    shift = np.asarray(norm["bias"], np.float64) - mean * factor
    kernel, bias = np.asarray(layer["kernel"]), np.asarray(layer["bias"])
    heads = bias.shape[0] if bias.ndim == 2 else 1  # biases of heads are summed
    return {
        "kernel": (kernel * factor).astype(kernel.dtype),
        "bias": (bias * factor + shift / heads).astype(bias.dtype),
    }
