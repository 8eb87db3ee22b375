import numpy as np
import pytest

from via_jax.data.prepare import prepare
from via_jax.data.readers import posetics

BODY = b'{"pose2d": [1,2,3,4,5,6,7,8,9,10,11,12,13, 21,22,23,24,25,26,27,28,29,30,31,32,33], "pose3d": [1,2,3,4,5,6,7,8,9,10,11,12,13, -1,-2,-3,-4,-5,-6,-7,-8,-9,-10,-11,-12,-13, 2,1,2,1,2,1,2,1,2,1,2,1,2]}'  # noqa: E501
CLIP = b'{"frames": [[' + BODY + b"], [" + BODY + b"]]}"
TRAIN = b"""{"--3_5aB-_x9": {"label_index": 7, "has_skeleton": true},
 "abcdefghijk": {"label_index": 0, "has_skeleton": true},
 "nobodythere": {"label_index": 3, "has_skeleton": false}}"""
VAL = b'{"_under-line": {"label_index": 319, "has_skeleton": true, "label": "zumba"}}'


def write(folder, name, content=CLIP):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "posetics_raw"
    for name in (
        "riding mule_--3_5aB-_x9_000012_000022.json",
        "abcdefghijk_000001_000011.json",
        "x_nobodythere_000001_000011.json",
        ".abcdefghijk_000001_000011.json",
    ):
        write(folder / "posetics_train", name)
    write(folder / "posetics_val", "a_b_c__under-line_123456_123466.json")
    write(folder, "posetics_train_label.json", TRAIN)
    write(folder, "posetics_val_label.json", VAL)
    return folder


def test_clips_get_what_the_label_files_say_of_their_ids(source):
    clips = [posetics.read(item) for item in posetics.find(source)]
    assert [(clip.name, clip.label, clip.split, clip.extra) for clip in clips] == [
        ("abcdefghijk_000001_000011", "000", "train", {"id": "abcdefghijk"}),
        ("riding mule_--3_5aB-_x9_000012_000022", "007", "train", {"id": "--3_5aB-_x9"}),
        ("a_b_c__under-line_123456_123466", "319 zumba", "test", {"id": "_under-line"}),
    ]
    for item, clip in zip(posetics.find(source), clips):
        assert item[0].name[-30:-19] == clip.extra["id"]  # where the published script cuts it out
        assert (clip.layout, clip.units, clip.image_size) == ("lcrnet13", "pixels", (640, 480))
        np.testing.assert_array_equal(clip.poses[0, 1, [0, 12]], [[1, 21], [13, 33]])
        assert posetics.read(item, coords=3).units == "metres"


@pytest.mark.parametrize(("dataset", "coords"), [("posetics", 2), ("posetics_3d", 3)])
def test_classes_are_in_the_official_order(source, tmp_path, dataset, coords):
    data = prepare(dataset, source, tmp_path / "out")
    assert data.classes == ["000", "007", "319 zumba"] and data.coords == coords
    assert data.splits["official"].tolist() == ["train", "train", "test"]


def test_one_part_is_enough(source):
    for path in (source / "posetics_train").iterdir():
        path.unlink()
    (source / "posetics_train").rmdir()
    assert [split for _, split, _ in posetics.find(source)] == ["test"]
    for path in (source / "posetics_val").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"posetics_val: no \*\.json"):
        posetics.find(source)
    (source / "posetics_val").rmdir()
    with pytest.raises(ValueError, match="no posetics_train/ and no posetics_val/"):
        posetics.find(source)


def test_a_missing_or_damaged_label_file_is_named(source):
    table = source / "posetics_val_label.json"
    for content, message in ((b"[]", "of type list"), (b"{", "complete JSON"), (None, "cannot be")):
        table.unlink()
        if content is not None:
            table.write_bytes(content)
        with pytest.raises(ValueError, match=rf"posetics_val_label\.json: .*{message}"):
            posetics.find(source)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (b"", r"abcdefghijk_000001_000011\.json: id 'abcdefghijk' is not in posetics_train_label"),
        (b'"abcdefghijk": 3', "of type int; expected an object with 'label_index'"),
        (b'"abcdefghijk": {"has_skeleton": true}', "expected the key 'label_index'"),
        (b'"abcdefghijk": {"label_index": "3"}', "'label_index' is of type str"),
        (b'"abcdefghijk": {"label_index": 320}', "label_index 320; expected 0 to 319"),
        (b'"abcdefghijk": {"label_index": -1}', "label_index -1; expected 0 to 319"),
        (b'"abcdefghijk": {"label_index": 1, "label": 2}', "'label' is of type int; expected str"),
    ],
)
def test_bad_labels_are_refused(source, entry, message):
    write(source, "posetics_train_label.json", b"{" + entry + b"}")
    with pytest.raises(ValueError, match=message):
        posetics.read(posetics.find(source)[0])


@pytest.mark.parametrize(
    "name", ["abcdefghij_000001_000011.json", "x_abcdefghijk_1_11.json", "abcdefghijk.json"]
)
def test_bad_names_are_refused_and_not_lost(source, name):
    write(source / "posetics_train", name)
    (item,) = (item for item in posetics.find(source) if item[0].name == name)
    with pytest.raises(ValueError, match=rf"{name}: expected a name ending in <id of 11>"):
        posetics.read(item)
