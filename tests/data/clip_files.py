"""The smallest file of every format; each writer returns what to open, and its reader's clip."""

import dataclasses
import json

import numpy as np
from scipy import io

from via_jax.data import writer
from via_jax.data.clip import Clip
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


# Writer: what its file is recognised as, and layout and name of the clip.
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
