"""The numbers that judge a retargeted clip, against loops, and its JSON file."""

import dataclasses
import json
import math

import numpy as np
import pytest

from via_jax.data.clip import Clip
from via_jax.evaluation import retargeting
from via_jax.skeletons import get_layout

UNIK = get_layout("unik17")


def swinging(layout, frames, seed, coords=2, **facts):
    """A body whose joints swing around their places, in pixels."""
    rng = np.random.default_rng(seed)
    joints = get_layout(layout).num_joints
    place = rng.normal(300, 60, (1, 1, joints, coords))
    phase = rng.uniform(0, 6, (1, 1, joints, coords))
    poses = place + 20 * np.sin(np.linspace(0, 6, frames)[None, :, None, None] + phase)
    valid = np.ones((1, frames, joints), bool)
    return Clip(poses.astype(np.float32), valid, layout, **{"name": f"clip{seed}"} | facts)


def without(clip, names):
    """The clip with NaN where these joints were."""
    gone = np.isin(get_layout(clip.layout).joints, list(names))
    poses, valid = clip.poses.copy(), clip.valid.copy()
    poses[:, :, gone], valid[:, :, gone] = np.nan, False
    return dataclasses.replace(clip, poses=poses, valid=valid)


@pytest.fixture(scope="module")
def driving():
    return swinging("unik17", 21, 0)


@pytest.fixture(scope="module")
def source():
    return swinging("unik17", 24, 1)


# Bones and angles


def test_bone_lengths_and_their_percentile_match_loops():
    rng = np.random.default_rng(0)
    poses, valid = rng.normal(size=(9, 17, 3)).astype(np.float32), rng.random((9, 17)) > 0.3
    valid[:, UNIK.index("head")] = False
    lengths = retargeting.bone_lengths(poses, valid, UNIK)
    highest = retargeting.percentile_length(poses, valid, UNIK)
    for joint, parent in enumerate(UNIK.parents):
        seen = []
        for t in range(9):
            if parent >= 0 and valid[t, joint] and valid[t, parent]:
                seen.append(math.dist(poses[t, joint], poses[t, parent]))
                assert lengths[t, joint] == pytest.approx(seen[-1], rel=1e-5)
            else:
                assert np.isnan(lengths[t, joint])
        expected = np.percentile(seen, 95) if seen else np.nan
        np.testing.assert_allclose(highest[joint], expected, rtol=1e-5)
    assert np.isnan(highest).sum() == 2  # the root ends no bone, the head was never seen


def test_a_bone_that_was_never_seen_keeps_its_length():
    poses = np.random.default_rng(0).normal(size=(9, 17, 2)).astype(np.float32)
    valid = np.ones((9, 17), bool)
    valid[:, UNIK.index("left_knee")] = False
    scale = retargeting.bone_scale(poses, 3 * poses, valid, UNIK)
    expected = np.full(17, 3.0)
    expected[[UNIK.index(name) for name in ("mid_hip", "left_knee", "left_ankle")]] = 1.0
    np.testing.assert_allclose(scale, expected, rtol=1e-5)


def angles_by_hand(poses):
    """Angle at each joint between the bone that ends and one that begins there, [time, angles]."""
    columns = []
    for joint, middle in enumerate(UNIK.parents):
        first = UNIK.parents[middle] if middle >= 0 else -1
        if first >= 0:
            column = []
            for pose in poses.astype(np.float64):
                a, b = pose[middle] - pose[first], pose[joint] - pose[middle]
                column.append(math.acos(a @ b / math.sqrt((a @ a) * (b @ b))))
            columns.append(column)
    return np.transpose(columns)


@pytest.mark.parametrize("coords", [2, 3])
def test_joint_angles_match_a_loop(coords):
    poses = np.random.default_rng(0).normal(size=(7, 17, coords)).astype(np.float32)
    angles = retargeting.joint_angles(poses, UNIK)
    assert angles.shape == (7, 13)  # 16 bones, of which three begin in the root
    np.testing.assert_allclose(angles, angles_by_hand(poses), atol=2e-3)


def test_angle_correlation_matches_a_loop(driving, source):
    ours, theirs = source.poses[0, :21], driving.poses[0].copy()
    wrist, elbow = UNIK.index("left_wrist"), UNIK.index("left_elbow")
    theirs[:, elbow] = theirs[:, UNIK.index("left_shoulder")] + np.float32([50, 50])
    theirs[:, wrist] = theirs[:, elbow] + np.float32([0, 50])  # an elbow that does not bend
    known = np.array(UNIK.joints) != "right_ankle"
    found = []
    for a, b in zip(angles_by_hand(ours).T, angles_by_hand(theirs).T):
        found.append(np.corrcoef(a, b)[0, 1] if b.std() > 0.0349 else None)
    assert None in found
    expected = np.mean([value for value in found if value is not None])
    assert retargeting.angle_correlation(ours, theirs, UNIK) == pytest.approx(expected, abs=1e-3)
    ends = [j for j, p in enumerate(UNIK.parents) if p >= 0 and UNIK.parents[p] >= 0]
    del found[ends.index(UNIK.index("right_ankle"))]
    expected = np.mean([value for value in found if value is not None])
    partly = retargeting.angle_correlation(ours, theirs, UNIK, known)
    assert partly == pytest.approx(expected, abs=1e-3)


def test_angles_follow_the_driver_whatever_body_and_view(driving):
    moves = driving.poses[0]
    turn = np.float32([[0.6, 0.8], [-0.8, 0.6]])
    for same in (moves, 3 * moves + 7, moves @ turn, moves * np.float32([-1, 1])):
        assert retargeting.angle_correlation(same, moves, UNIK) == pytest.approx(1.0, abs=1e-3)


def test_unrelated_and_still_angles_do_not_follow():
    ours, theirs = np.random.default_rng(0).normal(size=(2, 400, 17, 2)).astype(np.float32)
    assert abs(retargeting.angle_correlation(ours, theirs, UNIK)) < 0.05
    still = np.repeat(ours[:1], 400, axis=0)
    assert abs(retargeting.angle_correlation(still, theirs, UNIK)) < 0.01
    assert np.isnan(retargeting.angle_correlation(theirs, still, UNIK))  # nothing to follow


# Numbers on clips


def test_judge_measures_bones_and_angles(driving, source):
    result = dataclasses.replace(driving, poses=driving.poses.copy())
    knee, ankle = UNIK.index("left_knee"), UNIK.index("left_ankle")
    bone = driving.poses[:, :, ankle] - driving.poses[:, :, knee]
    result.poses[:, :, ankle] += 0.1 * bone  # a leg that is 10 percent longer
    numbers = retargeting.judge(result, driving, driving, "unik17")
    assert numbers["bone_error"] == pytest.approx(10.0, abs=0.01)
    assert numbers["bone_error_median"] == pytest.approx(0.0, abs=0.01)
    assert numbers["angle_correlation"] == pytest.approx(1.0, abs=1e-3)
    numbers = retargeting.judge(driving, driving, source, "unik17")
    copied = source.poses[0, :21]
    expected = retargeting.angle_correlation(copied, driving.poses[0], UNIK)
    assert numbers["angle_correlation_of_source"] == pytest.approx(expected)
    assert numbers["bone_error"] > 10.0


def test_a_short_source_is_repeated(driving):
    short = dataclasses.replace(driving, poses=driving.poses[:, :8], valid=driving.valid[:, :8])
    numbers = retargeting.judge(driving, driving, short, "unik17")
    copied = driving.poses[0, [*range(8), *range(8), *range(5)]]
    expected = retargeting.angle_correlation(copied, driving.poses[0], UNIK)
    assert numbers["angle_correlation_of_source"] == pytest.approx(expected)


@pytest.mark.parametrize("role", [0, 1, 2])
def test_judge_counts_common_joints_only(driving, source, role):
    clips = [source, driving, source]  # result, driver, source
    clips[role] = without(clips[role], {"left_wrist", "right_knee"})
    known = ~np.isin(UNIK.joints, ["left_wrist", "right_knee"])
    expected = retargeting.angle_correlation(
        source.poses[0, :21], driving.poses[0], UNIK, known=known
    )
    clips[0] = dataclasses.replace(
        clips[0], poses=clips[0].poses[:, :21], valid=clips[0].valid[:, :21]
    )
    numbers = retargeting.judge(*clips, "unik17")
    for name in ("angle_correlation", "angle_correlation_of_source"):
        assert numbers[name] == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(numbers["bone_error"])


def test_without_a_common_bone_nothing_is_measured(driving):
    dots = without(driving, [name for name in UNIK.joints if "wrist" not in name])
    numbers = retargeting.judge(dots, driving, driving, "unik17")
    assert all(np.isnan(numbers[name]) for name in ("bone_error", "angle_correlation"))


def test_errors_to_the_truth(driving, source):
    result, twice = swinging("unik17", 21, 6), dataclasses.replace(driving, poses=2 * driving.poses)
    short = dataclasses.replace(source, poses=source.poses[:, :8], valid=source.valid[:, :8])
    found = retargeting.errors(result, driving, twice, short)

    def placed(clip):
        poses = clip.poses[0, np.arange(21) % clip.num_frames]
        hips = poses[:, [UNIK.index("left_hip"), UNIK.index("right_hip")]].mean(axis=1)
        squared = np.square(poses - hips[:, None]).sum(axis=-1)
        return (poses - hips.mean(axis=0)) / squared.mean() ** 0.5

    for name, clip in (("retargeting", result), ("copied_source", short)):
        expected = np.mean(np.square(placed(clip) - placed(driving)))
        assert found[f"{name}_error"] == pytest.approx(expected, rel=1e-4)
    assert found["copied_driver_error"] == pytest.approx(0.0, abs=1e-9)  # of another size
    assert set(found) == {"retargeting_error", "copied_driver_error", "copied_source_error"}
    assert retargeting.errors(driving, driving, result, source)["retargeting_error"] == 0.0


# Files


@pytest.mark.parametrize("coords", [2, 3])
def test_json_round_trip(tmp_path, coords):
    clip = swinging("penn13", 5, 0, coords=coords, y_up=coords == 3, name="a-on-b")
    clip = dataclasses.replace(clip, units="metres", poses=clip.poses / 100, frame_rate=None)
    clip.valid[0, 2, 3] = False
    retargeting.write_json(tmp_path / "clip.json", clip)
    content = json.loads((tmp_path / "clip.json").read_text())
    rows = np.array(content.pop("frames"))
    assert rows.shape == (5, 13, coords + 1)
    np.testing.assert_allclose(rows[..., :-1], clip.poses[0], atol=1e-5)
    np.testing.assert_array_equal(rows[..., -1], clip.valid[0])
    assert content == {
        "name": "a-on-b",
        "layout": "penn13",
        "joints": list(get_layout("penn13").joints),
        "units": "metres",
        "y_up": coords == 3,
        "frame_rate": None,
    }
