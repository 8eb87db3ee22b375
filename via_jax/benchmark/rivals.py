"""The PyTorch process beside this one: it gets the same weights and inputs, and runs in turn."""

import importlib.util
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from via_jax.benchmark.cases import Case
from via_jax.typing import Batch, Tree
from via_jax.weights import to_published

DECODER = {"conv1": "decoder.model.2", "conv2": "decoder.model.7", "conv3": "decoder.model.12"}
# Largest difference of outputs, relative to their largest value: sums in another order, or the
# 8 bits of bfloat16 through ten blocks.
TOLERANCE = {"float32": 2e-3, "bfloat16": 1e-1}


def installed() -> bool:
    """Whether PyTorch, an optional extra, is there."""
    return importlib.util.find_spec("torch") is not None


def modes(dtype: str) -> tuple[str, ...]:
    """How PyTorch runs a case: bfloat16 by autocast; on GPU also compiled."""
    found = ("autocast", "compile autocast") if dtype == "bfloat16" else ("eager", "compile")
    return found[:1] if jax.default_backend() == "cpu" else found


def threads() -> int:
    """The cores that this process may use; both sides take all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Rival:
    """A process with PyTorch, started with this one's environment; a context manager.

    It waits while we run: two libraries' threads in one process would disturb each other.
    """

    def __init__(self, count: int) -> None:
        """Starts it. count: of its threads."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, count), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> "Rival":
        return self

    def __exit__(self, *exc_info) -> None:
        self._connection.close()
        self._process.join()

    def prepare(
        self, case: Case, variables: Tree, inputs: Batch, mode: str
    ) -> dict[str, np.ndarray]:
        """Readies a case in place of the last one, and returns the outputs of its first run.

        Args:
          case: what to run.
          variables, inputs: as given to `cases.program_of`.
          mode: one of `modes`.
        """
        return self._ask("prepare", case, state_of(case, variables), dict(inputs), mode)

    def run(self) -> float:
        """Seconds of one run."""
        return self._ask("run")

    def facts(self) -> dict[str, Any]:
        """Version, threads, device, peak memory on GPU."""
        return self._ask("facts")

    def _ask(self, *message: Any) -> Any:
        self._connection.send(message)
        try:
            answer = self._connection.recv()
        except EOFError as error:
            raise ChildProcessError(
                "the PyTorch process died, perhaps for want of memory"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(connection: Connection, count: int) -> None:
    from via_jax.benchmark import torch_side  # PyTorch is imported in its own process alone

    torch_side.serve(connection, count)


def state_of(case: Case, variables: Tree) -> dict[str, np.ndarray]:
    """Our variables as the state dict of the rival's `Unik` ("fine_tune") or `Via`."""
    state = to_published(variables)
    if case.kind == "fine_tune":
        return state
    whole = {name if name == "v" else f"encoder.{name}": x for name, x in state.items()}
    for path, x in traverse_util.flatten_dict(variables["params"]["decoder"], sep="/").items():
        layer, leaf = path.split("/")
        value = np.asarray(x)
        if leaf == "kernel":  # [frames, in, out] -> [out, in, frames]
            value, leaf = value.transpose(2, 1, 0), "weight"
        whole[f"{DECODER[layer]}.{leaf}"] = np.ascontiguousarray(value)
    return whole


def check_same(
    case: Case, name: str, ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]
) -> float:
    """The largest difference of outputs relative to their largest value.

    Raises:
      ValueError: it is above the tolerance: the sides do not compute the same, so that their times
        may not be compared.
    """
    worst = 0.0
    for output, value in theirs.items():
        scale = max(float(np.abs(value).max()), 1e-6)
        # np.maximum, since max() would lose a NaN.
        worst = float(np.maximum(worst, np.abs(ours[output] - value).max() / scale))
    if not worst <= TOLERANCE[case.dtype]:
        raise ValueError(
            f"{case.name()}: {name} and PyTorch differ by {worst:.1e} of the largest output, more"
            f" than {TOLERANCE[case.dtype]:.0e}; their times are not comparable"
        )
    return worst
