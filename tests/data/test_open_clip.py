"""One clip of every format, recognised by its files and read as the format's own reader does."""

import pickle

import numpy as np
import pytest
from clip_files import (
    KINDS,
    alphapose_list,
    amc,
    bvh_file,
    coco_results,
    kinetics_json,
    lcrnet_json,
    mediapipe_file,
    of_prepared,
    openpose_folder,
    same,
    table,
)

from via_jax.data.detect import DETECTORS, FORMATS, RECORDINGS, recognise
from via_jax.data.open_clip import open_clip
from via_jax.data.readers import pyskl


def test_every_format_is_tried():
    assert {*DETECTORS, *RECORDINGS, "prepared"} == {kind for kind, _, _ in KINDS.values()}
    assert set(FORMATS) == {*DETECTORS, *RECORDINGS, "prepared", "pyskl"}


@pytest.mark.parametrize("write", KINDS)
def test_every_kind_is_recognised(tmp_path, write, monkeypatch):
    path, expected = write(tmp_path)
    assert recognise(path) == KINDS[write][0]
    for spelling in (path, str(path)):
        for name in (None, KINDS[write][0]):
            clip = open_clip(spelling, file_format=name)
            assert (clip.layout, clip.name) == KINDS[write][1:]
            assert same(clip, expected)
    monkeypatch.chdir(tmp_path)
    assert same(open_clip(path.relative_to(tmp_path)), expected)


REAL = {
    "openpose_videos/small_man": ("openpose25", 2),
    "penn_action/labels/0001.mat": ("penn13", 2),
    "nw_ucla/all_sqe/a01_s01_e00_v01.json": ("kinect20", 3),
    "bandai_namco_bvh/dataset-1_bow_normal_001.bvh": ("bandai22", 3),
    "hdm05/test/10/HDM_mm_squat1Reps_037_120.amc": ("hdm05", 3),
    "kinetics_skeleton/--33Lscn6sk.json": ("openpose18", 2),
}


@pytest.mark.parametrize("path", REAL)
def test_real_recordings(shared_data, path):
    clip = open_clip(shared_data / path)
    layout, coords = REAL[path]
    assert clip.layout == layout and clip.poses.shape[-1] == coords
    assert clip.name == path.rsplit("/")[-1].partition(".")[0]
    assert clip.num_frames > 10 and clip.valid.mean() > 0.5
    assert np.ptp(clip.poses[clip.valid], axis=0).min() > 0


# What is named


def test_people_and_confidence(tmp_path):
    path, both = alphapose_list(tmp_path)
    assert both.num_persons == 2 and open_clip(path, max_persons=1).num_persons == 1
    with pytest.raises(ValueError, match=r"no person"):
        open_clip(path, min_confidence=0.75)
    for write in (kinetics_json, lcrnet_json, openpose_folder, mediapipe_file, table):
        assert open_clip(write(tmp_path)[0], max_persons=1).num_persons == 1


def test_the_layout_may_be_named(tmp_path):
    assert open_clip(coco_results(tmp_path)[0], layout="h36m17").layout == "h36m17"
    for write in (bvh_file, mediapipe_file, openpose_folder):
        path, clip = write(tmp_path)
        assert open_clip(path, layout=clip.layout).layout == clip.layout
        with pytest.raises(ValueError, match=rf"layout {clip.layout}; expected sbu15, as named"):
            open_clip(path, layout="sbu15")
    for write in (coco_results, openpose_folder):
        with pytest.raises(ValueError, match=r"unknown layout: .coco71. .did you mean coco17"):
            open_clip(write(tmp_path)[0], layout="coco71")
    np.savez(tmp_path / "open.npz", poses=np.ones((3, 17, 2)))
    assert open_clip(tmp_path / "open.npz", layout="coco17").layout == "coco17"
    with pytest.raises(ValueError, match=r"open\.npz: no layout; expected .*, name it"):
        open_clip(tmp_path / "open.npz")


def test_the_size_of_the_image(tmp_path):
    clip = open_clip(mediapipe_file(tmp_path)[0], image_size=(640, 480))
    assert clip.image_size == (640, 480) and clip.units == "pixels"
    for size in ((0, 480), (640, -1)):
        with pytest.raises(ValueError, match=r"image_size .*; expected width and height in pixels"):
            open_clip(openpose_folder(tmp_path)[0], image_size=size)


def test_a_named_format_is_the_one_that_is_read(tmp_path):
    path, _ = coco_results(tmp_path)
    assert open_clip(path, file_format="alphapose").name == "keypoints_results"
    with pytest.raises(ValueError, match=r"txt: frame 0: of type dict; expected a list of boxes"):
        open_clip(path, file_format="ultralytics")
    with pytest.raises(ValueError, match=r"format 'yolo'; expected one of openpose, alphapose"):
        open_clip(path, file_format="yolo")
    with pytest.raises(ValueError, match=r"no prepared data set above it; expected FOLDER/NAME"):
        open_clip(path, file_format="prepared")


def test_pickles_are_read_only_when_named(tmp_path):
    scores = np.ones((1, 2, 17), np.float16)
    record = {"frame_dir": "a/b", "label": 3, "total_frames": 2, "img_shape": (480, 640)}
    record |= {"keypoint": np.ones((1, 2, 17, 2), np.float16), "keypoint_score": scores}
    path = tmp_path / "ntu.pkl"
    path.write_bytes(pickle.dumps({"split": {"train": ["a/b"]}, "annotations": [record]}))
    clip = open_clip(path / "a" / "b", file_format="pyskl")
    assert same(clip, pyskl.read(pyskl.find(path)[0])) and clip.name == "a/b"
    with pytest.raises(ValueError, match=r"ntu.pkl has no clip 'c'; its names look like \['a/b'\]"):
        open_clip(path / "c", file_format="pyskl")
    with pytest.raises(ValueError, match=r"can hold programs; .* then name the format pyskl"):
        open_clip(path / "a" / "b")
    with pytest.raises(ValueError, match=r"its clips are FILE\.pkl/NAME, with the format named"):
        open_clip(path)
    with pytest.raises(ValueError, match=r"no file above it; expected FILE\.pkl/NAME"):
        open_clip(tmp_path / "absent.pkl" / "a", file_format="pyskl")


# What is refused


def test_a_motion_is_looked_for_alone(tmp_path):
    path, expected = amc(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "walk.amc").touch()  # without a body; none of this clip's business
    assert same(open_clip(path), expected)
    for absent in (tmp_path / "absent.amc", tmp_path):
        with pytest.raises(ValueError, match=r"no file; expected an \.amc beside its \.asf"):
            open_clip(absent, file_format="asf_amc")


def test_paths_that_hold_no_clip(tmp_path):
    prepared = of_prepared(tmp_path)[0].parents[1]
    (tmp_path / "video.mp4").touch()
    (tmp_path / "film.mp4").write_bytes(bytes(9))
    (tmp_path / "labels.csv").write_text("name,label\na,b\n")
    (tmp_path / "dir.npz").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "1.json").write_text("[3]")
    wanted = r"; expected a folder of OpenPose frames; JSON of .* or a prepared data set followed"
    cases = {
        tmp_path / "absent.bvh": "absent.bvh: nothing",
        tmp_path / "video.mp4": "video.mp4: an empty file",
        tmp_path / "film.mp4": "film.mp4: a file of another kind",
        tmp_path / "labels.csv": "labels.csv: CSV with the columns name, label",
        tmp_path / "dir.npz": r"dir.npz: a folder without \*\.json",
        tmp_path / "odd": r"odd: a folder whose 1\.json holds a list of int values",
        prepared: r"set: a prepared data set without the name of a clip",
    }
    for path, message in cases.items():
        with pytest.raises(ValueError, match=message + wanted):
            open_clip(path)


def test_an_unknown_clip_of_a_prepared_data_set(tmp_path):
    prepared = of_prepared(tmp_path)[0].parents[1]
    with pytest.raises(ValueError, match=r"set has no clip 'b/2'; .* look like \['b/1', 'a'\]"):
        open_clip(prepared / "b" / "2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"skeletons": [', "a.json: Expecting value.* expected a complete JSON file"),
        ("\xff", "a.json: 'utf-8' codec"),
        ("[" * 100_000, "a.json: lists nested too deeply"),
        ("[" * 900 + "]" * 900, "a.json: "),
        ('{"people": []}', r"a.json: one frame of OpenPose; open the folder"),
        ("[1, 2]", "a.json: JSON that holds a list of int values; expected .* AlphaPose, MMPose"),
        ('{"a": 1, "b": 2}', "a.json: JSON that holds an object with 'a', 'b'; expected"),
        ('[{"keypoints": 3}]', "a.json: JSON that holds a list of an object with 'keypoints'"),
        ("7", "a.json: JSON that holds int values"),
        ("[]", "a.json: nobody in 0 frames"),
        ("[[], []]", "a.json: nobody in 2 frames"),
        ('{"data": [1]}', "a.json: frame 0: of type int; expected an object"),
        ('{"skeletons": []}', "a.json: expected a name aAA_sSS_eEE_vVV.json"),
    ],
)
def test_json_of_something_else(tmp_path, text, message):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        open_clip(tmp_path / "a.json")


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "a.asf").touch()
    for name in ("a.npz", "a.mat", "a.bvh", "a.amc"):
        (tmp_path / name).write_bytes(b"no clip")
        with pytest.raises(ValueError, match=r"a\.(npz|mat|bvh|amc|asf): "):
            open_clip(tmp_path / name)


def test_a_motion_without_its_body(tmp_path):
    path, _ = amc(tmp_path)
    (tmp_path / "01.asf").unlink()
    with pytest.raises(ValueError, match=r"amc: saw the bodies \[\] beside it; expected one \.asf"):
        open_clip(path)
