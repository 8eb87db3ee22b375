"""What programs cost, against counts by hand."""

import jax
import numpy as np
import pytest

from via_jax.benchmark.floor import Cost, Machine, cost_of, floor_seconds, measure_machine


def test_cost_of_a_matrix_product():
    a, b = np.zeros((32, 16), np.float32), np.zeros((16, 8), np.float32)
    cost = cost_of(jax.jit(lambda a, b: a @ b).lower(a, b).compile())
    assert cost.flops == 2 * 32 * 16 * 8
    assert cost.bytes == 4 * (32 * 16 + 16 * 8 + 32 * 8)
    assert cost.peak_bytes >= cost.bytes


@pytest.mark.parametrize(("flops", "moved", "seconds"), [(1e9, 1e6, 0.1), (1e6, 1e9, 0.5)])
def test_the_larger_of_arithmetic_and_memory_is_the_floor(flops, moved, seconds):
    assert floor_seconds(Cost(flops, moved, 0), Machine(1e10, 2e9)) == seconds


def test_peaks_are_positive_and_below_any_machine():
    machine = measure_machine("float32", matrix=64, copied=2**16, rounds=2)
    assert 1e5 < machine.flops < 1e16
    assert 1e4 < machine.bandwidth < 1e14
