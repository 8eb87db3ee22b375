"""The setting `data.views.stream`: what classification reads instead of poses."""

import jax
import numpy as np
import pytest

from via_jax.data.batches import Windows
from via_jax.data.views import Views, check_stream, evaluation_batch, training_batch
from via_jax.pretrain import pretrain, views_of
from via_jax.skeletons import get_layout

KEY = jax.random.key(0)
LAYOUT = get_layout("unik17")
PARENTS = np.array([1, 2, 3, 4, 4, 2, 2, 5, 6, 7, 8, 4, 4, 11, 12, 13, 14])  # the root's is itself
STREAMS = ("joint", "bone", "joint_motion", "bone_motion")


def make_views(**changed):
    settings = {
        "layout": LAYOUT,
        "coords": 2,
        "normalisation": "screen",
        "y_up": False,
        "face_front": False,
        "camera": None,
        "test_camera": None,
        "bone_spread": 0.0,
        "move": {"rotation": 9.0, "scale": 0.1, "squeeze": 0.1, "shift": 0.2, "moving": True},
        "mirror": 0.5,
        "noise": 0.01,
        "lost_joints": 0.2,
    }
    return Views(**{**settings, **changed})


@pytest.fixture(scope="module")
def windows():
    """Pixels in four windows: joints that were never seen, and others bridged in some frames."""
    rng = np.random.default_rng(0)
    known = rng.random((4, 17)) < 0.8
    valid = (rng.random((4, 6, 17)) < 0.8) & known[:, None]
    poses = np.where(known[:, None, :, None], rng.uniform(50, 500, (4, 6, 17, 2)), 0)
    size = np.tile(np.float32([640, 480]), (4, 1))
    return Windows(poses.astype(np.float32), valid, known, size)


def expected_of(joints, valid, known, stream):
    """The stream of joint input [4, 6, 17, 2]: bridged joints count as known, but not as valid."""
    poses, known = joints, np.repeat(known[:, None], 6, axis=1)
    if "bone" in stream:
        poses = poses - poses[:, :, PARENTS]
        known, valid = known & known[:, :, PARENTS], valid & valid[:, :, PARENTS]
    if "motion" in stream:
        poses = np.concatenate([poses[:, 1:] - poses[:, :-1], 0 * poses[:, :1]], axis=1)
        valid = np.concatenate([valid[:, :-1] & valid[:, 1:], valid[:, -1:]], axis=1)
    return np.where(known[..., None], poses, 0), valid


@pytest.mark.parametrize("stream", STREAMS)
def test_evaluation_reads_the_stream(stream, windows):
    joints = np.asarray(evaluation_batch(windows, np.arange(4), KEY, make_views())["poses"])
    found = evaluation_batch(windows, np.arange(4), KEY, make_views(stream=stream))
    poses, valid = expected_of(joints, windows.valid, windows.known, stream)
    np.testing.assert_allclose(found["poses"], poses, atol=1e-6)
    np.testing.assert_array_equal(found["valid"], valid)
    assert set(found) == {"poses", "valid"} and np.abs(found["poses"]).max() > 0.1


@pytest.mark.parametrize("stream", STREAMS)
def test_training_reads_the_stream_of_augmented_poses(stream, windows):
    """A joint that is taken away takes its bones away too."""
    plain = jax.tree.map(np.asarray, training_batch(windows, KEY, make_views(), False))
    views = make_views(stream=stream)
    found = jax.jit(lambda w: training_batch(w, KEY, views, False))(windows)
    here = (plain["poses"] != 0).any(axis=(1, 3))  # mirrored, and some joints lost
    assert here.sum() < windows.known.sum()
    poses, valid = expected_of(plain["poses"], plain["valid"], here, stream)
    np.testing.assert_allclose(found["poses"], poses, atol=1e-5)
    np.testing.assert_array_equal(found["valid"], valid)


def test_streams_that_do_not_fit_are_refused_before_a_run(tiny_data, tiny_config):
    tiny_config.data.views.stream = "bone"
    assert views_of(tiny_config, tiny_data).stream == "bone"
    tiny_config.data.views.stream = "velocity"
    with pytest.raises(ValueError, match="stream='velocity'; expected one of joint, bone"):
        views_of(tiny_config, tiny_data)
    with pytest.raises(ValueError, match=r"layout penn13 are no tree.* e\.g\. unik17"):
        check_stream(make_views(layout=get_layout("penn13"), stream="bone"))
    with pytest.raises(ValueError, match="'bone_motion' of normalisation 'root'"):
        check_stream(make_views(normalisation="root", stream="bone_motion"))
    check_stream(make_views(normalisation="root"))


def test_pretraining_knows_poses_only(tiny_config, tmp_path):
    tiny_config.data.views.stream = "bone"
    message = (
        "stream='bone' in pre-training, which rebuilds and retargets poses; set it to \"joint\""
    )
    with pytest.raises(ValueError, match=message):
        pretrain(tiny_config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
