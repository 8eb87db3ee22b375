"""One clip of every format, recognised by its files and read as the format's own reader does."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import io

from via_jax.data import writer
from via_jax.data.clip import Clip
from via_jax.data.open_clip import open_clip
from via_jax.data.readers import (
    asf_amc,
    bvh,
    folder,
    kinetics,
    lcrnet,
    nw_ucla,
    openpose,
    penn_action,
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


KINDS = {
    openpose_folder: ("openpose25", "video"),
    npz: ("coco17", "wave"),
    mat: ("penn13", "0001"),
    bvh_file: ("bandai22", "walk"),
    amc: ("hdm05", "01_02"),
    ucla_json: ("kinect20", "a08_s03_e02_v01"),
    kinetics_json: ("openpose18", "abc"),
    lcrnet_json: ("lcrnet13", "walk_pose3d"),
    of_prepared: ("unik17", "b/1"),
}


@pytest.mark.parametrize("write", KINDS)
def test_every_kind_is_recognised(tmp_path, write, monkeypatch):
    path, expected = write(tmp_path)
    for spelling in (path, str(path)):
        clip = open_clip(spelling)
        assert (clip.layout, clip.name) == KINDS[write]
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


# What is refused


def test_paths_that_hold_no_clip(tmp_path):
    prepared = of_prepared(tmp_path)[0].parents[1]
    (tmp_path / "video.mp4").touch()
    (tmp_path / "dir.npz").mkdir()
    wanted = r"; expected a folder of OpenPose frames, an \.npz, .* or a prepared data set followed"
    cases = {
        tmp_path / "absent.bvh": "absent.bvh: nothing",
        tmp_path / "video.mp4": "video.mp4: a file of another kind",
        tmp_path / "dir.npz": r"dir.npz: a folder without \*_keypoints.json",
        prepared: r"set: a folder without \*_keypoints.json",
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
        ('{"skeletons": [', "a.json: is not JSON: Expecting value"),
        ("\xff", "a.json: is not JSON: 'utf-8' codec"),
        ("[" * 100_000, "a.json: is not JSON: .*recursion"),
        ('{"people": []}', r"a.json: JSON without 'skeletons' \(NW-UCLA\), 'data' \(Kinetics"),
        ("[1, 2]", "a.json: JSON without 'skeletons'"),
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
