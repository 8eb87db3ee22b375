"""The encoder E_Pose: the topology-free skeleton backbone UNIK (paper, Table 1, left).

Inside, features are kept as [sequences, joints, time, channels]: then mixing joints is one matrix
product over [joints, time x channels] and the temporal convolution is a 1D convolution over a batch
of sequences x joints, without a transpose anywhere.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from via_jax.models.temporal import KERNEL, TemporalConvolution
from via_jax.typing import Array

# (channels at width 1, temporal stride) of the ten blocks.
BLOCKS = ((64, 1),) * 4 + ((128, 2),) + ((128, 1),) * 2 + ((256, 2),) + ((256, 1),) * 2
POOLING = 2  # of the code over time, so that a window of T frames gives T / 8 codes
TIME_FACTOR = 8  # frames for each step of the code: two strides of 2, then the pooling
EPSILON = 1e-5  # of all batch norms
FIRST_BLOCK_HEADS = 3  # block 1 keeps three heads also in the published models with four


def code_channels(width: float) -> int:
    """Channels of the code at a width multiplier: 256 at width 1."""
    return max(1, round(BLOCKS[-1][0] * width))


def kaiming_fan_out(fan_out: int) -> Callable:
    """Normal initialiser with variance 2 / fan_out (He et al. 2015)."""
    return nn.initializers.normal((2.0 / fan_out) ** 0.5)


def uniform(bound: float) -> Callable:
    """Uniform initialiser in [-bound, bound]."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, minval=-bound, maxval=bound)

    return init


def at_least_float32(x: Array) -> jax.Array:
    """bfloat16 and float16 as float32; float32 and float64 as they are."""
    return jnp.asarray(x, jnp.promote_types(x.dtype, jnp.float32))


def batch_norm(
    train: bool,
    dtype: Any,
    name: str,
    axis: str | None,
    scale: float = 1.0,
    folded: bool = False,
) -> Callable[[Array], Array]:
    """Batch norm with PyTorch's momentum 0.1 and epsilon 1e-5; statistics in float32.

    axis: of a pmap whose devices share the statistics of the batch, or None. folded: the layer
    before has it in its weights already, see `models.folding`.
    """
    if folded:
        return lambda x: x
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        epsilon=EPSILON,
        dtype=dtype,
        axis_name=axis,
        scale_init=nn.initializers.constant(scale),
        name=name,
    )


class SpatialUnit(nn.Module):
    """Mixes the joints by learned dependency matrices plus attention between joints.

    For each head h, D_h is a free joints x joints matrix (no skeleton graph), P_h the attention:
    y = sum_h conv_h(x (D_h + P_h)), then relu(batch_norm(y) + input).
    """

    channels: int
    num_heads: int
    dtype: Any
    axis: str | None = None
    folded: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """x: [sequences, joints, time, channels in] -> [sequences, joints, time, channels]."""
        sequences, joints, time, channels_in = x.shape
        heads, embedded = self.num_heads, max(1, self.channels // 4)
        # Products with a matrix of rows: their weight gradients need no transposed copy of x.
        rows = x.reshape(-1, channels_in)
        dependency = self.param("dependency", uniform(1.0 / joints), (heads, joints, joints))
        embeddings = nn.Dense(
            2 * heads * embedded,
            dtype=self.dtype,
            kernel_init=kaiming_fan_out(embedded),
            name="embeddings",
        )(rows)
        # Split, not sliced: the gradient is one concatenation instead of a sum of padded parts.
        parts = jnp.split(embeddings, 2 * heads, axis=1)
        weights = self.param(
            "kernel",
            nn.initializers.normal((2.0 / (self.channels * channels_in * heads)) ** 0.5),
            (heads, channels_in, self.channels),
        ).astype(x.dtype)
        bias = self.param("bias", nn.initializers.zeros, (heads, self.channels)).astype(x.dtype)

        def mix(mixing: jax.Array, features: Array) -> jax.Array:
            """Rows [sequences x joints x time, channels], their joints mixed by [.., from, to]."""
            flat = features.reshape(sequences, joints, -1)
            return jnp.einsum("nst,nsf->ntf", mixing, flat).reshape(features.shape)

        summed = bias.sum(axis=0)[None]
        for head in range(heads):  # a loop compiles several times faster than one large einsum
            source, target = (
                parts[i].reshape(sequences, joints, time * embedded) for i in (head, heads + head)
            )
            scores = jnp.einsum("nsf,ntf->nst", source, target) / (embedded * time)
            # Softmax over the source joint, in float32 whatever the compute type.
            attention = nn.softmax(at_least_float32(scores), axis=1)
            mixing = (dependency[head][None] + attention).astype(x.dtype)
            if channels_in < self.channels:  # both orders give the same; mix the fewer channels
                summed = summed + mix(mixing, rows) @ weights[head]
            else:
                summed = summed + mix(mixing, rows @ weights[head])
        summed = summed.reshape(sequences, joints, time, self.channels)

        if channels_in != self.channels:
            x = nn.Dense(
                self.channels,
                dtype=self.dtype,
                kernel_init=kaiming_fan_out(self.channels),
                name="down",
            )(rows).reshape(summed.shape)
            x = batch_norm(train, self.dtype, "down_norm", self.axis, folded=self.folded)(x)
        # A scale near zero makes a block start as the identity.
        norm = batch_norm(train, self.dtype, "norm", self.axis, scale=1e-6, folded=self.folded)
        return nn.relu(norm(summed) + x)


class TemporalUnit(nn.Module):
    """Convolution over 9 frames and batch norm, each joint on its own."""

    channels: int
    stride: int
    dtype: Any
    axis: str | None = None
    temporal: str = "conv"
    folded: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Input [sequences, joints, time, channels], output [..., time / stride, new channels]."""
        sequences, joints, time, channels_in = x.shape
        x = TemporalConvolution(
            self.channels,
            self.stride,
            self.dtype,
            kaiming_fan_out(KERNEL * self.channels),
            self.temporal,
            name="conv",
        )(x.reshape(sequences * joints, time, channels_in))
        x = x.reshape(sequences, joints, -1, self.channels)
        return batch_norm(train, self.dtype, "norm", self.axis, folded=self.folded)(x)


class Block(nn.Module):
    """relu(temporal(spatial(x)) + residual(x))."""

    channels: int
    stride: int
    num_heads: int
    residual: bool
    dtype: Any
    axis: str | None = None
    temporal: str = "conv"
    folded: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Input [sequences, joints, time, channels], output [..., time / stride, new channels]."""
        y = SpatialUnit(
            self.channels, self.num_heads, self.dtype, self.axis, self.folded, name="spatial"
        )(x, train)
        y = TemporalUnit(
            self.channels,
            self.stride,
            self.dtype,
            self.axis,
            self.temporal,
            self.folded,
            name="temporal",
        )(y, train)
        if not self.residual:
            return nn.relu(y)
        if x.shape[-1] != self.channels or self.stride != 1:
            x = nn.Dense(
                self.channels,
                dtype=self.dtype,
                kernel_init=kaiming_fan_out(self.channels),
                name="residual",
            )(x[:, :, :: self.stride].reshape(-1, x.shape[-1])).reshape(y.shape)
            x = batch_norm(train, self.dtype, "residual_norm", self.axis, folded=self.folded)(x)
        return nn.relu(y + x)


class Encoder(nn.Module):
    """Turns skeleton sequences into codes, r = E_Pose(p).

    Attributes:
      width: multiplies the channels of every block; 1 is the paper's model, with 256-channel codes.
      num_heads: heads of the spatial units, 3 in the paper (4 in the published NTU models).
      dtype: compute type of the layers; parameters and statistics stay in float32.
      pooling: of the code over time; 1 leaves it out, as the published classifiers do, and gives
        time / 4 codes, rounded up, of any time.
      remat: compute the inside of each block anew in the backward pass instead of keeping it.
      axis: of a pmap over which a batch is divided; its devices share the batch statistics.
      temporal: formulation of the convolutions over time, see `models.temporal`: "conv", "dft" or
        "auto". The parameters are the same, the numbers up to rounding.
      folded: the variables are those of `models.folding.fold_norms`, for evaluation only.
    """

    width: float
    num_heads: int
    dtype: Any = jnp.float32
    pooling: int = POOLING
    remat: bool = False
    axis: str | None = None
    temporal: str = "conv"
    folded: bool = False

    @nn.compact
    def __call__(self, poses: Array, train: bool) -> jax.Array:
        """Returns the code of each person, [batch, persons, time / 8, channels].

        Args:
          poses: [batch, persons, time, joints, coords], centred and scaled, missing joints 0.
          train: normalise by the batch and update the running averages.

        Raises:
          ValueError: poses of another rank, a time axis that does not divide by 8, or training
            with folded norms.
        """
        if self.folded and train:
            raise ValueError("folded batch norms have no statistics to train; set folded=False")
        if poses.ndim != 5:
            raise ValueError(
                f"poses have shape {poses.shape}; expected [batch, persons, time, joints, coords]"
            )
        batch, persons, time, joints, coords = poses.shape
        if time == 0 or (self.pooling > 1 and time % TIME_FACTOR):
            raise ValueError(
                f"a window of {time} frames does not divide by {TIME_FACTOR}; pad it with"
                " via_jax.data.transforms.pad_window"
            )
        # One batch norm over the (person, joint, coord) features of a frame.
        x: Any = jnp.moveaxis(poses, 1, 2).reshape(batch, time, persons * joints * coords)
        x = batch_norm(train, self.dtype, "input_norm", self.axis)(x.astype(self.dtype))
        x = x.reshape(batch, time, persons, joints, coords).transpose(0, 2, 3, 1, 4)
        x = x.reshape(batch * persons, joints, time, coords)
        block: Any = nn.remat(Block, static_argnums=(2,)) if self.remat else Block
        for index, (channels, stride) in enumerate(BLOCKS):
            x = block(
                channels=max(1, round(channels * self.width)),
                stride=stride,
                num_heads=self.num_heads if index else FIRST_BLOCK_HEADS,
                residual=index > 0,
                dtype=self.dtype,
                axis=self.axis,
                temporal=self.temporal,
                folded=self.folded,
                name=f"block{index + 1}",
            )(x, train)
        code = x.mean(axis=1)  # over joints: [sequences, time / 4, channels]
        steps = code.shape[1] // self.pooling
        code = code.reshape(batch, persons, steps, self.pooling, -1).mean(axis=3)
        return at_least_float32(code)


def mean_over_persons(code: Array, present: Array | None) -> Array:
    """Averages the codes of the persons of a clip, [batch, time, channels].

    Args:
      code: [batch, persons, time, channels].
      present: [batch, persons], 1 for a person who is there; None averages all of them, empty ones
        included, as the published code does.
    """
    if present is None:
        return code.mean(axis=1)
    weight = present.astype(code.dtype)[:, :, None, None]
    return (code * weight).sum(axis=1) / jnp.maximum(weight.sum(axis=1), 1.0)
