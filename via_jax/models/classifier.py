"""The encoder with a linear layer on top, for action classification (paper, Table 1, end)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from via_jax.models.dictionary import DirectionDictionary
from via_jax.models.encoder import POOLING, Encoder, mean_over_persons
from via_jax.models.rows import all_rows, own_rows
from via_jax.typing import Array


def mean_over_time(code: Array, weight: Array | None) -> Array:
    """Mean of code [batch, time, channels] over time, weighted by weight [batch, time]."""
    if weight is None:
        return code.mean(axis=1)
    weight = weight[..., None]
    return (code * weight).sum(axis=1) / jnp.maximum(weight.sum(axis=1), 1e-6)


class Classifier(nn.Module):
    """Logits of action classes from the pooled code of a clip.

    Attributes:
      num_classes: number of classes.
      width, num_heads, dtype, remat: as in the encoder.
      num_directions, learned_directions: as in the dictionary.
      feature: "code" classifies the mean over time of r, "motion" that of r_m.
      pooling, temporal: as in the encoder.
      axis: of a pmap, as in the autoencoder.
    """

    num_classes: int
    width: float
    num_heads: int
    num_directions: int
    learned_directions: bool
    feature: str
    dtype: Any = "float32"
    pooling: int = POOLING
    remat: bool = False
    axis: str | None = None
    temporal: str = "conv"

    def setup(self):  # noqa: D102
        dtype = jnp.dtype(self.dtype)
        self.encoder = Encoder(
            self.width,
            self.num_heads,
            dtype,
            self.pooling,
            remat=self.remat,
            axis=self.axis,
            temporal=self.temporal,
        )
        if self.feature == "motion":
            self.dictionary = DirectionDictionary(self.num_directions, self.learned_directions)
        elif self.feature != "code":
            raise ValueError(f'feature={self.feature!r}; expected "code" or "motion"')
        self.head = nn.Dense(
            self.num_classes, kernel_init=nn.initializers.normal((2.0 / self.num_classes) ** 0.5)
        )

    def __call__(
        self, poses: Array, train: bool, present: Array | None = None, weight: Array | None = None
    ) -> Array:
        """Returns logits [batch, classes].

        Args:
          poses: [batch, persons, time, joints, coords].
          train: normalise by the batch and update the running averages.
          present: [batch, persons], who is averaged; None averages all.
          weight: [batch, time / 8], share of real frames behind each step of the code.
        """
        code = all_rows(self.encoder(own_rows(poses, self.axis), train), self.axis)
        code = mean_over_persons(code, present)
        if self.feature == "motion":
            code = self.dictionary(code, weight).motion
        return self.head(mean_over_time(code, weight))
