"""Devices: what is divided, what is copied, and that their number changes no result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax import parallel


def double(state, constants):
    """A step whose scalars tell which step they are of."""
    state = {"x": state["x"] * 2 + constants, "step": state["step"] + 1}
    return state, {"step": state["step"], "sum": state["x"].sum()}


def fresh_state(mesh):
    return parallel.put({"x": np.arange(4.0, dtype=np.float32), "step": np.int32(0)}, mesh)


def test_the_mesh_holds_all_devices_and_divides_batches():
    mesh = parallel.data_mesh()
    assert mesh.size == jax.device_count() == 2 and mesh.axis_names == ("data",)
    whole = parallel.put({"x": np.arange(4)}, mesh)["x"]
    assert [shard.data.tolist() for shard in whole.addressable_shards] == 2 * [[0, 1, 2, 3]]
    divided = jax.device_put(np.arange(4), parallel.over_batch(mesh))
    assert [shard.data.tolist() for shard in divided.addressable_shards] == [[0, 1], [2, 3]]


def test_batches_must_divide():
    mesh = parallel.data_mesh()
    parallel.check_batch(6, mesh)
    with pytest.raises(ValueError, match=r"a batch of 5 .* 2 devices; take a multiple of 2"):
        parallel.check_batch(5, mesh)
    parallel.check_batch(12, mesh, accumulate=3)
    with pytest.raises(ValueError, match=r"of 8 .* 3 micro-batches .* a multiple of 6"):
        parallel.check_batch(8, mesh, accumulate=3)
    with pytest.raises(ValueError, match="accumulate=0 must be at least 1"):
        parallel.check_batch(8, mesh, accumulate=0)


def test_another_kind_is_refused():
    assert (parallel.axis_of("jit"), parallel.axis_of("pmap")) == (None, "data")
    with pytest.raises(ValueError, match=r'parallel\.kind=\'tpu\'; expected "jit" or "pmap"'):
        parallel.axis_of("tpu")


def test_rows_of_a_process_are_placed_where_they_belong():
    mesh = parallel.data_mesh()
    assert parallel.local_rows(6, mesh) == slice(0, 6)  # one process holds them all
    rows = parallel.put_rows({"x": np.arange(6)}, mesh)["x"]
    assert rows.sharding.spec == parallel.over_batch(mesh).spec
    assert [shard.data.tolist() for shard in rows.addressable_shards] == [[0, 1, 2], [3, 4, 5]]


def test_pmap_counts_its_devices_and_gives_up_the_old_state():
    """Its state, constants and scalars are whole on every device, as those of jit."""

    def step(state, constants):
        total = jax.lax.psum(constants * jax.lax.axis_index("data"), "data")
        return state + total, {"sum": total}

    mesh = parallel.data_mesh()
    state = parallel.put(np.float32(1.0), mesh)
    program = parallel.compile_steps(step, mesh, 2, "pmap")
    new, scalars = program(state, np.float32(3.0))
    assert state.is_deleted() and new.sharding.is_fully_replicated
    assert (float(new), parallel.fetch(scalars)) == (7.0, {"sum": 3.0})


def test_processes_that_hold_other_values_are_found(monkeypatch):
    gathered = []

    def gather(mine):
        gathered.append(mine)
        return np.stack([mine, mine, mine + np.array([[0], [len(gathered) - 1]], np.uint32)])

    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr(parallel, "meet", lambda: None)
    monkeypatch.setattr(parallel.multihost_utils, "process_allgather", gather)
    tree = {"facts": np.arange(3), "draws": {"key": jax.random.key(0), "of": np.zeros(2)}}
    parallel.check_alike(tree)
    with pytest.raises(ValueError, match=r"process 2 has other draws than process 0"):
        parallel.check_alike(tree)


@pytest.mark.parametrize("steps_per_dispatch", [2, 3])
def test_several_steps_a_dispatch_are_single_steps(steps_per_dispatch):
    mesh = parallel.data_mesh()
    one = parallel.compile_steps(double, mesh, 1)
    many = parallel.compile_steps(double, mesh, steps_per_dispatch)
    constants = np.float32(0.5)
    expected = fresh_state(mesh)
    for _ in range(steps_per_dispatch):
        expected, last = one(expected, constants)
    state, scalars = many(fresh_state(mesh), constants)
    jax.tree.map(np.testing.assert_array_equal, state, expected)
    jax.tree.map(np.testing.assert_array_equal, scalars, last)  # those of the last step
    assert int(scalars["step"]) == steps_per_dispatch


def test_the_old_state_is_given_up():
    mesh = parallel.data_mesh()
    state = fresh_state(mesh)
    parallel.compile_steps(double, mesh, 1)(state, np.float32(0))
    assert state["x"].is_deleted()


def test_fetch_gives_python_numbers():
    found = parallel.fetch({"a": jnp.float32(0.5), "b": np.int32(3)})
    assert found == {"a": 0.5, "b": 3.0}
    assert all(type(value) is float for value in found.values())


def test_two_devices_train_as_one(cycle_training):
    """Also the batch norms and the pairs, which need rows of the other device."""
    one, two = cycle_training.on_one, cycle_training.on_two
    for step, tolerance in enumerate((1e-5, 1e-4)):
        for name, value in one.scalars[step].items():
            found = two.scalars[step][name]
            assert found == pytest.approx(value, rel=tolerance), f"{name} of step {step}"
    for part in ("params", "batch_stats"):
        trees = (getattr(steps.states[0], part) for steps in (one, two))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *trees)


def test_processes_meet_once_when_they_have_compiled(monkeypatch):
    function = jax.jit(lambda x: x + 1)
    assert parallel.together(function) is function  # one process waits for nobody
    met = []
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(parallel, "meet", lambda: met.append("compiled"))
    waiting = parallel.together(function)
    assert [int(waiting(2)), int(waiting(3))] == [3, 4]
    assert met == ["compiled"]
