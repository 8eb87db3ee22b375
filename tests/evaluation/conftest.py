"""A small model with random weights, made without training."""

import numpy as np
import pytest

from configs import base
from via_jax.evaluation.known_views import random_variables


@pytest.fixture(scope="session")
def tiny_model(tiny_data):
    """(variables, meta) of a model of 16 frames that sees `tiny_data` in 2D; only to be read."""
    config = base.get_config()
    meta = {
        "layout": tiny_data.manifest["layout"],
        "model": {
            "coords": 2,
            "width": 1 / 16,
            "decoder_width": 1 / 16,
            "num_heads": 1,
            "num_directions": 4,
            "learned_directions": True,
            "dropout": 0.0,
            "dtype": "float32",
        },
        "views": config.data.views.to_dict(),
        "window": {
            "frames": 16,
            "sampling": "resample",
            "shortest_share": 1.0,
            "speed": (1.0, 1.0),
        },
        "statistics": None,
    }
    variables = random_variables(meta, 0)
    rng = np.random.default_rng(0)

    def disturbed(tree):  # biases and running averages that are not 0 and 1
        if isinstance(tree, dict):
            return {name: disturbed(entry) for name, entry in tree.items()}
        return tree + rng.uniform(-0.05, 0.05, tree.shape).astype(np.float32)

    return disturbed(variables), meta
