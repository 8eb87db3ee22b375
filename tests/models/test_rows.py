"""Rows divided among the devices of a pmap: the pieces, and the classifier as on one device."""

import jax
import numpy as np
import optax

from via_jax import parallel
from via_jax.evaluation.fine_tune import classification_loss
from via_jax.models import encoder
from via_jax.models.classifier import Classifier
from via_jax.models.rows import all_rows, own_rows
from via_jax.training import create_state, train_step

OPTIMIZER = optax.sgd(1.0)


def test_own_rows_are_a_slice_and_come_together_again():
    x = np.arange(12).reshape(6, 2)

    def both(x, _):
        own = own_rows(x, "data")
        return own, all_rows(own + 1, "data")

    own, everything = jax.pmap(both, axis_name="data", in_axes=(None, 0))(x, np.arange(2))
    np.testing.assert_array_equal(own.reshape(6, 2), x)
    assert all((rows == x + 1).all() for rows in everything)
    assert own_rows(x, None) is x and all_rows(x, None) is x


def test_the_classifier_learns_by_pmap_as_on_one_device(monkeypatch):
    monkeypatch.setattr(encoder, "BLOCKS", ((64, 2), (256, 2)))
    rng = np.random.default_rng(0)
    poses = rng.normal(size=(4, 2, 16, 5, 2)).astype(np.float32)
    present = np.array([[1, 1], [1, 0], [1, 1], [1, 0]], bool)
    batch = {"poses": poses, "present": present, "label": np.array([0, 2, 1, 2])}
    model = Classifier(3, 1 / 16, 1, 4, True, "motion")
    variables = jax.jit(lambda k: model.init(k, poses, False))(jax.random.key(0))
    start = jax.tree.map(np.asarray, create_state(variables, OPTIMIZER))
    key = jax.random.key(1)
    found = []
    for kind in ("jit", "pmap"):
        axis = parallel.axis_of(kind)
        loss_fn = classification_loss(model.clone(axis=axis), 0.1)

        def step(state, batch, loss_fn=loss_fn, axis=axis):
            return train_step(state, batch, key, loss_fn=loss_fn, optimizer=OPTIMIZER, axis=axis)

        if kind == "jit":
            found.append(jax.jit(step)(start, batch))
        else:
            mesh = parallel.data_mesh()
            program = parallel.compile_steps(step, mesh, 1, kind)
            found.append(program(parallel.put(start, mesh), batch))
    (one, scalars), (two, others) = found
    for name, value in scalars.items():
        np.testing.assert_allclose(others[name], value, rtol=1e-5)
    for part in ("params", "batch_stats"):
        trees = [
            jax.tree.map(lambda a, b: np.asarray(a) - b, getattr(end, part), getattr(start, part))
            for end in (two, one)
        ]
        right = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(trees[1])])
        left = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(trees[0])])
        assert np.linalg.norm(left - right) < 1e-5 * np.linalg.norm(right), part
