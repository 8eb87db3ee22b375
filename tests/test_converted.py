"""Converted weights as a checkpoint: what it says of itself, and that evaluation reads it."""

import json

import jax
import numpy as np
import pytest
from reference.published import random_state

import via_jax
from via_jax import weights_three_encoders
from via_jax.checkpoints import load_model
from via_jax.converted import check_settings, write_checkpoint, write_three_encoders
from via_jax.data.sampling import Window
from via_jax.evaluation import protocols
from via_jax.evaluation.fine_tune import classifier_of, score
from via_jax.pretrain import meta_of, views_of
from via_jax.weights import Sizes, to_published

SIZES = Sizes(17, 2, persons=2, heads=1, width=1 / 16, classes=3, directions=0)


@pytest.fixture
def config(tiny_config):
    tiny_config.data.persons = 2
    tiny_config.data.published_persons = True
    tiny_config.data.window.frames = 20  # for a converted classifier no multiple of 8 is needed
    tiny_config.data.views.camera = tiny_config.data.views.test_camera = None
    tiny_config.linear_probe.feature = "code"
    tiny_config.linear_probe.rates = tiny_config.linear_probe.penalties = (1.0,)
    return tiny_config


@pytest.fixture
def converted(config, tiny_data, tmp_path):
    folder = tmp_path / "converted"
    classes = ["squat", "walk", "wave"]
    write_checkpoint(folder, random_state(SIZES), config, tiny_data.layout.name, classes)
    return folder


def test_it_says_of_itself_what_a_pre_training_says(converted, config, tiny_data):
    variables, meta = load_model(converted / "checkpoints", "best")
    wanted = json.loads(json.dumps(meta_of(config, tiny_data, views_of(config, tiny_data))))
    assert set(meta) == {*wanted, "classes"}
    for key in ("version", "layout", "views", "window", "statistics"):
        assert meta[key] == wanted[key], key
    assert meta["model"] == wanted["model"] | {"pooling": 1}
    again, state = to_published(variables), random_state(SIZES)
    np.testing.assert_array_equal(again["l8.t_unit.conv.weight"], state["l8.t_unit.conv.weight"])


def test_it_is_probed_and_predicts_as_evaluation_does(converted, config, tiny_data, tmp_path):
    config.linear_probe.checkpoint = str(converted)
    result = protocols.linear_probe(config, tmp_path / "probe")
    assert result["clips"] == 9 and 0 <= result["top1"] <= 100

    model = via_jax.load(converted)
    clips = np.array([2, 11])
    expected = score(
        classifier_of(model.meta["model"], 3, "code"),
        load_model(converted / "checkpoints")[0],
        tiny_data,
        clips,
        window=Window(20, 1, "resample", 0.7, (1.0, 1.0)),
        views=views_of(config, tiny_data),
        persons=2,
        published_persons=True,
        batch=2,
        seed=0,
    )
    found = model.predict([tiny_data.read(int(clip)) for clip in clips])
    for one, wanted in zip(found, expected):
        np.testing.assert_allclose(np.log(one.probabilities), wanted, atol=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"persons": 1}, "data.persons: 1 there, 2 here; set --config.data.persons=1"),
        ({"heads": 4}, "set --config.model.num_heads=4"),
        ({"joints": 25}, "25 joints there, 17 in layout unik17: name another one"),
        ({"directions": 5}, "set --config.model.num_directions=5"),
    ],
)
def test_weights_of_another_config_are_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        check_settings(SIZES._replace(**change), config, "unik17")


def test_each_class_has_one_name(config, tmp_path):
    with pytest.raises(ValueError, match="2 different class names; fc has 3 rows"):
        write_checkpoint(tmp_path, random_state(SIZES), config, "unik17", ["a", "b", "a"])


def test_three_encoders_are_converted_there_and_back(tiny_config, tmp_path):
    tiny_config.pretrain.network = "three_encoders"
    rng = np.random.default_rng(0)
    state = {}
    for layer in weights_three_encoders.LAYERS:
        state[f"{layer.key}.weight"] = rng.normal(size=layer.shape).astype(np.float32)
        state[f"{layer.key}.bias"] = rng.normal(size=layer.shape[0]).astype(np.float32)
    write_three_encoders(tmp_path / "there", state, tiny_config)
    variables, meta = load_model(tmp_path / "there" / "checkpoints")
    assert meta["layout"] == "mixamo15" and meta["dataset"] == "published weights"
    again = weights_three_encoders.to_published(variables["params"])
    jax.tree.map(np.testing.assert_array_equal, again, state)
    with pytest.raises(ValueError, match="holds a checkpoint already"):
        write_three_encoders(tmp_path / "there", state, tiny_config)
    tiny_config.pretrain.network, tiny_config.data.views.normalisation = "via", "root"
    with pytest.raises(ValueError, match=r"pretrain.network=three_encoders; .*needs statistics"):
        write_three_encoders(tmp_path / "other", state, tiny_config)
