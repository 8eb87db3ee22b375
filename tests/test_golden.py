"""Checkpoints of every release so far load, and give the numbers they gave then."""

import json
import pathlib
import tarfile

import golden_run
import jax
import numpy as np
import pytest

from via_jax import loop
from via_jax.checkpoints import Checkpoints, load_model
from via_jax.models.autoencoder import Autoencoder
from via_jax.optimizers import optimizer_of
from via_jax.pretrain import check_same_model
from via_jax.training import create_state

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture(scope="module", params=sorted(GOLDEN.glob("*.tar.gz")), ids=lambda p: p.name)
def golden(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_it_gives_the_numbers_it_gave_then(golden):
    variables, meta = load_model(golden / "run" / "checkpoints", "latest")
    found = golden_run.numbers(variables, meta)
    expected = json.loads((golden / "numbers.json").read_text())
    assert set(found) == set(expected)
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=1e-5)


def test_a_run_goes_on_from_it(golden):
    """Into a state made as training makes it, by the settings the checkpoint remembers."""
    variables, meta = load_model(golden / "run" / "checkpoints", "latest")
    model = Autoencoder(joints=17, **meta["model"])
    poses = np.zeros((2, 1, 16, 17, meta["model"]["coords"]), np.float32)
    shapes = jax.eval_shape(lambda key: model.init(key, poses), jax.random.key(0))
    optimizer = optimizer_of(**meta["config"]["pretrain"]["optimizer"])
    fresh = create_state(jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes), optimizer)
    with Checkpoints(golden / "run" / "checkpoints") as checkpoints:
        state, done = loop.restore_newest(fresh, checkpoints)
    assert done == int(state.step) == 3
    jax.tree.map(np.testing.assert_array_equal, state.params, variables["params"])
    check_same_model(meta, meta, "golden")


def test_it_says_what_it_is(golden):
    _, meta = load_model(golden / "run" / "checkpoints", "latest")
    assert meta["version"] == "0.1.0" and meta["layout"] == "unik17" and meta["dataset"] == "tiny"
