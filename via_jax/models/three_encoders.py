"""Motion, body and view by an encoder each: the network of Aberman et al. (SIGGRAPH 2019).

"Learning Character-Agnostic Motion for Motion Retargeting in 2D", its full system: the motion is a
code that runs through time, body and view are one code a sequence, and the decoder reads all three.
The baseline that ViA's single encoder is compared with. No batch norm, so no batch statistics.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from via_jax.models.encoder import at_least_float32, uniform
from via_jax.skeletons import get_layout
from via_jax.typing import Array

LAYOUT = get_layout("mixamo15")
COORDS = 2
ROOT = LAYOUT.index("mid_hip")
# Published order of the features: 14 joints relative to the root, then the root's velocity.
ORDER = (*(joint for joint in range(LAYOUT.num_joints) if joint != ROOT), ROOT)
SHORTEST = 16  # frames; the reflection by 3 needs four frames in front of every convolution
TIME_FACTOR = 8  # frames for each step of the motion code
MOTION_CHANNELS = (64, 96, 128)  # at width 1, as all channels here
STATIC_CHANNELS = (32, 48, 64)
BODY_CHANNELS, VIEW_CHANNELS = 16, 8  # of the codes
DECODER_CHANNELS = (128, 64)
# By 2, and over all time.
POOLING: dict[str, tuple[Callable, Callable]] = {
    "max": (nn.max_pool, jnp.max),
    "average": (nn.avg_pool, jnp.mean),
}


class Codes(NamedTuple):
    """A sequence taken apart.

    Attributes:
      motion: [batch, time / 8, 128].
      body: [batch, 16], sizes of the bones.
      view: [batch, 8], of the camera.
    """

    motion: Array
    body: Array
    view: Array


def features_of(poses: Array) -> Array:
    """Poses [batch, time, 15, 2] as the network reads them, [batch, time, 30]: velocity last."""
    return poses[..., np.array(ORDER), :].reshape(*poses.shape[:2], -1)


def poses_of(features: Array) -> Array:
    """Undoes `features_of`."""
    joints = features.reshape(*features.shape[:2], LAYOUT.num_joints, COORDS)
    return joints[..., np.argsort(ORDER), :]


def scaled(channels: int, width: float) -> int:
    """Channels at a width multiplier."""
    return max(1, round(channels * width))


def convolve(x: Array, channels: int, kernel: int, stride: int, dtype: Any, name: str) -> Array:
    """A convolution over time behind a reflection by 3, which starts as PyTorch's do.

    Call it inside a compact method. x: [batch, time, in] -> [batch, time / stride, channels].
    """
    x = jnp.pad(x, ((0, 0), (3, 3), (0, 0)), mode="reflect")
    start = uniform((kernel * x.shape[-1]) ** -0.5)
    return nn.Conv(
        channels,
        (kernel,),
        (stride,),
        padding="VALID",
        dtype=dtype,
        kernel_init=start,
        bias_init=start,
        name=name,
    )(x)


class MotionEncoder(nn.Module):
    """Three convolutions of kernel 8 and stride 2."""

    width: float
    dtype: Any

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """[batch, time, 30] -> [batch, time / 8, 128]."""
        x = features.astype(self.dtype)
        for index, channels in enumerate(MOTION_CHANNELS):
            x = convolve(x, scaled(channels, self.width), 8, 2, self.dtype, f"conv{index + 1}")
            x = nn.leaky_relu(x, 0.2)
        return at_least_float32(x)


class StaticEncoder(nn.Module):
    """Three convolutions of kernel 7 with pooling by 2, then over all time, then a 1x1 convolution.

    Attributes:
      pooling: "max" for the body, "average" for the view.
      channels: of the code, at width 1.
    """

    pooling: str
    channels: int
    width: float
    dtype: Any

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """[batch, time, 28] -> [batch, channels]."""
        pool, over_time = POOLING[self.pooling]
        x = features.astype(self.dtype)
        for index, channels in enumerate(STATIC_CHANNELS):
            x = convolve(x, scaled(channels, self.width), 7, 1, self.dtype, f"conv{index + 1}")
            x = pool(nn.leaky_relu(x, 0.2), (2,), (2,))
        start = uniform(x.shape[-1] ** -0.5)
        code = nn.Dense(  # over a single step a 1x1 convolution is a matrix
            scaled(self.channels, self.width),
            dtype=self.dtype,
            kernel_init=start,
            bias_init=start,
            name="conv1x1",
        )(over_time(x, axis=1))
        return at_least_float32(code)


class FeatureDecoder(nn.Module):
    """Three times upsample by 2 and convolve with kernel 7."""

    width: float
    dropout: float
    dtype: Any

    @nn.compact
    def __call__(self, code: Array, train: bool) -> Array:
        """[batch, time / 8, 152] -> [batch, time, 30]."""
        hidden = [scaled(channels, self.width) for channels in DECODER_CHANNELS]
        x = code.astype(self.dtype)
        for index, channels in enumerate((*hidden, LAYOUT.num_joints * COORDS)):
            x = jnp.repeat(x, 2, axis=1)  # nearest upsampling
            x = convolve(x, channels, 7, 1, self.dtype, f"conv{index + 1}")
            if index < len(hidden):
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
                x = nn.leaky_relu(x, 0.2)
        return at_least_float32(x)


class ThreeEncoders(nn.Module):
    """The whole network, for sequences in layout mixamo15 and 2D.

    Poses are [batch, time, 15, 2] as `transforms.to_root` gives them, standardised: joints relative
    to mid_hip, whose own row holds its move since the frame before. Windows have a multiple of 8
    frames, at least 16; a sequence that only lends its body and view may have any length from 16.

    Attributes:
      width: multiplies all channels but those of the poses; 1 is the published network.
      dropout: rate after the first two convolutions of the decoder; 0.2 is published.
      dtype: compute type, "float32" or "bfloat16".
    """

    width: float
    dropout: float
    dtype: Any = "float32"

    def setup(self):  # noqa: D102
        dtype = jnp.dtype(self.dtype)
        self.motion_encoder = MotionEncoder(self.width, dtype)
        self.body_encoder = StaticEncoder("max", BODY_CHANNELS, self.width, dtype)
        self.view_encoder = StaticEncoder("average", VIEW_CHANNELS, self.width, dtype)
        self.decoder = FeatureDecoder(self.width, self.dropout, dtype)

    def __call__(self, poses: Array, train: bool = False) -> Array:
        """Reconstructs poses."""
        return self.decode(self.encode(poses), train)

    def retarget(self, driving: Array, source: Array, train: bool = False) -> Array:
        """The motion of one sequence on the body and in the view of another, row by row."""
        codes = Codes(
            self.encode_motion(driving), self.encode_body(source), self.encode_view(source)
        )
        return self.decode(codes, train)

    def encode(self, poses: Array) -> Codes:
        """All three codes."""
        return Codes(self.encode_motion(poses), self.encode_body(poses), self.encode_view(poses))

    def encode_motion(self, poses: Array) -> Array:
        """Motion code, [batch, time / 8, 128].

        Raises:
          ValueError: as all methods that encode, poses that are not [batch, time, 15, 2] with at
            least 16 frames; here also frames that do not divide by 8.
        """
        features = _checked(poses)
        if poses.shape[1] % TIME_FACTOR:
            raise ValueError(
                f"poses have {poses.shape[1]} frames; a motion wants a multiple of {TIME_FACTOR}:"
                " fill the windows up, see transforms.pad_window"
            )
        return self.motion_encoder(features)

    def encode_body(self, poses: Array) -> Array:
        """Body code, [batch, 16]; it does not see the velocity."""
        return self.body_encoder(_checked(poses)[..., :-COORDS])

    def encode_view(self, poses: Array) -> Array:
        """View code, [batch, 8]; it does not see the velocity."""
        return self.view_encoder(_checked(poses)[..., :-COORDS])

    def decode(self, codes: Codes, train: bool) -> Array:
        """Poses [batch, time, 15, 2] of any mix of codes. train: draw dropout."""
        steps = codes.motion.shape[:2]
        still = (jnp.broadcast_to(c[:, None], (*steps, c.shape[-1])) for c in codes[1:])
        code = jnp.concatenate([codes.motion, *still], axis=-1)
        return poses_of(self.decoder(code, train))


def _checked(poses: Array) -> Array:
    """Features of poses that have the network's shape."""
    wanted = (LAYOUT.num_joints, COORDS)
    if poses.ndim != 4 or poses.shape[2:] != wanted or poses.shape[1] < SHORTEST:
        raise ValueError(
            f"poses have shape {poses.shape}; expected [batch, time, {wanted[0]}, {wanted[1]}] with"
            f" at least {SHORTEST} frames, in layout {LAYOUT.name}: convert the joints first"
        )
    return features_of(poses)
