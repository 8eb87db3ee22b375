"""Devices as one mesh, and the train step compiled over it, by jit or by pmap."""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from via_jax.typing import Array, Tree

AXIS = "data"  # name of the one axis of the mesh, and of the pmap
_meetings = itertools.count()  # numbers them alike in every process


def data_mesh() -> Mesh:
    """All devices of all processes along one axis "data"."""
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds all of it."""
    return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh: Mesh) -> NamedSharding:
    """The first axis is divided among the devices."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def axis_of(kind: str) -> str | None:
    """The axis that models and the train step are handed: None for "jit", a name for "pmap".

    Raises:
      ValueError: another kind.
    """
    if kind not in ("jit", "pmap"):
        raise ValueError(f'parallel.kind={kind!r}; expected "jit" or "pmap"')
    return AXIS if kind == "pmap" else None


def check_batch(batch: int, mesh: Mesh, accumulate: int = 1) -> None:
    """Raises ValueError where a batch cannot be divided among micro-batches and devices."""
    if accumulate < 1:
        raise ValueError(f"accumulate={accumulate} must be at least 1 micro-batch")
    parts = mesh.size * accumulate
    if batch % parts:
        among = f"{mesh.size} devices"
        if accumulate > 1:
            among = f"{accumulate} micro-batches on {among}"
        raise ValueError(
            f"a batch of {batch} sequences does not divide among {among}; take a multiple of"
            f" {parts}"
        )


def put(tree: Tree, mesh: Mesh) -> Tree:
    """A copy of a tree on every device of the mesh; all processes must hand in the same values."""
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(mesh))
    return jax.jit(lambda x: x, out_shardings=replicated(mesh))(tree)


def meet() -> None:
    """Waits until every process is here, up to an hour; nothing for a single process.

    A first collective waits only half a minute for its peers on CPU, and compiling or reading may
    take one process longer than another.
    """
    if jax.process_count() > 1:
        wait = ocp.multihost.get_barrier_sync_fn()
        wait(key=f"via_jax_{next(_meetings)}", timeout_ms=3_600_000)


def together(function: Any) -> Any:
    """A jitted function whose first call waits until every process has compiled it."""
    if jax.process_count() == 1:
        return function
    met = False

    def call(*args):
        nonlocal met
        if not met:
            function.lower(*args).compile()
            meet()
            met = True
        return function(*args)

    return call


@functools.cache
def _sum() -> Any:
    return together(jax.jit(jnp.sum, out_shardings=replicated(data_mesh())))


def count_flags(flag: bool) -> Array:
    """Of how many devices the process has its flag set, int32 []; every process must ask.

    It comes with the devices' other work and is not waited for.
    """
    mine = np.full(jax.local_device_count(), flag, np.int32)
    return _sum()(put_rows(mine, data_mesh()))


def check_alike(tree: dict[str, Tree]) -> None:
    """Raises ValueError where processes hold other values under a name of the tree."""
    if jax.process_count() == 1:
        return
    meet()
    digests = np.stack([_digest(value) for value in tree.values()])
    everyone = multihost_utils.process_allgather(digests)  # [processes, names, 8]
    for index, name in enumerate(tree):
        other = np.flatnonzero((everyone[:, index] != everyone[0, index]).any(axis=-1))
        if len(other):
            raise ValueError(
                f"process {other[0]} has other {name} than process 0; every process must read the"
                " same prepared data set and config"
            )


def _digest(tree: Tree) -> np.ndarray:
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.asarray(leaf)
        found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return np.frombuffer(found.digest(), np.uint32)


def local_rows(count: int, mesh: Mesh) -> slice:
    """Which of `count` rows divided over the mesh lie on the devices of this process."""
    pieces = over_batch(mesh).addressable_devices_indices_map((count,)).values()
    found = sorted(piece[0].indices(count)[:2] for piece in pieces if piece is not None)
    if any(end != start for (_, end), (start, _) in itertools.pairwise(found)):
        raise ValueError(f"the devices of this process hold rows {found}, which do not adjoin")
    return slice(found[0][0], found[-1][1])


def put_rows(tree: Tree, mesh: Mesh) -> Tree:
    """Rows divided over the devices, from the rows that each process has, see `local_rows`."""
    where = over_batch(mesh)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(where, x), tree)


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled (state, constants) -> (state, scalars).

    Attributes:
      function: the jitted or pmapped function.
      more: arguments behind the state and the constants.
    """

    function: Any
    more: tuple

    def __call__(self, state: Tree, constants: Tree) -> tuple[Tree, Tree]:
        """Runs the steps; the buffers of the state are reused."""
        return self.function(state, constants, *self.more)

    def compiled(self, state: Tree, constants: Tree) -> Any:
        """The executable of these arguments, which the first call then does not compile again.

        Returns when every process has it.
        """
        found = self.function.lower(state, constants, *self.more).compile()
        meet()
        return found


def compile_steps(
    step: Callable,
    mesh: Mesh,
    steps_per_dispatch: int,
    kind: str = "jit",
    constants: Tree | None = None,
) -> Program:
    """Compiles (state, constants) -> (state, scalars) for several steps in one dispatch.

    The scalars are those of the last step. The old state's buffers are reused.

    Args:
      step: (state, constants) -> (state, scalars), one step.
      mesh: where it runs; state, constants and scalars are replicated, batches are divided.
      steps_per_dispatch: keep it at 1 on CPU, where the gradient of a convolution inside a scan is
        15 to 80 times slower.
      kind: "jit", where the compiler divides the work; "pmap" runs the step on every device, which
        takes its own rows by the axis "data" (see `axis_of`).
      constants: shardings of the constants for "jit"; None replicates all.
    """

    def several(state, constants):
        if steps_per_dispatch == 1:
            return step(state, constants)

        def body(carried, _):
            return step(carried, constants)

        state, scalars = jax.lax.scan(body, state, length=steps_per_dispatch)
        return state, jax.tree.map(lambda x: x[-1], scalars)

    if axis_of(kind) is not None:
        mapped = jax.pmap(
            lambda state, constants, _: several(state, constants),
            axis_name=AXIS,
            in_axes=(None, None, 0),  # a pmap needs something to map over
            out_axes=None,
            donate_argnums=0,
        )
        return Program(mapped, (np.arange(jax.local_device_count()),))
    whole = replicated(mesh)
    compiled = jax.jit(
        several,
        in_shardings=(whole, whole if constants is None else constants),
        out_shardings=(whole, whole),
        donate_argnums=0,
    )
    return Program(compiled, ())


def fetch(scalars: dict) -> dict[str, float]:
    """Scalars as Python numbers; waits for the device."""
    return {name: float(jnp.asarray(value)) for name, value in scalars.items()}
