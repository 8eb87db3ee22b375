"""The encoder: its size, its shapes, who influences whom, and its running statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from via_jax.models.encoder import (
    BLOCKS,
    TIME_FACTOR,
    Encoder,
    code_channels,
    mean_over_persons,
)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def shapes(width, heads, persons, joints, coords):
    """Shapes of all variables, without computing any."""
    poses = jax.ShapeDtypeStruct((2, persons, 16, joints, coords), jnp.float32)
    model = Encoder(width, heads)
    return jax.eval_shape(lambda p: model.init(jax.random.key(0), p, False), poses)


def parameters_by_hand(heads, persons, joints, coords):
    """Adds up the layers of the ten blocks at width 1."""
    total, channels_in = 2 * persons * joints * coords, coords
    for index, (channels, stride) in enumerate(BLOCKS):
        h, e = (heads if index else 3), channels // 4
        total += h * joints * joints  # dependency matrices
        total += 2 * h * (channels_in * e + e) + h * (channels_in + 1) * channels
        total += 2 * channels  # batch norm after the heads
        if channels_in != channels:
            total += (channels_in + 3) * channels
        total += 9 * channels * channels + 3 * channels  # temporal convolution, batch norm
        if index and (channels_in != channels or stride > 1):
            total += (channels_in + 3) * channels
        channels_in = channels
    return total


def test_the_papers_encoder_has_the_papers_size():
    """17 joints, 2 persons, 2D: with a linear layer the 3.45 M of Table 4."""
    assert count(shapes(1.0, 3, 2, 17, 2)["params"]) == parameters_by_hand(3, 2, 17, 2) == 3_443_494


def test_four_heads_leave_three_in_the_first_block():
    params = shapes(1.0, 4, 1, 25, 3)["params"]
    assert count(params) == parameters_by_hand(4, 1, 25, 3)
    heads = [len(params[f"block{i}"]["spatial"]["dependency"]) for i in range(1, 11)]
    assert heads == [3] + 9 * [4]


@pytest.mark.parametrize(("width", "channels"), [(1.0, 256), (0.25, 64), (1 / 16, 16), (1e-4, 1)])
def test_width_multiplies_the_channels(width, channels):
    assert code_channels(width) == channels


@pytest.fixture(scope="module")
def tiny(cycle_training):
    """Evaluation of the tiny encoder after some training, compiled for four clips."""
    state = cycle_training.on_two.states[-1]
    variables = {"params": state.params["encoder"], "batch_stats": state.batch_stats["encoder"]}
    model = Encoder(1 / 16, 1)
    encode = jax.jit(lambda v, p: model.apply(v, p, False, mutable=["batch_stats"]))
    return variables, encode, cycle_training.batch["poses"][:4]


def test_codes_have_an_eighth_of_the_frames(tiny):
    variables, encode, poses = tiny
    code, _ = encode(variables, poses)
    assert code.shape == (4, 1, poses.shape[2] // TIME_FACTOR, code_channels(1 / 16))
    assert code.dtype == jnp.float32
    assert np.ptp(code, axis=2).max() > 1e-3 and np.ptp(code, axis=0).max() > 1e-3


def test_evaluation_changes_nothing(tiny):
    variables, encode, poses = tiny
    _, after = encode(variables, poses)
    jax.tree.map(np.testing.assert_array_equal, after["batch_stats"], variables["batch_stats"])


def test_in_evaluation_a_clip_does_not_see_the_others(tiny):
    variables, encode, poses = tiny
    together, _ = encode(variables, poses)
    others = poses.copy()
    others[1:] = 7.0
    np.testing.assert_allclose(encode(variables, others)[0][0], together[0], atol=1e-6)
    np.testing.assert_allclose(encode(variables, poses[::-1])[0][::-1], together, atol=1e-6)


def test_training_updates_the_statistics_by_a_tenth_of_the_batch(cycle_training):
    """The input norm averages over clips and frames: one mean per joint and coordinate."""
    start = cycle_training.variables["batch_stats"]["encoder"]["input_norm"]
    end = cycle_training.on_two.states[0].batch_stats["encoder"]["input_norm"]
    features = cycle_training.batch["poses"].reshape(8 * 16, 17 * 2)
    for name, batch in (("mean", features.mean(axis=0)), ("var", features.var(axis=0))):
        np.testing.assert_allclose(end[name], 0.9 * start[name] + 0.1 * batch, atol=1e-5)


def test_every_batch_norm_is_updated(cycle_training):
    start = flatten_dict(cycle_training.variables["batch_stats"]["encoder"], sep="/")
    end = flatten_dict(cycle_training.on_two.states[0].batch_stats["encoder"], sep="/")
    norms = 1 + 10 * 2 + 3 + 2  # input; two a block; three wider spatial units; two residuals
    assert len(start) == len(end) == 2 * norms
    assert all((start[name] != end[name]).any() for name in start)


def test_bfloat16_keeps_parameters_and_codes_in_float32():
    model = Encoder(1 / 16, 1, jnp.bfloat16)
    poses = jax.ShapeDtypeStruct((2, 1, 16, 17, 2), jnp.float32)
    code, variables = jax.eval_shape(
        lambda p: model.init_with_output(jax.random.key(0), p, True), poses
    )
    assert code.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("frames", [0, 4, 20])
def test_windows_that_do_not_divide_by_eight_are_refused(frames):
    with pytest.raises(ValueError, match=f"a window of {frames} frames .*divide by 8; pad it"):
        Encoder(1 / 16, 1).init(jax.random.key(0), np.zeros((2, 1, frames, 17, 2)), False)


@pytest.mark.parametrize("shape", [(16, 17, 2), (2, 16, 17, 2), (1, 2, 1, 16, 17, 2)])
def test_other_ranks_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \[batch, persons, time, joints, coords\]"):
        Encoder(1 / 16, 1).init(jax.random.key(0), np.zeros(shape), False)


def test_mean_over_persons_is_the_loop_over_those_present():
    code = np.random.default_rng(0).normal(size=(4, 3, 2, 5)).astype(np.float32)
    present = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)
    expected = np.zeros((4, 2, 5))
    for clip in range(4):
        people = [code[clip, person] for person in range(3) if present[clip, person]]
        if people:
            expected[clip] = sum(people) / len(people)
    np.testing.assert_allclose(mean_over_persons(code, present), expected, atol=1e-6)

    garbage = np.where(present[:, :, None, None], code, 1e6).astype(np.float32)
    np.testing.assert_array_equal(
        mean_over_persons(garbage, present), mean_over_persons(code, present)
    )
    np.testing.assert_allclose(mean_over_persons(code, None), code.mean(axis=1), atol=1e-6)
