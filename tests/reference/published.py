"""Random weights with the names and shapes of the published files, without PyTorch."""

import numpy as np

from via_jax.weights import shapes_of


def random_state(sizes, seed=0):
    """A state dict drawn at random, scales and variances positive, unused entries not zero."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes_of(sizes).items():
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(1234)
        elif name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            state[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            fan_in = np.prod(shape[1:]) if len(shape) > 1 else 25
            state[name] = rng.normal(0, fan_in**-0.5, shape).astype(np.float32)
    return state
