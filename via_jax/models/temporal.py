"""The convolution over time in equal formulations: which is fastest depends on the machine.

"conv" is a 1D convolution. "dft" goes through the frequencies: a convolution is there a product of
each frequency with that of the kernel, here with real numbers throughout. Time goes to L real
coefficients by a product with a small matrix, the cosines and sines of L / 2 frequencies; each
frequency is multiplied with the kernel's; a second matrix leads back, at the strided outputs only.
With L at least the frames and half a kernel of zeros the circular convolution is the linear one.
Operations of the products: 4 L C^2 instead of 18 T C^2 a sequence; of the two matrices together
2 L (T + T / stride) C.
Gradients are matrix products too, which on CPU a `lax.scan` does not slow down as it does the
gradient of a convolution.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from via_jax.typing import Array

KERNEL = 9
HALF = KERNEL // 2
LONGEST = 96  # frames; the matrices' share grows with them, so longer windows are cut into tiles
TILE = 64  # frames of a tile, about

FORMULATIONS = ("conv", "dft", "auto")
# What "auto" takes, by backend and stride, from measurement (docs/performance.md); all else "conv".
MEASURED = {("cpu", 1): "dft"}


def formulation_of(temporal: str, backend: str, stride: int) -> str:
    """The formulation, "conv" or "dft", of a setting that may be "auto".

    Raises:
      ValueError: another setting.
    """
    if temporal not in FORMULATIONS:
        raise ValueError(f"temporal={temporal!r}; expected one of {', '.join(FORMULATIONS)}")
    return MEASURED.get((backend, stride), "conv") if temporal == "auto" else temporal


class TemporalConvolution(nn.Module):
    """Convolution over 9 frames with zeros around the window; parameters as of `nn.Conv`.

    Attributes:
      channels: of the output.
      stride: between outputs, in frames.
      dtype: compute type.
      kernel_init: initialiser of the kernel.
      temporal: formulation, see FORMULATIONS; parameters do not depend on it.
    """

    channels: int
    stride: int
    dtype: Any
    kernel_init: Any
    temporal: str = "conv"

    @nn.compact
    def __call__(self, x: Array) -> jax.Array:
        """[sequences, time, channels in] -> [sequences, time / stride rounded up, channels]."""
        shape = (KERNEL, x.shape[-1], self.channels)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        inputs, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        formulation = formulation_of(self.temporal, jax.default_backend(), self.stride)
        function = by_frequencies if formulation == "dft" else directly
        return function(inputs, kernel, self.stride) + bias.reshape(1, 1, -1)


def directly(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """y[t] = sum_j x[stride t + j - 4] kernel[j], with x = 0 outside.

    Args:
      x: [sequences, time, channels in].
      kernel: [9, channels in, channels].
      stride: at least 1.

    Returns:
      [sequences, time / stride rounded up, channels].
    """
    return lax.conv_general_dilated(
        x, kernel, (stride,), ((HALF, HALF),), dimension_numbers=("NHC", "HIO", "NHC")
    )


def by_frequencies(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`directly` as products of real DFT matrices; computed in float32 at least."""
    sequences, time, channels_in = x.shape
    dtype, channels = x.dtype, kernel.shape[-1]
    wide = jnp.promote_types(dtype, jnp.float32)  # bfloat16 would lose the sums of cosines
    x, kernel = x.astype(wide), kernel.astype(wide)
    tiles = 1 if time <= LONGEST else -(-time // TILE)
    if tiles == 1:
        matrices = matrices_of(time, time, 0, stride)
        x = x.transpose(1, 0, 2)
    else:
        step = -(-time // (2 * stride * tiles)) * 2 * stride  # even, and a multiple of the stride
        matrices = matrices_of(step + 2 * HALF, step, HALF, stride)
        x = jnp.pad(x, ((0, 0), (HALF, tiles * step + HALF - time), (0, 0))).transpose(1, 0, 2)
        x = jnp.stack([x[i * step : (i + 1) * step + 2 * HALF] for i in range(tiles)], axis=1)
    frames = x.shape[0]
    to, taps, back = (jnp.asarray(matrix, wide) for matrix in matrices)
    count = len(to)
    parts = (to.reshape(2 * count, frames) @ x.reshape(frames, -1)).reshape(
        count, 2, tiles * sequences, channels_in
    )
    weights = jnp.einsum("krj,jio->krio", taps, kernel)
    real, imaginary = parts[:, 0], parts[:, 1]
    products = (
        real @ weights[:, 0] - imaginary @ weights[:, 1],
        real @ weights[:, 1] + imaginary @ weights[:, 2],
    )
    stacked = jnp.stack(products, axis=1).reshape(2 * count, -1)
    y = (back.reshape(-1, 2 * count) @ stacked).reshape(-1, tiles, sequences, channels)
    y = y.transpose(2, 1, 0, 3).reshape(sequences, -1, channels)
    return y[:, : -(-time // stride)].astype(dtype)


class Matrices(NamedTuple):
    """Real DFT matrices of L / 2 pairs of coefficients; the first pair is (mean, alternating).

    Attributes:
      to: [L / 2, 2, frames], real and imaginary part of each frequency of the frames.
      taps: [L / 2, 3, 9], from the kernel's taps to what multiplies real parts to real ones, real
        to imaginary ones, and imaginary to imaginary ones. First and last differ in the first pair.
      back: [outputs, L / 2, 2], outputs from the parts of the frequencies.
    """

    to: np.ndarray
    taps: np.ndarray
    back: np.ndarray


def matrices_of(frames: int, covered: int, first: int, stride: int) -> Matrices:
    """The matrices in float64.

    Args:
      frames: of the input; outputs reach HALF beyond the covered ones at both ends, and what lies
        outside the input is 0.
      covered: frames over which there are outputs.
      first: frame of the first output.
      stride: between outputs.
    """
    length = max(frames, first + covered + HALF)
    length += length % 2
    k = np.arange(length // 2)[:, None]

    def angles(times: np.ndarray) -> np.ndarray:
        return 2 * np.pi / length * (k * times % length)

    def alternating(times: np.ndarray) -> np.ndarray:
        return 1.0 - 2.0 * (times % 2)

    times = np.arange(frames)
    to = np.stack([np.cos(angles(times)), -np.sin(angles(times))], axis=1)
    to[0, 1] = alternating(times)  # the highest frequency; the lowest has no imaginary part

    shifts = HALF - np.arange(KERNEL)
    real, imaginary = np.cos(angles(shifts)), -np.sin(angles(shifts))
    taps = np.stack([real, imaginary, real], axis=1)
    taps[0, 2] = alternating(shifts)

    outputs = first + np.arange(0, covered, stride)
    back = np.stack([2 * np.cos(angles(outputs)), -2 * np.sin(angles(outputs))], axis=1)
    back[0] = np.stack([np.ones(len(outputs)), alternating(outputs)])
    return Matrices(to, taps, back.transpose(2, 0, 1) / length)
