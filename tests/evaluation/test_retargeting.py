"""Retargeting of clips of any layout, against its steps by hand."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from configs import base
from via_jax.data.clip import Clip
from via_jax.data.prepare import to_layout
from via_jax.evaluation import retargeting
from via_jax.models.autoencoder import Autoencoder
from via_jax.skeletons import get_layout

UNIK = get_layout("unik17")
SIZE = (640, 480)
NOBODYS = {"left_wrist", "right_knee"}  # joints that a test takes away


def model_of(coords):
    """(variables, meta) of a small random model, biases and running averages too."""
    settings = {
        "coords": coords,
        "width": 1 / 16,
        "decoder_width": 1 / 16,
        "num_heads": 1,
        "num_directions": 4,
        "learned_directions": True,
        "dropout": 0.2,
        "dtype": "float32",
    }
    model = Autoencoder(joints=17, **settings)
    init = jax.jit(lambda key: model.init(key, np.zeros((1, 1, 24, 17, coords), np.float32)))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda x: np.asarray(x) + rng.uniform(-0.05, 0.05, x.shape).astype(np.float32),
        init(jax.random.key(0)),
    )
    window = {"frames": 24, "sampling": "crop", "shortest_share": 1.0, "speed": (1.0, 1.0)}
    views = base.get_config().data.views.to_dict()
    meta = {"layout": "unik17", "model": settings, "views": views, "window": window}
    return variables, meta | {"statistics": None}


@pytest.fixture(scope="module")
def flat():
    return model_of(2)


@pytest.fixture(scope="module")
def solid():
    return model_of(3)


def swinging(layout, frames, seed, coords=2, **facts):
    """A body whose joints swing around their places, in pixels."""
    rng = np.random.default_rng(seed)
    joints = get_layout(layout).num_joints
    place = rng.normal(300, 60, (1, 1, joints, coords))
    phase = rng.uniform(0, 6, (1, 1, joints, coords))
    poses = place + 20 * np.sin(np.linspace(0, 6, frames)[None, :, None, None] + phase)
    valid = np.ones((1, frames, joints), bool)
    facts = {"name": f"clip{seed}", "frame_rate": 25.0, "image_size": SIZE, **facts}
    return Clip(poses.astype(np.float32), valid, layout, **facts)


def without(clip, names):
    """The clip with NaN where these joints were."""
    gone = np.isin(get_layout(clip.layout).joints, list(names))
    poses, valid = clip.poses.copy(), clip.valid.copy()
    poses[:, :, gone], valid[:, :, gone] = np.nan, False
    return dataclasses.replace(clip, poses=poses, valid=valid)


@pytest.fixture(scope="module")
def driving():
    return swinging("unik17", 21, 0, label="wave", name="ann")


@pytest.fixture(scope="module")
def source():
    return swinging("unik17", 24, 1, label="sit", name="ben", subject="ben", split="test")


def spread(result):
    """How far the result's valid joints lie apart, in its units."""
    return result.poses[result.valid].std()


# The result


def frame_by_hand(poses, normalisation):
    """(centre, scale) of poses [time, joints, 2]."""
    if normalisation == "screen":
        return np.array(SIZE) / 2, SIZE[0] / 2
    hips = poses[:, [UNIK.index("left_hip"), UNIK.index("right_hip")]].mean(axis=1)
    distances = [math.dist(poses[t, j], hips[t]) ** 2 for t in range(len(poses)) for j in range(17)]
    return hips.mean(axis=0), np.mean(distances) ** 0.5


def retarget_by_hand(variables, meta, driving, source):
    """The driver's 21 frames on the source's body, [21, joints, 2], before bones are fitted."""
    model = Autoencoder(joints=17, **meta["model"])
    windows = [
        np.concatenate([driving.poses[0], driving.poses[0, :3]]),  # of 24 frames: start again
        source.poses[0],
    ]
    frames = [frame_by_hand(poses, meta["views"]["normalisation"]) for poses in windows]
    first, second = ((poses - centre) / scale for poses, (centre, scale) in zip(windows, frames))
    batch = np.stack([first, second])[:, None].astype(np.float32)
    code = np.asarray(
        jax.jit(lambda v, x: model.apply(v, x, False, method="encode"))(variables, batch)
    )
    directions = np.linalg.qr(variables["params"]["dictionary"]["directions"])[0]
    motion = code[0] - directions @ (directions.T @ code[0].mean(axis=0))
    character = directions @ (directions.T @ code[1].mean(axis=0))
    decode = jax.jit(lambda v, m, c: model.apply(v, m, c, False, method="decode"))
    decoded = np.asarray(decode(variables, motion[None], character[None]))[0, :21]
    centre, scale = frames[1]
    poses = dict(zip(UNIK.joints, np.moveaxis(decoded * scale + centre, 1, 0)))
    poses["mid_hip"] = (poses["left_hip"] + poses["right_hip"]) / 2
    poses["neck"] = (poses["left_shoulder"] + poses["right_shoulder"]) / 2
    poses["chest"] = (poses["mid_hip"] + poses["neck"]) / 2
    poses["nose"] = (poses["head"] + poses["neck"]) / 2
    return np.stack([poses[name] for name in UNIK.joints], axis=1)


@pytest.mark.parametrize("normalisation", ["body", "screen"])
def test_without_fitting_it_is_what_the_equations_say(flat, driving, source, normalisation):
    variables, meta = flat
    meta = meta | {"views": meta["views"] | {"normalisation": normalisation}}
    result = retargeting.retarget(variables, meta, driving, source, fit_bones=False)
    expected = retarget_by_hand(variables, meta, driving, source)
    assert expected.std(axis=0).max() > 1.0  # pixels: the random model moves
    np.testing.assert_allclose(result.poses[0], expected, atol=0.01)


def test_fitting_gives_each_bone_the_sources_length(flat, driving, source):
    source = dataclasses.replace(source, valid=source.valid.copy())
    source.valid[0, 5:, UNIK.index("left_elbow")] = False
    raw = retargeting.retarget(*flat, driving, source, fit_bones=False).poses[0]
    fitted = retargeting.retarget(*flat, driving, source).poses[0]
    expected, changes = raw.copy(), []
    for joint in UNIK.depth_first()[1:]:  # the root stays
        parent = UNIK.parents[joint]
        ours, theirs, now = (
            np.percentile(
                [math.dist(pose[joint], pose[parent]) for pose, seen in zip(poses, valid) if seen],
                95,
            )
            for poses, valid in (
                (raw, np.ones(21)),
                (source.poses[0], source.valid[0, :, joint] & source.valid[0, :, parent]),
                (fitted, np.ones(21)),
            )
        )
        changes.append(theirs / ours)
        assert now == pytest.approx(theirs, rel=1e-3), UNIK.joints[joint]
        bone = raw[:, joint] - raw[:, parent]
        expected[:, joint] = expected[:, parent] + theirs / ours * bone
    np.testing.assert_allclose(fitted, expected, rtol=1e-4)
    assert np.abs(np.log(changes)).max() > 0.1  # there was something to fit


def test_the_result_says_whose_it_is(flat, driving, source):
    result = retargeting.retarget(*flat, driving, source)
    assert result.poses.shape == (1, 21, 17, 2) and result.poses.dtype == np.float32
    assert (result.name, result.label, result.frame_rate) == ("ann-on-ben", "wave", 25.0)
    assert (result.layout, result.units, result.y_up) == ("unik17", "pixels", False)
    assert (result.subject, result.image_size, result.split) == ("ben", SIZE, None)
    assert result.valid.all() and result.valid.flags.writeable


def test_what_the_model_does_not_know_is_not_valid(flat, driving):
    source = swinging("openpose25", 24, 2)
    names = np.array(get_layout("openpose25").joints)
    result = retargeting.retarget(*flat, without(driving, NOBODYS), source)
    assert result.layout == "openpose25" and result.poses.shape == (1, 21, 25, 2)
    face = {"nose", "left_eye", "right_eye", "left_ear", "right_ear"}
    feet = {f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe")}
    feet |= {"left_heel", "right_heel"}
    expected = ~np.isin(names, list(face | feet | NOBODYS))
    np.testing.assert_array_equal(result.valid[0], np.tile(expected, (21, 1)))
    assert not result.poses[~result.valid].any()
    assert spread(result) > 10.0  # pixels


def test_a_result_has_the_sources_bones_in_any_layout(flat, driving):
    source = swinging("openpose25", 24, 2)
    for fit_bones, expected in ((True, True), (False, False)):
        result = retargeting.retarget(*flat, driving, source, fit_bones=fit_bones)
        numbers = retargeting.judge(result, driving, source, "unik17")
        assert (numbers["bone_error"] < 0.1) is expected


def test_a_source_of_other_joints_is_seen_through_unik17(flat, driving):
    """The limbs of a Penn Action clip are those of the same clip in the model's layout."""
    source = without(swinging("penn13", 24, 3), {"left_ankle"})
    result = retargeting.retarget(*flat, driving, source)
    through = retargeting.retarget(*flat, driving, to_layout(source, "unik17"))
    assert result.layout == "penn13"
    for index, name in enumerate(get_layout("penn13").joints):
        same = UNIK.index(name)
        np.testing.assert_array_equal(result.valid[..., index], through.valid[..., same])
        np.testing.assert_allclose(result.poses[..., index, :], through.poses[..., same, :])
    assert result.valid.sum() == 21 * 12


@pytest.mark.parametrize("fit_bones", [False, True])
def test_place_and_size_are_the_sources_alone(flat, driving, source, fit_bones):
    before = retargeting.retarget(*flat, driving, source, fit_bones=fit_bones).poses
    moved = dataclasses.replace(driving, poses=4 * driving.poses + np.float32([64, -32]))
    after = retargeting.retarget(*flat, moved, source, fit_bones=fit_bones).poses
    np.testing.assert_allclose(after, before, atol=0.01)
    larger = dataclasses.replace(source, poses=4 * source.poses)
    after = retargeting.retarget(*flat, driving, larger, fit_bones=fit_bones).poses
    np.testing.assert_allclose(after, 4 * before, rtol=1e-5)
    shifted = dataclasses.replace(source, poses=source.poses + np.float32([64, -32]))
    after = retargeting.retarget(*flat, driving, shifted, fit_bones=fit_bones).poses
    np.testing.assert_allclose(after, before + np.float32([64, -32]), atol=0.01)


def test_what_missing_joints_hold_changes_nothing(flat, driving, source):
    gone = without(driving, NOBODYS), without(source, NOBODYS)
    zero = [dataclasses.replace(clip, poses=np.nan_to_num(clip.poses)) for clip in gone]
    first, second = retargeting.retarget(*flat, *gone), retargeting.retarget(*flat, *zero)
    np.testing.assert_array_equal(first.poses, second.poses)
    np.testing.assert_array_equal(first.valid, second.valid)


def test_the_most_moving_person_counts(flat, driving, source):
    def behind_another(clip):
        still = 1.5 * clip.poses[:, :1] + 0.1 * clip.poses
        poses, valid = np.concatenate([still, clip.poses]), np.concatenate([clip.valid] * 2)
        return dataclasses.replace(clip, poses=poses, valid=valid)

    alone = retargeting.retarget(*flat, driving, source)
    among = retargeting.retarget(*flat, behind_another(driving), behind_another(source))
    np.testing.assert_array_equal(among.poses, alone.poses)
    again = retargeting.judge(among, behind_another(driving), behind_another(source), "unik17")
    assert again == retargeting.judge(alone, driving, source, "unik17")


def test_two_frames_are_enough(flat, driving, source):
    short = dataclasses.replace(driving, poses=driving.poses[:, :2], valid=driving.valid[:, :2])
    result = retargeting.retarget(*flat, short, source)
    assert result.poses.shape == (1, 2, 17, 2) and np.isfinite(result.poses).all()


# 2D and 3D


@pytest.mark.parametrize("y_up", [False, True])
def test_a_2d_model_sees_3d_along_z(flat, driving, source, y_up):
    def deep(clip):
        depth = np.random.default_rng(0).normal(size=(*clip.poses.shape[:3], 1))
        poses = np.concatenate([clip.poses, depth], axis=-1).astype(np.float32)
        poses[..., 1] *= -1 if y_up else 1
        return dataclasses.replace(clip, poses=poses, y_up=y_up)

    result = retargeting.retarget(*flat, deep(driving), deep(source))
    expected = retargeting.retarget(*flat, driving, source)
    np.testing.assert_allclose(result.poses, expected.poses, atol=1e-3)
    assert not result.y_up  # an image


def test_a_3d_model_sees_and_makes_y_up(solid):
    driving, source = (swinging("unik17", n, n, coords=3, y_up=True) for n in (21, 24))
    expected = retargeting.retarget(*solid, driving, source)
    assert expected.y_up and expected.poses.shape == (1, 21, 17, 3)
    turned = [
        dataclasses.replace(clip, poses=clip.poses * np.float32([1, -1, 1]), y_up=False)
        for clip in (driving, source)
    ]
    for pair in ((driving, turned[1]), (turned[0], source), turned):
        result = retargeting.retarget(*solid, *pair)
        assert result.y_up
        np.testing.assert_allclose(result.poses, expected.poses, atol=1e-3)


# What does not fit


def changed(clip, **facts):
    return dataclasses.replace(clip, **facts)


@pytest.mark.parametrize("role", ["driving", "source"])
def test_clips_that_are_refused(flat, driving, source, role):
    clips = {"driving": driving, "source": source}
    clip = clips[role]
    name = f"clip '{clip.name}'"
    nan = clip.poses.copy()
    nan[0, 4, 2] = np.nan
    eyes = without(swinging("coco17", 24, 5, name=clip.name), get_layout("coco17").joints[5:])
    eyes.valid[:, :, [0, 3, 4]] = False
    cases = [
        (
            changed(clip, poses=clip.poses[:, :1], valid=clip.valid[:, :1]),
            r"1 frame\(s\); expected at least 2; one pose is not a motion",
        ),
        (changed(clip, layout="openpose25"), r"17 joints and 2 coords; expected 25 joints"),
        (changed(clip, layout="unik18"), "'unik18' .did you mean unik17"),
        (changed(clip, poses=clip.poses.swapaxes(1, 2)), "are axes transposed"),
        (changed(clip, poses=clip.poses[0]), "add a persons axis"),
        (changed(clip, poses=nan), "NaN or infinity at person 0, frame 4, joint 2"),
        (changed(clip, valid=np.zeros_like(clip.valid)), "all joints are missing"),
        (eyes, f"{name} has no joint that the model's layout unik17 knows"),
    ]
    for bad, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            retargeting.retarget(*flat, **clips | {role: bad})
        assert bad.layout == "unik18" or name in str(caught.value)


def test_bodies_without_a_common_joint(flat, driving, source):
    arms = [name for name in UNIK.joints if "elbow" in name or "wrist" in name]
    rest = [name for name in UNIK.joints if name not in arms]
    with pytest.raises(ValueError, match="'ann-on-ben': all joints are missing in all frames"):
        retargeting.retarget(*flat, without(driving, arms), without(source, rest))


def test_a_2d_clip_for_a_3d_model(solid, driving):
    deep = swinging("unik17", 24, 4, coords=3)
    for pair in ((driving, deep), (deep, driving)):
        with pytest.raises(ValueError, match="clip 'ann' is 2D and the model 3D; take a 2D model"):
            retargeting.retarget(*solid, *pair)


def test_the_screen_needs_the_size_of_the_image(flat, driving, source):
    variables, meta = flat
    meta = meta | {"views": meta["views"] | {"normalisation": "screen"}}
    unknown = changed(source, image_size=None)
    with pytest.raises(ValueError, match=r"clip 'ben' has no image size.*'screen'.*with .body."):
        retargeting.retarget(variables, meta, driving, unknown)


def test_a_size_in_metres_needs_metres(flat, driving, source):
    variables, meta = flat
    meta = meta | {"views": meta["views"] | {"normalisation": "metric"}, "statistics": None}
    with pytest.raises(ValueError, match=r"clip 'ann' is in pixels, .* needs metres; take"):
        retargeting.retarget(variables, meta, driving, source)
    clips = [changed(clip, units="metres") for clip in (driving, source)]
    assert retargeting.retarget(variables, meta, *clips).poses.shape[-1] == 2


def test_another_network_is_refused(flat, driving, source):
    variables, meta = flat
    meta = meta | {"config": {"pretrain": {"network": "three_encoders"}}}
    with pytest.raises(ValueError, match="of the network 'three_encoders', which experiments"):
        retargeting.retarget(variables, meta, driving, source)
