"""For each reader the smallest good source, and how it is read. Not a test; see test_hostile.py."""

import json
import pickle

import numpy as np
from scipy import io as scipy_io

from via_jax.data import writer
from via_jax.data.clip import Clip
from via_jax.data.open_clip import open_clip
from via_jax.data.readers import (
    alphapose,
    asf_amc,
    berkeley_mhad,
    bvh,
    coco,
    folder,
    kinetics,
    lcrnet,
    mediapipe,
    mixamo,
    mmpose,
    ntu,
    nw_ucla,
    openpose,
    penn_action,
    penn_lcrnet,
    poses_csv,
    posetics,
    prepared,
    pyskl,
    sbu,
    smarthome,
    uav_human,
    ultralytics,
)
from via_jax.skeletons import get_layout

# Each writes files into a folder and returns what reads them.


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes | str):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def numbers(joints, t):
    return [value for j in range(joints) for value in (10.5 + j, 5.0 + j + t, 0.75)]


def of_openpose(at):
    for t in range(3):
        people = [{"pose_keypoints_2d": numbers(25, t)}]
        write(at / f"v_{t:012}_keypoints.json", {"people": people * (t + 1)})
    return lambda: openpose.read(at)


def of_alphapose(at):
    path = write(
        at / "a.json",
        [{"image_id": f"{t}.jpg", "keypoints": numbers(17, t), "idx": 1} for t in (0, 0, 1, 2)],
    )
    return lambda: alphapose.read(path)


def of_alphapose_cmu(at):
    body = {"joints": numbers(18, 0)}
    path = write(at / "a.json", {f"{t}.jpg": {"bodies": [body] * t} for t in range(3)})
    return lambda: alphapose.read(path)


def of_mmpose(at):
    rows = np.reshape(numbers(17, 0), (-1, 3))
    person = {"keypoints": rows[:, :2].tolist(), "keypoint_scores": rows[:, 2].tolist()}
    info = [{"frame_id": t, "instances": [person | {"track_id": t}] * t} for t in range(3)]
    names = {str(j): name for j, name in enumerate(get_layout("coco17").joints)}
    path = write(at / "a.json", {"meta_info": {"keypoint_id2name": names}, "instance_info": info})
    return lambda: mmpose.read(path)


def of_ultralytics(at):
    x, y, seen = np.reshape(numbers(17, 0), (-1, 3)).T.tolist()
    box = {"track_id": 1, "keypoints": {"x": x, "y": y, "visible": seen}}
    path = write(at / "a.json", [[box] * t for t in range(3)])
    return lambda: ultralytics.read(path)


def of_mediapipe(at):
    pose = [{"x": 0.5, "y": j / 40, "z": 0, "visibility": 0.9} for j in range(33)]
    path = write(at / "a.json", [{"pose_landmarks": [pose] * t} for t in range(3)])
    return lambda: mediapipe.read(path, image_size=(640, 480))


def of_coco(at):
    records = [{"image_id": t, "keypoints": numbers(26, t), "track_id": t} for t in (0, 0, 1, 2)]
    path = write(at / "a.json", records)
    return lambda: coco.read(path)


def of_csv(at):
    lines = ["0,1,10,20,0.5,30,40", "0,2,11,21,0.5,31,41", "1,1,10,20,0.5,30,40"]
    header = "frame,person,nose_x,nose_y,nose_confidence,left_knee_x,left_knee_y"
    path = write(at / "a.csv", "\n".join([header, *lines]) + "\n")
    return lambda: poses_csv.read(path)


def of_any_json(at):
    """What nobody named: the format is recognised first."""
    of_alphapose(at)
    return lambda: open_clip(at / "a.json")


def of_any_folder(at):
    pose = [{"x": 0.5, "y": j / 40} for j in range(33)]
    for t in range(2):
        write(at / f"{t}.json", {"landmarks": [pose] * t})
    return lambda: open_clip(at)


def of_kinetics(at):
    person = {"pose": [0.1, 0.2] * 18, "score": [0.5] * 18}
    data = [{"frame_index": t, "skeleton": [person] * t} for t in range(1, 4)]
    path = write(at / "a.json", {"data": data, "label": "juggling", "label_index": 3})
    return lambda: kinetics.read(path)


POSE = {"pose2d": list(range(1, 27)), "pose3d": list(range(-20, 19))}
LCRNET = {"frames": [[POSE] * t for t in range(3)]}


def of_lcrnet(at):
    path = write(at / "a.json", LCRNET)
    return lambda: (lcrnet.read(path), lcrnet.read(path, coords=3))[1]


def of_smarthome(at):
    write(at / "Walk_p03_r00_v02_c01.json", LCRNET)
    return lambda: [smarthome.read(item) for item in smarthome.find(at)]


def of_posetics(at):
    for part, name in (("train", "abcdefghijk"), ("val", "_under-line")):
        write(at / f"posetics_{part}" / f"x_{name}_000001_000011.json", LCRNET)
        label = {"label_index": 7, "has_skeleton": True, "label": "zumba"}
        write(at / f"posetics_{part}_label.json", {name: label})
    return lambda: [posetics.read(item) for item in posetics.find(at)]


def mat(path):
    grid = np.arange(26.0).reshape(2, 13) + 10
    fields = {"x": grid, "y": grid, "visibility": np.ones((2, 13)), "action": "bowl"}
    fields |= {"pose": "left", "train": 1, "dimensions": [[240, 320, 2]], "nframes": 2}
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy_io.savemat(path, fields, do_compression=True)


def of_penn_action(at):
    mat(at / "0001.mat")
    return lambda: penn_action.read(at / "0001.mat")


def of_penn_lcrnet(at):
    mat(at / "labels" / "0001.mat")
    write(at / "skeletons" / "0001.json", LCRNET)
    return lambda: [penn_lcrnet.read(item) for item in penn_lcrnet.find(at)]


def of_nw_ucla(at):
    frames = [[[j, t, 2.5] for j in range(20)] for t in (1, 2)]
    path = write(at / "a08_s03_e02_v01.json", {"skeletons": [*frames, [], None], "label": 7})
    return lambda: nw_ucla.read(path)


def of_amc(at):
    bones = "".join(
        f"begin\nname {bone}\ndirection 0 1 0\nlength 1\naxis 0 0 0 XYZ\ndof rx\nend\n"
        for bone in asf_amc.JOINTS[1:]
    )
    links = get_layout("hdm05").bones
    tree = "\n".join(f"{asf_amc.JOINTS[a]} {asf_amc.JOINTS[b]}" for a, b in links)
    write(
        at / "01.asf",
        ":units\nlength 0.45\nangle deg\n:root\norder TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\n"
        f"orientation 0 0 0\n:bonedata\n{bones}:hierarchy\nbegin\n{tree}\nend\n",
    )
    angles = "".join(f"{bone} 5\n" for bone in asf_amc.JOINTS[1:])
    motion = "".join(f"{n}\nroot 0 {n} 0 0 0 0\n{angles}" for n in range(1, 9))
    write(at / "01_02.amc", f":FULLY-SPECIFIED\n:DEGREES\n{motion}")
    return lambda: [asf_amc.read(item) for item in asf_amc.find(at)]


def bvh_text(names, link):
    opened = "".join(
        f"{link if n else 'ROOT'} {name}\n{{\nOFFSET 0 20 0\nCHANNELS 3 Zrotation Xrotation"
        " Yrotation\n"
        for n, name in enumerate(names)
    )
    frames = (" ".join(["5"] * 3 * len(names)) + "\n") * 2
    return (
        f"HIERARCHY\n{opened}End Site\n{{\nOFFSET 0 1 0\n}}\n" + "}\n" * len(names)
    ) + f"MOTION\nFrames: 2\nFrame Time: 0.1\n{frames}"


def of_bvh(at):
    path = write(at / "walk.bvh", bvh_text(bvh.JOINTS, "JOINT"))
    return lambda: bvh.read(path)


def of_mixamo_bvh(at):
    names = ["Hips", *(bone for bone in mixamo.BONES if bone != "Hips")]
    write(at / "Ty" / "Walk.bvh", bvh_text([f"mixamorig:{name}" for name in names], "JOINT"))
    return lambda: [mixamo.read(item) for item in mixamo.find(at)]


def of_mixamo(at):
    path = at / "train" / "Aj" / "Jump" / "Jump.npy"
    path.parent.mkdir(parents=True)
    np.save(path, np.random.default_rng(0).normal(size=(15, 3, 3)))
    return lambda: [mixamo.read(item) for item in mixamo.find(at)]


def of_ntu(at):
    body = "72057594037930243 0 0 0 0 0 0 0.25 -0.5 2\n25\n" + "0.5 0.25 4 1 2 3 4 0 0 0 1 2\n" * 25
    write(at / "S001C002P003R002A013.skeleton", f"2\n1\n{body}2\n{body}{body}")
    write(at / "missing_skeletons.txt", "S001C002P005R001A018\n")
    return lambda: [ntu.read(item) for item in ntu.find(at)]


def of_uav_human(at):
    body = "000 0 0 0 0 0 0 0 0 0\n17\n" + "100 200.5 0.9 0 0 0 0 0 0 0 0 0\n" * 17
    name = "P070S01G10B00H10UC102000LC092000A031R0_09131758.txt"
    write(at / name, f"2\n1\n{body}2\n{body}{body}")
    return lambda: [uav_human.read(item) for item in uav_human.find(at)]


def of_sbu(at):
    line = ",".join(f"0.{j},0.5,0.{j + 1}" for j in range(30))
    write(at / "s03s05" / "05" / "002" / "skeleton_pos.txt", f"55,{line}\n56,{line}\n")
    return lambda: [sbu.read(item) for item in sbu.find(at)]


def of_berkeley(at):
    arrays = {"coords": np.ones((4, 35, 3), np.int16), "lengths": np.array([2, 2], np.int32)}
    arrays |= {key: np.array([1, 2], np.int16) for key in ("action", "subject", "repetition")}
    np.savez_compressed(at / "mocap.npz", **arrays)
    return lambda: [berkeley_mhad.read(item) for item in berkeley_mhad.find(at)]


def moving():
    poses = np.random.default_rng(0).normal(300, 60, (1, 4, 17, 2)).astype(np.float32)
    facts = {"frame_rate": 25.0, "image_size": (640, 480), "label": "sit", "split": "train"}
    return Clip(poses, np.ones((1, 4, 17), bool), "coco17", "clip", **facts)


def of_folder(at):
    folder.write_clip(at / "clip.npz", moving())
    write(at / "labels.csv", "name,label,split,frame_rate,take\nclip,wave,train,25,1\n")
    return lambda: [folder.read(item) for item in folder.find(at)]


def of_prepared(at):
    writer.write(at / "set", [moving()], dataset="made", splits=lambda clip: {"official": "train"})

    def read():
        prepared._open.cache_clear()
        return [prepared.read(item) for item in prepared.find(at)]

    return read


def of_pyskl(at):
    flat = {"frame_dir": "a", "label": 3, "total_frames": 2, "img_shape": (480, 640)}
    flat |= {"keypoint": np.ones((1, 2, 17, 2), np.float16)}
    flat |= {"keypoint_score": np.ones((1, 2, 17), np.float16)}
    solid = {"frame_dir": "S001C001P001R001A001", "label": 0, "total_frames": 2}
    solid |= {"keypoint": np.ones((2, 2, 25, 3), np.float16)}
    content = {"split": {"xsub_train": ["a"], "xsub_val": []}, "annotations": [flat, solid]}
    write(at / "a.pkl", pickle.dumps(content, protocol=4))
    return lambda: [pyskl.read(item) for item in pyskl.find(at)]


SOURCES = [value for name, value in list(globals().items()) if name.startswith("of_")]
