"""Compute type and rematerialisation: what stays float32, and that the numbers stay the same."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from via_jax import objectives
from via_jax.models import encoder
from via_jax.models.autoencoder import Autoencoder
from via_jax.training import create_state, train_step

WEIGHTS = {"self": 1.0, "cycle": 0.0, "triplet_motion": 0.0, "triplet_character": 0.0}


def model_of(dtype="float32", remat=False):
    return Autoencoder(5, 2, 1 / 16, 1 / 16, 1, 4, True, 0.2, dtype, remat)


def test_rematerialised_blocks_give_the_same_numbers(monkeypatch):
    monkeypatch.setattr(encoder, "BLOCKS", ((64, 2), (256, 2)))
    poses = np.random.default_rng(0).normal(size=(4, 1, 16, 5, 2)).astype(np.float32)
    plain, again = (encoder.Encoder(1 / 16, 1, remat=remat) for remat in (False, True))
    variables = jax.jit(lambda k: plain.init(k, poses, True))(jax.random.key(0))
    shapes = jax.eval_shape(lambda k: again.init(k, poses, True), jax.random.key(0))
    assert jax.tree.structure(shapes) == jax.tree.structure(variables)  # the same checkpoint

    def gradient(model):
        def loss(params):
            known = {"params": params, "batch_stats": variables["batch_stats"]}
            code, updated = model.apply(known, poses, True, mutable=["batch_stats"])
            return jnp.square(code).sum(), updated["batch_stats"]

        return jax.value_and_grad(loss, has_aux=True)

    one, other = (jax.jit(gradient(model))(variables["params"]) for model in (plain, again))
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(one[1]))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * scale), other, one
    )
    recomputed = str(jax.make_jaxpr(gradient(again))(variables["params"]))
    assert recomputed.count("checkpoint[") + recomputed.count("remat2[") == 2  # one a block


def test_bfloat16_computes_and_float32_is_kept():
    """Parameters, moments, statistics and the orthogonalisation stay in float32."""
    model, optimizer = model_of("bfloat16"), optax.adam(0.1)
    loss_fn = objectives.cycle_loss(
        model, weights=WEIGHTS | {"velocity": 0.0}, margin=1.0, statistics_from_generated=False
    )
    batch = {
        "poses": jax.ShapeDtypeStruct((4, 1, 16, 5, 2), jnp.float32),
        "valid": jax.ShapeDtypeStruct((4, 1, 16, 5), jnp.bool),
    }

    def step(poses, valid):
        state = create_state(model.init(jax.random.key(0), poses), optimizer)
        found = {"poses": poses, "valid": valid}
        rng = jax.random.key(1)
        return train_step(state, found, rng, loss_fn=loss_fn, optimizer=optimizer)

    program, (state, scalars) = jax.make_jaxpr(step, return_shape=True)(**batch)
    floats = {
        leaf.dtype
        for leaf in jax.tree.leaves((state.params, state.batch_stats, state.opt_state, scalars))
        if jnp.issubdtype(leaf.dtype, jnp.floating)
    }
    assert floats == {jnp.dtype(jnp.float32)}
    lines = str(program).splitlines()
    factored = [line for line in lines if "= qr[" in line]
    assert factored and all(":f32[16,4]" in line and "bf16" not in line for line in factored)
    convolved = [line for line in lines if "= conv_general_dilated[" in line]
    assert convolved and all(":bf16[" in line for line in convolved)
