import numpy as np
import pytest

from via_jax import skeletons
from via_jax.data.readers import bvh

ARM = """HIERARCHY
ROOT base
{
  OFFSET 9 9 9
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT up per
  {
    OFFSET 2 0 0
    CHANNELS 3 Xrotation Yrotation Zrotation
    JOINT lower {
      OFFSET 0 1 0
      CHANNELS 2 Zposition Yrotation
      End Site
      {
        OFFSET 0 0 5
      }
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.04
1 2 3 0 0 0  0 0 0  0 0
0 0 0 90 90 0  0 0 0  0 0
0 0 0 0 0 0  0 90 90  7 45
"""


def write(path, text):
    path.write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    return path


def bandai_text(names=bvh.JOINTS, frames=2):
    """All joints on one rod, 10 cm apart along y; the position channels replace the offsets."""
    opened = "".join(
        f"{'JOINT' if n else 'ROOT'} {name}\n{{\nOFFSET 0 1 0\nCHANNELS 6 Xposition Yposition"
        " Zposition Zrotation Xrotation Yrotation\n"
        for n, name in enumerate(names)
    )
    frame = "0 10 0 0 0 0 " * len(names) + "\n"
    head = f"MOTION\nFrames: {frames}\nFrame Time: 0.0333333\n"
    return "HIERARCHY\n" + opened + "}\n" * len(names) + head + frame * frames


def turn(axis, degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[[i, i, j, j], [i, j, i, j]] = [cos, -sin, sin, cos]
    return matrix


def slow_positions(recording, frame):
    """Positions of one frame by recursion from each joint up to the root, matrices only."""
    values = iter(recording.values[frame])
    named = [{name: next(values) for name in names} for names in recording.channels]

    def pose(joint):
        offset, own = np.array(recording.offsets[joint]), np.eye(3)
        for name, value in named[joint].items():
            if "position" in name:
                offset[ord(name[0]) - ord("X")] = value
            else:
                own = own @ turn(name[0], value)
        if recording.parents[joint] < 0:
            return offset, own
        start, above = pose(recording.parents[joint])
        return start + above @ offset, above @ own

    return np.array([pose(joint)[0] for joint in range(len(recording.names))])


def test_positions_worked_out_by_hand(tmp_path):
    recording = bvh.parse_bvh(write(tmp_path / "arm.bvh", ARM))
    assert recording.names == ("base", "up per", "lower")
    assert recording.parents == (-1, 0, 1)
    assert recording.frame_time == 0.04
    expected = [
        [[1, 2, 3], [3, 2, 3], [3, 3, 3]],
        # Z then X: the rod points along y, and its side arm along R_z R_x y = R_z z = z.
        [[0, 0, 0], [0, 2, 0], [0, 2, 1]],
        # Y then Z: R_y R_z (0, 1, 7) = R_y (-1, 0, 7) = (7, 0, 1); 7 replaces the offset's z.
        [[0, 0, 0], [2, 0, 0], [9, 0, 1]],
    ]
    np.testing.assert_allclose(bvh.forward_kinematics(recording), expected, atol=1e-12)


def test_positions_match_a_slow_loop():
    rng = np.random.default_rng(0)
    channels = (
        ("Yposition", "Xposition", "Zposition", "Yrotation", "Xrotation", "Zrotation"),
        ("Zrotation", "Yrotation", "Xrotation"),
        ("Xrotation",),
        (),
        ("Zrotation", "Xposition", "Yrotation"),
    )
    recording = bvh.Recording(
        names=("a", "b", "c", "d", "e"),
        parents=(-1, 0, 1, 2, 1),
        offsets=rng.normal(size=(5, 3)),
        channels=channels,
        values=rng.uniform(-180, 180, size=(4, sum(map(len, channels)))),
        frame_time=0.01,
    )
    positions = bvh.forward_kinematics(recording)
    for frame in range(4):
        np.testing.assert_allclose(positions[frame], slow_positions(recording, frame), atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("OFFSET 2 0 0", "OFFSET 2 0", "line 8: .*2 0.*3 number"),
        ("OFFSET 2 0 0", "OFFSET 2 0 zero", "line 8: "),
        ("    OFFSET 2 0 0\n", "", "line 17: .*'up per'.*OFFSET and CHANNELS"),
        ("CHANNELS 3 ", "CHANNELS 999999999999 ", "line 9: .*999999999999 .*their number"),
        ("3 Xrotation", "3 Wrotation", "line 9: .*Wrotation.*like Xrotation"),
        ("Yrotation Zrotation\n", "Xrotation Zrotation\n", "line 9: "),
        ("JOINT lower", "JOINT base", "line 10: .*'base'"),
        ("JOINT lower", "JOINT", "line 10: .*''"),
        ("JOINT lower", "ROOT lower", "line 10: .*ROOT lower.*one ROOT"),
        ("      End Site\n", "", "line 13: .*'{'.*before it"),
        ("End Site", "JOINT tip JOINT", "line 16: .*'tip JOINT'.*OFFSET and CHANNELS"),
        ("OFFSET 0 0 5", "JOINT tip { }", "line 15: .*JOINT tip.*in a joint"),
        ("OFFSET 0 0 5", "End Site", "line 15: .*End Site"),
        ("}\nMOTION", "MOTION", "line 19: .*1 braces open"),
        ("}\nMOTION", "} }\nMOTION", "line 19: .*'}'"),
        ("HIERARCHY", "GEOMETRY", "line 1: .*GEOMETRY"),
        ("ROOT base\n{\n", "ROOT base\n", "line 3: .*OFFSET"),
        ("MOTION", "JOINT x\nMOTION", "line 21: .*JOINT x|line 20: .*JOINT x"),
        ("Frames: 3", "Frames: 1000000000000", "line 21: .*1000000000000; expected 3"),
        ("Frames: 3", "Frames: 2", "line 21: .*Frames: 2; expected 3"),
        ("Frames: 3", "Frames three", "line 21: .*FRAMES: and a number"),
        ("Frame Time: 0.04", "Frame Time: 0", "line 22: .*frame time 0.*more than 0"),
        ("Frame Time: 0.04", "0.04", "line 22: .*FRAME TIME:"),
        ("1 2 3 0", "1 2 3", "line 23: .*10 values.*11 number"),
        ("1 2 3 0", "1 2 nan 0", "line 23: .*11 number"),
        (ARM, "", "line 0: .*0 joints"),
        (ARM, "ROOT base\nMOTION\n", "line 2: .*1 joints"),
        (ARM, "\x89PNG\x00\xff", "line 1: .*BVH keyword"),
        (ARM, "End Site\n{\n}\n", "line 1: .*End Site"),
        (ARM, ARM[: ARM.index("End")], "line 12: .*3 braces open"),
        (ARM, ARM[: ARM.index("Frames")], "line 20: .*end of file"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, old, new, message):
    assert old in ARM
    path = write(tmp_path / "bad.bvh", ARM.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"bad\.bvh: .*" + message):
        bvh.parse_bvh(path)


def test_find(tmp_path):
    with pytest.raises(ValueError, match=r"no \.bvh file"):
        bvh.find(tmp_path)
    for name in ("b.bvh", "a.BVH", "a.json"):
        (tmp_path / name).touch()
    assert bvh.find(tmp_path) == [tmp_path / "a.BVH", tmp_path / "b.bvh"]


def test_read_gives_a_clip(tmp_path):
    path = write(tmp_path / "dataset-2_raise-up-hand_left-handed_012.bvh", bandai_text())
    path.with_suffix(".json").write_text('{"content": 6, "style": 9}')
    clip = bvh.read(path)
    assert (clip.layout, clip.label) == ("bandai22", "raise-up-hand")
    assert clip.extra == {
        "dataset": "2",
        "content": "raise-up-hand",
        "style": "left-handed",
        "take": "012",
        "content_id": "6",
        "style_id": "9",
    }
    assert (clip.units, clip.y_up, clip.frame_rate) == ("metres", True, 30.0)
    np.testing.assert_allclose(clip.poses[0, 0, :, 1], np.arange(1, 23) / 10, atol=1e-6)
    assert clip.valid.all()
    in_metres = bvh.read(path, metres_per_unit=1.0)
    np.testing.assert_allclose(in_metres.poses[0, 1, :, 1], np.arange(1, 23) * 10, atol=1e-4)


def test_joints_are_found_by_name(tmp_path):
    clip = bvh.read(write(tmp_path / "a.bvh", bandai_text(bvh.JOINTS[::-1])))
    np.testing.assert_allclose(clip.poses[0, 0, :, 1], np.arange(22, 0, -1) / 10, atol=1e-6)
    assert (clip.label, clip.extra) == (None, {})


def test_the_label_may_come_from_the_json(tmp_path):
    path = write(tmp_path / "walk.bvh", bandai_text())
    path.with_suffix(".json").write_text('{"content": 6, "style": 9}')
    assert bvh.read(path).label == "6"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"content": 6}', '{"content": "x", "style": 1}', "[" * 99999]
)
def test_a_damaged_json_is_refused(tmp_path, text):
    path = write(tmp_path / "walk.bvh", bandai_text())
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match=r"walk\.json"):
        bvh.read(path)


def test_other_skeletons_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"arm\.bvh: saw the joints .*'up per'.*'joint_Root'"):
        bvh.read(write(tmp_path / "arm.bvh", ARM))
    with pytest.raises(ValueError, match=r"short\.bvh: .*1 frame"):
        bvh.read(write(tmp_path / "short.bvh", bandai_text(frames=1)))


def test_bandai_namco(shared_data):
    files = bvh.find(shared_data / "bandai_namco_bvh")
    assert len(files) == 14
    layout = skeletons.get_layout("bandai22")
    clips = [bvh.read(file) for file in files]
    assert {clip.label for clip in clips} == {"bow", "bye", "dance-short", "kick", "run", "walk"}
    assert {clip.extra["style"] for clip in clips} == {"normal", "old", "giant", "active"}
    body = [(a, b) for a, b in layout.bones if layout.index("root") not in (a, b)]
    parents, children = np.array(body).T
    for clip in clips:
        poses = clip.poses[0]
        assert clip.frame_rate == 30.0
        bones = np.linalg.norm(poses[:, parents] - poses[:, children], axis=-1)  # [time, bones]
        assert np.ptp(bones, axis=0).max() < 1e-5
        joint = dict(zip(layout.joints, poses.swapaxes(0, 1)))  # each [time, coords]
        lowest = np.minimum(joint["left_foot"], joint["right_foot"])[:, 1]
        assert -0.02 < np.median(lowest) < 0.1  # near the floor
        assert 1.2 < np.median(joint["head_base"][:, 1] - lowest) < 1.5
        # Knees bend forward, and up x forward is left.
        bent = joint["left_knee"] - (joint["left_hip"] + joint["left_ankle"]) / 2
        left = np.cross([0.0, 1.0, 0.0], bent)
        assert ((joint["left_hip"] - joint["right_hip"]) * left).sum(axis=-1).mean() > 0
    by_child = dict(zip((layout.joints[child] for child in children), bones[0]))
    for bone, metres in {"left_knee": 0.391, "right_ankle": 0.410, "left_wrist": 0.223}.items():
        assert by_child[bone] == pytest.approx(metres, abs=1e-3)


def test_bandai_namco_hierarchy_is_that_of_the_layout(shared_data):
    recording = bvh.parse_bvh(bvh.find(shared_data / "bandai_namco_bvh")[0])
    assert recording.names == bvh.JOINTS
    layout = skeletons.get_layout("bandai22")
    bones = {(parent, joint) for joint, parent in enumerate(recording.parents) if parent > 0}
    assert bones == {bone for bone in layout.bones if layout.index("root") not in bone}
    positions = bvh.forward_kinematics(recording)
    for frame in (0, len(positions) - 1):
        np.testing.assert_allclose(positions[frame], slow_positions(recording, frame), atol=1e-6)
