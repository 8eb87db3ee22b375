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


# Empty frames


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([0, 1, 2], [0, 1, 2, 0, 1, 2, 0]),  # nobody at the end, the usual case
        ([2, 3, 4, 5], [2, 3, 4, 5, 2, 3, 4]),  # at the beginning
        ([1, 4], [1, 4, 1, 4, 1, 4, 1]),  # and in the middle
        (list(range(7)), list(range(7))),
    ],
)
def test_empty_frames_are_filled_by_repeating_the_others(shown, expected):
    poses = np.arange(7, dtype=np.float32)[None, :, None, None] * np.ones((2, 7, 3, 2), np.float32)
    poses[1] += 10
    valid = np.zeros((2, 7, 3), bool)
    valid[0, shown, 1] = True
    valid[1, shown[:1]] = True  # somebody else, who is alone in no frame
    kept = poses.copy(), valid.copy()
    filled, seen = pre.fill_empty_frames(poses, valid)
    np.testing.assert_array_equal(filled[0, :, 0, 0], expected)
    np.testing.assert_array_equal(filled[1, :, 2, 1], 10.0 + np.array(expected))
    np.testing.assert_array_equal(seen, valid[:, expected])
    assert seen.any(axis=(0, 2)).all()
    np.testing.assert_array_equal(poses, kept[0])
    np.testing.assert_array_equal(valid, kept[1])


def test_persons_stay_at_their_moments_unless_given_one_by_one():
    valid = np.zeros((2, 5, 1), bool)
    valid[0, :4], valid[1, 2:4] = True, True
    poses = np.tile(np.arange(5.0)[None, :, None, None], (2, 1, 1, 2))
    together, seen = pre.fill_empty_frames(poses, valid)
    np.testing.assert_array_equal(together[1, :, 0, 0], [0, 1, 2, 3, 0])
    np.testing.assert_array_equal(seen[1, :, 0], [False, False, True, True, False])
    alone, seen = pre.fill_empty_frames(poses[1:], valid[1:])
    np.testing.assert_array_equal(alone[0, :, 0, 0], [2, 3, 2, 3, 2])
    assert seen.all()


def test_a_clip_that_shows_nobody_is_left_alone():
    poses = rng().normal(size=(1, 3, 2, 2))
    filled, seen = pre.fill_empty_frames(poses, np.zeros((1, 3, 2), bool))
    np.testing.assert_array_equal(filled, poses)
    assert not seen.any() and filled is not poses


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


# Centring


def test_poses_are_centred_on_a_joint_of_the_first_person_in_every_frame():
    poses, valid = random_clip()
    found = pre.centre_on(poses, valid, NTU, "spine")
    centres = [t if valid[0, t, 1] else None for t in range(6)]
    assert centres[0] is None and centres[1] == 1
    for t in range(6):  # the last sighting, or the first one
        before = [c for c in centres[: t + 1] if c is not None]
        centre = poses[0, before[-1] if before else 1, 1]
        for person, joint in np.ndindex(2, 25):
            seen = valid[person, t, joint]
            expected = poses[person, t, joint] - centre if seen else np.zeros(3)
            np.testing.assert_allclose(found[person, t, joint], expected, atol=1e-6)
    assert found.dtype == np.float32


def test_a_centre_that_is_not_there_is_refused():
    poses, valid = random_clip()
    with pytest.raises(ValueError, match=r"unknown joint of layout ntu25: 'chest'"):
        pre.centre_on(poses, valid, NTU, "chest")
    valid[0, :, 1] = False
    with pytest.raises(ValueError, match="spine of the first person is never seen"):
        pre.centre_on(poses, valid, NTU, "spine")


# Alignment


def random_rotation(seed):
    matrix, _ = np.linalg.qr(rng(seed).normal(size=(3, 3)))
    return matrix * np.linalg.det(matrix)


ALIGN = (pre.align_body, pre.align_body_published)


@pytest.mark.parametrize("align", ALIGN)
def test_aligning_is_one_rotation_about_the_origin(align):
    poses, valid = random_clip()
    found = align(poses, valid, NTU)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[~valid], 0.0)
    before, after = poses[valid].astype(np.float64), found[valid].astype(np.float64)
    matrix, *_ = np.linalg.lstsq(before, after, rcond=None)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(matrix) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(before @ matrix, after, atol=1e-5)


def test_the_body_stands_upright_and_faces_the_camera():
    """Joint numbers as NTU publishes them: 0 base of the spine, 1 its middle, 4 and 8 shoulders."""
    poses, valid = random_clip()
    found = pre.align_body(poses, valid, NTU)[0, 1]  # the first frame lacks the spine
    spine, across = found[1] - found[0], found[4] - found[8]
    assert spine[1] == pytest.approx(np.linalg.norm(poses[0, 1, 1] - poses[0, 1, 0]), abs=1e-5)
    np.testing.assert_allclose(spine[[0, 2]], 0.0, atol=1e-5)
    assert across[0] > 0 and across[2] == pytest.approx(0.0, abs=1e-5)


def test_aligned_bodies_do_not_depend_on_how_they_were_recorded():
    poses, valid = random_clip()
    expected = pre.align_body(poses, valid, NTU)
    for seed in range(3):
        turned = (poses @ random_rotation(seed).T).astype(np.float32)
        np.testing.assert_allclose(pre.align_body(turned, valid, NTU), expected, atol=1e-5)
    again = pre.align_body(expected, valid, NTU)
    np.testing.assert_allclose(again, expected, atol=1e-5)


def quaternion_turn(vector, source, target):
    """The shortest turn from source to target, by the quaternion (1 + cos, axis sin)."""
    source, target = source / np.linalg.norm(source), target / np.linalg.norm(target)
    w, q = 1 + source @ target, np.cross(source, target)
    norm = np.sqrt(w * w + q @ q)
    w, q = w / norm, q / norm
    return vector + 2 * np.cross(q, np.cross(q, vector) + w * vector)


def test_the_published_alignment_is_two_shortest_turns():
    poses, valid = random_clip(seed=3)
    found = pre.align_body_published(poses, valid, NTU)
    z, x = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    first = poses[0, 1].astype(np.float64)
    upright = quaternion_turn(first[8] - first[4], first[1] - first[0], z)
    for person, t, joint in np.argwhere(valid):
        point = quaternion_turn(poses[person, t, joint].astype(float), first[1] - first[0], z)
        expected = quaternion_turn(point, upright, x)
        np.testing.assert_allclose(found[person, t, joint], expected, atol=1e-5)
    across = found[0, 1, 8] - found[0, 1, 4]
    np.testing.assert_allclose(across[1:], 0.0, atol=1e-5)
    assert across[0] > 0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_body_along_the_axis_already(sign):
    """Upright, or upside down, where the shortest turn is any half turn."""
    poses = np.zeros((1, 2, 25, 3), np.float32)
    poses[..., 1, 2], poses[..., 8, 0] = sign, 1.0
    found = pre.align_body_published(poses, np.ones((1, 2, 25), bool), NTU)
    np.testing.assert_allclose(found[0, 0, 1], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(found[0, 0, 8], [1, 0, 0], atol=1e-6)


def test_a_layout_without_spine_uses_its_chest():
    poses, valid = random_clip(UNIK)
    valid[0, 0], poses[0, 0] = True, rng(9).normal(size=(17, 3))
    found = pre.align_body(poses, valid, UNIK)[0, 0]
    up = found[UNIK.index("chest")] - found[UNIK.index("mid_hip")]
    assert up[1] > 0
    np.testing.assert_allclose(up[[0, 2]], 0.0, atol=1e-5)


@pytest.mark.parametrize("align", ALIGN)
def test_bodies_without_a_direction_are_refused(align):
    poses, valid = random_clip()
    with pytest.raises(ValueError, match="2 coords; only 3D bodies can be aligned"):
        align(poses[..., :2], valid, NTU)
    penn = get_layout("penn13")
    with pytest.raises(ValueError, match="unknown joint of layout penn13: 'mid_hip'"):
        align(poses[:, :, :13], valid[:, :, :13], penn)
    flat = np.zeros_like(poses)
    with pytest.raises(ValueError, match="person 0, frame 1: spine and shoulders span no plane"):
        align(flat, valid, NTU)
    never = valid.copy()
    never[:, :, 8] = False
    with pytest.raises(ValueError, match="no frame shows mid_hip, spine, right_shoulder, left_sh"):
        align(poses, never, NTU)


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
