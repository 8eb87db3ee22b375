"""Published PyTorch weights of UNIK as variables of the flax classifier, and back.

A state dict is {name: NumPy array} with the names and shapes of the published files, see
`shapes_of`. Conversion only renames, stacks and transposes: there and back gives equal arrays.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from flax import traverse_util

from via_jax.models.encoder import BLOCKS, FIRST_BLOCK_HEADS
from via_jax.typing import Tree

PREFIXES = ("module.", "model_action.")  # of DataParallel, and of the published downstream models
NORM = {  # of a batch norm: PyTorch's leaf -> ours
    "weight": ("params", "scale"),
    "bias": ("params", "bias"),
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}
State = Mapping[str, np.ndarray]


class Sizes(NamedTuple):
    """All that the shapes of a state dict depend on.

    Attributes:
      joints, coords, persons: of the input.
      heads: of the spatial units from block 2 on; block 1 has three in every published model.
      width: multiplies the channels; 1 in every published model.
      classes: of `fc`; 0 where there is none.
      directions: columns of `v`, the unsupervised variant's dictionary; 0 where there is none.
    """

    joints: int
    coords: int
    persons: int
    heads: int
    width: float
    classes: int
    directions: int


def without_prefix(state: State) -> dict[str, np.ndarray]:
    """The entries without `module.` and `model_action.` in front, in any order and number.

    Raises:
      ValueError: two entries that are then called alike.
    """
    plain: dict[str, np.ndarray] = {}
    for name, value in state.items():
        short = name
        while short.startswith(PREFIXES):
            short = short.split(".", 1)[1]
        if short in plain:
            raise ValueError(f"{name!r}: a second entry called {short!r} without its prefix")
        plain[short] = np.asarray(value)
    return plain


def sizes_of(state: State) -> Sizes:
    """Reads the sizes off a few entries; names without prefix.

    Raises:
      ValueError: one of these entries is missing or has another rank: not a UNIK state dict.
    """

    def shape(name: str, rank: int) -> tuple[int, ...]:
        if name not in state or state[name].ndim != rank:
            seen = f"shape {state[name].shape}" if name in state else "no such entry"
            names = ", ".join(sorted(state)[:5]) or "nothing"
            raise ValueError(
                f"{name}: {seen}; expected an array of {rank} axes, as in the state dict of UNIK"
                f" ({len(state)} entries: {names} ...)"
            )
        return state[name].shape

    heads, joints, _ = shape(f"l{len(BLOCKS)}.s_unit.DepM", 3)
    channels = shape(f"l{len(BLOCKS)}.t_unit.bn.weight", 1)[0]
    coords = shape("l1.s_unit.conv_d.0.weight", 4)[1]
    features = shape("data_bn.weight", 1)[0]
    if features % (joints * coords):
        raise ValueError(
            f"data_bn.weight: {features} features; expected a multiple of {joints} joints x"
            f" {coords} coords, one part for each person"
        )
    return Sizes(
        joints=joints,
        coords=coords,
        persons=features // (joints * coords),
        heads=heads,
        width=channels / BLOCKS[-1][0],
        classes=shape("fc.weight", 2)[0] if "fc.weight" in state else 0,
        directions=shape("v", 2)[1] if "v" in state else 0,
    )


def shapes_of(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all entries of a published state dict."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, out: int, into: int, kernel: int = 1) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into, kernel, 1), (out,)

    def norm(name: str, features: int) -> None:
        shapes.update({f"{name}.{leaf}": (features,) for leaf in NORM})
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("data_bn", sizes.persons * sizes.joints * sizes.coords)
    into = sizes.coords
    for index, (channels, stride) in enumerate(BLOCKS, start=1):
        out = max(1, round(channels * sizes.width))
        unit = f"l{index}.s_unit"
        heads = sizes.heads if index > 1 else FIRST_BLOCK_HEADS
        shapes[f"{unit}.DepM"] = (heads, sizes.joints, sizes.joints)
        shapes[f"{unit}.bias"] = (sizes.joints,)
        for head in range(heads):
            conv(f"{unit}.conv_a.{head}", max(1, out // 4), into)
            conv(f"{unit}.conv_b.{head}", max(1, out // 4), into)
            conv(f"{unit}.conv_d.{head}", out, into)
        norm(f"{unit}.bn", out)
        if into != out:
            conv(f"{unit}.down.0", out, into)
            norm(f"{unit}.down.1", out)
        conv(f"l{index}.t_unit.conv", out, out, kernel=9)
        norm(f"l{index}.t_unit.bn", out)
        if index > 1 and (into != out or stride != 1):
            conv(f"l{index}.residual.conv", out, into)
            norm(f"l{index}.residual.bn", out)
        into = out
    if sizes.classes:
        shapes["fc.weight"], shapes["fc.bias"] = (sizes.classes, into), (sizes.classes,)
    if sizes.directions:
        shapes["v"] = (into, sizes.directions)
    return shapes


def is_unused(name: str) -> bool:
    """Entries that no published model computes with: written as zeros, and may be missing."""
    return name.endswith((".s_unit.bias", ".num_batches_tracked"))


def check_state(state: State, sizes: Sizes) -> None:
    """Raises ValueError naming entries that are missing, surplus or of another shape."""
    wanted = shapes_of(sizes)
    missing = [name for name in wanted if name not in state and not is_unused(name)]
    surplus = [name for name in state if name not in wanted]
    other = [
        f"{name} {state[name].shape} instead of {shape}"
        for name, shape in wanted.items()
        if name in state and state[name].shape != shape
    ]
    found = {"missing": missing, "surplus": surplus, "of another shape": other}
    parts = [
        f"{len(names)} {what}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
        for what, names in found.items()
        if names
    ]
    if parts:
        raise ValueError(f"not the state dict of a UNIK with {sizes}: {'; '.join(parts)}")


def from_published(state: State) -> Tree:
    """Variables of `Classifier(feature="code")`, float32, of a published state dict.

    Without `fc` there is no "head"; with `v` there is a "dictionary". The unused `bias` vectors and
    `num_batches_tracked` are dropped. The published code adds 1e-8 to `v` before its QR, which is
    below the resolution of float32 here and left out.

    Raises:
      ValueError: entries missing, surplus or of another shape, with their names.
    """
    state = without_prefix(state)
    sizes = sizes_of(state)
    check_state(state, sizes)
    flat: dict[str, np.ndarray] = {}

    def conv(path: str, name: str) -> None:
        weight = state[f"{name}.weight"]  # [out, in, kernel, 1]
        kernel = weight[..., 0].transpose(2, 1, 0)
        flat[f"params/{path}/kernel"] = kernel if path.endswith("temporal/conv") else kernel[0]
        flat[f"params/{path}/bias"] = state[f"{name}.bias"]

    def norm(path: str, name: str) -> None:
        for leaf, (part, ours) in NORM.items():
            flat[f"{part}/{path}/{ours}"] = state[f"{name}.{leaf}"]

    def heads_of(name: str, heads: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        weights = [state[f"{name}.{head}.weight"][..., 0, 0].T for head in range(heads)]
        return weights, [state[f"{name}.{head}.bias"] for head in range(heads)]

    norm("encoder/input_norm", "data_bn")
    for index in range(1, len(BLOCKS) + 1):
        ours, unit = f"encoder/block{index}", f"l{index}.s_unit"
        dependency = state[f"{unit}.DepM"]  # heads, source joint, target joint, as ours
        flat[f"params/{ours}/spatial/dependency"] = dependency
        of_source, source_bias = heads_of(f"{unit}.conv_a", len(dependency))
        of_target, target_bias = heads_of(f"{unit}.conv_b", len(dependency))
        outputs, output_bias = heads_of(f"{unit}.conv_d", len(dependency))
        embeddings = f"params/{ours}/spatial/embeddings"
        flat[f"{embeddings}/kernel"] = np.concatenate([*of_source, *of_target], axis=-1)
        flat[f"{embeddings}/bias"] = np.concatenate([*source_bias, *target_bias])
        flat[f"params/{ours}/spatial/kernel"] = np.stack(outputs)
        flat[f"params/{ours}/spatial/bias"] = np.stack(output_bias)
        for path, name, convert in _layers(index):
            if f"{name}.weight" in state:
                (norm if convert == "norm" else conv)(f"{ours}/{path}", name)
    if sizes.classes:
        flat["params/head/kernel"] = state["fc.weight"].T
        flat["params/head/bias"] = state["fc.bias"]
    if sizes.directions:
        flat["params/dictionary/directions"] = state["v"]
    arrays = {path: np.array(value, np.float32, order="C") for path, value in flat.items()}
    return traverse_util.unflatten_dict(arrays, sep="/")


def _layers(index: int) -> list[tuple[str, str, str]]:
    """(path in our block, PyTorch's name, kind) of the layers that have no heads."""
    block = f"l{index}"
    return [
        ("spatial/norm", f"{block}.s_unit.bn", "norm"),
        ("spatial/down", f"{block}.s_unit.down.0", "conv"),
        ("spatial/down_norm", f"{block}.s_unit.down.1", "norm"),
        ("temporal/conv", f"{block}.t_unit.conv", "conv"),
        ("temporal/norm", f"{block}.t_unit.bn", "norm"),
        ("residual", f"{block}.residual.conv", "conv"),
        ("residual_norm", f"{block}.residual.bn", "norm"),
    ]


def to_published(variables: Tree) -> dict[str, np.ndarray]:
    """The published state dict of a classifier's or an autoencoder's variables.

    The head and the dictionary are written where there are any, the decoder is not. The unused
    entries are zeros: `bias` float32, `num_batches_tracked` int64.

    Raises:
      ValueError: variables without an encoder of this architecture, with the array's path.
    """
    flat = {
        path: np.asarray(value)
        for path, value in traverse_util.flatten_dict(dict(variables), sep="/").items()
    }

    def take(path: str) -> np.ndarray:
        if path not in flat:
            raise ValueError(f"{path}: no such array; expected the variables of a UNIK encoder")
        return flat[path]

    state: dict[str, np.ndarray] = {}

    def conv(path: str, name: str) -> None:
        kernel = take(f"params/{path}/kernel")
        kernel = kernel if kernel.ndim == 3 else kernel[None]  # [frames, in, out]
        state[f"{name}.weight"] = kernel.transpose(2, 1, 0)[..., None]
        state[f"{name}.bias"] = take(f"params/{path}/bias")

    def norm(path: str, name: str) -> None:
        for leaf, (part, ours) in NORM.items():
            state[f"{name}.{leaf}"] = take(f"{part}/{path}/{ours}")

    norm("encoder/input_norm", "data_bn")
    for index in range(1, len(BLOCKS) + 1):
        ours, unit = f"encoder/block{index}", f"l{index}.s_unit"
        dependency = take(f"params/{ours}/spatial/dependency")
        state[f"{unit}.DepM"], heads = dependency, len(dependency)
        embeddings = f"params/{ours}/spatial/embeddings"
        kernels = np.split(take(f"{embeddings}/kernel"), 2 * heads, axis=-1)
        biases = np.split(take(f"{embeddings}/bias"), 2 * heads)
        outputs, output_bias = (take(f"params/{ours}/spatial/{x}") for x in ("kernel", "bias"))
        for head in range(heads):
            for name, kernel, bias in (
                ("conv_a", kernels[head], biases[head]),
                ("conv_b", kernels[heads + head], biases[heads + head]),
                ("conv_d", outputs[head], output_bias[head]),
            ):
                state[f"{unit}.{name}.{head}.weight"] = kernel.T[..., None, None]
                state[f"{unit}.{name}.{head}.bias"] = bias
        for path, name, convert in _layers(index):
            leaf = "scale" if convert == "norm" else "kernel"
            if f"params/{ours}/{path}/{leaf}" in flat:
                (norm if convert == "norm" else conv)(f"{ours}/{path}", name)
    if "params/head/kernel" in flat:
        state["fc.weight"], state["fc.bias"] = (
            flat["params/head/kernel"].T,
            take("params/head/bias"),
        )
    if "params/dictionary/directions" in flat:
        state["v"] = flat["params/dictionary/directions"]
    sizes = sizes_of(state)
    for name, shape in shapes_of(sizes).items():
        if is_unused(name):
            counted = name.endswith("num_batches_tracked")
            state[name] = np.zeros(shape, np.int64 if counted else np.float32)
    check_state(state, sizes)
    ordered = {name: state[name] for name in shapes_of(sizes)}
    return {
        name: np.ascontiguousarray(value).reshape(value.shape) for name, value in ordered.items()
    }
