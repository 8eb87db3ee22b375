"""One training step on one device and on eight, by jit and by pmap; prints JSON, see test_scaling.

Run in a process of its own, because the number of devices is fixed when JAX starts.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.processes.tiny import config_of, shorten_the_encoder
from via_jax import loop, parallel
from via_jax.data import store
from via_jax.data.sampling import Window
from via_jax.models.autoencoder import Autoencoder
from via_jax.pairs import pair_feed
from via_jax.pretrain import objective_of, views_of, window_of
from via_jax.training import create_state, train_step

OPTIMIZER = optax.sgd(1.0)  # so that the parameters move by the gradient


def mesh_of(devices: int):
    kinds = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((devices,), ("data",), kinds, devices=jax.devices()[:devices])


def one_step(config, data, devices: int, kind: str):
    """(state before, state after, scalars) of one step, as NumPy."""
    parallel.data_mesh = lambda: mesh_of(devices)
    window, views = window_of(config.data), views_of(config, data)
    sequences = data.sequences_of(data.clips_of("official", "train"))
    model = Autoencoder(joints=data.layout.num_joints, **config.model)
    axis = parallel.axis_of(kind)
    loss_fn = objective_of(config.pretrain, model.clone(axis=axis))
    shape = (2, 1, window.padded, data.layout.num_joints, config.model.coords)
    variables = jax.jit(lambda k: model.init(k, np.zeros(shape, np.float32)))(jax.random.key(0))

    def watched(params, batch_stats, batch, rng):
        loss, (stats, scalars) = loss_fn(params, batch_stats, batch, rng)
        poses = batch["poses"]
        order = jnp.arange(poses.size).reshape(poses.shape) % 1009 / 1009.0
        drawn = jnp.sum(jnp.abs(poses) * order)  # another draw or another order changes it
        return loss, (stats, {**scalars, "drawn": drawn})

    def update(state, batch, given):
        rng = jax.random.fold_in(given.loss_key, state.step)
        batch = {**batch, "term_weights": given.weights}
        return train_step(state, batch, rng, loss_fn=watched, optimizer=OPTIMIZER, axis=axis)

    feed = pair_feed(config, data, sequences, window, views)
    step = loop.stepper(feed, update, data, config.data.placement, 1, kind)
    before = jax.tree.map(np.asarray, create_state(variables, OPTIMIZER))
    after, scalars = step(parallel.put(before, parallel.data_mesh()))
    return before, jax.tree.map(np.asarray, after), parallel.fetch(scalars)


def flat(before, after, part: str) -> np.ndarray:
    moves = jax.tree.map(lambda a, b: b - a, getattr(before, part), getattr(after, part))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(moves)])


def main(folder: str) -> None:
    shorten_the_encoder()
    config, data = config_of(folder), store.load(folder)
    assert isinstance(window_of(config.data), Window) and jax.device_count() == 8
    found = {}
    for name, devices, kind in (("one", 1, "jit"), ("jit", 8, "jit"), ("pmap", 8, "pmap")):
        before, after, scalars = one_step(config, data, devices, kind)
        gradient, stats = (flat(before, after, part) for part in ("params", "batch_stats"))
        found[name] = (scalars, gradient, stats)
    report = {}
    for name in ("jit", "pmap"):
        scalars, *arrays = found[name]
        wanted, *expected = found["one"]
        report[name] = {key: abs(scalars[key] / value - 1) for key, value in wanted.items()}
        for key, array, right in zip(("gradient", "statistics"), arrays, expected):
            report[name][key] = float(np.linalg.norm(array - right) / np.linalg.norm(right))
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
