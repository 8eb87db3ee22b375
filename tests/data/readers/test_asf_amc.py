import numpy as np
import pytest
from acclaim_files import BODY, MOTION, full_body, full_motion, write

from via_jax import skeletons
from via_jax.data.readers import acclaim, asf_amc


def test_find_pairs_each_motion_with_its_body(tmp_path):
    hdm05, cmu, alone = tmp_path / "hdm05", tmp_path / "cmu" / "01", tmp_path / "alone"
    for folder in (hdm05, cmu, alone):
        folder.mkdir(parents=True)
    for name in (
        "HDM_bd.asf",
        "HDM_bk.asf",
        "HDM_bk_sneak_001_120.amc",
        "HDM_bd_sneak_002_120.amc",
    ):
        (hdm05 / name).touch()
    for name in ("01.asf", "01_02.AMC", "01_01.amc", "notes.txt"):
        (cmu / name).touch()
    for name in ("body.asf", "walk.amc"):
        (alone / name).touch()
    assert asf_amc.find(tmp_path) == [
        (alone / "walk.amc", alone / "body.asf"),
        (cmu / "01_01.amc", cmu / "01.asf"),
        (cmu / "01_02.AMC", cmu / "01.asf"),
        (hdm05 / "HDM_bd_sneak_002_120.amc", hdm05 / "HDM_bd.asf"),
        (hdm05 / "HDM_bk_sneak_001_120.amc", hdm05 / "HDM_bk.asf"),
    ]


def test_find_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"no \.amc file"):
        asf_amc.find(tmp_path)
    (tmp_path / "walk.amc").touch()
    with pytest.raises(ValueError, match=r"walk\.amc: saw the bodies \[\].*expected one"):
        asf_amc.find(tmp_path)
    (tmp_path / "a.asf").touch()
    (tmp_path / "b.asf").touch()
    with pytest.raises(ValueError, match=r"walk\.amc: saw the bodies \['a\.asf', 'b\.asf'\]"):
        asf_amc.find(tmp_path)


def test_read_gives_a_clip(tmp_path):
    asf = write(tmp_path / "train" / "10" / "HDM_bd.asf", full_body())
    amc = write(asf.with_name("HDM_bd_squat1Reps_007_120.amc"), full_motion(9))
    clip = asf_amc.read((amc, asf))
    assert (clip.label, clip.subject, clip.split) == ("squat", "bd", "train")
    assert (clip.name, clip.extra) == ("HDM_bd_squat1Reps_007_120", {"take": "007"})
    assert (clip.units, clip.y_up, clip.frame_rate) == ("metres", True, 30.0)
    layout = skeletons.get_layout(clip.layout)
    heights = clip.poses[0, :, :, 1]  # [time, joints]
    np.testing.assert_allclose(heights[:, layout.index("mid_hip")], [0, 4, 8], atol=1e-6)
    np.testing.assert_allclose(heights[0, layout.index("left_ankle")], 3, atol=1e-6)
    np.testing.assert_allclose(heights[0, layout.index("right_thumb")], 8, atol=1e-6)
    assert asf_amc.read((amc, asf), keep_every=1).poses.shape == (1, 9, 31, 3)
    assert asf_amc.read((amc, asf), keep_every=3).frame_rate == 40.0


@pytest.mark.parametrize(
    ("name", "label", "subject", "frame_rate", "extra"),
    [
        ("any/HDM_tr_sneak2StepsLStart_010_120", "sneak2StepsLStart", "tr", 30.0, {"take": "010"}),
        ("12/HDM_tr_sneak2StepsLStart_010_120", "sneak2StepsLStart", "tr", 30.0, {"take": "010"}),
        ("any/1/HDM_mm_depositFloorR_019_120", "depositFloorR", "mm", 30.0, {"take": "019"}),
        ("any/07_01", None, "07", None, {"take": "01"}),
        ("9/walk", None, None, None, {}),
    ],
)
def test_the_name_of_the_file_gives_what_it_holds(
    tmp_path, name, label, subject, frame_rate, extra
):
    asf = write(tmp_path / "a.asf", full_body())
    clip = asf_amc.read((write(tmp_path / f"{name}.amc", full_motion(5)), asf))
    assert (clip.label, clip.subject, clip.split) == (label, subject, None)
    assert (clip.frame_rate, clip.extra) == (frame_rate, extra)


def test_read_refuses_what_gives_no_clip(tmp_path):
    small, body = write(tmp_path / "s.asf", BODY), write(tmp_path / "b.asf", full_body())
    hand, full = write(tmp_path / "h.amc", MOTION), write(tmp_path / "f.amc", full_motion(4))
    with pytest.raises(ValueError, match=r"s\.asf: saw the bones .*without .*'lfemur'"):
        asf_amc.read((hand, small))
    with pytest.raises(ValueError, match=r"h\.amc: .*values of .*\(body b\.asf\)"):
        asf_amc.read((hand, body))
    with pytest.raises(ValueError, match=r"f\.amc: .*1 frame\(s\)"):
        asf_amc.read((full, body), keep_every=4)
    with pytest.raises(ValueError, match="keep_every=0"):
        asf_amc.read((full, body), keep_every=0)


def test_hdm05_bodies(shared_data):
    bodies = {}
    for _, asf in asf_amc.find(shared_data / "hdm05"):
        bodies[asf.name] = asf
    assert len(bodies) == 5
    layout = skeletons.get_layout("hdm05")
    for asf in bodies.values():
        body = acclaim.parse_asf(asf)
        assert body.names == asf_amc.JOINTS
        assert body.parents == layout.parents
        np.testing.assert_allclose(np.linalg.norm(body.directions[1:], axis=1), 1, atol=1e-5)
        rest = {name: np.zeros((1, len(dof))) for name, dof in zip(body.names, body.dof) if dof}
        height = np.ptp(acclaim.forward_kinematics(body, rest)[0, :, 1])
        assert 1.52 < height < 1.77


def test_hdm05_motions(shared_data):
    items = asf_amc.find(shared_data / "hdm05")
    assert len(items) == 287
    assert len({amc.stem for amc, _ in items}) == 287
    layout = skeletons.get_layout("hdm05")
    parents, children = np.array(layout.bones).T
    feet = [
        layout.index(f"{side}_{end}") for side in ("left", "right") for end in ("foot", "toe_end")
    ]
    for amc, asf in items[::24]:
        clip = asf_amc.read((amc, asf))
        poses = clip.poses[0]
        bones = np.linalg.norm(poses[:, parents] - poses[:, children], axis=-1)
        assert np.ptp(bones, axis=0).max() < 1e-5
        assert clip.subject in ("bd", "bk", "dg", "mm", "tr")
        assert clip.split == ("test" if clip.subject in ("mm", "tr") else "train")
        assert clip.frame_rate == 30.0
        lowest = poses[:, feet, 1].min(axis=1)
        assert -0.03 < np.median(lowest) < 0.1  # near the floor
        if clip.label in ("grabHighR", "throwBasketball", "kickLFront", "sneak", "jogLeftCircle"):
            assert 1.4 < np.median(poses[:, layout.index("head"), 1] - lowest) < 1.85
        joint = dict(zip(layout.joints, poses.swapaxes(0, 1)))  # each [time, coords]
        if clip.label == "squat":  # knees bend forward, and up x forward is left
            bent = joint["left_knee"] - (joint["left_hip"] + joint["left_ankle"]) / 2
            left = np.cross([0.0, 1.0, 0.0], bent)
            assert ((joint["left_hip"] - joint["right_hip"]) * left).sum(axis=-1).mean() > 0
