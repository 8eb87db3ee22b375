"""Names for the few types that signatures share."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

Array = jax.Array | np.ndarray
Batch = Mapping[str, Array]  # named arrays with one leading batch axis
Tree = Any  # a pytree of arrays: parameters, batch statistics, gradients
