"""Poses of another form are refused wherever they enter: what was seen, what was expected."""

import dataclasses

import numpy as np
import pytest
from reference.published import random_state

from via_jax.api import Model
from via_jax.data import writer
from via_jax.data.clip import Clip
from via_jax.evaluation import retargeting
from via_jax.pretrain import meta_of, views_of
from via_jax.weights import Sizes, from_published

POSES = np.random.default_rng(0).normal(300, 60, (1, 12, 17, 2)).astype(np.float32)
GOOD = Clip(POSES, np.ones(POSES.shape[:3], bool), "unik17", "clip", label="walk")
WRONG = {
    "a joint less": ({"poses": POSES[:, :, 1:]}, "16 joints and 2 coords; expected 17 joints"),
    "a coordinate more": (
        {"poses": np.concatenate([POSES, POSES], axis=-1)},
        "17 joints and 4 coords; expected 17 joints .* and 2 or 3 coords",
    ),
    "another layout": ({"layout": "ntu25"}, "17 joints and 2 coords; expected 25 joints"),
    "joints before time": (
        {"poses": POSES.swapaxes(1, 2), "valid": GOOD.valid.swapaxes(1, 2)},
        "an axis of size 17 stands elsewhere: are axes transposed",
    ),
    "whole pixels": ({"poses": POSES.astype(np.int32)}, "poses of type int32; expected float32"),
}


def write(clip, folder):
    return writer.write(folder, [clip], dataset="made", splits=lambda clip: {"official": "train"})


@pytest.fixture(scope="module")
def variables():
    return from_published(random_state(Sizes(17, 2, 1, 1, 1 / 16, classes=3, directions=4)))


@pytest.fixture
def model(variables, tiny_config, tiny_data):
    tiny_config.data.views.camera = tiny_config.data.views.test_camera = None
    meta = meta_of(tiny_config, tiny_data, views_of(tiny_config, tiny_data))
    return Model(variables, meta | {"classes": ["squat", "walk", "wave"]})


@pytest.mark.parametrize("entry", ["train", "features", "predict", "driving", "source"])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_poses_are_refused(name, entry, model, tiny_model, tmp_path):
    changed, message = WRONG[name]
    clip = dataclasses.replace(GOOD, **changed)
    enter = {
        "train": lambda clip: write(clip, tmp_path / "out"),
        "features": model.features,
        "predict": model.predict,
        "driving": lambda clip: retargeting.retarget(*tiny_model, clip, GOOD, fit_bones=False),
        "source": lambda clip: retargeting.retarget(*tiny_model, GOOD, clip, fit_bones=False),
    }[entry]
    with pytest.raises(ValueError, match=f"clip 'clip': .*{message}"):
        enter(clip)
    assert not (tmp_path / "out").exists()
