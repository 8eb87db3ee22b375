"""Micro-batches: their mean is the gradient of the whole batch, and what batch norm makes of it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from via_jax.training import create_state, micro_batches, train_step

OPTIMIZER = optax.sgd(0.5)


class Layers(nn.Module):
    """Two layers, with or without batch norm between."""

    normalise: bool

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3,))(x)
        if self.normalise:
            x = nn.BatchNorm(use_running_average=False, momentum=0.9)(x)
        return nn.Dense(2)(nn.relu(x).mean(axis=1))


def loss_of(model):
    def loss_fn(params, batch_stats, batch, rng):
        variables = {"params": params, "batch_stats": batch_stats}
        found, updated = model.apply(variables, batch["x"], mutable=["batch_stats"])
        loss = jnp.square(found - batch["y"]).mean() * batch["scale"]["of"]
        return loss, (updated.get("batch_stats", {}), {"loss": loss})

    return loss_fn


def batch_of(rows):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 6, 3)), rng.normal(size=(rows, 2))
    scale = {"of": np.float32(2.0)}
    return {"x": x.astype(np.float32), "y": y.astype(np.float32), "scale": scale}


def state_of(model):
    variables = model.init(jax.random.key(0), batch_of(2)["x"])
    return create_state({"batch_stats": {}, **variables}, OPTIMIZER)


def steps_of(model, rows, accumulate):
    def run(state, batch):
        rng = jax.random.key(1)
        return train_step(
            state,
            batch,
            rng,
            loss_fn=loss_of(model),
            optimizer=OPTIMIZER,
            accumulate=accumulate,
            groups=2,
        )

    return jax.jit(run)(state_of(model), batch_of(rows))


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_micro_batches_are_the_whole_batch(backend, monkeypatch):
    """Also by the scan that accelerators take."""
    model = Layers(False)
    whole, expected = steps_of(model, 12, 1)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    parts, scalars = steps_of(model, 12, 3)
    close = {"rtol": 1e-5, "atol": 1e-7}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **close), parts.params, whole.params)
    assert int(parts.step) == 1
    for name, value in expected.items():
        np.testing.assert_allclose(scalars[name], value, rtol=1e-5)


def test_batch_norm_sees_micro_batches_and_its_averages_move_once():
    model = Layers(True)
    state, _ = steps_of(model, 12, 3)
    start, batch = state_of(model), batch_of(12)
    groups = batch["x"].reshape(2, 6, 6, 3)
    moved = []
    for index in range(3):
        part = groups[:, index::3].reshape(4, 6, 3)
        variables = {"params": start.params, "batch_stats": start.batch_stats}
        _, updated = model.apply(variables, part, mutable=["batch_stats"])
        moved.append(updated["batch_stats"])
    expected = jax.tree.map(lambda *x: np.mean(x, axis=0), *moved)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        state.batch_stats,
        expected,
    )


def test_partners_stay_together():
    batch = {"row": np.arange(12), "weight": np.float32(0.5)}
    found = micro_batches(batch, 3, groups=2)
    assert found["row"].tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    assert found["weight"].tolist() == [0.5, 0.5, 0.5]
    assert micro_batches(batch, 2, groups=1)["row"].tolist()[1] == [1, 3, 5, 7, 9, 11]
