"""Retargeting of clips of any layout, and the numbers that judge it."""

import dataclasses
import json

import numpy as np
import pytest

from via_jax import skeletons
from via_jax.checkpoints import load_model
from via_jax.data.clip import Clip
from via_jax.data.prepare import to_layout
from via_jax.evaluation import retargeting

UNIK = skeletons.get_layout("unik17")


@pytest.fixture(scope="module")
def model(pretrained):
    return load_model(pretrained.workdir / "checkpoints", "latest")


def moving_clip(layout: str, frames: int, seed: int, name: str) -> Clip:
    """A 2D body whose joints swing around their places, in pixels."""
    rng = np.random.default_rng(seed)
    joints = skeletons.get_layout(layout).num_joints
    place = rng.normal(300, 60, (1, 1, joints, 2))
    phase = rng.uniform(0, 6, (1, 1, joints, 2))
    poses = place + 20 * np.sin(np.linspace(0, 6, frames)[None, :, None, None] + phase)
    valid = np.ones((1, frames, joints), bool)
    return Clip(poses.astype(np.float32), valid, layout, name, frame_rate=30.0)


@pytest.fixture(scope="module")
def driving():
    return moving_clip("unik17", 21, 0, "driver")


@pytest.fixture(scope="module")
def source():
    return moving_clip("openpose25", 26, 1, "source")


def test_the_result_is_the_sources_body_for_as_long_as_the_driver_moves(model, driving, source):
    result = retargeting.retarget(*model, driving, source)
    assert result.poses.shape == (1, 21, 25, 2)
    assert (result.layout, result.units, result.frame_rate) == ("openpose25", "pixels", 30.0)
    names = np.array(skeletons.get_layout("openpose25").joints)
    seen = set(names[result.valid[0].all(axis=0)])
    assert "left_wrist" in seen and "mid_hip" in seen and "neck" in seen
    assert not seen & {"nose", "left_eye", "right_ear", "left_big_toe"}  # the model knows none
    assert not result.poses[~result.valid].any()


def test_bones_are_fitted_to_the_source(model, driving, source):
    numbers = retargeting.judge(
        retargeting.retarget(*model, driving, source), driving, source, "unik17"
    )
    assert numbers["bone_error"] < 0.1  # percent
    raw = retargeting.judge(
        retargeting.retarget(*model, driving, source, fit_bones=False), driving, source, "unik17"
    )
    assert raw["bone_error"] > 1.0


def test_place_and_size_are_the_sources_alone(model, driving, source):
    before = retargeting.retarget(*model, driving, source)
    moved = dataclasses.replace(driving, poses=2.0 * driving.poses + 50.0)
    np.testing.assert_allclose(
        retargeting.retarget(*model, moved, source).poses, before.poses, atol=0.05
    )
    larger = dataclasses.replace(source, poses=2.0 * source.poses + 50.0)
    after = retargeting.retarget(*model, driving, larger)
    np.testing.assert_allclose(
        after.poses[after.valid], 2.0 * before.poses[before.valid] + 50.0, atol=0.1
    )


def test_angles_of_a_right_angle_and_their_correlation(driving):
    layout = UNIK
    shoulder, elbow, wrist = (layout.index(f"left_{j}") for j in ("shoulder", "elbow", "wrist"))
    poses = np.random.default_rng(0).normal(size=(5, 17, 2)).astype(np.float32)
    poses[:, [shoulder, elbow, wrist]] = [[0, 0], [0, 1], [1, 1]]
    angles = retargeting.joint_angles(poses, layout)
    assert np.isclose(angles, np.pi / 2, atol=1e-6).all(axis=0).any()
    moves = driving.poses[0]
    assert retargeting.angle_correlation(moves, moves, layout) == pytest.approx(1.0, abs=1e-4)
    still = np.repeat(moves[:1], len(moves), axis=0)
    assert retargeting.angle_correlation(still, moves, layout) == pytest.approx(0.0, abs=1e-3)


def test_errors_are_zero_for_the_truth(driving):
    other = moving_clip("unik17", 21, 3, "other")
    found = retargeting.errors(driving, driving, other, driving)
    assert found["retargeting_error"] == 0.0 and found["copied_driver_error"] > 0.01


def test_json_holds_every_frame(driving, tmp_path):
    retargeting.write_json(tmp_path / "clip.json", driving)
    content = json.loads((tmp_path / "clip.json").read_text())
    rows = np.array(content["frames"])
    np.testing.assert_allclose(rows[..., :2], driving.poses[0], atol=1e-4)
    assert rows[..., 2].all() and content["joints"] == list(UNIK.joints)


def test_what_is_refused(model, driving, source):
    variables, meta = model
    one = dataclasses.replace(driving, poses=driving.poses[:, :1], valid=driving.valid[:, :1])
    with pytest.raises(ValueError, match=r"1 frame\(s\); expected at least 2"):
        retargeting.retarget(variables, meta, one, source)
    with pytest.raises(ValueError, match="is 2D and the model 3D"):
        in_3d = {**meta, "model": {**meta["model"], "coords": 3}}
        retargeting.retarget(variables, in_3d, driving, source)
    with pytest.raises(ValueError, match="has no image size"):
        retargeting.retarget(variables, {**meta, "normalisation": "screen"}, driving, source)


def test_unik17_is_made_from_the_limbs_whatever_the_recording(source):
    clip = to_layout(source, "unik17")
    hips = clip.poses[0][:, [UNIK.index("left_hip"), UNIK.index("right_hip")]].mean(axis=1)
    np.testing.assert_allclose(clip.poses[0][:, UNIK.index("mid_hip")], hips, atol=1e-3)
