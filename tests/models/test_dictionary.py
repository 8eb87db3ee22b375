"""The dictionary of directions: an orthogonal decomposition, learned or fixed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.models.dictionary import DirectionDictionary

CHANNELS = 8


def random_code(batch=3, time=5, channels=CHANNELS):
    return jax.random.normal(jax.random.key(0), (batch, time, channels))


def random_variables(model):
    """Directions that are not orthonormal, as after some training."""
    shape = (CHANNELS, model.num_directions)
    return {"params": {"directions": 2.0 * jax.random.normal(jax.random.key(1), shape) + 0.3}}


def directions_of(model, variables, channels=CHANNELS):
    """D_c, seen from outside: the magnitudes of constant unit codes are its rows."""
    return np.asarray(model.apply(variables, jnp.eye(channels)[:, None]).magnitudes)


@pytest.mark.parametrize("num_directions", [1, 3, 7])
def test_the_decomposition(num_directions):
    code, model = random_code(), DirectionDictionary(num_directions)
    variables = random_variables(model)
    motion, character, magnitudes = model.apply(variables, code)
    assert character.shape == (3, CHANNELS) and magnitudes.shape == (3, num_directions)
    np.testing.assert_allclose(motion + character[:, None], code, atol=1e-6)  # nothing is lost

    again = model.apply(variables, motion)
    np.testing.assert_allclose(again.motion, motion, atol=1e-5)  # splitting twice: nothing new
    np.testing.assert_allclose(again.character, 0, atol=1e-5)

    directions = directions_of(model, variables)
    np.testing.assert_allclose(motion.mean(axis=1) @ directions, 0, atol=1e-5)
    np.testing.assert_allclose(directions.T @ directions, np.eye(num_directions), atol=1e-5)
    # They span what the parameter spans.
    raw = np.asarray(variables["params"]["directions"])
    np.testing.assert_allclose(directions @ (directions.T @ raw), raw, atol=1e-5)


def test_magnitudes_and_character_are_the_sums_of_the_paper():
    code, model = np.asarray(random_code()), DirectionDictionary(3)
    variables = random_variables(model)
    directions = directions_of(model, variables)
    split = model.apply(variables, code)
    for clip in range(len(code)):
        mean, character = code[clip].mean(axis=0), np.zeros(CHANNELS)
        for i in range(3):
            d = directions[:, i]
            magnitude = (mean @ d) / (d @ d)  # Eq. 2
            np.testing.assert_allclose(split.magnitudes[clip, i], magnitude, atol=1e-5)
            character += magnitude * d  # Eq. 1
        np.testing.assert_allclose(split.character[clip], character, atol=1e-5)


def test_weights_leave_padding_out():
    code, model = random_code(time=4), DirectionDictionary(3)
    variables = random_variables(model)
    whole = model.apply(variables, code[:, :3])
    padded = model.apply(variables, code, jnp.broadcast_to(jnp.array([1.0, 1, 1, 0]), (3, 4)))
    np.testing.assert_allclose(padded.character, whole.character, atol=1e-6)
    half = model.apply(variables, code[:, :2], jnp.broadcast_to(jnp.array([1.0, 0.5]), (3, 2)))
    mean = (code[:, 0] + 0.5 * code[:, 1]) / 1.5
    np.testing.assert_allclose(half.magnitudes, mean @ directions_of(model, variables), atol=1e-5)


def test_directions_stay_orthonormal_in_training(cycle_training):
    model = DirectionDictionary(4)
    found = []
    for params in (cycle_training.variables["params"], cycle_training.on_two.states[-1].params):
        directions = directions_of(model, {"params": params["dictionary"]}, channels=16)
        np.testing.assert_allclose(directions.T @ directions, np.eye(4), atol=1e-5)
        found.append(directions)
    assert np.abs(found[0] - found[1]).max() > 1e-2  # and learn


@pytest.mark.parametrize("learned", [True, False])
def test_only_learned_directions_get_a_gradient(learned):
    code, model = random_code(), DirectionDictionary(3, learned)
    variables = random_variables(model)

    def loss(params, code):
        return jnp.square(model.apply({"params": params}, code).character).sum()

    by_params, by_code = jax.grad(loss, argnums=(0, 1))(variables["params"], code)
    assert (np.abs(by_params["directions"]).max() > 0.1) == learned
    assert np.abs(by_code).max() > 0.1


def test_the_factorisation_is_in_float32_whatever_the_compute_type():
    code, model = random_code().astype(jnp.bfloat16), DirectionDictionary(3)
    variables = random_variables(model)
    jaxpr = jax.make_jaxpr(lambda v, c: model.apply(v, c))(variables, code)
    qr = [str(e.params.get("name", e.primitive)) for e in jaxpr.eqns]
    assert "qr" in qr
    (equation,) = [e for e, name in zip(jaxpr.eqns, qr) if name == "qr"]
    assert {v.aval.dtype for v in equation.invars} == {jnp.dtype(jnp.float32)}
    assert model.apply(variables, code).motion.dtype == jnp.bfloat16

    halves = jax.tree.map(lambda x: x.astype(jnp.bfloat16), variables)
    directions = directions_of(model, halves)
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-5)


@pytest.mark.parametrize("num_directions", [-1, 0, 8, 9])
def test_a_dictionary_as_large_as_the_code_is_refused(num_directions):
    with pytest.raises(ValueError, match=rf"num_directions={num_directions} must lie in \[1, 8\)"):
        DirectionDictionary(num_directions).init(jax.random.key(0), random_code())
