"""The decoder D_Pose: a light stack of 1D convolutions (paper, Table 1; Aberman et al. 2019)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from via_jax.models.encoder import at_least_float32
from via_jax.models.rows import own_rows
from via_jax.typing import Array

CHANNELS = (128, 64)  # of the two hidden convolutions, at width 1
KERNEL = 7
SHORTEST_CODE = 2  # reflection padding by 3 needs four frames after the first upsampling


class Decoder(nn.Module):
    """Turns a code back into a skeleton sequence: three times upsample, pad, convolve.

    Attributes:
      joints, coords: of the sequences that it writes.
      width: multiplies the hidden channels.
      dropout: rate after the first two convolutions.
      dtype: compute type.
      axis: of a pmap over which the codes are divided, or None.
    """

    joints: int
    coords: int
    width: float
    dropout: float
    dtype: Any = jnp.float32
    axis: str | None = None

    @nn.compact
    def __call__(self, code: Array, train: bool) -> Array:
        """Returns poses [batch, 8 x time, joints, coords] for code [batch, time, channels].

        Raises:
          ValueError: a code of one step; reflection padding needs windows of at least 16 frames.
        """
        if code.shape[1] < SHORTEST_CODE:
            raise ValueError(
                f"a code of {code.shape[1]} step(s) is too short to decode; use windows of at least"
                f" {8 * SHORTEST_CODE} frames"
            )
        hidden = [max(1, round(channels * self.width)) for channels in CHANNELS]
        x = code.astype(self.dtype)
        for index, channels in enumerate((*hidden, self.joints * self.coords)):
            x = jnp.repeat(x, 2, axis=1)  # nearest upsampling
            x = jnp.pad(x, ((0, 0), (KERNEL // 2,) * 2, (0, 0)), mode="reflect")
            x = nn.Conv(
                channels, (KERNEL,), padding="VALID", dtype=self.dtype, name=f"conv{index + 1}"
            )(x)
            if index < len(hidden):
                x = self.dropped(x, nn.Dropout(self.dropout, deterministic=not train))
                x = nn.leaky_relu(x, 0.2)
        poses = x.reshape(*x.shape[:2], self.joints, self.coords)
        return at_least_float32(poses)

    @nn.nowrap
    def dropped(self, x: Array, dropout: nn.Dropout) -> Array:
        """Dropout whose draws do not depend on how many devices divide the rows."""
        if self.axis is None:
            return dropout(x)
        rows = x.shape[0] * jax.lax.axis_size(self.axis)
        return x * own_rows(dropout(jnp.ones((rows, *x.shape[1:]), x.dtype)), self.axis)
