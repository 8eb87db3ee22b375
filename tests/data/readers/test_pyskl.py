import pickle

import numpy as np
import pytest

from via_jax.data import splits
from via_jax.data.prepare import prepare
from via_jax.data.readers import pyskl

NTU = "S001C002P003R001A008"


def flat(name="video_1", **changes):
    """Two persons, three frames; the second person is absent from the last."""
    keypoint = np.arange(2 * 3 * 17 * 2, dtype=np.float16).reshape(2, 3, 17, 2) + 1
    score = np.full((2, 3, 17), 0.5, np.float16)
    keypoint[1, 2], score[1, 2] = 0, 0
    score[0, 1, 4] = 0
    record = {
        "frame_dir": name,
        "label": 7,
        "img_shape": (1080, 1920),
        "original_shape": (1080, 1920),
        "total_frames": 3,
        "keypoint": keypoint,
        "keypoint_score": score,
    }
    return record | changes


def solid(name=NTU, **changes):
    keypoint = np.arange(1, 1 + 2 * 25 * 3, dtype=np.float16).reshape(1, 2, 25, 3) / 16
    keypoint[0, 1, 5] = 0
    return {"frame_dir": name, "label": 59, "total_frames": 2, "keypoint": keypoint} | changes


def write(folder, *annotations, split=None, protocol=2):
    folder.mkdir(exist_ok=True)
    content = {"split": split or {}, "annotations": list(annotations)}
    (folder / "data.pkl").write_bytes(pickle.dumps(content, protocol))
    return folder / "data.pkl"


def read_one(folder, record, **settings):
    (item,) = pyskl.find(write(folder, record, **settings))
    return pyskl.read(item)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_flat_annotation_is_coco_in_pixels(tmp_path, protocol):
    clip = read_one(tmp_path, flat(), protocol=protocol)
    assert clip.poses.shape == (2, 3, 17, 2) and clip.poses.dtype == np.float32
    np.testing.assert_array_equal(clip.poses[0, 0, :2], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(clip.poses[1, 0, 16], [1 + 3 * 34 + 32, 1 + 3 * 34 + 33])
    assert not clip.valid[1, 2].any() and not clip.valid[0, 1, 4]
    assert clip.valid.sum() == 2 * 3 * 17 - 18
    np.testing.assert_array_equal(clip.poses[0, 1, 4], 0)
    assert (clip.layout, clip.units, clip.y_up) == ("coco17", "pixels", False)
    assert (clip.name, clip.label, clip.image_size) == ("video_1", "007", (1920, 1080))
    assert (clip.subject, clip.camera, clip.extra) == (None, None, {})


def test_a_solid_annotation_is_ntu_in_metres(tmp_path):
    clip = read_one(tmp_path, solid())
    assert clip.poses.shape == (1, 2, 25, 3)
    np.testing.assert_array_equal(clip.poses[0, 0, 1], [4 / 16, 5 / 16, 6 / 16])
    assert clip.valid.sum() == 49 and not clip.valid[0, 1, 5]
    assert (clip.layout, clip.units, clip.y_up) == ("ntu25", "metres", True)
    assert (clip.name, clip.label, clip.image_size) == (NTU, "059", None)
    assert (clip.subject, clip.camera) == ("P003", "C002")


def test_a_nan_is_missing(tmp_path):
    record = solid()
    record["keypoint"][0, 0, 3, 1] = np.nan
    clip = read_one(tmp_path, record)
    assert not clip.valid[0, 0, 3] and np.isfinite(clip.poses).all()
    record = flat()
    record["keypoint_score"][0, 0, 2] = np.nan
    assert not read_one(tmp_path, record).valid[0, 0, 2]


# Splits


def roles_of(folder, split):
    names = sorted({name for members in split.values() for name in members})
    items = pyskl.find(write(folder, *map(flat, names), split=split))
    clips = [pyskl.read(item) for item in items]
    return {clip.name: splits.split_of("pyskl", clip) for clip in clips}


def test_each_clip_has_its_role_under_each_protocol(tmp_path):
    split = {
        "xsub_train": ["a", "b"],
        "xsub_val": ["c"],
        "xview_train": ["a", "c"],
        "xview_val": ["b", "not annotated"],
    }
    found = roles_of(tmp_path, split)
    assert found["a"] == {"xsub": "train", "xview": "train"}
    assert found["b"] == {"xsub": "train", "xview": "test"}
    assert found["c"] == {"xsub": "test", "xview": "train"}


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("train", "val"), {"official": "test"}),
        (("train", "test"), {"official": "test"}),
        (("train1", "test1"), {"split1": "test"}),
        (("fold_a_train", "fold_a_val"), {"fold_a": "test"}),
        (("x_train2", "x_test2"), {"x2": "test"}),
    ],
)
def test_names_of_splits(tmp_path, names, roles):
    found = roles_of(tmp_path, {names[0]: ["a"], names[1]: ["b"]})
    assert found == {"a": dict.fromkeys(roles, "train"), "b": roles}


def test_val_is_validation_only_beside_a_test_part(tmp_path):
    split = {"x_train": ["a"], "x_val": ["b"], "x_test": ["c"], "y_train": ["a"], "y_val": ["b"]}
    found = roles_of(tmp_path, split)
    assert found["b"] == {"x": "validation", "y": "test"} and found["c"] == {"x": "test"}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"xsub": ["a"]}, "split 'xsub'; expected a name that ends in train, val or test"),
        ({"../x_train": ["a"]}, "split '../x_train'"),
        ({"_train": ["a"]}, "split '_train'"),
        ({3: ["a"]}, "split '3'"),
        ({"train": "a"}, "split: 'train' is of type str; expected list"),
        ({"train": [3]}, "split 'train' holds a int; expected names"),
        ({"train": ["a"], "val": ["a"]}, "clip 'a' is in 'val' and in another part"),
    ],
)
def test_bad_splits_are_named(tmp_path, split, message):
    path = write(tmp_path, flat("a"), split=split)
    with pytest.raises(ValueError, match=message) as error:
        pyskl.find(path)
    assert str(path) in str(error.value)


# Bad files


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "annotation 0: of type NoneType"),
        ({}, "annotation 0: holds nothing; expected the key 'frame_dir'"),
        (flat(frame_dir=3), "'frame_dir' is of type int"),
        (flat(label="7"), "'label' is of type str"),
        (flat(label=-1), "label -1; expected 0 to 999"),
        (flat(label=1000), "label 1000"),
        (flat(total_frames=4), r"keypoint: numbers of shape \(2, 3, 17, 2\)"),
        (flat(keypoint=[[1]]), "'keypoint' is of type list"),
        (flat(keypoint=np.zeros((3, 17, 2))), r"keypoint: numbers of shape \(3, 17, 2\)"),
        (flat(keypoint=np.zeros((2, 3, 17, 2), bool)), "keypoint: something that is not a number"),
        (flat(keypoint=np.ones((2, 3, 18, 2))), "18 joints in 2D; expected 17 in 2D"),
        (flat(keypoint=np.ones((2, 3, 17, 3))), "17 joints in 3D"),
        (flat(keypoint=np.full((2, 3, 17, 2), np.inf)), "keypoint: inf"),
        (flat(keypoint=np.full((2, 3, 17, 2), 1e300)), r"keypoint: 1e\+300"),
        (flat(keypoint=np.zeros((2, 3, 17, 2))), "all joints are missing"),
        (flat(keypoint=np.zeros((0, 3, 17, 2)), keypoint_score=np.zeros((0, 3, 17))), "no person"),
        (flat(keypoint_score=np.ones((2, 3))), r"keypoint_score: numbers of shape \(2, 3\)"),
        (flat(keypoint_score=None), "'keypoint_score' is of type NoneType"),
        (flat(img_shape=None), r"no img_shape; expected \(height, width\)"),
        (flat(img_shape=(0, 5)), "no img_shape"),
        (flat(img_shape=(1080.5, 5)), "no img_shape"),
        (solid(keypoint=np.ones((1, 1, 25, 3)), total_frames=1), "1 frame"),
        ({"frame_dir": "k", "label": 1, "total_frames": 9, "raw_file": "x"}, "key 'keypoint'"),
    ],
)
def test_bad_annotations_are_named(tmp_path, record, message):
    path = write(tmp_path, record)
    (item,) = pyskl.find(path)
    with pytest.raises(ValueError, match=message) as error:
        pyskl.read(item)
    assert str(path) in str(error.value) and type(error.value) is ValueError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "of type list; expected an object with 'annotations'"),
        ({"annotations": []}, "expected the key 'split'"),
        ({"split": {}, "annotations": {}}, "'annotations' is of type dict"),
        ({"split": [], "annotations": []}, "'split' is of type list"),
        ({"split": {}, "annotations": [print]}, r"names \w+\.print, which is not run"),
        ({"split": {}, "annotations": [flat(keypoint=np.array([None]))]}, "array of type 'O8'"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(ValueError, match=rf"x\.pkl: .*{message}"):
        pyskl.find(tmp_path)


def test_find_wants_one_file(tmp_path):
    with pytest.raises(ValueError, match=r"0 \*\.pkl; expected one"):
        pyskl.find(tmp_path)
    path = write(tmp_path, flat())
    assert [item.path for item in pyskl.find(tmp_path)] == [path]
    (tmp_path / "other.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"2 \*\.pkl; expected one, or name the file"):
        pyskl.find(tmp_path)
    assert len(pyskl.find(path)) == 1


# Prepared


def test_prepared_only_when_asked(tmp_path):
    split = {"xsub_train": ["a"], "xsub_val": ["b"], "xset_train": ["b"], "xset_val": ["a"]}
    path = write(tmp_path / "source", flat("a"), flat("b", label=12), split=split)
    with pytest.raises(
        ValueError, match=r"data\.pkl: pyskl is published as a pickle.*trust_pickle"
    ):
        prepare("pyskl", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    data = prepare("pyskl", path, tmp_path / "out", trust_pickle=True)
    assert data.names.tolist() == ["a", "b"] and data.classes == ["007", "012"]
    assert data.splits["xsub"].tolist() == ["train", "test"]
    assert data.splits["xset"].tolist() == ["test", "train"]
    np.testing.assert_array_equal(data.size, [[1920, 1080]] * 2)


def test_a_bad_annotation_may_be_left_out(tmp_path):
    path = write(tmp_path / "source", flat("a"), flat("b", label=-1))
    with pytest.raises(ValueError, match=r"1 of 2 files are bad.*annotation 1: label -1"):
        prepare("pyskl", path, tmp_path / "out", trust_pickle=True)
    data = prepare("pyskl", path, tmp_path / "out", trust_pickle=True, skip_bad=True)
    (skipped,) = data.manifest["skipped"]
    assert skipped["path"] == "data.pkl"
    assert skipped["reason"].startswith("data.pkl: annotation 1: label -1")  # no folder of here
