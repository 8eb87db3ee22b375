import numpy as np
import pytest
from acclaim_files import BODY, MOTION, write

from via_jax.data.readers import acclaim


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
    body = acclaim.parse_asf(write(tmp_path / "a.asf", BODY))
    motion = acclaim.parse_amc(write(tmp_path / "a.amc", MOTION))
    positions = acclaim.forward_kinematics(body, motion)  # a unit is a metre here
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
    body = acclaim.Skeleton(
        names=names,
        parents=parents,
        directions=directions / np.linalg.norm(directions, axis=1, keepdims=True),
        lengths=rng.uniform(1, 3, size=6) * (np.arange(6) > 0),
        axes=rng.uniform(-180, 180, size=(6, 3)) * (np.arange(6) > 0)[:, None],
        dof=dof,
        metres_per_unit=0.0254 / 0.45,
    )
    motion = {name: rng.uniform(-180, 180, (4, len(d))) for name, d in zip(names, dof) if d}
    positions = acclaim.forward_kinematics(body, motion)
    for frame in range(4):
        np.testing.assert_allclose(positions[frame], slow_positions(body, motion, frame), atol=1e-9)


def test_root_values_follow_the_order_of_the_file(tmp_path):
    text = BODY.replace("TX TY TZ RX RY RZ", "RX RY RZ TX TY TZ")
    body = acclaim.parse_asf(write(tmp_path / "a.asf", text))
    motion = {"root": np.array([[0.0, 0, 90, 1, 2, 3]]), "arm": np.zeros((1, 3))}
    motion["hand"] = np.zeros((1, 1))
    positions = acclaim.forward_kinematics(body, motion)
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
        acclaim.parse_asf(path)


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
        acclaim.parse_amc(path)


def test_a_motion_of_another_body_is_refused(tmp_path):
    body = acclaim.parse_asf(write(tmp_path / "a.asf", BODY))
    motion = acclaim.parse_amc(write(tmp_path / "a.amc", MOTION))
    with pytest.raises(ValueError, match="no values of 'hand' per frame; the skeleton has 1"):
        acclaim.forward_kinematics(body, {k: v for k, v in motion.items() if k != "hand"})
    with pytest.raises(ValueError, match="2 values of 'tail' per frame; the skeleton has none"):
        acclaim.forward_kinematics(body, {**motion, "tail": np.zeros((3, 2))})
