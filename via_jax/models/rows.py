"""Rows of a batch among the devices of a pmap: each computes its own, then all hold all.

Under `jit` over a mesh the compiler does this by itself, and `axis` is None everywhere.
"""

import jax

from via_jax.typing import Array


def own_rows(x: Array, axis: str | None) -> Array:
    """The rows of this device, of an array that every device holds; all rows without an axis.

    Args:
      x: [rows, ...]; the rows divide among the devices.
      axis: name of the pmapped axis, or None.
    """
    if axis is None:
        return x
    count = x.shape[0] // jax.lax.axis_size(axis)
    return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(axis) * count, count)


def all_rows(x: Array, axis: str | None) -> Array:
    """What `own_rows` took apart, put together again on every device."""
    return x if axis is None else jax.lax.all_gather(x, axis, tiled=True)
