"""The Python API: arrays in, labels, features and clips out; wrong shapes are refused."""

import subprocess
import sys

import numpy as np
import pytest
from reference.published import random_state

from via_jax.api import Model, Prediction
from via_jax.data.clip import Clip
from via_jax.data.prepare import to_layout
from via_jax.evaluation import features
from via_jax.pretrain import meta_of, views_of, window_of
from via_jax.skeletons import get_layout
from via_jax.weights import Sizes, from_published

SIZES = Sizes(17, 2, persons=1, heads=1, width=1 / 16, classes=3, directions=4)


@pytest.fixture(scope="module")
def variables():
    return from_published(random_state(SIZES))


@pytest.fixture
def model(variables, tiny_config, tiny_data):
    """With encoder, dictionary and head."""
    tiny_config.data.views.camera = tiny_config.data.views.test_camera = None
    meta = meta_of(tiny_config, tiny_data, views_of(tiny_config, tiny_data))
    return Model(variables, meta | {"classes": ["squat", "walk", "wave"]})


def swinging(layout, frames=12, coords=2):
    rng = np.random.default_rng(0)
    joints = get_layout(layout).num_joints
    place, phase = rng.normal(300, 60, (joints, coords)), rng.uniform(0, 6, (joints, coords))
    return place + 20 * np.sin(np.linspace(0, 6, frames)[:, None, None] + phase)


def test_the_package_imports_without_jax_and_names_what_it_lacks():
    code = (
        "import sys, via_jax\n"
        "assert 'jax' not in sys.modules and 'flax' not in sys.modules\n"
        "try: via_jax.lode\n"
        "except AttributeError as error: print(error)"
    )
    run = [sys.executable, "-c", code]
    found = subprocess.run(run, check=True, capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "module 'via_jax' has no attribute 'lode'"


def test_features_are_those_of_evaluation_whatever_the_layout(model, tiny_data, tiny_config):
    clips = [tiny_data.read(0), tiny_data.read(9)]
    found = model.features(clips)
    wanted = features.extract(
        model._variables,
        tiny_data,
        np.array([0, 9]),
        model=tiny_config.model.to_dict(),
        feature="motion",
        published_persons=False,
        window=window_of(tiny_config.data),
        views=views_of(tiny_config, tiny_data),
        persons=1,
        batch=2,
        seed=0,
    )
    assert found.shape == (2, 16) and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    # An array of another layout, without the Clip around it; NaN is a missing joint.
    poses = swinging("coco17", coords=2)
    poses[3, 7] = np.nan
    valid = np.isfinite(poses).all(axis=-1)
    clip = Clip(np.nan_to_num(poses)[None].astype(np.float32), valid[None], "coco17", "c")
    by_hand = model.features(to_layout(clip, model.layout.name))
    np.testing.assert_allclose(model.features(poses, layout="coco17"), by_hand, rtol=1e-5)
    np.testing.assert_array_equal(model.features(poses[None], layout="coco17"), by_hand)


def test_a_prediction_has_names_and_probabilities():
    prediction = Prediction(("a", "b", "c"), np.array([0.2, 0.5, 0.3], np.float32))
    assert prediction.label == "b"
    assert [name for name, _ in prediction.top(2)] == ["b", "c"]
    assert prediction.top(9)[2] == ("a", pytest.approx(0.2))


@pytest.mark.parametrize(
    ("poses", "arguments", "message"),
    [
        (np.zeros((8, 17)), {}, r"shape \(8, 17\) .*numbers \[time, 17 joints, coords\]"),
        (np.zeros((8, 25, 2)), {}, r"25 joints; the model reads 17 of layout unik17: name the"),
        (np.ones((8, 25, 2)), {"layout": "coco17"}, r"25 joints and 2 coords; expected 17 joints"),
        (np.ones((8, 17, 2)), {"layout": "coco"}, r"unknown layout: 'coco' \(did you mean"),
        (np.ones((8, 17, 4)), {}, r"17 joints and 4 coords"),
        (
            np.ones((8, 17, 2)),
            {"valid": np.ones((8, 16), bool)},
            r"valid has shape \(8, 16\); poses want \(8, 17\)",
        ),
        (np.ones((8, 17, 2), complex), {}, r"type complex128; expected real numbers"),
        (np.full((8, 17, 2), 1e30), {}, r"a coordinate of 1e\+30; expected none above 1e\+09"),
        (np.ones((0, 17, 2)), {}, r"0 frame\(s\); expected at least 1$"),
        (np.full((8, 17, 2), np.nan), {}, r"all joints are missing in all frames"),
        (np.ones((8, 17, 2)), {"rate": 30}, r"unknown facts rate; expected some of .*frame_rate"),
        (np.ones((8, 17, 2)), {"frame_rate": -3}, r"frame_rate=-3; expected frames a second"),
        (np.ones((8, 17, 2)), {"image_size": (0, 480)}, r"image_size=\(0, 480\); expected \(width"),
        ([np.ones((8, 17, 2))], {}, r"a list of poses holds Clips"),
        ([], {}, r"a list of poses holds Clips, at least one"),
    ],
)
def test_poses_that_do_not_fit_are_refused(model, poses, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.features(poses, **arguments)


def test_a_clip_is_given_alone(model, tiny_data):
    with pytest.raises(ValueError, match="a Clip says its own valid, layout and facts"):
        model.features(tiny_data.read(0), layout="coco17")


def test_what_the_model_lacks_is_said(model, variables):
    assert "3 classes" in repr(model) and "layout unik17, 2D" in repr(model)
    poses = swinging("unik17")
    with pytest.raises(ValueError, match="has no decoder, so it cannot retarget"):
        model.retarget(poses, poses)
    bare = {"params": {"encoder": variables["params"]["encoder"]}}
    encoder = Model(variables | bare, model.meta)
    with pytest.raises(ValueError, match="has no classifier, so it cannot name actions"):
        encoder.predict(poses)
    with pytest.raises(ValueError, match=r'"motion" of weights without a dictionary'):
        encoder.features(poses, feature="motion")


def test_retargeting_takes_arrays(model, variables, monkeypatch):
    calls = []
    whole = Model(variables | {"params": variables["params"] | {"decoder": {}}}, model.meta)
    monkeypatch.setattr(
        "via_jax.api.retargeting.retarget",
        lambda v, meta, driving, source, *, fit_bones: calls.append((driving, source, fit_bones)),
    )
    whole.retarget(swinging("unik17"), swinging("unik17", 20)[None], fit_bones=False)
    ((driving, source, fit_bones),) = calls
    assert driving.poses.shape == (1, 12, 17, 2) and source.poses.shape == (1, 20, 17, 2)
    assert (driving.name, source.name, fit_bones) == ("driving", "source", False)


def test_a_stream_is_predicted_as_its_windows(model):
    """Blocks of uneven lengths, one of them a Clip; a window that shows nobody is left out."""
    poses = swinging("unik17", 40)
    poses[8:24] = np.nan
    blocks = [poses[:5], model.clip_of(poses[5:7]), poses[7:31], poses[31:]]
    found = list(model.predict_stream(blocks, frames=16, hop=8))
    assert [(start, end) for start, end, _ in found] == [(0, 16), (16, 32), (24, 40)]
    for start, end, prediction in found:
        alone = model.predict(poses[start:end])
        np.testing.assert_allclose(prediction.probabilities, alone.probabilities, rtol=1e-5)
    with pytest.raises(ValueError, match="windows of 16 frames, 0 apart"):
        model.predict_stream(blocks, frames=16, hop=0)


def test_a_stream_is_retargeted_frame_for_frame(variables, model, monkeypatch):
    """What comes in blocks comes back in clips that follow each other."""
    whole = Model(variables | {"params": variables["params"] | {"decoder": {}}}, model.meta)
    monkeypatch.setattr(
        "via_jax.api.retarget_blocks",
        lambda v, meta, blocks, source, *, fit_bones: iter([*blocks, source, fit_bones]),
    )
    poses = swinging("coco17", 20)
    *blocks, source, fit_bones = whole.retarget_stream(
        [poses[:3], poses[3:]], swinging("unik17"), layout="coco17", fit_bones=False
    )
    assert [(block.layout, block.num_frames) for block in blocks] == [("coco17", 3), ("coco17", 17)]
    assert (source.layout, source.name, fit_bones) == ("unik17", "source", False)
    with pytest.raises(ValueError, match="has no decoder, so it cannot retarget"):
        model.retarget_stream([poses], poses)
