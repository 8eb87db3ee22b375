"""ViA: encoder, dictionary and decoder as one autoencoder of sequences (paper, Figure 2)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from via_jax.models.decoder import Decoder
from via_jax.models.dictionary import DirectionDictionary, Split
from via_jax.models.encoder import Encoder
from via_jax.models.rows import all_rows, own_rows
from via_jax.typing import Array


class Autoencoder(nn.Module):
    """Encodes one person per sequence, splits the code, decodes any mix of motion and character.

    Attributes:
      joints, coords: of the sequences.
      width: multiplies the encoder's channels; 1 is the paper's model.
      decoder_width: multiplies the decoder's hidden channels, which cost little.
      num_heads: heads of the encoder's spatial units.
      num_directions: K, size of the dictionary.
      learned_directions: False is the paper's row "without D_c".
      dropout: rate inside the decoder.
      dtype: compute type, "float32" or "bfloat16".
      remat: see `Encoder`.
      axis: of a pmap. Every device is handed all rows, encodes and decodes its own and returns all,
        so that what lies between (partners, means over the batch) is as on one device.
      temporal: formulation of the encoder's convolutions over time; checkpoints do not depend on
        it, and older ones do not name it.
      folded: as in the encoder.
    """

    joints: int
    coords: int
    width: float
    decoder_width: float
    num_heads: int
    num_directions: int
    learned_directions: bool
    dropout: float
    dtype: Any = "float32"
    remat: bool = False
    axis: str | None = None
    temporal: str = "conv"
    folded: bool = False

    def setup(self):  # noqa: D102
        dtype = jnp.dtype(self.dtype)
        self.encoder = Encoder(
            self.width,
            self.num_heads,
            dtype,
            remat=self.remat,
            axis=self.axis,
            temporal=self.temporal,
            folded=self.folded,
        )
        self.dictionary = DirectionDictionary(self.num_directions, self.learned_directions)
        self.decoder = Decoder(
            self.joints, self.coords, self.decoder_width, self.dropout, dtype, self.axis
        )

    def __call__(self, poses: Array, train: bool = False, weight: Array | None = None) -> Array:
        """Reconstructs poses [batch, 1, time, joints, coords] as [batch, time, joints, coords].

        weight: [batch, time / 8], share of real frames, see `DirectionDictionary`.
        """
        split = self.split(self.encode(poses, train), weight)
        return self.decode(split.motion, split.character, train)

    def encode(self, poses: Array, train: bool) -> Array:
        """Code r_{m,c} of one person per sequence, [batch, time / 8, channels].

        Args:
          poses: [batch, 1, time, joints, coords].
          train: normalise by the batch and update the running averages.

        Raises:
          ValueError: several persons, other joints or other coords than the model's.
        """
        if poses.ndim != 5 or poses.shape[1] != 1 or poses.shape[3:] != (self.joints, self.coords):
            raise ValueError(
                f"poses have shape {poses.shape}; expected"
                f" [batch, 1, time, {self.joints}, {self.coords}]: one person per sequence, in the"
                " model's joints and coords"
            )
        code = self.encoder(own_rows(poses, self.axis), train)[:, 0]
        return all_rows(code, self.axis)

    def split(self, code: Array, weight: Array | None = None) -> Split:
        """Motion, character and magnitudes of a code (Eq. 1 and 2)."""
        return self.dictionary(code, weight)

    def decode(self, motion: Array, character: Array, train: bool) -> Array:
        """p = D_Pose(r_m + r_c), [batch, time, joints, coords].

        Args:
          motion: [batch, time / 8, channels], of the driver.
          character: [batch, channels], of the source; zeros give the canonical view.
          train: draw dropout.
        """
        code = own_rows(motion + character[:, None], self.axis)
        return all_rows(self.decoder(code, train), self.axis)
