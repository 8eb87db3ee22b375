"""One clip of every format, recognised by its files and read as the format's own reader does."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
from scipy import io

from via_jax.data import writer
from via_jax.data.clip import Clip
from via_jax.data.detect import DETECTORS, FORMATS, RECORDINGS, recognise
from via_jax.data.open_clip import open_clip
from via_jax.data.readers import (
    alphapose,
    asf_amc,
    bvh,
    coco,
    folder,
    kinetics,
    lcrnet,
    mediapipe,
    mmpose,
    nw_ucla,
    openpose,
    penn_action,
    poses_csv,
    pyskl,
    ultralytics,
)
from via_jax.skeletons import get_layout


def moving(layout="unik17", **facts):
    joints = get_layout(layout).num_joints
    poses = np.random.default_rng(0).normal(300, 60, (1, 4, joints, 2)).astype(np.float32)
    return Clip(poses, np.ones((1, 4, joints), bool), layout, **{"name": "clip"} | facts)


def same(first, second):
    """Whether two clips agree in all fields."""
    return all(
        np.array_equal(getattr(first, field.name), getattr(second, field.name))
        for field in dataclasses.fields(Clip)
    )


# Writers of the smallest files; each returns what to open, and the clip that its reader makes.


def openpose_folder(at):
    for frame in range(2):
        people = [{"pose_keypoints_2d": [10.0 + frame, 20.0, 0.5] * 25}]
        path = at / "video" / f"a_{frame:012}_keypoints.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"people": people}))
    return at / "video", openpose.read(at / "video")


def npz(at):
    clip = moving("coco17", name="wave", frame_rate=25.0)
    folder.write_clip(at / "wave.npz", clip)
    return at / "wave.npz", clip


def mat(at):
    grid = np.arange(26.0).reshape(2, 13) + 10
    fields = {"x": grid, "y": grid, "visibility": np.ones((2, 13)), "action": "bowl"}
    fields |= {"pose": "left", "train": 1, "dimensions": [[240, 320, 2]], "nframes": 2}
    io.savemat(at / "0001.mat", fields)
    return at / "0001.mat", penn_action.read(at / "0001.mat")


def bvh_file(at):
    names = bvh.JOINTS
    opened = "".join(
        f"{'JOINT' if n else 'ROOT'} {name} {{\nOFFSET 0 1 0\nCHANNELS 3 Zrotation Xrotation"
        " Yrotation\n"
        for n, name in enumerate(names)
    )
    frames = ("0 " * 3 * len(names) + "\n") * 2
    path = at / "walk.BVH"
    path.write_text(
        f"HIERARCHY\n{opened}{'}' * len(names)}\nMOTION\nFrames: 2\nFrame Time: 0.1\n{frames}"
    )
    return path, bvh.read(path)


def amc(at):
    layout = get_layout("hdm05")
    bones = "".join(
        f"begin\nname {bone}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\ndof rx\nend\n"
        for bone in asf_amc.JOINTS[1:]
    )
    tree = "\n".join(f"{asf_amc.JOINTS[a]} {asf_amc.JOINTS[b]}" for a, b in layout.bones)
    body = (
        ":units\nlength 0.45\nangle deg\n:root\norder TX TY TZ RX RY RZ\naxis XYZ\n"
        f"position 0 0 0\norientation 0 0 0\n:bonedata\n{bones}:hierarchy\nbegin\n{tree}\nend\n"
    )
    angles = "".join(f"{bone} 5\n" for bone in asf_amc.JOINTS[1:])
    motion = "".join(f"{n}\nroot 0 {n} 0 0 0 0\n{angles}" for n in range(1, 9))
    (at / "01.asf").write_text(body)
    for take in ("01", "02"):  # another motion beside it
        (at / f"01_{take}.amc").write_text(f":FULLY-SPECIFIED\n:DEGREES\n{motion}")
    return at / "01_02.amc", asf_amc.read((at / "01_02.amc", at / "01.asf"))


def ucla_json(at):
    path = at / "a08_s03_e02_v01.json"
    skeletons = [[[joint, frame, 2.0] for joint in range(20)] for frame in (1, 2)]
    path.write_text(json.dumps({"skeletons": skeletons, "label": 7}))
    return path, nw_ucla.read(path)


def lcrnet_json(at):
    frame = [{"pose2d": list(range(1, 27))}]
    (at / "walk_pose3d.json").write_text(json.dumps({"frames": [frame, frame]}))
    return at / "walk_pose3d.json", lcrnet.read(at / "walk_pose3d.json")


def kinetics_json(at):
    people = [{"pose": [0.1, 0.2] * 18, "score": [0.5] * 18}]
    data = [{"frame_index": frame, "skeleton": people} for frame in (1, 2)]
    (at / "abc.json").write_text(json.dumps({"data": data, "label": "juggling"}))
    return at / "abc.json", kinetics.read(at / "abc.json")


def of_prepared(at):
    clips = [moving(name=name, label="sit") for name in ("b/1", "a")]
    data = writer.write(at / "set", clips, dataset="made", splits=lambda clip: {})
    return at / "set" / "b" / "1", data.read(0)


# What pose detectors write. Numbers for two people of `joints` joints at time t.


def numbers(joints, t, person=0):
    return [value for j in range(joints) for value in (10.5 + 99 * person + j, 5.0 + j + t, 0.75)]


def dumped(path, content):
    path.write_text(json.dumps(content))
    return path


def frames_in(folder, *frames):
    folder.mkdir()
    for t, frame in enumerate(frames):
        dumped(folder / f"frame_{t}.json", frame)
    return folder


def alphapose_list(at):
    records = [
        {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": numbers(26, t, p), "score": 1.5}
        for t in range(2)
        for p in range(2)
    ]
    path = dumped(at / "alphapose-results.json", records)
    return path, alphapose.read(path)


def alphapose_eval(at):  # numbers for names, but a box, which COCO results have not
    records = [
        {"image_id": t, "keypoints": numbers(17, t), "score": 1.5, "box": [1, 2, 3, 4], "idx": 1}
        for t in range(2)
    ]
    path = dumped(at / "eval.json", records)
    return path, alphapose.read(path)


def alphapose_cmu(at):
    images = {f"{t}.jpg": {"bodies": [{"joints": numbers(18, t)}]} for t in range(2)}
    path = dumped(at / "cmu.json", images)
    return path, alphapose.read(path)


def alphapose_folder(at):
    images = [{"people": [{"pose_keypoints_2d": numbers(18, t)}] if t else []} for t in range(3)]
    path = frames_in(at / "sep-json", *images)
    return path, alphapose.read(path)


def instances(t):
    triples = np.reshape(numbers(17, t), (-1, 3))
    return [{"keypoints": triples[:, :2].tolist(), "keypoint_scores": triples[:, 2].tolist()}]


def mmpose_video(at):
    info = [{"frame_id": t, "instances": instances(t)} for t in range(2)]
    path = dumped(at / "results.json", {"meta_info": {}, "instance_info": info})
    return path, mmpose.read(path)


def mmpose_list(at):
    path = dumped(at / "a.json", [{"frame_id": t, "instances": instances(t)} for t in range(2)])
    return path, mmpose.read(path)


def mmpose_folder(at):
    path = frames_in(at / "predictions", [], instances(1), instances(2))
    return path, mmpose.read(path)


def boxes(t):
    x, y, seen = np.reshape(numbers(17, t), (-1, 3)).T.tolist()
    return [{"name": "person", "keypoints": {"x": x, "y": y, "visible": seen}}]


def ultralytics_file(at):
    path = dumped(at / "yolo.json", [[], boxes(1), boxes(2)])
    return path, ultralytics.read(path)


def ultralytics_folder(at):
    path = frames_in(at / "yolo", [], boxes(1), boxes(2))
    return path, ultralytics.read(path)


def landmarks(t):
    rows = np.reshape(numbers(33, t), (-1, 3)) / 100
    return [{"x": x, "y": y, "z": 0.0, "visibility": seen} for x, y, seen in rows.tolist()]


def mediapipe_file(at):
    path = dumped(
        at / "mp.json",
        [{"pose_landmarks": []}, *[{"pose_landmarks": [landmarks(t)]} for t in range(2)]],
    )
    return path, mediapipe.read(path)


def mediapipe_bare(at):
    path = dumped(at / "bare.json", [None, landmarks(0), landmarks(1)])
    return path, mediapipe.read(path)


def mediapipe_folder(at):
    path = frames_in(at / "mp", {}, {"landmarks": [landmarks(0)]}, {"landmarks": [landmarks(1)]})
    return path, mediapipe.read(path)


def coco_results(at):
    records = [
        {"image_id": t, "category_id": 1, "keypoints": numbers(17, t), "score": 1} for t in (7, 8)
    ]
    path = dumped(at / "keypoints_results.txt", records)  # by what it holds, not by its name
    return path, coco.read(path)


def table(at):
    path = at / "poses.csv"
    path.write_text("frame,nose_x,nose_y\n0,10,20\n1,10,21\n")
    return path, poses_csv.read(path)


KINDS = {
    openpose_folder: ("openpose", "openpose25", "video"),
    npz: ("npz", "coco17", "wave"),
    mat: ("penn_action", "penn13", "0001"),
    bvh_file: ("bvh", "bandai22", "walk"),
    amc: ("asf_amc", "hdm05", "01_02"),
    ucla_json: ("nw_ucla", "kinect20", "a08_s03_e02_v01"),
    kinetics_json: ("kinetics", "openpose18", "abc"),
    lcrnet_json: ("lcrnet", "lcrnet13", "walk_pose3d"),
    of_prepared: ("prepared", "unik17", "b/1"),
    alphapose_list: ("alphapose", "halpe26", "alphapose-results"),
    alphapose_eval: ("alphapose", "coco17", "eval"),
    alphapose_cmu: ("alphapose", "openpose18", "cmu"),
    alphapose_folder: ("alphapose", "openpose18", "sep-json"),
    mmpose_video: ("mmpose", "coco17", "results"),
    mmpose_list: ("mmpose", "coco17", "a"),
    mmpose_folder: ("mmpose", "coco17", "predictions"),
    ultralytics_file: ("ultralytics", "coco17", "yolo"),
    ultralytics_folder: ("ultralytics", "coco17", "yolo"),
    mediapipe_file: ("mediapipe", "mediapipe33", "mp"),
    mediapipe_bare: ("mediapipe", "mediapipe33", "bare"),
    mediapipe_folder: ("mediapipe", "mediapipe33", "mp"),
    coco_results: ("coco", "coco17", "keypoints_results"),
    table: ("csv", "unik17", "poses"),
}


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
