"""Table 6 as one command: other characters in the test, the last checkpoint judged."""

import json

import numpy as np
import pytest

from via_jax.checkpoints import load_model
from via_jax.data import store
from via_jax.data.characters import characters_of
from via_jax.data.prepare import prepare
from via_jax.evaluation.against_truth import judge_pairs, retargeter_of
from via_jax.evaluation.paired_protocol import baseline, paired, test_pairs_of
from via_jax.models.autoencoder import Autoencoder
from via_jax.pretrain import views_of

test_pairs_of.__test__ = False  # not a test


@pytest.fixture
def paired_config(tiny_config):
    config = tiny_config
    config.data.held_out = 0.0
    config.data.characters = {"train": 3, "test": 2, "spread": 1.5, "seed": 0}
    config.data.window.sampling = "crop"
    config.data.views.normalisation = "metric"
    config.data.views.face_front = True
    config.data.views.bone_spread = 0.0
    config.pretrain.paired = True
    config.pretrain.eval_every = 0
    config.pretrain.optimizer.steps = 2
    config.paired.frames, config.paired.hop = 16, 8
    return config


def test_a_row_of_the_table(paired_config, tmp_path):
    results = paired(paired_config, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == pytest.approx(results)
    variables, meta = load_model(tmp_path / "pretrain" / "checkpoints", "latest")
    data = store.load(paired_config.data.folder)
    pairs = test_pairs_of(paired_config, data)
    characters = characters_of(data, "official", paired_config.data.characters.to_dict())
    assert set(map(tuple, pairs.lengths.round(5))) == set(map(tuple, characters.test.round(5)))
    model = Autoencoder(joints=17, **paired_config.model)
    retarget = retargeter_of(model, variables, views_of(paired_config, data, meta))
    assert judge_pairs(retarget, pairs, data.layout) == pytest.approx(results, rel=1e-5)
    # Retargeted sequences do not depend on what else is in the batch, and on their source.
    two = np.asarray(retarget(pairs.driving[:2], pairs.source[:2]))
    swapped = np.asarray(retarget(pairs.driving[:2], pairs.source[1::-1]))
    assert two.shape == pairs.truth[:2].shape and not np.allclose(two, swapped, atol=1e-4)
    again = paired(paired_config, tmp_path)  # finished: nothing is trained
    assert again == pytest.approx(results)


def test_a_row_needs_test_characters(paired_config, tmp_path):
    """It is refused before anything is trained."""
    paired_config.data.characters.test = 1
    with pytest.raises(ValueError, match=r"characters\.test=1; expected at least two"):
        paired(paired_config, tmp_path)
    assert not (tmp_path / "pretrain").exists()


def test_the_three_encoders_are_a_row_as_well(paired_config, tiny_data, tmp_path):
    folder = tmp_path / "tiny15"
    prepare("prepared", tiny_data.folder, folder, layout="mixamo15")
    config = paired_config
    config.data.folder, config.data.protocol = str(folder), "given"
    config.pretrain.network = "three_encoders"
    results = paired(config, tmp_path / "run")
    assert np.isfinite(list(results.values())).all() and results["mse"] > 0
    config.model.coords = 3
    with pytest.raises(ValueError, match="mixamo15 in 2D and choose nothing, not mixamo15 in 3D"):
        paired(config, tmp_path / "other")


def test_baselines(paired_config):
    data = store.load(paired_config.data.folder)
    pairs = test_pairs_of(paired_config, data)
    copied = baseline(paired_config, "copied driver")
    gap = pairs.driving - pairs.truth
    gap = gap - gap[:, :, [data.layout.index("mid_hip")]]
    assert copied["mae"] == pytest.approx(100 * np.abs(gap).mean(), rel=1e-4)
    assert baseline(paired_config, "scaled driver")["not_rigid"] < copied["not_rigid"]
    assert baseline(paired_config, "ridge")["mse"] < copied["mse"]
    with pytest.raises(ValueError, match="'shuffled'; expected 'copied driver', 'scaled"):
        baseline(paired_config, "shuffled")
