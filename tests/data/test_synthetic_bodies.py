import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from via_jax.data.synthetic import random_motions
from via_jax.data.synthetic_actions import ACTIONS
from via_jax.data.synthetic_angles import Angles, Limb, Turn, bone_frames
from via_jax.data.synthetic_bodies import (
    Bodies,
    Motions,
    bone_directions,
    mirror,
    perform,
    random_bodies,
)
from via_jax.skeletons import get_layout

LAYOUT = get_layout("unik17")
PARENTS = np.array(LAYOUT.parents)
ANKLES = [LAYOUT.index("left_ankle"), LAYOUT.index("right_ankle")]


def bodies(count=3, spread=2.0, seed=0):
    return random_bodies(np.random.default_rng(seed), count, spread)


def motions(action, count=4, num_frames=40, seed=0, **settings):
    rng = np.random.default_rng(seed)
    return random_motions(rng, action, count, num_frames=num_frames, **settings)


def bones_of(poses):
    """[..., joints - 1, 3], every bone but the root's."""
    children = np.flatnonzero(PARENTS >= 0)
    return poses[..., children, :] - poses[..., PARENTS[children], :]


def pose(**limbs):
    """One pose of an average character, {joint name: position against the hips}."""
    angles = Angles(left_arm=Limb(), right_arm=Limb())._replace(**limbs)
    directions = bone_directions(bone_frames(angles, np.zeros((1, 1))))
    motion = Motions("one pose", np.broadcast_to(directions, (1, 1, 17, 3)), np.zeros((1, 1)))
    joints = perform(motion, bodies(1, spread=0.0))[0, 0]
    return dict(zip(LAYOUT.joints, joints - joints[LAYOUT.index("mid_hip")]))


def test_bodies_are_symmetric_and_of_human_size():
    lengths = bodies(50, spread=1.0).lengths
    np.testing.assert_array_equal(lengths, lengths[:, list(LAYOUT.mirror)])
    assert np.all(lengths[:, LAYOUT.index("mid_hip")] == 0)
    upright = bodies(1, spread=0.0)
    legs = upright.lengths[0, [LAYOUT.index("left_knee"), ANKLES[0]]].sum()
    assert 0.8 < legs < 0.9
    one_pose = pose()
    assert 1.5 < one_pose["head"][1] - one_pose["left_ankle"][1] < 1.75


def test_spread_scales_the_differences_between_bodies():
    deviations = [np.log(bodies(200, spread).lengths[:, 1:4]).std(axis=0) for spread in (0, 1, 2)]
    np.testing.assert_allclose(deviations[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(deviations[2], 2 * deviations[1], rtol=1e-4)
    assert np.all(deviations[1] > 0.08)


@pytest.mark.parametrize("count, spread", [(0, 1.0), (2, -0.1), (2, 4.5)])
def test_bad_bodies_are_refused(count, spread):
    with pytest.raises(ValueError, match=r"count=0|spread="):
        bodies(count, spread)


# Performances


@pytest.mark.parametrize(
    "limbs, joint, axis, sign",
    [
        ({"left_arm": Limb(flex=60)}, "left_wrist", 2, 1),
        ({"left_arm": Limb(abduct=60)}, "left_wrist", 0, 1),
        ({"right_arm": Limb(abduct=60)}, "right_wrist", 0, -1),
        ({"right_arm": Limb(bend=90)}, "right_wrist", 2, 1),
        ({"left_leg": Limb(flex=60)}, "left_knee", 2, 1),
        ({"left_leg": Limb(bend=60)}, "left_ankle", 2, -1),
        ({"right_leg": Limb(abduct=40)}, "right_ankle", 0, -1),
        ({"spine": Turn(pitch=40)}, "head", 2, 1),
        ({"pelvis": Turn(roll=40)}, "head", 0, 1),
        ({"spine": Turn(yaw=40)}, "right_shoulder", 2, 1),
        ({"neck": Turn(yaw=40)}, "nose", 0, 1),
    ],
)
def test_joints_turn_the_right_way(limbs, joint, axis, sign):
    moved = pose(**limbs)[joint][axis] - pose()[joint][axis]
    assert sign * moved > 0.01


def test_twisting_a_bent_arm_takes_the_hand_inwards():
    straight, twisted = (
        pose(left_arm=Limb(bend=90, twist=twist), right_arm=Limb(bend=90, twist=twist))
        for twist in (0, 60)
    )
    assert twisted["left_wrist"][0] < straight["left_wrist"][0] - 0.1
    assert twisted["right_wrist"][0] > straight["right_wrist"][0] + 0.1


def test_frames_agree_with_rotation_vectors():
    def turned(x, y, z):
        return Rotation.from_rotvec([x, 0, z], degrees=True) * Rotation.from_rotvec(
            [0, y, 0], degrees=True
        )

    angles = Angles(
        pelvis=Turn(10, 20, 30),
        spine=Turn(-15, 40, 5),
        neck=Turn(5, -30, 10),
        left_arm=Limb(70, 20, 35, 80),
        right_arm=Limb(-20, 100, -60, 40),
        left_leg=Limb(50, 10, 5, 90),
        right_leg=Limb(-10, 15, 0, 20),
    )
    frames = bone_frames(angles, np.full((1, 1), 25.0))
    ground = turned(0, 25, 0)
    chest = ground * turned(10, 20, -30) * turned(-15, 40, -5)
    expected = {
        "head": chest * turned(5, -30, -10),
        "left_wrist": chest * turned(-70, -35, 20) * turned(-80, 0, 0),
        "right_elbow": chest * turned(20, -60, -100),
        "left_ankle": ground * turned(-50, -5, 10) * turned(90, 0, 0),
        "right_knee": ground * turned(10, 0, -15),
    }
    for joint, rotation in expected.items():
        np.testing.assert_allclose(frames[joint][0, 0], rotation.as_matrix(), atol=1e-12)


def test_a_free_arm_needs_a_pose_first():
    with pytest.raises(ValueError, match="left arm is left free"):
        bone_frames(Angles(), np.zeros((1, 1)))


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_the_length_of_the_body(action):
    who = bodies()
    poses = perform(motions(action)[:, None], who)
    assert poses.shape == (4, 3, 40, 17, 3)
    assert poses.dtype == np.float32
    lengths = np.linalg.norm(bones_of(poses), axis=-1)
    expected = np.broadcast_to(who.lengths[:, None, PARENTS >= 0], lengths.shape)
    np.testing.assert_allclose(lengths, expected, atol=2e-6)


@pytest.mark.parametrize("action", ACTIONS)
def test_bone_directions_belong_to_the_motion(action):
    poses = perform(motions(action)[:, None], bodies(2))
    units = [b / np.linalg.norm(b, axis=-1, keepdims=True) for b in bones_of(poses).swapaxes(0, 1)]
    np.testing.assert_allclose(units[0], units[1], atol=1e-5)


def test_one_motion_by_one_body():
    all_motions, who = motions("walk"), bodies()
    together = perform(all_motions[:, None], who)
    np.testing.assert_allclose(perform(all_motions[2], who[1]), together[2, 1], atol=1e-6)
    with pytest.raises(ValueError, match=r"do not broadcast.*motions\[:, None\]"):
        perform(all_motions, who)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_lower_foot_is_on_the_floor_unless_the_motion_lifts_it(action):
    what, who = motions(action), bodies(1)
    lowest = perform(what, who)[:, :, ANKLES, 1].min(axis=-1)
    leg = who.lengths[0, [LAYOUT.index("left_knee"), ANKLES[0]]].sum()
    np.testing.assert_allclose(lowest, what.lift * leg, atol=1e-5)
    assert what.lift.min() >= 0
    assert (what.lift.max() > 0.02) == (action in ("run", "jump", "jumping_jacks"))


@pytest.mark.parametrize("action", ["squat", "bow", "wave", "march"])
def test_the_foot_that_carries_the_body_does_not_slide(action):
    poses = perform(motions(action, heading=0.0), bodies(1))
    ankles = poses[:, :, ANKLES]
    lower = ankles[..., 1] < ankles[:, :, ::-1, 1] - 0.08
    carries = lower[:, 1:] & lower[:, :-1]
    speed = np.linalg.norm(np.diff(ankles[..., [0, 2]], axis=1), axis=-1)  # metres a frame
    if action != "march":
        assert speed.mean() < 0.02
    else:
        assert carries.any()
        assert speed[carries].max() < 0.01 < 0.1 < speed[~carries].max()


@pytest.mark.parametrize("action", ACTIONS)
def test_clips_stay_in_view_and_move_smoothly(action):
    poses = perform(motions(action, num_frames=120), bodies(1, spread=0.0))
    hips = poses[:, :, LAYOUT.index("mid_hip")]
    np.testing.assert_allclose(hips[..., [0, 2]].mean(axis=1), 0.0, atol=1e-4)
    assert np.abs(hips[..., [0, 2]]).max() < 1.0
    assert np.linalg.norm(np.diff(poses, axis=1), axis=-1).max() < 0.6  # 18 m/s: a thrown fist
    assert poses[..., 1].min() > -0.05


def test_a_mirrored_motion_is_the_mirrored_performance():
    what, who = motions("kick"), bodies(1)
    expected = perform(what, who)[..., list(LAYOUT.mirror), :] * np.array([-1, 1, 1], np.float32)
    np.testing.assert_allclose(perform(mirror(what), who), expected, atol=1e-6)
    np.testing.assert_array_equal(mirror(mirror(what)).directions, what.directions)


def test_bodies_can_be_chosen_by_index():
    who = bodies(3)
    np.testing.assert_array_equal(who[[2, 0]].lengths, who.lengths[[2, 0]])
    assert isinstance(who[1], Bodies)
