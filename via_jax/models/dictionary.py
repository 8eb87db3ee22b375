"""Latent Motion Disentanglement: the dictionary D_c of directions (paper, Eq. 1 and 2)."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from via_jax.models.encoder import at_least_float32
from via_jax.typing import Array


class Split(NamedTuple):
    """A code taken apart: code = motion + character.

    Attributes:
      motion: r_m, [batch, time, channels]; its mean over time is orthogonal to every direction.
      character: r_c, [batch, channels], constant in time: body and camera.
      magnitudes: A_c, [batch, directions], the character's coordinates along the directions.
    """

    motion: Array
    character: Array
    magnitudes: Array


def split_by(directions: Array, code: Array, weight: Array | None) -> Split:
    """Splits a code by orthonormal directions [channels, directions] (Eq. 1 and 2)."""
    directions = directions.astype(code.dtype)
    if weight is None:
        mean = code.mean(axis=1)
    else:
        weight = weight[..., None]
        mean = (code * weight).sum(axis=1) / jnp.maximum(weight.sum(axis=1), 1e-6)
    magnitudes = mean @ directions  # a body keeps its proportions over time
    character = magnitudes @ directions.T
    return Split(code - character[:, None], character, magnitudes)


class DirectionDictionary(nn.Module):
    """Splits a code into a constant character and the motion around it.

    Attributes:
      num_directions: K, in [1, channels).
      learned: False keeps the random directions of the start fixed, the paper's row "without D_c".
    """

    num_directions: int
    learned: bool = True

    @nn.compact
    def __call__(self, code: Array, weight: Array | None = None) -> Split:
        """Splits codes of full windows.

        Args:
          code: [batch, time, channels], encoder output.
          weight: [batch, time], share of real frames behind each step of the code, for windows
            that were padded; None counts every step alike.

        Raises:
          ValueError: as many directions as channels; nothing would be left for the motion.
        """
        channels = code.shape[-1]
        if not 1 <= self.num_directions < channels:
            raise ValueError(
                f"num_directions={self.num_directions} must lie in [1, {channels}), below the"
                " channels of the code: take fewer directions or a wider model"
            )
        return split_by(self.directions(channels), code, weight)

    @nn.nowrap
    def directions(self, channels: int) -> Array:
        """D_c, [channels, directions]: orthonormal columns, float32 whatever the compute type."""
        shape = (channels, self.num_directions)
        raw = self.param("directions", nn.initializers.orthogonal(), shape)
        raw = at_least_float32(raw)
        if not self.learned:
            raw = jax.lax.stop_gradient(raw)
        return jnp.linalg.qr(raw)[0]
