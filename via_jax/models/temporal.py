"""The convolution over time in equal formulations: which is fastest depends on the machine.

"conv" is a 1D convolution. "dft" multiplies less: two small matrices lead frames and taps to
R values each, a third leads their products back, y = back ((to x) * (taps k)), where * is, for each
of the R, a product of [sequences, channels in] with [channels in, channels]. Behind it is a Fourier
transform of L points at the frequencies (k + 1/2) / L, whose convolution wraps around with the
opposite sign; with L at least the frames and half a kernel of zeros nothing wraps. A product of
complex numbers takes three real ones (Gauss), so R = 3 L / 2: 3 L C^2 operations for 18 T C^2. At
stride 2 the even and the odd frames are twice the channels for a kernel of half the length.
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
LONGEST = 96  # frames; the matrices' share grows with them, so longer windows are cut into tiles
TILE = 64  # frames of a tile, about

FORMULATIONS = ("conv", "dft", "auto")
# What "auto" takes, by backend, from measurement (docs/performance.md); all else "conv".
MEASURED = {"cpu": "dft"}
FEW = 32  # sequences; for fewer, leading the kernel to R values costs more than "dft" saves


def formulation_of(temporal: str, backend: str, sequences: Any) -> str:
    """The formulation, "conv" or "dft", of a setting that may be "auto".

    Args:
      temporal: the setting, see FORMULATIONS.
      backend: of JAX.
      sequences: that are convolved at once; a symbolic number counts as many.

    Raises:
      ValueError: another setting.
    """
    if temporal not in FORMULATIONS:
        raise ValueError(f"temporal={temporal!r}; expected one of {', '.join(FORMULATIONS)}")
    if temporal != "auto":
        return temporal
    few = isinstance(sequences, int) and sequences < FEW
    return "conv" if few else MEASURED.get(backend, "conv")


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
        formulation = formulation_of(self.temporal, jax.default_backend(), inputs.shape[0])
        function = by_products if formulation == "dft" else directly
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
    half = len(kernel) // 2
    return lax.conv_general_dilated(
        x, kernel, (stride,), ((half, half),), dimension_numbers=("NHC", "HIO", "NHC")
    )


def by_products(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`directly` by fewer products; computed in float32 at least. Stride 1, 2 or 4."""
    dtype = x.dtype
    wide = jnp.promote_types(dtype, jnp.float32)  # bfloat16 would lose the sums of cosines
    x, kernel = phases(x.astype(wide), kernel.astype(wide), stride)
    sequences, time, channels_in = x.shape
    taps, channels = len(kernel), kernel.shape[-1]
    half, tiles = taps // 2, 1 if time <= LONGEST else -(-time // TILE)
    step, frames = time, x.transpose(1, 0, 2)
    matrices = matrices_of(taps, frames=time, first=0, outputs=time)
    if tiles > 1:  # each with half a kernel of its neighbours at both ends
        step = -(-time // tiles)
        matrices = matrices_of(taps, frames=step + 2 * half, first=half, outputs=step)
        frames = jnp.pad(frames, ((half, tiles * step + half - time), (0, 0), (0, 0)))
        frames = jnp.stack([frames[i * step :][: step + 2 * half] for i in range(tiles)], axis=1)
    to, weigh, back = (jnp.asarray(matrix, wide) for matrix in matrices)
    factors = (to @ frames.reshape(len(frames), -1)).reshape(-1, tiles * sequences, channels_in)
    weights = (weigh @ kernel.reshape(taps, -1)).reshape(-1, channels_in, channels)
    products = (factors @ weights).reshape(len(weights), -1)
    y = (back @ products).reshape(step, tiles, sequences, channels)
    return y.transpose(2, 1, 0, 3).reshape(sequences, -1, channels)[:, :time].astype(dtype)


def phases(x: jax.Array, kernel: jax.Array, stride: int) -> tuple[jax.Array, jax.Array]:
    """A strided convolution as one of stride 1: each `stride` frames become one of more channels.

    Args:
      x: [sequences, time, channels in].
      kernel: [9, channels in, channels].
      stride: 1, 2 or 4, so that half the kernel is a whole number of new frames.

    Returns:
      [sequences, time / stride rounded up, stride * channels in] and
      [1 + 8 / stride, stride * channels in, channels].
    """
    sequences, time, channels_in = x.shape
    x = jnp.pad(x, ((0, 0), (0, -time % stride), (0, 0)))
    kernel = jnp.pad(kernel, ((0, -len(kernel) % stride), (0, 0), (0, 0)))
    wide = stride * channels_in
    return x.reshape(sequences, -1, wide), kernel.reshape(-1, wide, kernel.shape[-1])


class Matrices(NamedTuple):
    """A convolution as R products of numbers: back @ ((to @ frames) * (taps @ kernel)).

    Attributes:
      to: [R, frames]. taps: [R, taps]. back: [outputs, R].
    """

    to: np.ndarray
    taps: np.ndarray
    back: np.ndarray


def matrices_of(taps: int, frames: int, first: int, outputs: int) -> Matrices:
    """The matrices in float64; R is three for each two of the L points.

    With a + ib of the frames and c + id of the taps, p = (a + b) c, q = b (c + d), r = a (d - c):
    the real part of the product is p - q, the imaginary part p + r.

    Args:
      taps: of the kernel, odd; its middle lies on the output.
      frames: of the input, 0 outside.
      first: frame of the first output. outputs: how many, at stride 1.
    """
    half = taps // 2
    points = max(frames, first + outputs + half)
    points += points % 2
    frequencies = (np.arange(points // 2)[:, None] + 0.5) / points

    def parts(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        angles = 2 * np.pi * frequencies * times
        return np.cos(angles), -np.sin(angles)

    a, b = parts(np.arange(frames))
    c, d = parts(half - np.arange(taps))
    real, imaginary = parts(first + np.arange(outputs))
    back = np.stack([real + imaginary, -real, imaginary], axis=1) * 2 / points  # of p, q, r
    return Matrices(
        to=np.stack([a + b, b, a], axis=1).reshape(-1, frames),
        taps=np.stack([c, c + d, d - c], axis=1).reshape(-1, taps),
        back=back.reshape(-1, outputs).T,
    )
