"""Steps of preparing against loops, literals and properties, and from files to prepared data."""

import numpy as np
import pytest

from via_jax.data import alignment as pre
from via_jax.data import store, writer
from via_jax.data.clip import Clip
from via_jax.data.prepare import prepare
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


# Steps of a whole data set

ALL = {"fill_empty_frames": True, "centre_hips": True, "align_body": True}


def skeleton_file(*frames):
    """NTU's text of frames: None shows nobody, a number lifts the only body's last joint.

    The body lies: base of the spine at (0.5, 1, 4), its middle in x from there, the shoulders at
    both sides in y, the left one lower. Other joints stand at (0.5, j / 8, 4).
    """
    lines = [str(len(frames))]
    for lift in frames:
        lines.append("0" if lift is None else "1")
        if lift is not None:
            places = {0: "0.5 1 4", 1: "0.75 1 4", 4: "1 0.875 4", 8: "1 1.125 4"}
            places[24] = f"0.5 3 {4 + lift}"
            lines += ["72057594037930243 0 0 0 0 0 0 0.25 -0.5 2", "25"]
            lines += [
                places.get(j, f"0.5 {j / 8} 4") + " 283.0 224.3 1027.2 581.3 -0.2 0.1 0.9 -0.1 2"
                for j in range(25)
            ]
    return "\r\n".join(lines) + "\r\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "ntu"
    folder.mkdir()
    for name, frames in (
        ("S001C001P001R001A001", (None, 1, 2, None, None)),
        ("S001C002P001R001A001", (3, 4, 5)),
    ):
        (folder / f"{name}.skeleton").write_bytes(skeleton_file(*frames).encode())
    return folder


def test_a_data_set_is_prepared_with_every_step(source, tmp_path):
    prepare("ntu60", source, tmp_path / "out", processes=2, **ALL)
    data = store.load(tmp_path / "out", verify=True)
    assert data.manifest["preprocessing"] == ["fill_empty_frames", "centre_hips", "align_body"]
    assert data.manifest["y_up"] and data.names.tolist()[0] == "S001C001P001R001A001"
    clip = data.read(0)
    assert clip.valid.all() and clip.preprocessing == tuple(data.manifest["preprocessing"])
    # The sensor's x is up and its -y the left of the body: (x, y, z) becomes (-y, x, z).
    expected = {0: (0, 0, 0), 1: (0, 0.25, 0), 4: (0.125, 0.5, 0), 8: (-0.125, 0.5, 0)}
    expected |= {2: (0.75, 0, 0), 12: (-0.5, 0, 0)}
    for joint, place in expected.items():
        np.testing.assert_allclose(clip.poses[0, :, joint], [place] * 5, atol=1e-4)
    np.testing.assert_allclose(clip.poses[0, :, 24, 2], [1, 2, 1, 2, 1], atol=1e-4)
    np.testing.assert_allclose(
        data.read(1).poses[0, :, 24], [(-2, 0, z) for z in (3, 4, 5)], atol=1e-4
    )


def test_nothing_is_done_unless_asked_for(source, tmp_path):
    data = prepare("ntu60", source, tmp_path / "out")
    assert data.manifest["preprocessing"] == [] and data.read(0).preprocessing == ()
    clip = data.read(0)
    np.testing.assert_array_equal(clip.valid[0].all(axis=1), [False, True, True, False, False])
    np.testing.assert_allclose(clip.poses[0, :, 0], [(0.5, 1, 4)] * 5, atol=1e-4)
    aligned = prepare("ntu60", source, tmp_path / "aligned", align_body=True)
    assert aligned.manifest["preprocessing"] == ["align_body"]
    np.testing.assert_array_equal(aligned.read(0).valid, clip.valid)
    np.testing.assert_allclose(aligned.read(0).poses[0, 1, 0], (-1, 0.5, 4), atol=1e-4)


def test_merged_data_keep_their_steps_and_mix_with_no_others(source, tmp_path):
    prepare("ntu60", source, tmp_path / "parts" / "a", align_body=True)
    merged = prepare("prepared", tmp_path / "parts", tmp_path / "merged", fill_empty_frames=True)
    assert merged.manifest["preprocessing"] == ["align_body", "fill_empty_frames"]
    prepare("ntu60", source, tmp_path / "parts" / "b", layout="ntu25")
    renamed = tmp_path / "parts" / "b" / "manifest.json"
    renamed.write_text(renamed.read_text().replace('"dataset": "ntu60"', '"dataset": "other"'))
    with pytest.raises(
        ValueError, match=r"preprocessing \[\], but \['align_body'\] in 'ntu60/S001"
    ):
        prepare("prepared", tmp_path / "parts", tmp_path / "both")


def test_each_person_is_filled_for_himself_in_the_order_of_their_motion():
    """The second one moves most, so comes first and centres the clip."""
    poses = np.ones((2, 4, 25, 3), np.float32)
    valid = np.ones((2, 4, 25), bool)
    poses[1] = 5 * np.arange(4)[:, None, None]
    valid[0, 1:], valid[1, 0] = False, False
    clip = Clip(poses, valid, layout="ntu25", name="a")
    piece = writer.encode(clip, {}, steps=pre.Steps(True, False, False))
    assert np.frombuffer(piece.valid, bool).all() and piece.facts["observed"] == 2 * 4 * 25
    (scale, origin, _), second = piece.facts["sequences"]
    values = np.frombuffer(piece.frames, np.int16).reshape(2, 4, 25, 3)
    np.testing.assert_allclose(values[0, :, 0, 0] * scale + origin[0], [5, 10, 15, 5], atol=1e-2)
    np.testing.assert_allclose(values[1, :, 0, 0] * second[0] + second[1][0], 1.0)
    centred, _ = pre.apply_steps(poses[::-1], valid[::-1], NTU, pre.Steps(True, True, False))
    np.testing.assert_array_equal(centred[0], 0.0)
    np.testing.assert_array_equal(centred[1, :, 0, 0], [-4, -9, -14, -4])


def test_aligning_turns_y_up():
    poses, valid = random_clip()
    clip = Clip(np.nan_to_num(poses), valid, layout="ntu25", name="a", units="metres", y_up=False)
    assert not writer.encode(clip, {}).facts["y_up"]
    assert writer.encode(clip, {}, steps=pre.Steps(align_body=True)).facts["y_up"]


@pytest.mark.parametrize("steps", [pre.Steps(centre_hips=True), pre.Steps(align_body=True)])
def test_steps_for_3d_refuse_2d(steps):
    poses, valid = random_clip()
    flat = Clip(np.nan_to_num(poses)[..., :2], valid, layout="ntu25", name="a")
    with pytest.raises(ValueError, match=r"^clip 'a': poses have 2 coords; only 3D bodies can be"):
        writer.encode(flat, {}, steps=steps)
    writer.encode(flat, {}, steps=pre.Steps(fill_empty_frames=True))
