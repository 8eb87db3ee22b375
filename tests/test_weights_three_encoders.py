"""Published weights: keys, shapes, a round trip, and outputs equal to PyTorch's."""

import jax
import numpy as np
import pytest

from via_jax.models.three_encoders import ThreeEncoders, features_of
from via_jax.weights_three_encoders import from_published, to_published

# From the description of the published files, apart from the table of the package.
SHAPES = {
    "mot_encoder.model.1": (64, 30, 8),
    "mot_encoder.model.4": (96, 64, 8),
    "mot_encoder.model.7": (128, 96, 8),
    "decoder.model.2": (128, 152, 7),
    "decoder.model.7": (64, 128, 7),
    "decoder.model.12": (30, 64, 7),
    "body_encoder.conv1x1": (16, 64, 1),
    "view_encoder.conv1x1": (8, 64, 1),
}
for encoder in ("body_encoder", "view_encoder"):
    SHAPES |= {
        f"{encoder}.model.1": (32, 28, 7),
        f"{encoder}.model.5": (48, 32, 7),
        f"{encoder}.model.9": (64, 48, 7),
    }


def published(prefix=""):
    rng, state = np.random.default_rng(0), {}
    for key, shape in SHAPES.items():
        bound = np.prod(shape[1:]) ** -0.5
        state[f"{prefix}{key}.weight"] = rng.uniform(-bound, bound, shape).astype(np.float32)
        state[f"{prefix}{key}.bias"] = rng.uniform(-bound, bound, shape[0]).astype(np.float32)
    return state


def poses(seed, frames):
    return np.random.default_rng(seed).normal(size=(2, frames, 15, 2)).astype(np.float32)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_there_and_back(prefix):
    state, params = published(), from_published(published(prefix))
    again = to_published(params)
    assert again.keys() == state.keys()
    for key, value in state.items():
        np.testing.assert_array_equal(again[key], value, err_msg=key)
        assert again[key].flags.c_contiguous
    fresh = jax.eval_shape(
        lambda p: ThreeEncoders(1.0, 0.2).init(jax.random.key(0), p),
        jax.ShapeDtypeStruct((2, 64, 15, 2), np.float32),
    )["params"]
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda x: x.shape, fresh)


def test_single_entries_lie_where_they_should():
    state, params = published(), from_published(published())
    kernel = params["body_encoder"]["conv2"]["kernel"]  # [kernel, in, out]
    assert kernel[5, 30, 40] == state["body_encoder.model.5.weight"][40, 30, 5]
    assert (
        params["view_encoder"]["conv1x1"]["kernel"][60, 3]
        == (state["view_encoder.conv1x1.weight"][3, 60, 0])
    )
    assert params["decoder"]["conv3"]["bias"][29] == state["decoder.model.12.bias"][29]


def changed(**entries):
    return {key: value for key, value in (published() | entries).items() if value is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (changed(**{"decoder.model.2.bias": None}), r"absent \['decoder.model.2.bias'\]"),
        (changed(fc=np.zeros(1)), r"unknown \['fc'\]"),
        (
            changed(**{"decoder.model.2.weight": np.zeros((128, 192, 7))}),
            r"decoder.model.2.weight is float64 of shape \(128, 192, 7\); expected .*152",
        ),
        (changed(**{"decoder.model.12.bias": np.zeros(30, int)}), r"decoder.model.12.bias is int"),
        (changed(**{"decoder.model.12.bias": np.full(30, np.nan)}), r"expected finite floats"),
    ],
)
def test_other_state_dicts_are_refused(state, message):
    with pytest.raises(ValueError, match=message):
        from_published(state)


def test_outputs_are_those_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is an optional extra: .[torch]")
    from reference.torch_three_encoders import ThreeEncoders as Reference

    torch.manual_seed(0)
    reference = Reference().eval()
    state = {key: value.numpy() for key, value in reference.state_dict().items()}
    assert {key: value.shape for key, value in state.items() if key.endswith("weight")} == {
        f"{key}.weight": shape for key, shape in SHAPES.items()
    }
    variables = {"params": from_published(state)}
    driving, source = poses(1, 64), poses(2, 43)

    def retarget(v, driving, source):
        return ThreeEncoders(1.0, 0.2).apply(v, driving, source, method="retarget")

    with torch.no_grad():
        inputs = (torch.tensor(np.asarray(features_of(x))).mT for x in (driving, source))
        expected = reference.retarget(*inputs).mT.numpy()
    actual = features_of(jax.jit(retarget)(variables, driving, source))
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(actual, expected, atol=1e-6, rtol=1e-5)


def test_initial_spread_is_that_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is an optional extra: .[torch]")
    from reference.torch_three_encoders import ThreeEncoders as Reference

    torch.manual_seed(0)
    expected = Reference().state_dict()
    init = jax.jit(lambda p: ThreeEncoders(1.0, 0.2).init(jax.random.key(0), p))
    actual = to_published(init(poses(0, 16))["params"])
    for key, value in actual.items():
        spread = np.log(np.std(value) / np.std(expected[key].numpy()))
        assert abs(spread) < 5 / np.sqrt(value.size), key
