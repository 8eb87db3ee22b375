"""Encoder, dictionary and decoder together: retargeting, sizes, and input that is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.models.autoencoder import Autoencoder

PAPER = {
    "joints": 17,
    "coords": 2,
    "width": 1.0,
    "decoder_width": 1.0,
    "num_heads": 3,
    "num_directions": 32,
    "learned_directions": True,
    "dropout": 0.2,
}


def test_parameters_of_the_papers_model():
    poses = jax.ShapeDtypeStruct((2, 1, 16, 17, 2), jnp.float32)
    model = Autoencoder(**PAPER)
    params = jax.eval_shape(lambda p: model.init(jax.random.key(0), p), poses)["params"]
    sizes = {
        name: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(part))
        for name, part in params.items()
    }
    one_person = 3_443_494 - 2 * 17 * 2  # half of the input norm of two persons
    assert sizes == {"encoder": one_person, "dictionary": 256 * 32, "decoder": 302_178}


@pytest.fixture(scope="module")
def retargeting(cycle_training):
    """The parts of the model applied to two sequences, one after the other, compiled as one."""
    model, state = cycle_training.model, cycle_training.on_two.states[-1]
    variables = {"params": state.params, "batch_stats": state.batch_stats}

    def all_parts(model, poses):
        split = model.split(model.encode(poses, False))
        swapped = model.decode(split.motion, split.character[::-1], False)
        by_hand = model.decoder(split.motion + split.character[::-1][:, None], False)
        canonical = model.decode(split.motion, jnp.zeros_like(split.character), False)
        again = model.decode(split.motion, split.character, False)
        return split, swapped, by_hand, canonical, again, model(poses)

    apply = jax.jit(lambda v, p: model.apply(v, p, method=all_parts))
    return apply(variables, cycle_training.batch["poses"][:2])


def test_retargeting_decodes_the_motion_of_one_with_the_character_of_another(retargeting):
    _, swapped, by_hand, canonical, again, rebuilt = retargeting
    assert swapped.shape == (2, 16, 17, 2)
    np.testing.assert_allclose(swapped, by_hand, atol=1e-6)
    np.testing.assert_allclose(again, rebuilt, atol=1e-6)  # its own character: reconstruction
    for other in (swapped, canonical):
        assert np.abs(other - rebuilt).max() > 1e-3


def test_the_code_is_one_person_of_an_eighth_of_the_frames(retargeting):
    split = retargeting[0]
    assert split.motion.shape == (2, 2, 16)
    assert split.character.shape == (2, 16) and split.magnitudes.shape == (2, 4)


@pytest.mark.parametrize(
    "shape", [(2, 16, 17, 2), (2, 2, 16, 17, 2), (2, 1, 16, 15, 2), (2, 1, 16, 17, 3)]
)
def test_other_persons_joints_or_coords_are_refused(cycle_training, shape):
    with pytest.raises(ValueError, match=r"expected \[batch, 1, time, 17, 2\]: one person"):
        cycle_training.model.apply(
            cycle_training.variables, np.zeros(shape, np.float32), False, method="encode"
        )


def test_a_misspelt_setting_fails_at_once():
    with pytest.raises(TypeError, match="num_direction"):
        Autoencoder(**{**PAPER, "num_direction": 8})


def test_bfloat16_decodes_to_float32():
    model = Autoencoder(
        **{
            **PAPER,
            "width": 1 / 16,
            "decoder_width": 1 / 16,
            "num_directions": 4,
            "dtype": "bfloat16",
        }
    )
    poses = jax.ShapeDtypeStruct((2, 1, 16, 17, 2), jnp.float32)
    rebuilt, variables = jax.eval_shape(
        lambda p: model.init_with_output(jax.random.key(0), p), poses
    )
    assert rebuilt.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
