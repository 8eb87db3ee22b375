import numpy as np
import pytest

from via_jax import skeletons
from via_jax.data.readers import asf_amc

BODY = """# made by hand in K\xf6ln
:units
  mass 1.0
  length 0.0254
  angle deg
:documentation
   begin of no bone, length many
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name hand
     direction 1 0 0
     length 1
     axis 90 0 0  XYZ
    dof rz
    limits (-inf inf)
  end
  begin
     id 2
     name arm
     direction 1 0 0
     length 2
     axis 0 0 0  XYZ
    dof rx ry rz
  end
:hierarchy
  begin
    root arm
    arm hand
  end
"""
MOTION = """#!OML:ASF X:\\f\xfcr Bonn
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
arm 0 0 90
hand 0
2
root 0 0 0 0 0 0
arm 0 0 0
hand 90
3
root 0 0 0 90 90 0
arm 0 0 0
hand 0
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    return path


def full_body():
    """A body of all bones, each 1 unit up from its parent, that bends about x only."""
    layout = skeletons.get_layout("hdm05")
    bones = "".join(
        f"begin\nname {bone}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\ndof rx\nend\n"
        for bone in reversed(asf_amc.JOINTS[1:])  # not the order of the layout
    )
    tree = "\n".join(f"{asf_amc.JOINTS[a]} {asf_amc.JOINTS[b]}" for a, b in layout.bones)
    head = BODY[: BODY.index("  begin\n     id 1")]
    return f"{head}{bones}:hierarchy\nbegin\n{tree}\nend\n"


def full_motion(frames):
    """The root rises by a unit per frame, the arms and legs hang straight."""
    bones = "".join(f"{bone} 0\n" for bone in asf_amc.JOINTS[1:])
    text = "".join(f"{n + 1}\nroot 0 {n} 0 0 0 0\n{bones}" for n in range(frames))
    return ":FULLY-SPECIFIED\n:DEGREES\n" + text


def rotation(x, y, z):
    """Matrix of turning about the fixed axes x, y, z in turn, degrees."""
    (a, b, c), (s, t, u) = np.cos(np.radians([x, y, z])), np.sin(np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, a, -s], [0, s, a]])
    about_y = np.array([[b, 0, t], [0, 1, 0], [-t, 0, b]])
    about_z = np.array([[c, -u, 0], [u, c, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def slow_positions(body, motion, frame):
    """Positions of one frame by recursion from each joint up to the root, matrices only."""

    def pose(joint):
        dof = body.dof[joint]
        values = dict(zip(dof, motion[body.names[joint]][frame])) if dof else {}
        turn = rotation(*(values.get(name, 0.0) for name in ("rx", "ry", "rz")))
        if body.parents[joint] < 0:
            return np.array([values[name] for name in ("tx", "ty", "tz")]), turn
        start, above = pose(body.parents[joint])
        axis = rotation(*body.axes[joint])
        turn = above @ axis @ turn @ np.linalg.inv(axis)
        return start + turn @ (body.directions[joint] * body.lengths[joint]), turn

    return np.array([pose(joint)[0] for joint in range(len(body.names))]) * body.metres_per_unit


def test_positions_worked_out_by_hand(tmp_path):
    body = asf_amc.parse_asf(write(tmp_path / "a.asf", BODY))
    motion = asf_amc.parse_amc(write(tmp_path / "a.amc", MOTION))
    positions = asf_amc.forward_kinematics(body, motion)  # a unit is a metre here
    assert body.names == ("root", "hand", "arm")
    assert body.parents == (-1, 2, 0)
    expected = [
        [[1, 2, 3], [1, 5, 3], [1, 4, 3]],  # the arm, turned about z, points up
        [[0, 0, 0], [2, 0, 1], [2, 0, 0]],  # the hand turns about its own z axis, which is -y
        [[0, 0, 0], [0, 0, -3], [0, 0, -2]],  # about x first, then about the fixed y
    ]
    np.testing.assert_allclose(positions, expected, atol=1e-12)


def test_positions_match_a_slow_loop():
    rng = np.random.default_rng(0)
    parents = (-1, 0, 1, 1, 0, 4)
    root = ("tx", "ty", "tz", "rx", "ry", "rz")
    dof = (root, ("rx", "ry", "rz"), ("rx", "rz"), ("ry",), (), ("rx",))
    names = ("root", "a", "b", "c", "d", "e")
    directions = rng.normal(size=(6, 3))
    body = asf_amc.Skeleton(
        names=names,
        parents=parents,
        directions=directions / np.linalg.norm(directions, axis=1, keepdims=True),
        lengths=rng.uniform(1, 3, size=6) * (np.arange(6) > 0),
        axes=rng.uniform(-180, 180, size=(6, 3)) * (np.arange(6) > 0)[:, None],
        dof=dof,
        metres_per_unit=0.0254 / 0.45,
    )
    motion = {name: rng.uniform(-180, 180, (4, len(d))) for name, d in zip(names, dof) if d}
    positions = asf_amc.forward_kinematics(body, motion)
    for frame in range(4):
        np.testing.assert_allclose(positions[frame], slow_positions(body, motion, frame), atol=1e-9)


def test_root_values_follow_the_order_of_the_file(tmp_path):
    text = BODY.replace("TX TY TZ RX RY RZ", "RX RY RZ TX TY TZ")
    body = asf_amc.parse_asf(write(tmp_path / "a.asf", text))
    motion = {"root": np.array([[0.0, 0, 90, 1, 2, 3]]), "arm": np.zeros((1, 3))}
    motion["hand"] = np.zeros((1, 1))
    positions = asf_amc.forward_kinematics(body, motion)
    np.testing.assert_allclose(positions[0], [[1, 2, 3], [1, 5, 3], [1, 4, 3]], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("direction 1 0 0", "direction 1 0", r"line 17: .*1 0.*3 number"),
        ("length 2", "length two", r"line 27: .*'two'.*1 number"),
        ("length 2", "length nan", "line 27: "),
        ("length 2", "length -2", "line 27: .*-2.0.*0 or more"),
        ("length 0.0254", "length 0", "line 4: .*above 0.001"),
        ("angle deg", "angle rad", "line 5: .*rad.*angle deg"),
        ("order TX TY TZ", "order TX TY", "line 9: .*TX TY TZ RX RY RZ"),
        ("position 0 0 0", "position 0 1 0", "line 11: .*0 0 0"),
        ("axis 90 0 0  XYZ", "axis 90 0 0  ZYX", "line 19: .*ZYX.*then XYZ"),
        ("dof rx ry rz", "dof rz ry rx", "line 29: .*rx ry rz in this order"),
        ("     name arm\n", "", "line 23: .*without.*name"),
        ("name arm", "name hand", "hand.*twice"),
        ("root arm", "root leg", "line 33: .*'leg'"),
        ("arm hand", "arm hand hand", "line 34: .*further parent of 'hand'"),
        ("root arm", "hand arm", "no way from the root.*hand.*arm|no way from the root.*arm.*hand"),
        ("arm hand", "arm root", "line 34: .*'root'"),
        ("  begin\n     id 1\n", "", "line 14: .*outside a bone"),
        (BODY, "", "length unit None.*0 bones"),
        (BODY, "\x89PNG\r\n\x00\x01", "expected an ASF file"),
    ],
)
def test_a_damaged_body_is_refused(tmp_path, old, new, message):
    assert old in BODY
    path = write(tmp_path / "bad.asf", BODY.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"bad\.asf: .*" + message):
        asf_amc.parse_asf(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":DEGREES", ":RADIANS", "line 3: .*:RADIANS.*:DEGREES"),
        (":DEGREES", "", "no :DEGREES"),
        ("hand 90", "hand x", "line 11: .*'x'.*1 number"),
        ("hand 90", "hand inf", "line 11: "),
        ("hand 90", "hand 1e300", "line 11: .*within 1e.06"),
        ("hand 90\n", "", "line 11: .*0 values of 'hand'.*1, as in the first"),
        ("hand 90", "hand 90 1", "line 12: .*2 values of 'hand'.*1, as in the first"),
        ("hand 90", "hand", "line 11: .*'hand'"),
        ("hand 90", "arm 0 0 0", "line 11: .*'arm'.*once"),
        ("hand 90", "hand 90\nleg 1", "line 13: .*1 values of 'leg'.*0, as in the first"),
        ("\n3\n", "\n5\n", "line 12: .*frame 5.*3"),
        ("\n1\n", "\n", "line 4: .*'root'.*a frame"),
        (MOTION, MOTION[: MOTION.rindex("hand")], "0 values of 'hand'"),  # cut short
        (MOTION, "", "0 frames"),
        (MOTION, "\x00\xff", "line 1: .*a frame"),
    ],
)
def test_a_damaged_motion_is_refused(tmp_path, old, new, message):
    assert old in MOTION
    path = write(tmp_path / "bad.amc", MOTION.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"bad\.amc: .*" + message):
        asf_amc.parse_amc(path)


def test_a_motion_of_another_body_is_refused(tmp_path):
    body = asf_amc.parse_asf(write(tmp_path / "a.asf", BODY))
    motion = asf_amc.parse_amc(write(tmp_path / "a.amc", MOTION))
    with pytest.raises(ValueError, match="no values of 'hand' per frame; the skeleton has 1"):
        asf_amc.forward_kinematics(body, {k: v for k, v in motion.items() if k != "hand"})
    with pytest.raises(ValueError, match="2 values of 'tail' per frame; the skeleton has none"):
        asf_amc.forward_kinematics(body, {**motion, "tail": np.zeros((3, 2))})


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
        body = asf_amc.parse_asf(asf)
        assert body.names == asf_amc.JOINTS
        assert body.parents == layout.parents
        np.testing.assert_allclose(np.linalg.norm(body.directions[1:], axis=1), 1, atol=1e-5)
        rest = {name: np.zeros((1, len(dof))) for name, dof in zip(body.names, body.dof) if dof}
        height = np.ptp(asf_amc.forward_kinematics(body, rest)[0, :, 1])
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
