"""The floor of a program: the time that its arithmetic or its memory traffic must take here.

The machine's peaks are measured in this process, on the device that runs the program: products of
large matrices for arithmetic, a copy for memory. What the program does is read from the compiled
program's own cost analysis, which counts the body of a loop once: the programs here are unrolled.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.benchmark.timing import alternated, timed


class Machine(NamedTuple):
    """What the device reaches at best.

    Attributes:
      flops: operations a second in a product of two large matrices of the compute type.
      bandwidth: bytes a second, read and written, in a copy that is larger than the caches.
    """

    flops: float
    bandwidth: float


class Cost(NamedTuple):
    """What a compiled program does.

    Attributes:
      flops: additions and multiplications.
      bytes: read and written by its parts, each counted as if nothing stayed in a cache.
      peak_bytes: arguments, results and temporaries together.
    """

    flops: float
    bytes: float
    peak_bytes: int


def measure_machine(dtype: str, matrix: int, copied: int, rounds: int = 7) -> Machine:
    """The peaks, each the best of some runs.

    Args:
      dtype: compute type, "float32" or "bfloat16".
      matrix: rows and columns of the matrices.
      copied: bytes of the array that is copied.
      rounds: runs of each.
    """
    left = jnp.asarray(np.random.default_rng(0).normal(size=(matrix, matrix)), dtype)
    source = jnp.zeros(copied // 4, jnp.float32)
    product, copy = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1.0)
    seconds = alternated(
        {
            "product": timed(lambda: jax.block_until_ready(product(left, left))),
            "copy": timed(lambda: jax.block_until_ready(copy(source))),
        },
        rounds,
    )
    return Machine(
        flops=2.0 * matrix**3 / seconds["product"].min(),
        bandwidth=2.0 * source.nbytes / seconds["copy"].min(),
    )


def cost_of(compiled: Any) -> Cost:
    """The cost of a compiled program, `jax.jit(f).lower(...).compile()`."""
    found = compiled.cost_analysis()
    memory = compiled.memory_analysis()
    peak = (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes
    )
    return Cost(float(found["flops"]), float(found["bytes accessed"]), int(peak))


def floor_seconds(cost: Cost, machine: Machine) -> float:
    """Seconds that arithmetic or memory traffic takes at the peak, the larger of the two."""
    return max(cost.flops / machine.flops, cost.bytes / machine.bandwidth)
