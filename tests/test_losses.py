"""The losses against loops over single elements, and what each of them must ignore."""

import jax
import numpy as np
import pytest

from via_jax import losses

BATCH, TIME, JOINTS = 3, 5, 4


def sequences(coords):
    """Predicted and true poses [batch, time, joints, coords], and a mask with gaps."""
    rng = np.random.default_rng(coords)
    predicted, target = rng.normal(size=(2, BATCH, TIME, JOINTS, coords)).astype(np.float32)
    return predicted, target, rng.random((BATCH, TIME, JOINTS)) > 0.3


@pytest.mark.parametrize("coords", [2, 3])
@pytest.mark.parametrize("kind", [bool, np.float32])
def test_joint_error_is_the_loop_over_valid_joints(coords, kind):
    predicted, target, valid = sequences(coords)
    errors = [
        sum((predicted[index] - target[index]) ** 2) / coords
        for index in np.ndindex(valid.shape)
        if valid[index]
    ]
    actual = losses.joint_error(predicted, target, valid.astype(kind))
    np.testing.assert_allclose(actual, sum(errors) / len(errors), rtol=1e-5)


@pytest.mark.parametrize("coords", [2, 3])
@pytest.mark.parametrize("kind", [bool, np.float32])
def test_velocity_error_is_the_loop_over_moves(coords, kind):
    predicted, target, valid = sequences(coords)
    errors = []
    for b, t, j in np.ndindex(BATCH, TIME - 1, JOINTS):
        if valid[b, t, j] and valid[b, t + 1, j]:
            move = predicted[b, t + 1, j] - predicted[b, t, j]
            true_move = target[b, t + 1, j] - target[b, t, j]
            errors.append(sum((move - true_move) ** 2) / coords)
    actual = losses.velocity_error(predicted, target, valid.astype(kind))
    np.testing.assert_allclose(actual, sum(errors) / len(errors), rtol=1e-5)


def test_a_constant_offset_has_no_velocity():
    predicted, _, valid = sequences(2)
    assert losses.velocity_error(predicted, predicted + 3.0, valid) < 1e-10
    np.testing.assert_allclose(losses.joint_error(predicted, predicted + 3.0, valid), 9, rtol=1e-5)


@pytest.mark.parametrize("loss", [losses.joint_error, losses.velocity_error])
def test_missing_joints_have_no_value_and_no_gradient(loss):
    predicted, target, valid = sequences(2)
    spoilt = np.where(valid[..., None], predicted, 1e3).astype(np.float32)
    np.testing.assert_array_equal(loss(spoilt, target, valid), loss(predicted, target, valid))
    gradient = np.asarray(jax.grad(loss)(predicted, target, valid))
    assert np.abs(gradient[~valid]).max() == 0 and np.abs(gradient[valid]).max() > 0

    nothing = np.zeros_like(valid)
    value, gradient = jax.value_and_grad(loss)(predicted, target, nothing)
    assert value == 0 and np.abs(gradient).max() == 0


@pytest.mark.parametrize("shape", [(6, 8), (6, 2, 4)], ids=["character", "motion"])
@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
def test_triplet_is_the_loop_over_sequences(shape, margin):
    rng = np.random.default_rng(0)
    anchor, positive, negative = rng.normal(0, 0.5, (3, *shape)).astype(np.float32)
    total = 0.0
    for a, p, n in zip(anchor, positive, negative):
        total += max(0.0, np.linalg.norm(a - p) - np.linalg.norm(a - n) + margin)
    actual = losses.triplet(anchor, positive, negative, margin)
    np.testing.assert_allclose(actual, total / len(anchor), rtol=1e-5)


def test_triplet_draws_the_anchor_to_the_positive_and_from_the_negative():
    near, far = np.zeros((1, 2), np.float32), np.array([[3.0, 0.0]], np.float32)
    anchor = np.array([[1.0, 0.0]], np.float32)
    assert losses.triplet(anchor, near, far, 1.0) == 0  # 1 - 2 + 1
    assert losses.triplet(anchor, far, near, 1.0) == 2  # 2 - 1 + 1
    np.testing.assert_allclose(
        jax.grad(losses.triplet)(anchor, far, near, 1.0), [[-2.0, 0.0]]
    )  # downhill is to the right, where `far` is the positive


def test_distance_has_a_finite_gradient_everywhere():
    a = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    b = np.array([[1.0, 2.0], [3.0, 1.0]], np.float32)
    np.testing.assert_array_equal(losses.distance(a, b), [0.0, 3.0])
    gradient = jax.grad(lambda x: losses.distance(x, b).sum())(a)
    np.testing.assert_array_equal(gradient, [[0.0, 0.0], [0.0, 1.0]])
