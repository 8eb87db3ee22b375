"""The published preprocessing against loops, literals and properties."""

import itertools

import numpy as np
import pytest

from via_jax.data import preprocessing as pre
from via_jax.skeletons import get_layout

NTU = get_layout("ntu25")
UNIK = get_layout("unik17")


def rng(seed=0):
    return np.random.default_rng(seed)


def random_clip(layout=NTU, persons=2, time=6, coords=3, seed=0):
    """Poses with NaN where a joint is missing; the first frame of person 0 lacks its spine."""
    poses = rng(seed).normal(size=(persons, time, layout.num_joints, coords)).astype(np.float32)
    valid = rng(seed + 1).random(poses.shape[:3]) < 0.8
    valid[0, 1:3] = True
    valid[0, 0, 1] = False
    poses[~valid] = np.nan
    return poses, valid


# Screen


def test_the_screen_is_two_wide_and_keeps_its_aspect():
    pixels = np.array([[0.5, 240], [320, 240], [640, 480], [320, 0], [0, 120]], np.float32)
    found = pre.to_screen(pixels[None, None], np.array([[640, 480]]))
    expected = [[1 / 640 - 1, 0], [0, 0], [1, 0.75], [0, 0], [0, -0.375]]  # exact zeros stay 0
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-6)


def test_each_clip_has_its_own_screen():
    pixels = rng().uniform(1, 400, (3, 4, 5, 2)).astype(np.float32)
    pixels[1, 2, 3] = 0.0
    sizes = np.array([[640, 480], [480, 640], [400, 400]])
    found = np.asarray(pre.to_screen(pixels, sizes))
    for i, t, v in np.ndindex(3, 4, 5):
        (w, h), (x, y) = sizes[i], pixels[i, t, v]
        expected = [2 * x / w - 1, 2 * y / w - h / w] if x else [0, 0]
        np.testing.assert_allclose(found[i, t, v], expected, atol=1e-6)


# A fixed length


@pytest.mark.parametrize("frames", [1, 4, 6, 11, 13])
def test_resampling_is_the_interpolation_of_each_track(frames):
    poses, _ = random_clip()
    poses = np.nan_to_num(poses)
    found, seen = pre.resample(poses, np.ones(poses.shape[:3], bool), frames)
    assert found.shape == (2, frames, 25, 3) and seen.all() and found.dtype == np.float32
    places = np.linspace(0, 5, frames) if frames > 1 else [0]
    for person, joint, coord in itertools.product(range(2), range(25), range(3)):
        expected = np.interp(places, np.arange(6), poses[person, :, joint, coord])
        np.testing.assert_allclose(found[person, :, joint, coord], expected, atol=1e-5)


def test_a_missing_joint_spoils_only_what_is_made_of_it():
    poses = np.arange(5, dtype=np.float32)[None, :, None, None] * np.ones((1, 5, 1, 2), np.float32)
    valid = np.array([1, 1, 0, 1, 1], bool)[None, :, None]
    poses[~valid] = np.nan
    found, seen = pre.resample(poses, valid, 9)  # at 0, 0.5, 1 ... 4
    expected = [True, True, True, False, False, False, True, True, True]
    np.testing.assert_array_equal(seen[0, :, 0], expected)
    track = [0, 0.5, 1, 0, 0, 0, 3, 3.5, 4]
    np.testing.assert_allclose(found[0, :, 0, 1], track, atol=1e-6)


# Streams

# Parents of UNIK's 17 joints, written by hand: head nose neck chest mid_hip, then the limbs.
PARENTS = [1, 2, 3, 4, None, 2, 2, 5, 6, 7, 8, 4, 4, 11, 12, 13, 14]


def test_streams_are_the_loops_over_joints_and_frames():
    poses = rng().normal(size=(2, 5, 17, 2)).astype(np.float32)
    seen = rng(1).random((2, 5, 17)) < 0.8
    bones, bone_seen = np.zeros_like(poses), seen.copy()
    for joint, parent in enumerate(PARENTS):
        if parent is not None:
            bones[:, :, joint] = poses[:, :, joint] - poses[:, :, parent]
            bone_seen[:, :, joint] = seen[:, :, joint] & seen[:, :, parent]

    def motion(values, mask):
        moved, both = np.zeros_like(values), mask.copy()
        for t in range(4):
            moved[:, t] = values[:, t + 1] - values[:, t]
            both[:, t] = mask[:, t] & mask[:, t + 1]
        return moved, both

    expected = {
        "joint": (poses, seen),
        "bone": (bones, bone_seen),
        "joint_motion": motion(poses, seen),
        "bone_motion": motion(bones, bone_seen),
    }
    assert set(expected) == set(pre.STREAMS)
    for stream, (values, mask) in expected.items():
        found, known = pre.stream_of(poses, seen, UNIK, stream)
        np.testing.assert_array_equal(known, mask, err_msg=stream)
        np.testing.assert_allclose(found, np.where(mask[..., None], values, 0), atol=1e-6)
    assert not np.asarray(pre.stream_of(poses, seen, UNIK, "bone_motion")[0])[:, -1].any()


def test_joints_known_throughout_need_one_row():
    poses = rng().normal(size=(3, 4, 17, 3)).astype(np.float32)
    known = rng(1).random((3, 1, 17)) < 0.7
    for stream in pre.STREAMS:
        found, seen = pre.stream_of(poses, known, UNIK, stream)
        every, _ = pre.stream_of(poses, np.repeat(known, 4, axis=1), UNIK, stream)
        np.testing.assert_array_equal(found, every)
        assert seen.shape == known.shape


def test_bones_and_motions_do_not_know_where_the_body_stands():
    poses = rng().normal(size=(1, 4, 17, 2)).astype(np.float32)
    seen = np.ones((1, 4, 17), bool)
    for stream in ("bone", "joint_motion", "bone_motion"):
        here, _ = pre.stream_of(poses, seen, UNIK, stream)
        there, _ = pre.stream_of(poses + np.float32(2.5), seen, UNIK, stream)
        np.testing.assert_allclose(here, there, atol=1e-5)


def test_streams_that_cannot_be_are_refused():
    poses, seen = np.zeros((2, 13, 2)), np.ones((2, 13), bool)
    with pytest.raises(ValueError, match="stream='bones'; expected one of joint, bone, joint_mot"):
        pre.stream_of(poses, seen, get_layout("penn13"), "bones")
    for stream in ("bone", "bone_motion"):
        with pytest.raises(ValueError, match="the bones of layout penn13 are no tree"):
            pre.stream_of(poses, seen, get_layout("penn13"), stream)
    assert pre.stream_of(poses, seen, get_layout("penn13"), "joint_motion")[1].all()
