"""The memory report: bytes by hand, and a device that is too small."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from via_jax import memory, parallel
from via_jax.training import create_state, train_step


def device(limit):
    return types.SimpleNamespace(
        memory_stats=lambda: limit and {"bytes_limit": limit}, __str__=lambda: "TPU"
    )


@pytest.fixture
def program():
    optimizer = optax.adam(0.1)

    def loss_fn(params, batch_stats, batch, rng):
        return jnp.square(batch @ params["w"]).sum(), (batch_stats, {"loss": jnp.float32(0)})

    def step(state, batch):
        rng = jax.random.key(0)
        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=optimizer)

    mesh = parallel.data_mesh()
    variables = {"params": {"w": np.ones((3, 5), np.float32)}, "batch_stats": {}}
    state = parallel.put(jax.tree.map(np.asarray, create_state(variables, optimizer)), mesh)
    batch = np.ones((4, 3), np.float32)
    divided = parallel.over_batch(mesh)
    return parallel.compile_steps(step, mesh, 1, constants=divided), state, batch


def test_parts_by_hand(program):
    steps, state, batch = program
    divided = jax.device_put(batch, parallel.over_batch(parallel.data_mesh()))
    found = memory.memory_of(state, divided, steps.compiled(state, divided))
    assert found.pop("activations") >= 0
    # two moments and a counter of Adam; half of the rows lie on each of the two devices
    assert found == {"parameters": 60, "optimiser": 2 * 60 + 4, "data": 2 * 3 * 4}
    assert memory.bytes_of({"key": jax.random.key(0), "x": np.zeros(3, np.int16)}) == 8 + 6


def test_it_is_said_once_before_the_first_step_and_compiles_once(program, capsys):
    steps, state, batch = program
    traced = []
    step = memory.reporting(steps)
    compiled = steps.function._cache_size
    for _ in range(2):
        state, _ = step(state, batch)
        traced.append(compiled())
    said = capsys.readouterr().err
    assert said.count("memory of a device: parameters 0.0 MB, optimiser 0.0 MB, data 0.0 MB") == 1
    assert traced == [1, 1] and int(state.step) == 2


def test_what_cannot_fit_is_refused_with_a_suggestion():
    parts = {"parameters": 4_000_000, "data": 9_000_000, "activations": 2_000_000_000}
    memory.check_fits(parts, device(None))  # the CPU does not tell
    memory.check_fits(parts, device(3_000_000_000))
    with pytest.raises(ValueError, match=r"more memory than the 1\.0 GB .* raise accumulate"):
        memory.check_fits(parts, device(1_000_000_000))
    with pytest.raises(ValueError, match=r"most of it is data: set data\.placement = \"host\""):
        memory.check_fits({"data": 9_000_000}, device(8_000_000))


def test_a_run_that_cannot_fit_stops_before_its_first_step(program, monkeypatch):
    steps, state, batch = program
    monkeypatch.setattr(jax, "local_devices", lambda: [device(100)])
    with pytest.raises(ValueError, match=r"more memory than the 0\.0 MB of .*: parameters 0\.0 MB"):
        memory.reporting(steps)(state, batch)
    assert not state.params["w"].is_deleted()
