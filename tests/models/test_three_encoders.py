"""The three encoders against loops over frames and taps, and what they may and may not see."""

import jax
import numpy as np
import pytest

from via_jax.models import three_encoders
from via_jax.models.three_encoders import ThreeEncoders

BATCH, FRAMES = 2, 16
ROOT = 8  # mid_hip in mixamo15
SIZES = {"motion_encoder": 163_104, "body_encoder": 39_712, "view_encoder": 39_192}
SIZES |= {"decoder": 207_198}


def random_poses(seed, batch=BATCH, frames=FRAMES):
    return np.random.default_rng(seed).normal(size=(batch, frames, 15, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def small():
    """A sixteenth of the width, and parameters large enough that nothing is nearly 0."""
    model = ThreeEncoders(1 / 16, 0.5)
    variables = jax.jit(lambda k: model.init(k, random_poses(0)))(jax.random.key(0))
    params = jax.tree.map(lambda x: 2 * np.asarray(x) + 0.05, variables["params"])
    return model, {"params": params}


def apply(small, method, *args):
    model, variables = small
    return model.apply(variables, *args, method=method)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def convolved(layer, frames, stride):
    """[time, in] -> [time / stride, out], reflected by 3 on both sides."""
    kernel, last, out = layer["kernel"].astype(np.float64), len(frames) - 1, []
    for start in range(-3, len(frames) + 3 - len(kernel) + 1, stride):
        total = layer["bias"].astype(np.float64)
        for tap in range(len(kernel)):
            at = abs(start + tap)
            total = total + frames[at if at <= last else 2 * last - at] @ kernel[tap]
        out.append(total)
    return np.stack(out)


def listed(poses):
    """[time, 15, 2] -> [time, 30]: joint after joint, the root's velocity at the end."""
    frames = []
    for pose in poses.astype(np.float64):
        joints = [pose[joint] for joint in range(15) if joint != ROOT]
        frames.append(np.concatenate([*joints, pose[ROOT]]))
    return np.stack(frames)


def motion_loops(params, poses):
    x = listed(poses)
    for index in (1, 2, 3):
        x = leaky(convolved(params["motion_encoder"][f"conv{index}"], x, stride=2))
    return x


def static_loops(params, name, pool, poses):
    x = listed(poses)[:, :28]
    for index in (1, 2, 3):
        x = leaky(convolved(params[name][f"conv{index}"], x, stride=1))
        x = np.stack([pool(x[t : t + 2], axis=0) for t in range(0, len(x) - 1, 2)])
    last = params[name]["conv1x1"]
    return pool(x, axis=0) @ last["kernel"] + last["bias"]


def decoder_loops(params, motion, body, view):
    x = np.stack([np.concatenate([step, body, view]) for step in motion])
    for index in (1, 2, 3):
        x = np.stack([x[t // 2] for t in range(2 * len(x))])
        x = convolved(params["decoder"][f"conv{index}"], x, stride=1)
        x = x if index == 3 else leaky(x)
    poses = np.zeros((len(x), 15, 2))
    poses[:, :ROOT] = x[:, :16].reshape(-1, 8, 2)
    poses[:, ROOT + 1 :] = x[:, 16:28].reshape(-1, 6, 2)
    poses[:, ROOT] = x[:, 28:]
    return poses


def test_codes_and_poses_are_the_loops_over_frames_and_taps(small):
    params = small[1]["params"]
    driving, source = random_poses(1), random_poses(2, frames=27)
    retargeted = apply(small, "retarget", driving, source)
    assert retargeted.shape == driving.shape
    for row in range(BATCH):
        codes = (
            motion_loops(params, driving[row]),
            static_loops(params, "body_encoder", np.max, source[row]),
            static_loops(params, "view_encoder", np.mean, source[row]),
        )
        found = (
            apply(small, "encode_motion", driving)[row],
            apply(small, "encode_body", source)[row],
            apply(small, "encode_view", source)[row],
        )
        for name, actual, expected in zip(("motion", "body", "view"), found, codes):
            assert np.abs(expected).max() > 0.1, f"{name} is too small to compare"
            np.testing.assert_allclose(actual, expected, atol=2e-5, err_msg=name)
        np.testing.assert_allclose(retargeted[row], decoder_loops(params, *codes), atol=5e-5)


def test_parameters_of_the_published_network():
    poses = jax.ShapeDtypeStruct((2, 64, 15, 2), np.float32)
    model = ThreeEncoders(1.0, 0.2)
    rebuilt, variables = jax.eval_shape(
        lambda p: model.init_with_output(jax.random.key(0), p), poses
    )
    sizes = {
        name: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(part))
        for name, part in variables["params"].items()
    }
    assert sizes == SIZES and sum(sizes.values()) == 449_206
    assert rebuilt.shape == poses.shape
    shapes = jax.eval_shape(lambda v, p: model.apply(v, p, method="encode"), variables, poses)
    assert [code.shape for code in shapes] == [(2, 8, 128), (2, 16), (2, 8)]


def test_body_and_view_do_not_see_the_velocity(small):
    poses, faster = random_poses(3), random_poses(3)
    faster[:, :, ROOT] += 1.0
    for name in ("encode_body", "encode_view"):
        np.testing.assert_array_equal(apply(small, name, poses), apply(small, name, faster))
    moved = apply(small, "encode_motion", faster) - apply(small, "encode_motion", poses)
    assert np.abs(moved).max() > 1e-2


def test_its_own_codes_rebuild_a_sequence(small):
    poses = random_poses(4)
    rebuilt = apply(small, "__call__", poses)
    np.testing.assert_allclose(apply(small, "retarget", poses, poses), rebuilt, atol=1e-6)
    other = apply(small, "retarget", poses, poses[::-1])
    assert np.abs(other - rebuilt).max() > 1e-2


def test_dropout_only_in_training(small):
    model, variables = small
    poses = random_poses(5)
    train = [
        model.apply(variables, poses, True, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(train[0], train[1])
    assert np.abs(train[0] - train[2]).max() > 1e-3
    assert np.abs(train[0] - model.apply(variables, poses)).max() > 1e-3


def test_the_order_of_features_is_undone():
    poses = random_poses(6)
    features = three_encoders.features_of(poses)
    np.testing.assert_array_equal(features[0], listed(poses[0]))
    np.testing.assert_array_equal(three_encoders.poses_of(features), poses)


@pytest.mark.parametrize(
    "shape", [(2, 16, 17, 2), (2, 16, 15, 3), (2, 1, 16, 15, 2), (2, 15, 15, 2)]
)
@pytest.mark.parametrize("method", ["encode_motion", "encode_body", "encode_view"])
def test_other_shapes_are_refused(small, method, shape):
    with pytest.raises(ValueError, match=r"expected \[batch, time, 15, 2\] with at least 16"):
        apply(small, method, np.zeros(shape, np.float32))


def test_a_motion_wants_a_multiple_of_eight_frames(small):
    with pytest.raises(ValueError, match=r"20 frames; a motion wants a multiple of 8"):
        apply(small, "encode_motion", random_poses(0, frames=20))
    assert apply(small, "retarget", random_poses(0), random_poses(1, frames=20)).shape[1] == 16


def test_bfloat16_still_returns_float32(small):
    model = ThreeEncoders(1 / 16, 0.0, "bfloat16")
    poses = random_poses(7)
    codes = model.apply(small[1], poses, method="encode")
    rebuilt = model.apply(small[1], poses)
    assert {x.dtype for x in (*codes, rebuilt)} == {np.dtype(np.float32)}
    exact = apply(small, "__call__", poses)
    np.testing.assert_allclose(rebuilt, exact, atol=0.1 * np.abs(exact).max())
