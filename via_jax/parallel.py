"""Devices as one mesh, and the train step compiled over it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from via_jax.typing import Tree


def data_mesh() -> Mesh:
    """All devices along one axis "data"."""
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds all of it."""
    return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh: Mesh) -> NamedSharding:
    """The first axis is divided among the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def check_batch(batch: int, mesh: Mesh) -> None:
    """Raises ValueError where a batch cannot be divided among the devices."""
    if batch % mesh.size:
        raise ValueError(
            f"a batch of {batch} sequences does not divide among {mesh.size} devices; take a"
            f" multiple of {mesh.size}"
        )


def put(tree: Tree, mesh: Mesh) -> Tree:
    """A copy of a tree on every device of the mesh."""
    return jax.device_put(tree, replicated(mesh))


def compile_steps(step: Callable, mesh: Mesh, steps_per_dispatch: int) -> Callable:
    """Compiles (state, constants) -> (state, scalars) for several steps in one dispatch.

    The scalars are those of the last step. The old state's buffers are reused.

    Args:
      step: (state, constants) -> (state, scalars), one step.
      mesh: where it runs; state, constants and scalars are replicated, batches are divided.
      steps_per_dispatch: keep it at 1 on CPU, where the gradient of a convolution inside a scan is
        15 to 80 times slower.
    """

    def several(state, constants):
        if steps_per_dispatch == 1:
            return step(state, constants)

        def body(carried, _):
            return step(carried, constants)

        state, scalars = jax.lax.scan(body, state, length=steps_per_dispatch)
        return state, jax.tree.map(lambda x: x[-1], scalars)

    whole = replicated(mesh)
    return jax.jit(
        several, in_shardings=(whole, whole), out_shardings=(whole, whole), donate_argnums=0
    )


def fetch(scalars: dict) -> dict[str, float]:
    """Scalars as Python numbers; waits for the device."""
    return {name: float(jnp.asarray(value)) for name, value in scalars.items()}
