import numpy as np
import pytest

from via_jax.data.readers import poses_csv
from via_jax.skeletons import get_layout

TABLE = """frame,person,nose_x,nose_y,left_wrist_x,left_wrist_y
0,1,310.5,88,402,215.5
0,2,100,200,110,220
1,2,101,200,,
1,1,314,88.5,nan,216
"""


def write(folder, text, name="wave.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_read_gives_people_and_joints(tmp_path):
    clip = poses_csv.read(write(tmp_path, TABLE))
    assert (clip.layout, clip.name, clip.units) == ("unik17", "wave", "pixels")
    layout = get_layout("unik17")
    nose, wrist = layout.index("nose"), layout.index("left_wrist")
    assert clip.poses.shape == (2, 2, 17, 2)
    np.testing.assert_array_equal(clip.poses[:, :, nose, 0], [[310.5, 314], [100, 101]])
    np.testing.assert_array_equal(clip.poses[:, 0, wrist], [[402, 215.5], [110, 220]])
    np.testing.assert_array_equal(clip.valid[:, :, wrist], [[True, False]] * 2)
    assert clip.valid.sum() == 6


def test_a_named_layout(tmp_path):
    path = write(tmp_path, TABLE)
    clip = poses_csv.read(path, layout="coco17")
    np.testing.assert_array_equal(clip.poses[0, :, 0], [[310.5, 88], [314, 88.5]])
    with pytest.raises(ValueError, match="joints nose, left_wrist; expected those of penn13"):
        poses_csv.read(path, layout="penn13")


def test_all_joints_of_a_layout_in_any_order(tmp_path):
    joints = get_layout("halpe26").joints[::-1]
    header = ",".join(f"{name}_y,{name}_x" for name in joints)
    line = ",".join(f"{j},{j + 100}" for j in range(26))
    clip = poses_csv.read(write(tmp_path, f"{header},frame\n{line},5\n{line},6\n"))
    assert clip.layout == "halpe26" and clip.valid.all()
    np.testing.assert_array_equal(clip.poses[0, 0, 0], [125, 25])


def test_confidences_and_persons_by_place(tmp_path):
    text = "\ufeffframe, nose_x, nose_y, nose_confidence\n0,10,20,0.5\n\n1,10,20,0.25\n3,10,20,0\n"
    path = write(tmp_path, text)
    valid = poses_csv.read(path).valid
    np.testing.assert_array_equal(valid.any(axis=2), [[True, True, False, False]])
    valid = poses_csv.read(path, min_confidence=0.25).valid
    np.testing.assert_array_equal(valid.any(axis=2), [[True, False, False, False]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; expected a line with the column names"),
        ("name,label\na,b\n", "columns name, label; expected frame, <joint>_x"),
        ("frame,nose_x\n1,2\n", "column 'nose_y'; expected x and y of each joint"),
        ("frame,nose_x,nose_y,nose_z\n", "column 'nose_z'; expected x and y"),
        ("frame,nose_x,nose_y,nose_x\n", "each once"),
        ("frame,tail_x,tail_y\n", "joints tail; expected those of a layout"),
        (TABLE + "2,1,5\n", "line 6: 3 cells; expected 6"),
        (TABLE + "2.5,1,5,6,7,8\n", "line 6: '2.5'; expected a whole number"),
        (TABLE + "2,1,5,six,7,8\n", "line 6: 'six'; expected a number"),
        (TABLE + "2,1,5,inf,7,8\n", "line 6: inf; expected coordinates"),
        (TABLE + "999999,1,5,6,7,8\n", "3 frames with numbers 0 to 999999"),
        ("frame,nose_x,nose_y\n", "nobody in 0 frames"),
        ("frame,nose_x,nose_y\n1,2,3\n", "1 frame"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        poses_csv.read(path)
    assert str(path) in str(error.value)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"frame,nose_x,nose_y\n\xff,1,2\n")
    with pytest.raises(ValueError, match="expected CSV in UTF-8"):
        poses_csv.read(path)
    with pytest.raises(ValueError, match="cannot be read"):
        poses_csv.read(tmp_path / "absent.csv")
