"""The losses of the three encoders, written out row by row for a small network."""

import functools

import jax
import numpy as np
import pytest

from via_jax.models.three_encoders import Codes, ThreeEncoders
from via_jax.objectives_three import foot_velocity_error, three_encoder_loss

PAIRS, FRAMES, MARGIN = 2, 16, 0.4
ROWS = 2 * PAIRS
ROOT, FEET = 8, (11, 14)  # mid_hip, right and left ankle in mixamo15
WEIGHTS = {"self": 0.5, "cross": 2.0, "cycle": 1.5, "velocity": 0.25}
WEIGHTS |= {"triplet_motion": 0.75, "triplet_body": 1.25, "triplet_view": 0.6}
TERMS = {True: set(WEIGHTS) - {"cycle"}, False: set(WEIGHTS) - {"cross"}}
MODEL = ThreeEncoders(1 / 8, 0.0)


@pytest.fixture(scope="module")
def params():
    init = jax.jit(lambda k: MODEL.init(k, np.zeros((2, FRAMES, 15, 2), np.float32)))
    return jax.tree.map(lambda x: 2 * np.asarray(x), init(jax.random.key(0))["params"])


def random_batch(weight=None):
    rng = np.random.default_rng(0)
    poses, target = rng.normal(0.2, 1.0, (2, ROWS, 1, FRAMES, 15, 2)).astype(np.float32)
    valid, target_valid = rng.random((2, ROWS, 1, FRAMES, 15)) > 0.2
    batch = {"poses": poses, "valid": valid, "target": target, "target_valid": target_valid}
    return batch if weight is None else {**batch, "weight": weight}


@functools.cache
def compiled(supervised, grad=False, model=MODEL):
    """weights are part of the batch, so that one compilation serves all."""
    loss_fn = three_encoder_loss(model, weights=WEIGHTS, margin=MARGIN, supervised=supervised)
    return jax.jit(jax.grad(loss_fn, has_aux=True) if grad else loss_fn)


def compute(params, supervised, weights, grad=False, batch=None):
    batch = {**(batch or random_batch()), "term_weights": weights}
    return compiled(supervised, grad)(params, {}, batch, jax.random.key(0))


@jax.jit
def encoded(params, poses):
    return MODEL.apply({"params": params}, poses, method="encode")


@jax.jit
def decoded(params, codes):
    return MODEL.apply({"params": params}, codes, False, method="decode")


def encode(params, poses):
    return [np.asarray(code) for code in encoded(params, poses)]


def mixed(params, motion, body, view):
    return np.asarray(decoded(params, Codes(*(np.stack(x) for x in (motion, body, view)))))


def squared_error(predicted, target, valid):
    errors = []
    for row, frame, joint in np.argwhere(valid):
        errors.append(((predicted - target)[row, frame, joint] ** 2).mean())
    return np.mean(errors)


def foot_error(predicted, target, valid):
    """The feet's places in the image, from the sums of the root's moves, differenced again."""
    errors = []
    for row in range(len(valid)):
        paths = []
        for poses in (predicted, target):
            path = np.cumsum(poses[row, :, ROOT].astype(np.float64), axis=0)
            paths.append(poses[row] + path[:, None])
        for foot in FEET:
            for frame in range(1, valid.shape[1]):
                if valid[row, frame - 1 : frame + 1][:, [foot, ROOT]].all():
                    moves = [p[frame, foot] - p[frame - 1, foot] for p in paths]
                    errors.append(((moves[0] - moves[1]) ** 2).mean())
    return np.mean(errors)


def triplets(anchor, positive, negative):
    gaps = [
        np.linalg.norm(a - p) - np.linalg.norm(a - n) for a, p, n in zip(anchor, positive, negative)
    ]
    return np.mean(np.maximum(np.array(gaps) + MARGIN, 0))


def by_hand(params, batch, supervised):
    poses, valid = batch["poses"][:, 0], batch["valid"][:, 0]
    other = [(row + PAIRS) % ROWS for row in range(ROWS)]
    motion, body, view = encode(params, poses)
    rebuilt = mixed(params, motion, body, view)
    # In row i: the motion of row i, the body and the view of its partner.
    crossed = mixed(
        params, motion, [body[other[i]] for i in range(ROWS)], [view[other[i]] for i in range(ROWS)]
    )
    if supervised:
        truth, seen, second = batch["target"][:, 0], batch["target_valid"][:, 0], crossed
        motion_2, body_2, view_2 = encode(params, truth)
    else:
        truth, seen = poses, valid
        motion_2, body_2, view_2 = encode(params, crossed)
        # Row i looks like its partner, so the look of row i is found in the partner's row.
        second = mixed(params, motion_2, body_2[other], view_2[other])
    return {
        "self": squared_error(rebuilt, poses, valid),
        "cross" if supervised else "cycle": squared_error(second, truth, seen),
        "triplet_motion": triplets(motion_2, motion, motion[other]),
        "triplet_body": triplets(body_2, body[other], body),
        "triplet_view": triplets(view_2, view[other], view),
        "velocity": foot_error(rebuilt, poses, valid) + foot_error(second, truth, seen),
    }


@pytest.mark.parametrize("supervised", [True, False])
def test_terms_row_by_row(params, supervised):
    loss, (stats, scalars) = compute(params, supervised, WEIGHTS)
    expected = by_hand(params, random_batch(), supervised)
    assert stats == {}
    assert set(scalars) == {*TERMS[supervised], "loss"} and set(expected) == TERMS[supervised]
    for name, value in expected.items():
        assert value > 0.02, f"{name} is too small to compare"
        np.testing.assert_allclose(scalars[name], value, rtol=1e-4, err_msg=name)
    total = sum(WEIGHTS[name] * value for name, value in expected.items())
    np.testing.assert_allclose(loss, total, rtol=1e-4)
    np.testing.assert_array_equal(scalars["loss"], loss)


@pytest.mark.parametrize("supervised", [True, False])
def test_each_weight_switches_its_term(params, supervised):
    def gradient(weights):
        grads = compute(params, supervised, weights, grad=True)[0]
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(grads)])

    nothing, whole = dict.fromkeys(WEIGHTS, 0.0), gradient(WEIGHTS)
    assert np.abs(gradient(nothing)).max() == 0
    for name in TERMS[supervised]:
        own = gradient({**nothing, name: 1.0})
        assert np.abs(own).max() > 1e-3, name
        left = gradient({**WEIGHTS, name: 0.0})
        np.testing.assert_allclose(left, whole - WEIGHTS[name] * own, atol=1e-4, err_msg=name)


def test_weights_of_the_arguments_count_without_those_of_the_batch(params):
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"cross": 3.0}
    loss_fn = three_encoder_loss(MODEL, weights=weights, margin=MARGIN, supervised=True)
    loss, (_, scalars) = jax.jit(loss_fn)(params, {}, random_batch(), jax.random.key(0))
    np.testing.assert_allclose(loss, 3 * scalars["cross"], rtol=1e-6)


def test_without_the_truth_the_batch_needs_none(params):
    batch = {name: x for name, x in random_batch().items() if not name.startswith("target")}
    loss, _ = compute(params, False, WEIGHTS, batch=batch)
    np.testing.assert_allclose(loss, compute(params, False, WEIGHTS)[0], rtol=1e-6)


def test_steps_that_fill_the_window_count_in_no_distance(params):
    weight = np.tile(np.float32([1.0, 0.0]), (ROWS, 1))
    _, (_, scalars) = compute(params, True, WEIGHTS, batch=random_batch(weight))
    motion = encode(params, random_batch()["poses"][:, 0])[0][:, :1]
    truth = encode(params, random_batch()["target"][:, 0])[0][:, :1]
    other = [(row + PAIRS) % ROWS for row in range(ROWS)]
    expected = triplets(truth, motion, motion[other])
    np.testing.assert_allclose(scalars["triplet_motion"], expected, rtol=1e-4)


def test_feet_that_stand_in_the_image_have_no_velocity():
    """The root moves and the feet move against it; other joints do not matter."""
    rng = np.random.default_rng(1)
    moves = rng.normal(size=(1, FRAMES, 2)).astype(np.float32)
    poses = rng.normal(size=(1, FRAMES, 15, 2)).astype(np.float32)
    poses[:, :, ROOT] = moves
    for foot in FEET:
        poses[:, :, foot] = 3.0 - np.cumsum(moves, axis=1)
    still, valid = np.zeros_like(poses), np.ones((1, FRAMES, 15), bool)
    np.testing.assert_allclose(foot_velocity_error(poses, still, valid), 0.0, atol=1e-10)
    poses[:, 5, FEET[0]] += (0.6, 0.0)  # there and back: two of 30 moves, one coord of two
    expected = 2 * 0.6**2 / 2 / (2 * (FRAMES - 1))
    np.testing.assert_allclose(foot_velocity_error(poses, still, valid), expected, rtol=1e-4)
    valid[:, 5, ROOT] = False
    np.testing.assert_allclose(foot_velocity_error(poses, still, valid), 0.0, atol=1e-10)


def test_dropout_follows_the_key(params):
    loss = compiled(True, model=ThreeEncoders(1 / 8, 0.5))
    found = [float(loss(params, {}, random_batch(), jax.random.key(k))[0]) for k in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("supervised", [True, False])
def test_descent_lowers_the_loss(params, supervised):
    losses = []
    for _ in range(30):
        grads, (_, scalars) = compute(params, supervised, WEIGHTS, grad=True)
        params = jax.tree.map(lambda p, g: p - 0.02 * np.asarray(g), params, grads)
        losses.append(float(scalars["loss"]))
    assert losses[-1] < 0.8 * losses[0]
