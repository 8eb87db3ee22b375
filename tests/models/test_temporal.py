"""The convolution over time: every formulation against a NumPy loop and against flax's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.benchmark.cases import lowered_flops
from via_jax.benchmark.measure import case_of
from via_jax.benchmark.settings import SIZES
from via_jax.models import temporal
from via_jax.models.encoder import Encoder
from via_jax.models.temporal import (
    KERNEL,
    TemporalConvolution,
    by_products,
    directly,
    formulation_of,
    matrices_of,
)

SHAPES = [(16, 1), (15, 2), (1, 1), (3, 2), (97, 1), (128, 2), (203, 2), (150, 4)]


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


@pytest.mark.parametrize("function", [directly, by_products])
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
        for function in (directly, by_products):

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
    y = by_products(*small, 1)
    assert y.dtype == jnp.bfloat16
    exact = by_loop(*(np.asarray(v, np.float64) for v in small), 1)
    np.testing.assert_allclose(y.astype(np.float32), exact, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize(("taps", "frames", "first", "outputs"), [(9, 16, 0, 16), (5, 20, 2, 13)])
def test_three_real_products_stand_for_two_points(taps, frames, first, outputs):
    """The matrices alone, in double precision, and their number."""
    rng = np.random.default_rng(0)
    signal, kernel = rng.normal(size=frames), rng.normal(size=taps)
    to, weigh, back = matrices_of(taps, frames, first, outputs)
    padded = np.pad(signal, taps)
    expected = [padded[taps + first + t - taps // 2 :][:taps] @ kernel for t in range(outputs)]
    np.testing.assert_allclose(back @ ((to @ signal) * (weigh @ kernel)), expected, atol=1e-12)
    assert len(to) == 3 * -(-max(frames, first + outputs + taps // 2) // 2)


def test_products_are_fewer_than_the_convolutions():
    """At full width and 64 frames the whole forward pass does seven tenths."""
    case = case_of(SIZES["full"], "inference", 1, 64, 17)
    assert lowered_flops(case, "dft") < 0.7 * lowered_flops(case, "conv")


def test_auto_takes_what_was_measured(monkeypatch):
    monkeypatch.setattr(temporal, "MEASURED", {"cpu": "dft"})
    few, many = temporal.FEW - 1, temporal.FEW
    assert formulation_of("auto", "cpu", many) == formulation_of("dft", "gpu", few) == "dft"
    assert formulation_of("auto", "gpu", many) == formulation_of("conv", "cpu", many) == "conv"
    assert formulation_of("auto", "cpu", few) == "conv"
    with pytest.raises(ValueError, match="temporal='fft'; expected one of conv, dft, auto"):
        formulation_of("fft", "cpu", many)
