"""Batch norms folded into the layers before them: the same codes from fewer arrays."""

import jax
import numpy as np
import pytest

from via_jax.models.autoencoder import Autoencoder
from via_jax.models.folding import fold_norms


def model_of(folded):
    return Autoencoder(5, 2, 1 / 16, 1 / 16, 2, 4, True, 0.0, folded=folded)


@pytest.fixture(scope="module")
def poses():
    return np.random.default_rng(0).normal(0.3, 0.7, (2, 1, 16, 5, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def variables(poses):
    """Scales and statistics far from 1 and 0, so that a norm left out would show."""
    fresh = jax.jit(lambda key: model_of(False).init(key, poses))(jax.random.key(0))
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        if path[-1].key in ("bias", "mean"):
            return rng.normal(0, 0.3, leaf.shape).astype(np.float32)
        return np.asarray(leaf)

    return jax.tree_util.tree_map_with_path(draw, fresh)


def encode(model, variables, poses):
    return np.asarray(jax.jit(lambda v: model.apply(v, poses, False, method="encode"))(variables))


def test_codes_stay(variables, poses):
    before = jax.tree.map(np.array, variables)
    expected = encode(model_of(False), variables, poses)
    folded = fold_norms(variables)
    actual = encode(model_of(True), folded, poses)
    scale = np.abs(expected).max()
    assert scale > 0.1
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * scale)
    jax.tree.map(np.testing.assert_array_equal, variables, before)  # they are not written to
    assert all(
        np.all(folded["params"]["decoder"][k]["kernel"] == v["kernel"])
        for k, v in variables["params"]["decoder"].items()
    )


def test_only_the_norm_of_the_input_is_left(variables, poses):
    folded = fold_norms(variables)
    assert list(folded["batch_stats"]["encoder"]) == ["input_norm"]
    wanted = jax.eval_shape(lambda: model_of(True).init(jax.random.key(0), poses))
    shapes = [jax.tree.map(np.shape, tree) for tree in (wanted, folded)]
    assert shapes[0] == shapes[1]


def test_the_last_folded_layer_by_hand(variables):
    block = variables["params"]["encoder"]["block10"]["temporal"]
    seen = variables["batch_stats"]["encoder"]["block10"]["temporal"]["norm"]
    conv = fold_norms(variables)["params"]["encoder"]["block10"]["temporal"]["conv"]
    for channel in range(16):
        factor = block["norm"]["scale"][channel] / np.sqrt(seen["var"][channel] + 1e-5)
        bias = block["conv"]["bias"][channel] - seen["mean"][channel]
        expected = bias * factor + block["norm"]["bias"][channel]
        assert conv["bias"][channel] == pytest.approx(expected, rel=1e-5, abs=1e-6)
        kernel = block["conv"]["kernel"][..., channel] * factor
        np.testing.assert_allclose(conv["kernel"][..., channel], kernel, rtol=1e-5)


def test_folded_norms_are_not_trained(variables, poses):
    with pytest.raises(ValueError, match="folded batch norms have no statistics to train"):
        model_of(True).apply(fold_norms(variables), poses, True, method="encode")
