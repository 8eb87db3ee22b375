"""What a training step needs of the memory of one device, said before the first step."""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from via_jax.parallel import Program
from via_jax.training import Scalars, TrainState
from via_jax.typing import Tree

# What to do about the largest part.
ADVICE = {
    "parameters": "take a narrower model (model.width)",
    "optimiser": "take a narrower model (model.width)",
    "data": 'set data.placement = "host"',
    "activations": (
        "raise accumulate, set model.remat = True, take fewer pairs or clips a batch, or more"
        " devices"
    ),
}


def bytes_of(tree: Tree) -> int:
    """Bytes of the arrays of a tree on one device."""

    def one(x: Any) -> int:
        if isinstance(x, jax.Array) and not jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            return math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
        return x.nbytes

    return sum(one(leaf) for leaf in jax.tree.leaves(tree))


def memory_of(state: TrainState, constants: Tree, compiled: Any) -> dict[str, int]:
    """Bytes on one device of a step's parts.

    Args:
      state: its parameters, batch statistics and optimiser.
      constants: what else it reads, all frames of the data set above all: "data".
      compiled: the executable; its temporary buffers are "activations", gradients included. Without
        an analysis by the compiler that part is left out.
    """
    found = {
        "parameters": bytes_of((state.params, state.batch_stats)),
        "optimiser": bytes_of(state.opt_state),
        "data": bytes_of(constants),
    }
    analysis = compiled.memory_analysis()
    if analysis is not None:
        found["activations"] = int(analysis.temp_size_in_bytes)
    return found


def sentence(parts: Mapping[str, int]) -> str:
    """The parts as text: "parameters 3.1 MB, ..., in all 5.0 GB"."""
    named = [f"{name} {_megabytes(size)}" for name, size in parts.items()]
    return f"{', '.join(named)}, in all {_megabytes(sum(parts.values()))}"


def check_fits(parts: Mapping[str, int], device: Any) -> None:
    """Raises ValueError where the parts are more than a device holds.

    A device that does not tell how much it holds (memory_stats() is None, as on CPU) takes all.
    """
    stats = device.memory_stats()
    limit = None if stats is None else stats.get("bytes_limit")
    if limit is None or sum(parts.values()) <= limit:
        return
    largest = max(parts, key=parts.__getitem__)
    raise ValueError(
        f"a step needs more memory than the {_megabytes(limit)} of {device}: {sentence(parts)};"
        f" most of it is {largest}: {ADVICE[largest]}"
    )


def reporting(program: Program) -> Callable[[TrainState, Tree], tuple[TrainState, Scalars]]:
    """The program, which before its first step says on stderr what memory it needs.

    Raises:
      ValueError: at the first step, where it cannot fit.
    """
    told = False

    def step(state: TrainState, constants: Tree) -> tuple[TrainState, Scalars]:
        nonlocal told
        if not told and not isinstance(state.step, jax.core.Tracer):  # run, not looked at
            parts = memory_of(state, constants, program.compiled(state, constants))
            check_fits(parts, jax.local_devices()[0])
            if jax.process_index() == 0:
                print(f"memory of a device: {sentence(parts)}", file=sys.stderr, flush=True)
            told = True
        return program(state, constants)

    return step


def _megabytes(size: int) -> str:
    value = np.float64(size) / 1e6
    return f"{value:.1f} MB" if value < 1e3 else f"{value / 1e3:.1f} GB"
