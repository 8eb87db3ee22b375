import numpy as np
import pytest

from via_jax.data import splits
from via_jax.data.prepare import prepare
from via_jax.data.readers import uav_human

NAME = "P070S01G10B00H10UC102000LC092000A031R0_09131758"


def body(x, number="000", joints=17, **rows):
    """A body whose joint j is at (x, 100 + j); `rows` replace lines, as j4="0 0 0 ..."."""
    lines = [f"{number} 0 0 0 0 0 0 0 0 0", str(joints)]
    lines += [rows.get(f"j{j}", f"{x} {100 + j}.5 0.9 0 0 0 0 0 0 0 0 0") for j in range(joints)]
    return lines


def text(*frames):
    """A file of frames, each a list of bodies."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines += [str(len(bodies)), *(line for lines_of in bodies for line in lines_of)]
    return "\n".join(lines) + "\n"


def write(folder, content, name=NAME):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(content)
    return folder / f"{name}.txt"


def test_read_gives_pixels_and_metadata(tmp_path):
    clip = uav_human.read(write(tmp_path, text([body(960.25)], [], [body(970)])))
    assert clip.poses.shape == (1, 3, 17, 2) and clip.poses.dtype == np.float32
    np.testing.assert_array_equal(clip.poses[0, 0, 16], [960.25, 116.5])
    np.testing.assert_array_equal(clip.poses[0, 2, 0], [970.0, 100.5])
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False, True]])
    assert (clip.layout, clip.units, clip.y_up) == ("coco17", "pixels", False)
    assert clip.image_size == (1920, 1080)
    assert (clip.name, clip.label, clip.subject, clip.camera) == (NAME, "A031", "P070", None)
    assert clip.extra == {"setup": "S01", "replication": "R0"}
    assert splits.split_of("uav_human", clip) == {"csv1": "train", "csv2": "train"}


def test_only_the_place_tells_what_is_missing(tmp_path):
    rows = {"j3": "0 0 0.9 0 0 0 0 0 0 0 0 0", "j5": "0 7 0 0 0 0 0 0 0 0 0 0"}
    clip = uav_human.read(write(tmp_path, text([body(5, **rows)], [body(5)])))
    assert not clip.valid[0, 0, 3] and clip.valid.sum() == 33


def test_two_bodies_without_numbers_keep_their_order(tmp_path):
    frames = [body(1), body(2)], [body(1.5), body(2.5)], [body(1.75)]
    clip = uav_human.read(write(tmp_path, text(*frames)))
    np.testing.assert_array_equal(clip.poses[:, :, 0, 0], [[1.0, 1.5, 1.75], [2.0, 2.5, 0.0]])
    swapped = [body(1, "000"), body(2, "001")], [body(2.5, "001"), body(1.5, "000")]
    clip = uav_human.read(write(tmp_path, text(*swapped)))
    np.testing.assert_array_equal(clip.poses[:, :, 0, 0], [[1.0, 1.5], [2.0, 2.5]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (text([], []), "nobody in 2 frames; expected a body in one$"),
        (text([body(1)]), "1 frame"),
        (text([body(1, joints=25)]), "line 4: '25'; expected 17, the number of joints"),
        (text([body(1, j2="1 2 3")], []), "line 7: '1 2 3'; expected 12 values of a joint"),
        (text([body("x")], []), "line 5: 'x 100.5 .*; expected 2 coordinates first"),
        (text([body(1)], [body(2)])[:-12], "expected 12 values of a joint"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        uav_human.read(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


@pytest.mark.parametrize(
    "name", [NAME.replace("P070", "P119"), NAME.replace("A031", "A155"), NAME[1:], NAME + "x"]
)
def test_bad_names_are_named(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}.txt: expected a name PpppSss.*P118.*A154"):
        uav_human.read(write(tmp_path, text([body(1)], [body(1)]), name))


def test_find_lists_the_files_in_order_and_prepare_reads_them(tmp_path):
    source = tmp_path / "source"
    content = text([body(1)], [body(2)])
    write(source / "b", content, NAME.replace("P070", "P001"))
    for name in (NAME, NAME.replace("A031", "A154"), "README"):
        write(source / "a", content, name)
    found = [path.stem for path in uav_human.find(source)]
    assert found == [NAME.replace("P070", "P001"), NAME, NAME.replace("A031", "A154")]
    data = prepare("uav_human", source, tmp_path / "out")
    assert data.classes == ["A031", "A154"] and data.subjects.tolist() == ["P001", "P070", "P070"]
    assert data.manifest["splits"]["csv1"] == {"train": 2, "test": 1}
    with pytest.raises(ValueError, match=r"absent: no PpppSss.*expected the skeleton files of UAV"):
        uav_human.find(tmp_path / "absent")
