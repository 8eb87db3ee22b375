"""Layouts are consistent; conversion copies a joint, derives it, or calls it missing."""

import json
import re

import numpy as np
import pytest
import scipy.io

from via_jax import skeletons

# Joint counts, and a few joints as the official descriptions number them: typed in apart from the
# tables. In hdm05: the ends of ltibia, lclavicle, lwrist and rthumb.
ANCHORS: dict[str, tuple[int, dict[int, str]]] = {
    "unik17": (17, {0: "head", 4: "mid_hip", 5: "left_shoulder", 16: "right_ankle"}),
    "penn13": (13, {1: "right_shoulder", 12: "left_ankle"}),
    "kinect20": (20, {7: "left_hand", 19: "right_foot"}),
    "ntu25": (25, {3: "head", 20: "neck", 21: "left_hand_tip", 24: "right_thumb"}),
    "coco17": (17, {0: "nose", 9: "left_wrist", 16: "right_ankle"}),
    "openpose25": (25, {8: "mid_hip", 18: "left_ear", 19: "left_big_toe", 24: "right_heel"}),
    "openpose18": (18, {4: "right_wrist", 11: "left_hip", 17: "left_ear"}),
    "lcrnet13": (13, {0: "right_ankle", 11: "left_shoulder", 12: "head"}),
    "h36m17": (17, {1: "right_hip", 8: "neck", 11: "left_shoulder", 16: "right_wrist"}),
    "mixamo15": (15, {2: "right_shoulder", 8: "mid_hip", 14: "left_ankle"}),
    "hdm05": (31, {3: "left_ankle", 17: "left_shoulder", 20: "left_wrist", 30: "right_thumb"}),
    "mhad35": (35, {6: "head", 19: "left_wrist", 21: "right_hip", 34: "left_toe_end"}),
    "sbu15": (15, {2: "chest", 8: "right_hand", 14: "right_foot"}),
    "halpe26": (26, {17: "head", 19: "mid_hip", 23: "right_small_toe"}),
    "mediapipe33": (33, {7: "left_ear", 16: "right_wrist", 24: "right_hip", 32: "right_foot"}),
    "bandai22": (22, {1: "mid_hip", 9: "left_wrist", 17: "left_foot"}),
}
NAMES = list(ANCHORS)
ROOTS = {"sbu15": "chest", "openpose18": "neck"}  # these have no hip centre
LOOPS = ("coco17", "penn13", "lcrnet13", "mediapipe33")
TREES = [name for name in NAMES if name not in LOOPS]


def _named(layout_name, missing=(), coords=2, **points):
    """One frame of a layout: the given points, the others at (100 + index); some missing."""
    layout = skeletons.get_layout(layout_name)
    places = np.arange(100, 100 + layout.num_joints, dtype=np.float32)
    poses = np.repeat(places[:, None], coords, axis=1)
    for joint, point in points.items():
        poses[layout.index(joint)] = point
    valid = np.array([joint not in missing for joint in layout.joints])
    return poses, valid, layout


def _converted(frame, target_name):
    """Returns joint name -> coordinates, None where missing."""
    before, before_valid, source = frame
    target = skeletons.get_layout(target_name)
    poses, valid = skeletons.convert(before, before_valid, source, target)
    assert poses.shape == (target.num_joints, before.shape[-1])
    np.testing.assert_array_equal(poses[~valid], 0.0)
    return {j: poses[i].tolist() if valid[i] else None for i, j in enumerate(target.joints)}


@pytest.mark.parametrize("name", NAMES)
def test_layout_is_consistent(name):
    layout = skeletons.get_layout(name)
    assert layout.name == name
    assert layout.num_joints == len(set(layout.joints)) == ANCHORS[name][0]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", joint) for joint in layout.joints)
    assert len({frozenset(bone) for bone in layout.bones}) == len(layout.bones)
    assert {joint for bone in layout.bones for joint in bone} == set(range(layout.num_joints))
    assert {index: layout.joints[index] for index in ANCHORS[name][1]} == ANCHORS[name][1]
    assert [layout.index(joint) for joint in layout.joints] == list(range(layout.num_joints))


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("lcrnet13", "Rank Lank Rkne Lkne Rhip Lhip Rwri Lwri Relb Lelb Rsho Lsho head"),
        ("openpose18", "nose neck Rsho Relb Rwri Lsho Lelb Lwri Rhip Rkne Rank Lhip Lkne Lank"),
    ],
)
def test_detector_order_as_published(name, order):
    for joint, short in zip(skeletons.get_layout(name).joints, order.split()):
        start = {"R": "right_", "L": "left_"}.get(short[0], short[0]) + short[1:]
        assert joint.startswith(start)


@pytest.mark.parametrize("name", NAMES)
def test_mirror_swaps_sides_and_keeps_bones(name):
    layout = skeletons.get_layout(name)
    sided = [joint for joint in layout.joints if joint.startswith(("left_", "right_"))]
    assert 2 * len(layout.pairs) == len(sided)
    swap = {"left": "right", "right": "left"}
    for joint, opposite in zip(layout.joints, layout.mirror):
        side, _, rest = joint.partition("_")
        assert layout.joints[opposite] == (f"{swap[side]}_{rest}" if side in swap else joint)
    for left, right in layout.pairs:
        assert layout.mirror[left] == right and layout.joints[left].startswith("left_")
    swapped = {frozenset((layout.mirror[a], layout.mirror[b])) for a, b in layout.bones}
    assert swapped == {frozenset(bone) for bone in layout.bones}
    assert [layout.joints[hip] for hip in layout.hips] == ["left_hip", "right_hip"]


@pytest.mark.parametrize("name", TREES)
def test_tree_reaches_every_joint(name):
    layout = skeletons.get_layout(name)
    root = layout.parents.index(-1)
    assert layout.joints[root] == ROOTS.get(name, "mid_hip")
    assert {(p, c) for c, p in enumerate(layout.parents) if p >= 0} == set(layout.bones)
    order = layout.depth_first()
    assert sorted(order) == list(range(layout.num_joints))
    placed = {-1}
    for joint in order:  # a walk that places each joint on its parent must find the parent placed
        assert layout.parents[joint] in placed
        placed.add(joint)


@pytest.mark.parametrize("name", LOOPS)
def test_loops_have_no_parents(name):
    with pytest.raises(ValueError, match=rf"{name} are no tree: .* two parents.*unik17"):
        _ = skeletons.get_layout(name).parents


@pytest.mark.parametrize(
    ("bones", "seen"),
    [
        (((0, 1),), r"its roots are \['a', 'c'\]"),
        (((1, 2), (2, 1)), "is its own ancestor"),
        (((0, 1), (0, 2), (1, 2)), "c has two parents"),
    ],
)
def test_parents_refuse_what_is_no_tree(bones, seen):
    with pytest.raises(ValueError, match=seen):
        _ = skeletons.Layout("odd", ("a", "b", "c"), bones).parents


def test_lcrnet_to_unik_follows_the_published_means():
    shoulders = {"left_shoulder": (4, 10), "right_shoulder": (0, 14)}
    frame = _named("lcrnet13", head=(2, 16), left_hip=(3, 2), right_hip=(1, 6), **shoulders)
    joints = _converted(frame, "unik17")
    assert joints["mid_hip"] == [2, 4]
    assert joints["neck"] == [2, 12]
    assert joints["chest"] == [2, 8]
    assert joints["nose"] == [2, 14]  # mean of head and neck, the neck itself derived
    assert joints["head"] == [2, 16]
    assert joints["left_knee"] == [103, 103]  # copied from LCR-Net's index 3
    assert None not in joints.values()
    # A joint that the source has is copied, so not derived in the frames where it is missing.
    assert _converted(_named("kinect20", missing=("neck",)), "unik17")["neck"] is None


@pytest.mark.parametrize(
    ("missing", "lost"),
    [
        (("left_hip",), {"left_hip", "mid_hip", "chest"}),
        (("right_shoulder",), {"right_shoulder", "neck", "chest", "nose"}),
        (("head",), {"head", "nose"}),
        (("left_wrist",), {"left_wrist"}),
    ],
)
def test_derived_joints_are_missing_with_their_sources(missing, lost):
    joints = _converted(_named("penn13", missing=missing), "unik17")
    assert {joint for joint, point in joints.items() if point is None} == lost


@pytest.mark.parametrize("name", ["coco17", "openpose18", "openpose25", "mediapipe33"])
@pytest.mark.parametrize(
    ("missing", "head"),
    [
        ((), [2, 3]),
        (("left_ear",), [4, 4]),
        (("right_ear",), [0, 2]),
        (("left_ear", "right_ear"), [9, 9]),
        (("nose",), [2, 3]),
        (("left_ear", "right_ear", "nose"), None),
    ],
)
def test_head_from_ears_or_nose(name, missing, head):
    frame = _named(name, missing=missing, left_ear=(0, 2), right_ear=(4, 4), nose=(9, 9))
    joints = _converted(frame, "unik17")
    assert joints["head"] == head
    assert joints["nose"] == (None if "nose" in missing else [9, 9])  # never from a derived head


def test_ends_of_limbs():
    joints = _converted(_named("sbu15", left_hand=(1, 2), right_foot=(3, 4)), "unik17")
    assert joints["left_wrist"] == [1, 2]
    assert joints["right_ankle"] == [3, 4]
    assert None not in joints.values()
    joints = _converted(_named("lcrnet13"), "kinect20")  # no hand out of a wrist
    lost = {joint for joint, point in joints.items() if point is None}
    assert lost == {"left_hand", "right_hand", "left_foot", "right_foot"}
    frame = _named("openpose25", left_big_toe=(0, 0), left_small_toe=(2, 4))
    assert _converted(frame, "kinect20")["left_foot"] == [1, 2]
    frame = _named("mediapipe33", right_index=(1, 1), right_pinky=(3, 1))
    assert _converted(frame, "kinect20")["right_hand"] == [2, 1]


@pytest.mark.parametrize("name", NAMES)
def test_every_layout_fills_unik(name):
    assert None not in _converted(_named(name, coords=3), "unik17").values()


def test_each_frame_is_converted_on_its_own():
    rng = np.random.default_rng(0)
    source, target = skeletons.get_layout("openpose25"), skeletons.get_layout("unik17")
    poses = rng.normal(size=(2, 3, 4, 25, 3)).astype(np.float32)
    valid = rng.random((2, 3, 4, 25)) < 0.7
    got_poses, got_valid = skeletons.convert(poses, valid, source, target)
    assert got_poses.shape == (2, 3, 4, 17, 3) and got_poses.dtype == np.float32
    assert got_valid.shape == (2, 3, 4, 17) and got_valid.dtype == np.bool_
    for where in np.ndindex(2, 3, 4):
        alone = skeletons.convert(poses[where], valid[where], source, target)
        np.testing.assert_array_equal(got_poses[where], alone[0])
        np.testing.assert_array_equal(got_valid[where], alone[1])


def test_what_a_missing_joint_held_never_leaks():
    rng = np.random.default_rng(1)
    source, target = skeletons.get_layout("coco17"), skeletons.get_layout("mixamo15")
    poses = rng.normal(size=(5, 17, 2))
    valid = rng.random((5, 17)) < 0.5
    poses[~valid] = rng.choice([np.nan, np.inf, -np.inf], size=poses[~valid].shape)
    clean = skeletons.convert(np.where(valid[..., None], poses, 0), valid, source, target)
    dirty = skeletons.convert(poses, valid, source, target)
    np.testing.assert_array_equal(dirty[0], clean[0])
    np.testing.assert_array_equal(dirty[1], clean[1])
    assert dirty[0].dtype == np.float64


@pytest.mark.parametrize("name", NAMES)
def test_same_layout_gives_a_copy(name):
    poses, valid, layout = _named(name, missing=("left_knee",))
    got_poses, got_valid = skeletons.convert(poses, valid, layout, layout)
    np.testing.assert_array_equal(got_valid, valid)
    np.testing.assert_array_equal(got_poses, np.where(valid[:, None], poses, 0))
    assert not np.shares_memory(got_poses, poses)


@pytest.mark.parametrize("there", NAMES)
@pytest.mark.parametrize("here", ["unik17", "lcrnet13"])
def test_round_trip_keeps_shared_joints(here, there):
    poses, valid, layout = _named(here, missing=("right_elbow",))
    other = skeletons.get_layout(there)
    away, away_valid = skeletons.convert(poses, valid, layout, other)
    again, again_valid = skeletons.convert(away, away_valid, other, layout)
    for index, joint in enumerate(layout.joints):
        if joint in other.joints:
            assert again_valid[index] == valid[index]
            np.testing.assert_array_equal(again[index], poses[index] * valid[index])


def test_conversion_commutes_with_mirroring():
    rng = np.random.default_rng(2)
    for source_name in NAMES:
        source, target = skeletons.get_layout(source_name), skeletons.get_layout("kinect20")
        poses = rng.normal(size=(3, source.num_joints, 2))
        valid = rng.random((3, source.num_joints)) < 0.8
        if "left_ear" in source.joints:  # with two ears the head is the same seen in a mirror
            valid[:, [source.index("left_ear"), source.index("right_ear")]] = True
        here = skeletons.convert(poses, valid, source, target)
        order = list(source.mirror)
        there = skeletons.convert(poses[:, order], valid[:, order], source, target)
        np.testing.assert_allclose(there[0], here[0][:, list(target.mirror)], atol=1e-12)
        np.testing.assert_array_equal(there[1], here[1][:, list(target.mirror)])


@pytest.mark.parametrize(
    ("poses", "valid", "message"),
    [
        (
            np.zeros((4, 17, 2)),
            np.ones((4, 17), bool),
            r"\(4, 17, 2\).*\[\.\.\., 13, 2 or 3\].*penn13",
        ),
        (np.zeros((13, 4, 2)), np.ones((13, 4), bool), "order of the axes"),
        (np.zeros((4, 13, 4)), np.ones((4, 13), bool), "2 or 3"),
        (np.zeros(13), np.ones(13, bool), "2 or 3"),
        (np.zeros((4, 13, 2)), np.ones((13,), bool), r"valid has shape \(13,\).*\(4, 13\)"),
        (np.zeros((4, 13, 2)), np.ones((4, 13)), "valid is float64.*threshold"),
        (np.zeros((4, 13, 2), np.int16), np.ones((4, 13), bool), "poses are int16"),
    ],
)
def test_convert_refuses_bad_input(poses, valid, message):
    penn, unik = skeletons.get_layout("penn13"), skeletons.get_layout("unik17")
    with pytest.raises(ValueError, match=message):
        skeletons.convert(poses, valid, penn, unik)


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(ValueError, match=r"'unik_17' \(did you mean unik17.*bandai22"):
        skeletons.get_layout("unik_17")
    with pytest.raises(ValueError, match=r"layout penn13: 'left_sholder' \(did you mean left_shou"):
        skeletons.get_layout("penn13").index("left_sholder")


def test_hdm05_order_matches_the_files(shared_data):
    path = next(iter(sorted((shared_data / "hdm05").glob("*/*/*.asf"))))
    text = path.read_text(encoding="latin-1")
    names = ["root", *re.findall(r"^\s*name (\S+)", text.split(":bonedata")[1], re.MULTILINE)]
    layout = skeletons.get_layout("hdm05")
    assert len(names) == layout.num_joints
    for line in text.split(":hierarchy")[1].splitlines():
        parent, *children = line.split() or [""]
        for child in children:
            seen = layout.joints[layout.parents[names.index(child)]]
            assert seen == layout.joints[names.index(parent)]


def test_bandai_order_matches_the_files(shared_data):
    path = next(iter(sorted((shared_data / "bandai_namco_bvh").glob("**/*.bvh"))))
    found = re.findall(r"(?:ROOT|JOINT) (\S+)", path.read_text())
    joints = skeletons.get_layout("bandai22").joints
    side = {"_L": "left_", "_R": "right_"}
    assert len(found) == len(joints)
    assert all(joint.startswith(side.get(name[-2:], "")) for name, joint in zip(found, joints))


def test_mhad_bones_keep_their_length(shared_data):
    with np.load(shared_data / "berkeley_mhad" / "mhad_mocap.npz") as file:
        coords = file["coords"][: int(file["lengths"][0])].astype(np.float64) / 100  # cm
    layout = skeletons.get_layout("mhad35")
    for parent, child in layout.bones:
        length = np.linalg.norm(coords[:, parent] - coords[:, child], axis=-1)
        assert length.std() < 0.5, (layout.joints[parent], layout.joints[child])
    left, right = layout.hips  # y is up and the subject faces +z, so the left is at +x
    assert (coords[:, left, 0] > coords[:, right, 0]).mean() > 0.9


def test_nw_ucla_bones_are_of_human_size(shared_data):
    path = next(iter(sorted((shared_data / "nw_ucla" / "all_sqe").glob("*.json"))))
    poses = np.array(json.loads(path.read_text())["skeletons"])  # metres
    layout = skeletons.get_layout("kinect20")
    parents, children = np.array(layout.bones).T
    lengths = np.median(np.linalg.norm(poses[:, parents] - poses[:, children], axis=-1), axis=0)
    assert (lengths > 0.02).all() and (lengths < 0.6).all()
    everywhere = np.ones(poses.shape[:-1], bool)
    unik, valid = skeletons.convert(poses, everywhere, layout, skeletons.get_layout("unik17"))
    heights = np.median(unik[:, :5, 1], axis=0)  # head, nose, neck, chest, mid_hip; y up
    assert valid.all() and (np.diff(heights) < 0).all()


def test_penn_right_is_right_in_front_views(shared_data):
    """A person who faces the camera has the right shoulder at the smaller x."""
    layout = skeletons.get_layout("penn13")
    right, left = layout.index("right_shoulder"), layout.index("left_shoulder")
    agree = []
    for path in sorted((shared_data / "penn_action" / "labels").glob("*.mat"))[::20]:
        labels = scipy.io.loadmat(path)
        if labels["pose"][0] == "front":
            x = np.median(labels["x"], axis=0)
            agree.append(x[right] < x[left])
    assert len(agree) > 10 and np.mean(agree) > 0.75
