"""Published weights of the three encoders (Aberman et al. 2019) to parameters, and back.

The published state dict of the full system has 28 entries: weight and bias of three convolutions
and, in the body and view encoders, of `conv1x1`. PyTorch keeps a 1D convolution as [out, in,
kernel], linen as [kernel, in, out]. The features' order is the network's own in both.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from via_jax.typing import Tree


class Layer(NamedTuple):
    """One convolution.

    Attributes:
      key: in the state dict, without ".weight" and ".bias".
      place: in the parameters.
      shape: [out, in, kernel].
    """

    key: str
    place: tuple[str, str]
    shape: tuple[int, int, int]


def _layers(key: str, ours: str, numbers: tuple[int, ...], shapes: tuple) -> list[Layer]:
    return [
        Layer(f"{key}.model.{number}", (ours, f"conv{index + 1}"), shape)
        for index, (number, shape) in enumerate(zip(numbers, shapes))
    ]


_STATIC = ((32, 28, 7), (48, 32, 7), (64, 48, 7))
LAYERS = (
    *_layers("mot_encoder", "motion_encoder", (1, 4, 7), ((64, 30, 8), (96, 64, 8), (128, 96, 8))),
    *_layers("body_encoder", "body_encoder", (1, 5, 9), _STATIC),
    Layer("body_encoder.conv1x1", ("body_encoder", "conv1x1"), (16, 64, 1)),
    *_layers("view_encoder", "view_encoder", (1, 5, 9), _STATIC),
    Layer("view_encoder.conv1x1", ("view_encoder", "conv1x1"), (8, 64, 1)),
    *_layers("decoder", "decoder", (2, 7, 12), ((128, 152, 7), (64, 128, 7), (30, 64, 7))),
)


def from_published(state: Mapping[str, np.ndarray]) -> Tree:
    """Parameters of `ThreeEncoders` of width 1 from a published state dict.

    Args:
      state: arrays by their PyTorch keys, with or without a leading "module.".

    Raises:
      ValueError: keys that are absent or too many, as those of the two-encoder systems; arrays of
        other shapes or that are no finite floats.
    """
    state = {key.removeprefix("module."): np.asarray(value) for key, value in state.items()}
    shapes = {f"{layer.key}.weight": layer.shape for layer in LAYERS}
    biases = {f"{layer.key}.bias": layer.shape[:1] for layer in LAYERS}
    wanted: dict[str, tuple[int, ...]] = {**shapes, **biases}
    absent, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if absent or unknown:
        raise ValueError(
            f"no state dict of the three encoders: absent {absent[:4]}, unknown {unknown[:4]}"
            f" ({len(absent)} and {len(unknown)} in all); expected the {len(wanted)} entries of the"
            " full system, not of the skeleton or view system"
        )
    for key, shape in wanted.items():
        value = state[key]
        if value.shape != shape or value.dtype.kind != "f" or not np.isfinite(value).all():
            raise ValueError(
                f"{key} is {value.dtype} of shape {value.shape}; expected finite floats of shape"
                f" {shape}, the published width"
            )
    flat = {}
    for layer in LAYERS:
        kernel = state[f"{layer.key}.weight"].astype(np.float32).T
        flat[(*layer.place, "kernel")] = kernel[0] if _is_matrix(layer) else kernel
        flat[(*layer.place, "bias")] = state[f"{layer.key}.bias"].astype(np.float32)
    return unflatten_dict(flat)


def to_published(params: Tree) -> dict[str, np.ndarray]:
    """The state dict of parameters, of any width: undoes `from_published`."""
    flat, state = flatten_dict(params), {}
    for layer in LAYERS:
        kernel = np.asarray(flat[(*layer.place, "kernel")])
        kernel = kernel[None] if _is_matrix(layer) else kernel
        state[f"{layer.key}.weight"] = np.ascontiguousarray(kernel.T)
        state[f"{layer.key}.bias"] = np.asarray(flat[(*layer.place, "bias")])
    return state


def _is_matrix(layer: Layer) -> bool:
    return layer.place[1] == "conv1x1"
