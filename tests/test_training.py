"""The train step on a problem solved by hand, and golden numbers of the real one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from via_jax.training import create_state, train_step

# The first two steps of the cycle loss on the fixed batch of conftest.py.
GOLDEN = {
    "self": [0.612647, 0.629302],
    "cycle": [0.633043, 0.646819],
    "triplet_motion": [0.994816, 0.517181],
    "triplet_character": [1.011041, 1.053314],
    "velocity": [0.033992, 0.03501],
    "loss": [3.268544, 2.864121],
    "grad_norm": [25.14625, 21.29925],
}


def test_one_step_by_hand():
    """loss = a^2 x / 2, so its gradient is a x, and the rate 0.1."""
    rng = jax.random.key(3)

    def loss_fn(params, batch_stats, batch, key):
        loss = 0.5 * params["a"] ** 2 * batch["x"].sum()
        seen = {"mean": batch_stats["mean"] + batch["x"].sum()}
        return loss, (seen, {"loss": loss, "drawn": jax.random.uniform(key)})

    optimizer = optax.sgd(0.1, momentum=0.5)
    variables = {"params": {"a": jnp.array(2.0)}, "batch_stats": {"mean": jnp.array(10.0)}}
    state = create_state(variables, optimizer)
    assert int(state.step) == 0 and state.step.dtype == jnp.int32

    a, velocity = 2.0, 0.0
    for step, x in enumerate((3.0, 5.0)):
        state, scalars = train_step(
            state, {"x": jnp.array([x])}, rng, loss_fn=loss_fn, optimizer=optimizer
        )
        assert sorted(scalars) == ["drawn", "grad_norm", "loss"]
        assert float(scalars["loss"]) == pytest.approx(a * a * x / 2)
        assert float(scalars["grad_norm"]) == pytest.approx(a * x)
        assert scalars["drawn"] == jax.random.uniform(rng)
        velocity = 0.5 * velocity + a * x
        a -= 0.1 * velocity
        assert float(state.params["a"]) == pytest.approx(a)
        assert int(state.step) == step + 1
    assert float(state.batch_stats["mean"]) == 10.0 + 3.0 + 5.0


def test_a_model_without_batch_statistics_has_none():
    assert create_state({"params": {"a": jnp.array(2.0)}}, optax.sgd(0.1)).batch_stats == {}


def test_golden_steps(cycle_training):
    found = {name: [s[name] for s in cycle_training.on_two.scalars[:2]] for name in GOLDEN}
    rounded = {name: [round(value, 6) for value in values] for name, values in found.items()}
    for name, expected in GOLDEN.items():
        np.testing.assert_allclose(
            found[name],
            expected,
            rtol=2e-4,
            err_msg=(
                f"{name}: the first training steps changed. If the model, the loss or their"
                " initial values were meant to change, say so in the change log and set"
                f" GOLDEN = {rounded}"
            ),
        )


def test_the_loss_falls_on_a_fixed_batch(cycle_training):
    scalars = cycle_training.on_two.scalars
    for name in ("loss", "self", "cycle", "triplet_motion", "triplet_character"):
        first, last = scalars[0][name], np.mean([s[name] for s in scalars[-3:]])
        assert last < 0.95 * first, f"{name} went from {first} to {last}"
    assert scalars[-1]["loss"] < 0.5 * scalars[0]["loss"]


def test_every_parameter_moves(cycle_training):
    start, end = cycle_training.variables["params"], cycle_training.on_two.states[-1].params

    def check(path, a, b):
        assert np.isfinite(b).all() and (a != b).any(), jax.tree_util.keystr(path)

    jax.tree_util.tree_map_with_path(check, start, end)
    assert int(cycle_training.on_two.states[-1].step) == 20
