import dataclasses
from typing import Any

import numpy as np
import pytest

from via_jax.data import clip as clip_module
from via_jax.data.readers import folder

POSES = np.arange(2 * 3 * 13 * 2, dtype=np.float32).reshape(2, 3, 13, 2) + 1.0


def write(path, table="name,label\na,wave\n", **arrays):
    """labels.csv beside one file a.npz."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "labels.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    contents: dict[str, Any] = {"poses": POSES, "layout": "penn13"} | arrays
    np.savez(path / "a.npz", **contents)
    return path


def read_only(path):
    (item,) = folder.find(path)
    return folder.read(item)


def test_the_smallest_data_set(tmp_path):
    clip = read_only(write(tmp_path))
    np.testing.assert_array_equal(clip.poses, POSES)
    assert clip.poses.dtype == np.float32 and clip.valid.all()
    assert (clip.layout, clip.name, clip.label) == ("penn13", "a", "wave")
    assert (clip.units, clip.y_up) == ("pixels", False)
    assert clip.subject is clip.camera is clip.split is clip.frame_rate is clip.image_size is None
    assert clip.extra == {}


def test_all_columns(tmp_path):
    table = (
        "\ufeffname, label,subject,camera,split,layout,frame_rate,take,weather\r\n"
        'a,"wave, both hands",anna,left,validation,penn13,29.97,3,\r\n'
    )
    clip = read_only(write(tmp_path, table))
    assert (clip.label, clip.subject, clip.camera) == ("wave, both hands", "anna", "left")
    assert (clip.split, clip.frame_rate, clip.extra) == ("validation", 29.97, {"take": "3"})


def test_layout_may_stand_in_the_table(tmp_path):
    np.savez(tmp_path / "a.npz", poses=POSES)
    (tmp_path / "labels.csv").write_text("name,label,layout\na,,penn13\n")
    clip = read_only(tmp_path)
    assert clip.layout == "penn13" and clip.label is None


def test_one_person_in_three_dimensions(tmp_path):
    poses = np.ones((4, 20, 3), np.float64)
    valid = np.ones((4, 20), np.uint8)
    valid[1, 2] = 0
    poses[3, 4, 0] = np.nan
    clip = read_only(write(tmp_path, poses=poses, valid=valid, layout="kinect20"))
    assert clip.poses.shape == (1, 4, 20, 3)
    assert (clip.units, clip.y_up) == ("metres", True)
    np.testing.assert_array_equal(np.argwhere(~clip.valid), [[0, 1, 2], [0, 3, 4]])
    np.testing.assert_array_equal(clip.poses[~clip.valid], 0.0)


def test_facts_in_the_file(tmp_path):
    facts = {"units": "normalised", "y_up": True, "frame_rate": 25, "image_size": [640, 480]}
    clip = read_only(write(tmp_path, **facts))
    assert (clip.units, clip.y_up) == ("normalised", True)
    assert (clip.frame_rate, clip.image_size) == (25.0, (640, 480))


def test_find_is_ordered_by_name_and_takes_sub_folders(tmp_path):
    write(tmp_path, "name,label\n\nb/c,x\na,y\n")
    write(tmp_path / "b")
    (tmp_path / "b" / "a.npz").rename(tmp_path / "b" / "c.npz")
    clips = [folder.read(item) for item in folder.find(tmp_path)]
    assert [(clip.name, clip.label) for clip in clips] == [("a", "y"), ("b/c", "x")]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "columns ; expected name, label"),
        ("name,label\n", "no clips"),
        ("name\na\n", "columns name; expected name, label"),
        ("name,label,name\na,b,c\n", "each once"),
        ("name,label,\na,b,c\n", "each once"),
        ("name,label\na\n", "line 2: 1 cells; expected 2: name, label"),
        ("name,label\na,b,c\n", "line 2: 3 cells"),
        ("name,label\na,b\na,c\n", "line 3: name 'a' a second time"),
        ("name,label\n,b\n", "line 2: name ''"),
        ("name,label\n../a,b\n", "line 2: name '../a'; expected a file in this folder"),
        ("name,label\n/etc/a,b\n", "line 2: name '/etc/a'"),
        ("name,label\nb,b\n", "line 2: no file .*b.npz; expected one for each line"),
        ("name,label,split\na,b,dev\n", "line 2: split 'dev'; expected train, validation, test"),
        ("name,label,frame_rate\na,b,fast\n", "line 2: frame_rate 'fast'"),
        ("name,label,frame_rate\na,b,0\n", "line 2: frame_rate '0'"),
        ("name,label,frame_rate\na,b,inf\n", "line 2: frame_rate 'inf'"),
        ('name,label\na,"b\n', "line 2: unexpected end of data; expected CSV"),
        ("name,label\na," + "b" * 140_000, "field larger than field limit"),
        (b"name,label\na,\xff\xff\n", "expected UTF-8"),
    ],
)
def test_bad_tables_are_named(tmp_path, table, message):
    write(tmp_path, table)
    with pytest.raises(ValueError, match=message) as error:
        folder.find(tmp_path)
    assert str(tmp_path / "labels.csv") in str(error.value)
    assert type(error.value) is ValueError


def test_absent_table_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"labels\.csv: cannot be read"):
        folder.find(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pose": POSES}, "arrays layout, pose, poses; expected"),
        ({"poses": np.array([{}], object)}, "poses.npy holds objects"),
        ({"poses": POSES[0, 0]}, r"poses have shape \(13, 2\)"),
        ({"poses": POSES.swapaxes(2, 3)}, r"poses have shape \(2, 3, 2, 13\)"),
        ({"poses": POSES.swapaxes(1, 2)}, "are axes transposed"),
        ({"poses": POSES.astype(complex)}, "type complex128; expected real"),
        ({"poses": POSES.astype(str)}, "expected real"),
        ({"poses": POSES * np.inf}, "a coordinate of inf; expected none above 1e.09"),
        ({"poses": POSES * np.nan}, "all joints are missing"),
        ({"poses": POSES[:, :1]}, "1 frame"),
        ({"poses": POSES[:0]}, "no person"),
        ({"poses": POSES[:, :, :12]}, "12 joints"),
        ({"valid": np.ones((2, 3, 12), bool)}, r"valid has shape \(2, 3, 12\)"),
        ({"valid": np.full((2, 3, 13), "x")}, "expected bool"),
        ({"valid": np.full((2, 3, 13), 0.5)}, "valid holds other values than 0 and 1"),
        ({"layout": "penn31"}, "penn31"),
        ({"layout": 13}, "layout has shape .* expected a single string"),
        ({"layout": ["penn13"]}, r"layout has shape \(1,\)"),
        ({"units": "feet"}, "units 'feet'; expected one of pixels, metres"),
        ({"y_up": "yes"}, "y_up .* expected a single truth value"),
        ({"frame_rate": "30"}, "frame_rate .* expected a single number"),
        ({"frame_rate": -1}, "frame_rate '-1.0'; expected a positive number"),
        ({"image_size": [640]}, r"image_size \[640\]; expected two whole numbers"),
        ({"image_size": [640.0, 480.0]}, "image_size"),
        ({"image_size": [640, 0]}, "image_size"),
    ],
)
def test_bad_arrays_are_named(tmp_path, arrays, message):
    write(tmp_path, **arrays)
    for read in (lambda: read_only(tmp_path), lambda: folder.read_clip(tmp_path / "a.npz")):
        with pytest.raises(ValueError, match=message) as error:
            read()
        assert str(tmp_path / "a.npz") in str(error.value)


def test_disagreeing_files_are_named(tmp_path):
    write(tmp_path, "name,label,layout\na,b,coco17\n")
    with pytest.raises(ValueError, match=r"a\.npz: layout penn13, but labels\.csv says coco17"):
        read_only(tmp_path)
    write(tmp_path, "name,label,frame_rate\na,b,25\n", frame_rate=30)
    with pytest.raises(ValueError, match=r"a\.npz: frame_rate 30\.0, but labels\.csv says 25\.0"):
        read_only(tmp_path)
    np.savez(tmp_path / "a.npz", poses=POSES)
    with pytest.raises(ValueError, match=r"a\.npz: no layout; expected one here or in labels\.csv"):
        folder.read_clip(tmp_path / "a.npz")


def test_damaged_files_are_named(tmp_path):
    whole = (write(tmp_path) / "a.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[300] ^= 0xFF  # inside the coordinates: the archive's checksum notices
    path = tmp_path / "a.npz"
    cut = r"a\.npz: no zip archive, or a part of one; expected an \.npz with poses"
    for content in (b"", b"PK", b"poses", whole[:100]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=cut):
            folder.read_clip(path)
    for content in (whole[:-30], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.npz: .*expected an \.npz with poses"):
            folder.read_clip(path)
    np.save(tmp_path / "b.npy", POSES)
    with pytest.raises(ValueError, match="a single array; expected an"):
        folder.read_clip(tmp_path / "b.npy")
    with pytest.raises(ValueError, match=r"c\.npz: .*No such file"):
        folder.read_clip(tmp_path / "c.npz")


def test_a_written_clip_reads_back(tmp_path):
    valid = np.ones((2, 3, 13), bool)
    valid[0, 1, 2] = False
    clip = clip_module.Clip(
        poses=POSES,
        valid=valid,
        layout="penn13",
        name="a",
        label="wave",
        units="centimetres",
        y_up=True,
        frame_rate=12.5,
        image_size=(320, 240),
    )
    folder.write_clip(tmp_path / "a.npz", clip)
    again = folder.read_clip(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.valid, valid)
    np.testing.assert_array_equal(again.poses[valid], POSES[valid])
    np.testing.assert_array_equal(again.poses[~valid], 0.0)
    facts = [field.name for field in dataclasses.fields(clip)]
    for fact in set(facts) - {"poses", "valid", "label"}:
        assert getattr(again, fact) == getattr(clip, fact), fact
    assert again.label is None  # it belongs into labels.csv


def test_write_refuses_what_could_not_be_read(tmp_path):
    clip = clip_module.Clip(poses=POSES, valid=np.ones((2, 3, 13), bool), layout="penn13", name="a")
    with pytest.raises(ValueError, match=r"a\.txt: expected a name that ends in \.npz"):
        folder.write_clip(tmp_path / "a.txt", clip)
    with pytest.raises(ValueError, match="1 frame"):
        single = dataclasses.replace(clip, poses=POSES[:, :1], valid=clip.valid[:, :1])
        folder.write_clip(tmp_path / "a.npz", single)
    assert not list(tmp_path.iterdir())
