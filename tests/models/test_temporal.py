"""The convolution over time: every formulation against a NumPy loop and against flax's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.models import temporal
from via_jax.models.encoder import Encoder
from via_jax.models.temporal import (
    KERNEL,
    TemporalConvolution,
    by_frequencies,
    directly,
    formulation_of,
)

SHAPES = [(16, 1), (15, 2), (1, 1), (3, 2), (97, 1), (128, 2), (203, 2), (150, 3)]


def example(time, dtype=np.float32, channels=(3, 4)):
    rng = np.random.default_rng(time)
    x = rng.normal(size=(2, time, channels[0])).astype(dtype)
    return x, (rng.normal(size=(KERNEL, *channels)) / 3).astype(dtype)


def by_loop(x, kernel, stride):
    sequences, time, _ = x.shape
    y = np.zeros((sequences, -(-time // stride), kernel.shape[2]))
    for step in range(y.shape[1]):
        for tap in range(KERNEL):
            frame = stride * step + tap - KERNEL // 2
            if 0 <= frame < time:
                y[:, step] += x[:, frame] @ kernel[tap]
    return y


@pytest.mark.parametrize("function", [directly, by_frequencies])
@pytest.mark.parametrize(("time", "stride"), SHAPES)
def test_equals_a_loop_over_frames(time, stride, function):
    """One tile and several, odd lengths, strides, windows shorter than the kernel."""
    x, kernel = example(time)
    y = function(x, kernel, stride)
    expected = by_loop(x.astype(np.float64), kernel.astype(np.float64), stride)
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("time", "stride"), [(16, 1), (104, 2)])
def test_gradients_are_equal_in_double_precision(time, stride):
    x, kernel = example(time, np.float64)
    weight = np.random.default_rng(0).normal(size=(2, -(-time // stride), 4))
    found = []
    with jax.enable_x64(True):
        for function in (directly, by_frequencies):

            def value(x, kernel, function=function):
                return (jnp.sin(function(x, kernel, stride)) * weight).sum()

            computed = jax.jit(jax.value_and_grad(value, (0, 1)))(x, kernel)
            found.append([np.asarray(leaf) for leaf in jax.tree.leaves(computed)])
    for a, b in zip(*found):
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-10 * max(1.0, np.abs(a).max()))


@pytest.mark.parametrize("stride", [1, 2])
def test_parameters_and_numbers_are_those_of_flax(stride):
    """Bit for bit: "conv" is what checkpoints were trained with."""
    x, _ = example(16)
    init = nn.initializers.normal(0.3)
    ours = TemporalConvolution(4, stride, jnp.float32, init)
    flax = nn.Conv(4, (9,), strides=(stride,), padding=((4, 4),), kernel_init=init)
    variables = ours.init(jax.random.key(0), x)
    jax.tree.map(np.testing.assert_array_equal, variables, flax.init(jax.random.key(0), x))
    variables["params"]["bias"] = np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(ours.apply(variables, x), flax.apply(variables, x))


def test_the_encoder_gives_the_same_code_in_every_formulation():
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 0.7, (2, 1, 32, 5, 2)).astype(np.float32)
    variables = Encoder(1 / 16, 1).init(jax.random.key(0), poses, False)
    codes = {}
    for name in temporal.FORMULATIONS:
        model = Encoder(1 / 16, 1, temporal=name)
        other = jax.eval_shape(lambda m=model: m.init(jax.random.key(0), poses, False))
        assert jax.tree.map(jnp.shape, other) == jax.tree.map(jnp.shape, variables)
        codes[name] = jax.jit(lambda v, m=model: m.apply(v, poses, False))(variables)
    scale = np.abs(codes["conv"]).max()
    assert scale > 1e-3
    for name in ("dft", "auto"):
        np.testing.assert_allclose(codes[name], codes["conv"], rtol=0, atol=1e-5 * scale)


def test_small_types_are_summed_in_float32():
    x, kernel = example(64)
    small = jnp.asarray(x, jnp.bfloat16), jnp.asarray(kernel, jnp.bfloat16)
    y = by_frequencies(*small, 1)
    assert y.dtype == jnp.bfloat16
    exact = by_loop(*(np.asarray(v, np.float64) for v in small), 1)
    np.testing.assert_allclose(y.astype(np.float32), exact, rtol=2**-8, atol=1e-4)


def test_auto_takes_what_was_measured(monkeypatch):
    monkeypatch.setattr(temporal, "MEASURED", {("cpu", 1): "dft"})
    assert formulation_of("auto", "cpu", 1) == "dft"
    assert formulation_of("auto", "cpu", 2) == formulation_of("auto", "gpu", 1) == "conv"
    assert formulation_of("conv", "cpu", 1) == "conv"
    with pytest.raises(ValueError, match="temporal='fft'; expected one of conv, dft, auto"):
        formulation_of("fft", "cpu", 1)
