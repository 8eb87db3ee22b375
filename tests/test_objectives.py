"""The objectives against their equations, written out pair by pair for a model made by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax import losses
from via_jax.models.dictionary import Split
from via_jax.models.encoder import Encoder
from via_jax.objectives import cycle_loss, paired_loss, two_view_loss

PAIRS, TIME, JOINTS, COORDS, MARGIN = 3, 4, 2, 2, 1.0
CYCLE = ("self", "cycle", "triplet_motion", "triplet_character", "velocity")
PAIRED = ("cross", "self", "triplet_motion", "triplet_character", "velocity")
TWO_VIEWS = ("cross", "self", "triplet_motion", "velocity")
TERMS = {"cycle": CYCLE, "paired": PAIRED, "two views": TWO_VIEWS}
WEIGHTS = {"cross": 0.3, "self": 0.5, "cycle": 2.0, "velocity": 0.25}
WEIGHTS |= {"triplet_motion": 1.5, "triplet_character": 0.75}
GAIN, SCALE = 1.3, np.float32([[0.7, -0.2, 0.1, 0.4]] * 4) + 0.8 * np.eye(4, dtype=np.float32)


class HandMadeEncoder(nn.Module):
    @nn.compact
    def __call__(self, poses, train):
        gain = self.param("gain", lambda key: jnp.float32(0))
        seen = self.variable("batch_stats", "mean", lambda: jnp.float32(0))
        mean = poses.mean() if train else seen.value
        if train:
            seen.value = 0.9 * seen.value + 0.1 * mean
        return jnp.tanh(gain * (poses[:, 0].reshape(poses.shape[0], TIME, -1) - mean))


class HandMade(nn.Module):
    """Stands in for the autoencoder: few numbers, nothing linear, batches that matter."""

    def setup(self):
        self.encoder = HandMadeEncoder()
        self.scale = self.param("scale", lambda key: jnp.zeros_like(SCALE))

    def encode(self, poses, train):
        return self.encoder(poses, train)

    def split(self, code, weight):
        del weight
        character = code.mean(axis=1)
        return Split(code - character[:, None], character, character)

    def decode(self, motion, character, train):
        code = jnp.sin(motion + character[:, None])
        return (code @ self.scale).reshape(*motion.shape[:2], JOINTS, COORDS)


def encode(poses):
    """(motion, character) of a batch [rows, time, joints, coords]; the batch has one mean."""
    code = np.tanh(GAIN * (poses.reshape(len(poses), TIME, -1) - poses.mean()))
    character = code.mean(axis=1)
    return code - character[:, None], character


def decode(motion, character):
    """One sequence."""
    return (np.sin(motion + character) @ SCALE).reshape(TIME, JOINTS, COORDS)


def random_batch():
    rng = np.random.default_rng(0)
    poses, target = rng.normal(0.4, 0.8, (2, 2 * PAIRS, 1, TIME, JOINTS, COORDS))
    valid, target_valid = rng.random((2, 2 * PAIRS, 1, TIME, JOINTS)) > 0.2
    batch = {"poses": poses.astype(np.float32), "valid": valid}
    for name in ("target", "other"):  # what the second sequences are called depends on the loss
        batch |= {name: target.astype(np.float32), f"{name}_valid": target_valid}
    return batch


def triplets(anchor, positive, negative):
    return [
        max(0.0, np.linalg.norm(a - p) - np.linalg.norm(a - n) + MARGIN)
        for a, p, n in zip(anchor, positive, negative)
    ]


def cycle_by_hand(batch):
    """Equations 3 to 7 with the names of the paper; driver i and its source have one place."""
    poses, valid = batch["poses"][:, 0], batch["valid"][:, 0]
    motion, character = encode(poses)
    rebuilt = [decode(motion[i], character[i]) for i in range(2 * PAIRS)]
    p_cross = np.zeros_like(poses)  # p_{m,c'} in the place of m
    for driver in range(PAIRS):
        source = driver + PAIRS
        p_cross[driver] = decode(motion[driver], character[source])
        p_cross[source] = decode(motion[source], character[driver])
    motion_again, character_again = encode(p_cross)
    motion_hat, character_hat = np.zeros_like(motion), np.zeros_like(character)
    for driver in range(PAIRS):
        source = driver + PAIRS
        # The sequence in the driver's place moves as the driver and looks like the source.
        motion_hat[driver], character_hat[source] = motion_again[driver], character_again[driver]
        motion_hat[source], character_hat[driver] = motion_again[source], character_again[source]
    cycled = np.stack([decode(motion_hat[i], character_hat[i]) for i in range(2 * PAIRS)])
    other = [(i + PAIRS) % (2 * PAIRS) for i in range(2 * PAIRS)]
    return {
        "self": losses.joint_error(np.stack(rebuilt), poses, valid),
        "cycle": losses.joint_error(cycled, poses, valid),
        "triplet_motion": np.mean(triplets(motion_hat, motion, motion[other])),
        "triplet_character": np.mean(triplets(character_hat, character, character[other])),
        "velocity": losses.velocity_error(cycled, poses, valid),
    }


def paired_by_hand(batch):
    """The same with the truth in the place of the cycle; recordings and truths are one batch."""
    poses, target = batch["poses"][:, 0], batch["target"][:, 0]
    valid, target_valid = batch["valid"][:, 0], batch["target_valid"][:, 0]
    rows = 2 * PAIRS
    motion, character = encode(np.concatenate([poses, target]))
    other = [(i + PAIRS) % rows for i in range(rows)]
    rebuilt = np.stack([decode(motion[i], character[i]) for i in range(rows)])
    crossed = np.stack([decode(motion[i], character[other[i]]) for i in range(rows)])
    return {
        "cross": losses.joint_error(crossed, target, target_valid),
        "self": losses.joint_error(rebuilt, poses, valid),
        # The truth in row i moves as i and looks like i's partner.
        "triplet_motion": np.mean(triplets(motion[rows:], motion[:rows], motion[other])),
        "triplet_character": np.mean(
            triplets(character[rows:], character[other], character[:rows])
        ),
        "velocity": losses.velocity_error(crossed, target, target_valid),
    }


def two_views_by_hand(batch):
    """Both views of a window move alike; the four halves of this batch are one batch."""
    views = [batch["poses"][:, 0], batch["other"][:, 0]]
    valid = np.concatenate([batch["valid"], batch["other_valid"]])[:, 0]
    rows = 2 * PAIRS
    motion, character = encode(np.concatenate(views))
    motions, characters = motion.reshape(2, rows, TIME, -1), character.reshape(2, rows, -1)
    rebuilt, crossed = np.zeros((2, 2, *views[0].shape))
    for view in (0, 1):
        for i in range(rows):
            rebuilt[view, i] = decode(motions[view, i], characters[view, i])
            crossed[view, i] = decode(motions[1 - view, i], characters[view, i])
    rebuilt, crossed = (x.reshape(2 * rows, *views[0].shape[1:]) for x in (rebuilt, crossed))
    truth = np.concatenate(views)
    other = [(i + PAIRS) % rows for i in range(rows)]
    return {
        "cross": losses.joint_error(crossed, truth, valid),
        "self": losses.joint_error(rebuilt, truth, valid),
        "triplet_motion": np.mean(triplets(motions[1], motions[0], motions[0][other])),
        "velocity": losses.velocity_error(crossed, truth, valid),
    }


def compute(kind, weights, from_generated=False, grad=False):
    """(loss or gradient, batch statistics, scalars) of the model made by hand."""
    if kind == "cycle":
        loss_fn = cycle_loss(
            HandMade(), weights=weights, margin=MARGIN, statistics_from_generated=from_generated
        )
    else:
        make = paired_loss if kind == "paired" else two_view_loss
        loss_fn = make(HandMade(), weights=weights, margin=MARGIN)
    params = {"encoder": {"gain": jnp.float32(GAIN)}, "scale": jnp.asarray(SCALE)}
    stats = {"encoder": {"mean": jnp.float32(5.0)}}
    function = jax.grad(loss_fn, has_aux=True) if grad else loss_fn
    first, (after, scalars) = function(params, stats, random_batch(), jax.random.key(0))
    if grad:
        first = {"gain": first["encoder"]["gain"], "scale": first["scale"]}
    return first, float(after["encoder"]["mean"]), scalars


@pytest.mark.parametrize(
    ("kind", "by_hand"),
    [("cycle", cycle_by_hand), ("paired", paired_by_hand), ("two views", two_views_by_hand)],
)
def test_terms_follow_the_equations_pair_by_pair(kind, by_hand):
    terms = TERMS[kind]
    loss, _, scalars = compute(kind, WEIGHTS)
    expected = by_hand(random_batch())
    assert set(scalars) == {*terms, "loss"} and set(expected) == set(terms)
    for name in terms:
        assert expected[name] > 0.05, f"{name} is too small to compare"
        np.testing.assert_allclose(scalars[name], expected[name], rtol=1e-4, err_msg=name)
    total = sum(WEIGHTS[name] * expected[name] for name in terms)
    np.testing.assert_allclose(loss, total, rtol=1e-4)
    np.testing.assert_array_equal(scalars["loss"], loss)


@pytest.mark.parametrize("kind", TERMS)
def test_each_weight_switches_its_term(kind):
    """The gradient is the weighted sum of the terms' own, so a weight of 0 takes one away."""
    terms = TERMS[kind]
    nothing = dict.fromkeys(WEIGHTS, 0.0)
    whole, _, _ = compute(kind, WEIGHTS, grad=True)
    own = {name: compute(kind, nothing | {name: 1.0}, grad=True)[0] for name in terms}
    for off in terms:
        left, _, _ = compute(kind, WEIGHTS | {off: 0.0}, grad=True)
        assert np.abs(own[off]["gain"]) > 1e-3
        for leaf in ("gain", "scale"):
            expected = whole[leaf] - WEIGHTS[off] * own[off][leaf]
            np.testing.assert_allclose(left[leaf], expected, atol=1e-5, err_msg=off)
    none, _, _ = compute(kind, nothing, grad=True)
    assert np.abs(none["gain"]) == 0 and np.abs(none["scale"]).max() == 0


def test_the_cycle_is_not_run_where_no_term_needs_it():
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"self": 1.0, "cross": 1.0}
    _, mean, scalars = compute("cycle", weights, from_generated=True)
    assert set(scalars) == {"self", "loss"}
    np.testing.assert_allclose(mean, 0.9 * 5.0 + 0.1 * random_batch()["poses"].mean(), rtol=1e-6)


@pytest.mark.parametrize("from_generated", [False, True])
def test_running_averages_follow_real_sequences_unless_told_otherwise(from_generated):
    _, mean, _ = compute("cycle", WEIGHTS, from_generated)
    poses = random_batch()["poses"][:, 0]
    motion, character = encode(poses)
    other = [(i + PAIRS) % (2 * PAIRS) for i in range(2 * PAIRS)]
    generated = np.stack([decode(motion[i], character[other[i]]) for i in range(2 * PAIRS)])
    seen = (poses.mean() + generated.mean()) / 2 if from_generated else poses.mean()
    np.testing.assert_allclose(mean, 0.9 * 5.0 + 0.1 * seen, rtol=1e-6)


def test_after_a_real_step_the_statistics_are_those_of_the_real_batch(cycle_training):
    start = cycle_training.variables
    variables = {name: start[name]["encoder"] for name in ("params", "batch_stats")}
    encode_real = jax.jit(
        lambda v, poses: Encoder(1 / 16, 1).apply(v, poses, True, mutable=["batch_stats"])
    )
    _, alone = encode_real(variables, cycle_training.batch["poses"])
    after = cycle_training.on_two.states[0].batch_stats["encoder"]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        after,
        alone["batch_stats"],
    )
