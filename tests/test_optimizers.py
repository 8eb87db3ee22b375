"""Learning rates at steps computed by hand, and one update of each optimiser."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from via_jax.optimizers import optimizer_of, schedule_of

PLAIN = {
    "steps": 10,
    "learning_rate": 0.5,
    "schedule": "constant",
    "warmup": 0,
    "drops": (),
    "weight_decay": 0.0,
    "clip_norm": 0.0,
}
PARAMS = {"a": jnp.array([3.0, -2.0]), "b": jnp.array([[1.0]])}
GRADS = {"a": jnp.array([0.6, 0.0]), "b": jnp.array([[-0.8]])}  # of norm 1


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0, {0: 0.5, 99: 0.5}),
        ("constant", 10, {0: 0.0, 1: 0.05, 5: 0.25, 10: 0.5, 99: 0.5}),
        ("cosine", 0, {0: 0.5, 25: 0.25 * (1 + 0.5**0.5), 50: 0.25, 100: 0.0}),
        ("cosine", 20, {0: 0.0, 10: 0.25, 20: 0.5, 60: 0.25, 100: 0.0}),
        ("drops", 0, {0: 0.5, 69: 0.5, 70: 0.05, 84: 0.05, 85: 0.005, 99: 0.005}),
        ("drops", 20, {0: 0.0, 10: 0.25, 20: 0.5, 69: 0.5, 70: 0.05, 85: 0.005}),
    ],
)
def test_schedules_at_steps_computed_by_hand(schedule, warmup, expected):
    rate = schedule_of(
        steps=100, learning_rate=0.5, schedule=schedule, warmup=warmup, drops=(0.7, 0.85)
    )
    found = {step: float(rate(step)) for step in expected}
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("warmup", [-1, 100, 200])
def test_a_warmup_as_long_as_the_run_is_refused(warmup):
    with pytest.raises(ValueError, match=rf"warmup={warmup} must lie in \[0, steps=100\)"):
        schedule_of(steps=100, learning_rate=1.0, schedule="cosine", warmup=warmup, drops=())


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match='schedule=\'linear\'; expected "cosine", "drops"'):
        optimizer_of(**{**PLAIN, "name": "sgd", "schedule": "linear"})
    with pytest.raises(ValueError, match='optimiser \'adam\'; expected "adamw" or "sgd"'):
        optimizer_of(**{**PLAIN, "name": "adam"})


def updated(grads=GRADS, updates=1, **changed):
    optimizer = optimizer_of(**{**PLAIN, **changed})
    params, state = PARAMS, optimizer.init(PARAMS)
    for _ in range(updates):
        step, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, step)
    return {name: np.asarray(value) for name, value in params.items()}


def test_sgd_is_nesterov_with_the_decay_in_the_gradient():
    """v <- 0.9 v + (g + decay p), p <- p - rate (g + decay p + 0.9 v), as in PyTorch."""
    found = updated(name="sgd", updates=3, weight_decay=0.1)
    for name, value in PARAMS.items():
        p, v, g = np.asarray(value), 0.0, np.asarray(GRADS[name])
        for _ in range(3):
            whole = g + 0.1 * p
            v = 0.9 * v + whole
            p = p - 0.5 * (whole + 0.9 * v)
        np.testing.assert_allclose(found[name], p, rtol=1e-5)


def test_adamw_is_adam_with_the_decay_outside():
    """m and v with bias correction, p <- p - rate (m / (sqrt v + eps) + decay p)."""
    found = updated(name="adamw", updates=3, weight_decay=0.1)
    for name, value in PARAMS.items():
        p, m, v, g = np.asarray(value), 0.0, 0.0, np.asarray(GRADS[name])
        for step in range(1, 4):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            adam = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
            p = p - 0.5 * (adam + 0.1 * p)
        np.testing.assert_allclose(found[name], p, rtol=1e-5)


def test_the_schedule_reaches_the_updates():
    at_rest = updated(name="sgd", schedule="constant", warmup=5)  # the first rate is 0
    np.testing.assert_array_equal(at_rest["a"], PARAMS["a"])
    twice = updated(name="adamw", schedule="drops", drops=(0.1,), updates=2)
    # Adam's step is the rate as long as the gradient stays: 0.5, then a tenth.
    np.testing.assert_allclose(twice["a"][0], 3.0 - 0.5 - 0.05, rtol=1e-5)


@pytest.mark.parametrize(("clip_norm", "factor"), [(0.0, 1.0), (0.25, 0.25), (4.0, 1.0)])
def test_gradients_are_clipped_by_their_common_norm(clip_norm, factor):
    found = updated(name="sgd", clip_norm=clip_norm)
    for name, value in PARAMS.items():
        expected = np.asarray(value) - 0.5 * 1.9 * factor * np.asarray(GRADS[name])
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)
