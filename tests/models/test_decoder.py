"""The decoder against loops over frames and taps, dropout, and windows that are too short."""

import jax
import numpy as np
import pytest

from via_jax.models.decoder import Decoder

BATCH, TIME, CHANNELS, JOINTS, COORDS = 2, 3, 5, 4, 2


@pytest.fixture(scope="module")
def small():
    """A decoder with hidden channels 4 and 2, and variables without zero biases."""
    model = Decoder(JOINTS, COORDS, 1 / 32, dropout=0.5)
    code = np.random.default_rng(0).normal(size=(BATCH, TIME, CHANNELS)).astype(np.float32)
    variables = jax.jit(lambda k: model.init(k, code, False))(jax.random.key(0))
    variables = jax.tree.map(lambda x: np.asarray(x) + 0.1, variables)
    return model, variables, code


def loops(variables, code):
    """[time, channels] of one sequence -> [8 x time, joints, coords]."""
    x = code.astype(np.float64)
    for index in (1, 2, 3):
        layer = variables["params"][f"conv{index}"]
        frames = [x[t // 2] for t in range(2 * len(x))]  # nearest upsampling
        last = len(frames) - 1
        out = []
        for t in range(len(frames)):
            total = layer["bias"].astype(np.float64)
            for tap in range(7):
                at = abs(t + tap - 3)  # reflection, the border itself once
                at = at if at <= last else 2 * last - at
                total = total + frames[at] @ layer["kernel"][tap]
            out.append(total if index == 3 else np.where(total > 0, total, 0.2 * total))
        x = np.stack(out)
    return x.reshape(len(x), JOINTS, COORDS)


def test_decoding_is_the_loop_over_frames_and_taps(small):
    model, variables, code = small
    poses = model.apply(variables, code, False)
    assert poses.shape == (BATCH, 8 * TIME, JOINTS, COORDS)
    for clip in range(BATCH):
        np.testing.assert_allclose(poses[clip], loops(variables, code[clip]), atol=1e-5)


def test_dropout_only_in_training(small):
    model, variables, code = small
    train = [
        model.apply(variables, code, True, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(train[0], train[1])
    assert np.abs(train[0] - train[2]).max() > 1e-3
    assert np.abs(train[0] - model.apply(variables, code, False)).max() > 1e-3
    none = Decoder(JOINTS, COORDS, 1 / 32, dropout=0.0)
    np.testing.assert_allclose(
        none.apply(variables, code, True, rngs={"dropout": jax.random.key(0)}),
        model.apply(variables, code, False),
        atol=1e-6,
    )


def test_parameters_of_the_papers_decoder():
    code = jax.ShapeDtypeStruct((2, 8, 256), np.float32)
    model = Decoder(17, 2, 1.0, dropout=0.2)
    params = jax.eval_shape(lambda c: model.init(jax.random.key(0), c, False), code)["params"]
    sizes = {
        name: sum(int(np.prod(x.shape)) for x in layer.values()) for name, layer in params.items()
    }
    assert sizes == {
        "conv1": 7 * 256 * 128 + 128,
        "conv2": 7 * 128 * 64 + 64,
        "conv3": 7 * 64 * 34 + 34,
    }


def test_a_code_of_one_step_is_refused(small):
    model, variables, code = small
    with pytest.raises(ValueError, match=r"a code of 1 step.* at least 16 frames"):
        model.apply(variables, code[:, :1], False)
    assert model.apply(variables, code[:, :2], False).shape == (BATCH, 16, JOINTS, COORDS)


def test_bfloat16_still_returns_float32(small):
    _, variables, code = small
    model = Decoder(JOINTS, COORDS, 1 / 32, 0.0, np.dtype("bfloat16"))
    poses = model.apply(variables, code, False)
    assert poses.dtype == np.float32
    exact = np.stack([loops(variables, c) for c in code])
    np.testing.assert_allclose(poses, exact, atol=0.05 * np.abs(exact).max())
