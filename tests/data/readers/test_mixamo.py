import numpy as np
import pytest

from via_jax import skeletons
from via_jax.data import splits
from via_jax.data.prepare import prepare
from via_jax.data.readers import mixamo


def npy(shape, values, descr="<f8", fortran=False, version=1):
    """An .npy by its grammar: magic, version, length of the header, header, numbers."""
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    size = {1: 2, 2: 4}[version]
    header = header.ljust(-(-(len(header) + 9 + size) // 64) * 64 - 9 - size) + b"\n"
    head = b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(size, "little") + header
    return head + np.asarray(values, descr).tobytes()


def standing(frames=3):
    """[joints, 3, time] in Blender's axes: joint j at x = j / 100, y = j / 50, z = 2 - j / 10,
    which rises by 1 with each frame."""
    poses = np.zeros((15, 3, frames))
    for joint in range(15):
        for frame in range(frames):
            poses[joint, :, frame] = joint / 100, joint / 50, 2 - joint / 10 + frame
    return poses


def write(folder, content, part="train", character="Aj", motion="Big Jump"):
    path = folder / part / character / motion / f"{motion}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("version", "descr"), [(1, "<f8"), (2, "<f8"), (1, "<f4"), (1, ">f8")])
def test_an_array_is_turned_upright(tmp_path, version, descr):
    path = write(tmp_path, npy((15, 3, 3), standing(), descr, version=version))
    clip = mixamo.read(path)
    assert clip.poses.shape == (1, 3, 15, 3) and clip.poses.dtype == np.float32
    # (x, y, z) with z up is (x, z, -y) with y up.
    np.testing.assert_allclose(clip.poses[0, 0, 5], [0.05, 1.5, -0.1], atol=1e-6)
    np.testing.assert_allclose(clip.poses[0, 2, 14], [0.14, 2.6, -0.28], atol=1e-6)
    assert clip.valid.all() and clip.layout == "mixamo15"
    assert (clip.units, clip.y_up, clip.frame_rate) == ("metres", True, None)
    assert (clip.name, clip.label, clip.subject) == ("Aj/Big Jump", "Big Jump", "Aj")
    assert clip.split == "train"


def test_fortran_order(tmp_path):
    content = npy((15, 3, 3), standing().transpose(), fortran=True)
    clip = mixamo.read(write(tmp_path, content))
    np.testing.assert_allclose(clip.poses[0, 2, 14], [0.14, 2.6, -0.28], atol=1e-6)


def test_the_turn_is_no_reflection(tmp_path):
    """A character who faces -y has the left arm at +x; up x forward is left, before and after."""
    layout = skeletons.get_layout("mixamo15")
    poses = standing()
    poses[layout.index("left_shoulder"), :, :] = [[0.2], [0.0], [1.5]]
    poses[layout.index("right_shoulder"), :, :] = [[-0.2], [0.0], [1.5]]
    poses[layout.index("head"), :, :] = [[0.0], [-0.3], [1.8]]  # nods
    poses[layout.index("neck"), :, :] = [[0.0], [0.0], [1.5]]
    clip = mixamo.read(write(tmp_path, npy((15, 3, 3), poses)))
    left, right, head, neck = (
        clip.poses[0, 0, layout.index(joint)]
        for joint in ("left_shoulder", "right_shoulder", "head", "neck")
    )
    forward = (head - neck) * [1, 0, 1]
    np.testing.assert_allclose(forward, [0, 0, 0.3], atol=1e-6)  # towards the viewer
    assert np.cross([0, 1, 0], forward) @ (left - right) > 0


def test_a_nan_is_missing(tmp_path):
    poses = standing()
    poses[4, 1, 2] = np.nan
    clip = mixamo.read(write(tmp_path, npy((15, 3, 3), poses)))
    assert not clip.valid[0, 2, 4] and clip.valid.sum() == 44
    np.testing.assert_array_equal(clip.poses[0, 2, 4], 0)


GOOD = npy((15, 3, 3), standing())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            npy((3, 15, 3), standing()),
            r"float64 of shape \(3, 15, 3\) \(these look like .*transposed",
        ),
        (npy((15, 3), standing()[..., 0]), r"float64 of shape \(15, 3\); expected an \.npy"),
        (npy((65, 3, 2), np.ones((65, 3, 2))), r"of shape \(65, 3, 2\)"),
        (npy((15, 2, 3), np.ones((15, 2, 3))), r"of shape \(15, 2, 3\)"),
        (npy((15, 3, 3), np.ones((15, 3, 3)), "<i8"), r"int64 of shape \(15, 3, 3\)"),
        (npy((15, 3, 10**12), []), r"of shape \(15, 3, 1000000000000\) in 0 bytes"),
        (npy((15, 3, -1), []), r"of shape \(15, 3, -1\) in 0 bytes"),
        (GOOD[:-8], "in 1072 bytes"),
        (GOOD + b"\0", "in 1081 bytes"),
        (GOOD.replace(b"<f8", b"|O8"), "object of shape"),
        (GOOD.replace(b"<f8", b"<c9"), "expected an .npy of floats"),
        (GOOD.replace(b"'shape'", b"'shope'"), "expected an .npy of floats"),
        (GOOD.replace(b"(15, 3, 3)", b"(((((((((("), "expected an .npy of floats"),
        (GOOD.replace(b"\x01\0", b"\x03\0", 1), r"npy format \(3, 0\)"),
        (GOOD[:20], "expected an .npy of floats"),
        (b"", "expected an .npy of floats"),
        (npy((15, 3, 1), standing(1)), "1 frame"),
        (npy((15, 3, 3), np.full((15, 3, 3), np.nan)), "all joints are missing"),
        (npy((15, 3, 3), standing() * 1e300), r"a coordinate above 1e\+06"),
        (
            npy((15, 3, 3), standing() * 100),
            "the head is 82 metres from the hips; expected 0.1 to 5",
        ),
        (npy((15, 3, 3), standing() / 100), "the head is 0.0082 metres"),
    ],
)
def test_bad_arrays_are_named(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        mixamo.read(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


def test_an_array_elsewhere_has_no_split(tmp_path):
    path = write(tmp_path, GOOD, part="val")
    with pytest.raises(ValueError, match=r"expected {train,test}/<character>/<motion>/<motion>"):
        mixamo.read(path)


# BVH

PREFIXES = ("", "mixamorig:", "Boy:", "swat:", "newVegas:", "a:b:")


def bvh(prefix="mixamorig:", bones=mixamo.BONES, more=("HeadTop_End", "LeftToeBase")):
    """Hips at the root and every other bone its child, bone j at (j, 10 j, -j) centimetres."""
    lines = ["HIERARCHY", f"ROOT {prefix}Hips", "{", "OFFSET 8 80 -8"]
    lines.append("CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation")
    rest = [(bone, j) for j, bone in enumerate(bones) if bone != "Hips"]
    for bone, j in [*rest, *((bone, 99) for bone in more)]:
        offset = f"OFFSET {j - 8} {10 * (j - 8)} {8 - j}"
        lines += [f"JOINT {prefix}{bone}", "{", offset, "CHANNELS 3 Zrotation Xrotation Yrotation"]
        lines += ["End Site", "{", "OFFSET 0 1 0", "}", "}"]
    lines += ["}", "MOTION", "Frames: 2", "Frame Time: 0.0333333"]
    turns = " 0 0 0" * (1 + len(rest) + len(more))
    lines += [f"8 80 -8{turns}", f"8 81 -8{turns}"]
    return "\n".join(lines) + "\n"


def write_bvh(folder, text, character="Ty", motion="Walk.v2", suffix=".bvh"):
    path = folder / character / f"{motion}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("prefix", PREFIXES)
def test_bvh_with_any_prefix(tmp_path, prefix):
    clip = mixamo.read(write_bvh(tmp_path, bvh(prefix)))
    assert clip.poses.shape == (1, 2, 15, 3) and clip.layout == "mixamo15"
    expected = [[j / 100, j / 10, -j / 100] for j in range(15)]
    np.testing.assert_allclose(clip.poses[0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(clip.poses[0, 1], expected + np.array([0, 0.01, 0]), atol=1e-6)
    assert clip.valid.all()
    assert (clip.units, clip.y_up, clip.frame_rate) == ("metres", True, 30.0)
    assert (clip.name, clip.label, clip.subject) == ("Ty/Walk.v2", "Walk.v2", "Ty")
    assert clip.split is None


def test_bones_are_found_in_any_order(tmp_path):
    shuffled = mixamo.BONES[::-1]
    clip = mixamo.read(write_bvh(tmp_path, bvh(bones=shuffled)))
    places = [shuffled.index(bone) for bone in mixamo.BONES]
    places[8] = 8
    np.testing.assert_allclose(clip.poses[0, 0, :, 0], np.array(places) / 100, atol=1e-6)


def test_the_unit_of_a_bvh_may_be_given(tmp_path):
    path = write_bvh(tmp_path, bvh())
    with pytest.raises(
        ValueError, match=r"the head is 80\.8 metres from the hips; .*metres_per_unit"
    ):
        mixamo.read(path, metres_per_unit=1.0)
    assert mixamo.read(path, metres_per_unit=0.02).poses[0, 0, 8, 1] == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bvh(bones=mixamo.BONES[1:]), "0 bones named 'Head', with or without a prefix"),
        (
            bvh().replace("HeadTop_End", "x:Neck"),
            r"2 bones named 'Neck'.*\(17 bones: mixamorig:Hips",
        ),
        (bvh().replace("mixamorig:", "mixamorig_"), "0 bones named 'Head'"),
        (bvh().replace("Frames: 2", "Frames: 3"), "Frames: 3; expected 2"),
        ("", "0 joints"),
    ],
)
def test_bad_recordings_are_named(tmp_path, text, message):
    path = write_bvh(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        mixamo.read(path)
    assert str(path) in str(error.value)


# Folders and splits


def test_find_takes_whole_motions_in_order(tmp_path):
    paths = [
        write(tmp_path, GOOD, character="Kaya", motion="a"),
        write(tmp_path, GOOD),
        write(tmp_path, GOOD, "test", "Ty", "b"),
    ]
    window = paths[0].parent / "motions" / "1.npy"
    window.parent.mkdir()
    window.write_bytes(GOOD)
    (paths[0].parent / "mean.npy").write_bytes(GOOD)
    assert mixamo.find(tmp_path) == [paths[2], paths[1], paths[0]]


def test_find_takes_one_form(tmp_path):
    with pytest.raises(ValueError, match=r"0 {train,test}.* and 0 <character>/<motion>\.bvh"):
        mixamo.find(tmp_path)
    first = write_bvh(tmp_path, bvh())
    second = write_bvh(tmp_path, bvh(), character="Kaya", suffix=".BVH")
    assert mixamo.find(tmp_path) == [second, first]
    write(tmp_path, GOOD)
    with pytest.raises(ValueError, match=r"1 {train,test}.* and 2 <character>"):
        mixamo.find(tmp_path)


def test_prepared(tmp_path):
    source = tmp_path / "mixamo_data"
    for part, character in (("train", "Aj"), ("train", "Globin"), ("test", "Ty"), ("test", "New")):
        write(source, GOOD, part, character, f"{part} run")
    data = prepare("mixamo", source, tmp_path / "out")
    names = ["New/test run", "Ty/test run", "Aj/train run", "Globin/train run"]
    assert data.names.tolist() == names
    assert data.splits["official"].tolist() == ["", "test", "train", "train"]
    assert data.subjects.tolist() == ["New", "Ty", "Aj", "Globin"]
    assert data.classes == ["test run", "train run"]


def test_the_published_characters(tmp_path):
    train, test = splits.MIXAMO_TRAIN_CHARACTERS, splits.MIXAMO_TEST_CHARACTERS
    assert (len(train), len(test)) == (11, 4) and len({*train, *test}) == 15


def test_a_character_in_the_wrong_folder(tmp_path):
    write(tmp_path / "in", GOOD, "train", "Ty")
    with pytest.raises(
        ValueError, match="'Ty/Big Jump': in folder train; expected test, the part of Ty"
    ):
        prepare("mixamo", tmp_path / "in", tmp_path / "out")


def test_bones_are_the_joints_of_the_layout():
    names = {"Head": "head", "Neck": "neck", "Hips": "mid_hip"}
    parts = {
        "UpLeg": "hip",
        "Leg": "knee",
        "Foot": "ankle",
        "Arm": "shoulder",
        "ForeArm": "elbow",
        "Hand": "wrist",
    }
    for side in ("Left", "Right"):
        names |= {side + bone: f"{side.lower()}_{joint}" for bone, joint in parts.items()}
    assert tuple(names[bone] for bone in mixamo.BONES) == skeletons.get_layout("mixamo15").joints
