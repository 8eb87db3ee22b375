"""Two views of one motion: what is drawn for each, and a loss that vanishes where they agree."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data.batches import Windows
from via_jax.data.synthetic import random_motions
from via_jax.data.synthetic_bodies import perform, random_bodies
from via_jax.data.views import Views, evaluation_batch, two_view_batch
from via_jax.models.dictionary import Split
from via_jax.objectives import two_view_loss
from via_jax.skeletons import get_layout

LAYOUT = get_layout("unik17")
STILL = {"rotation": 0.0, "scale": 0.0, "squeeze": 0.0, "shift": 0.0, "moving": False}
MOVE = {"rotation": 30.0, "scale": 0.2, "squeeze": 0.5, "shift": 0.3, "moving": False}
FAR = {  # orthographic
    "yaw": (-90.0, 90.0),
    "elevation": (0.0, 30.0),
    "distance": (3.0, 5.0),
    "orthographic": 1.0,
}
PLAIN = Views(
    layout=LAYOUT,
    coords=2,
    normalisation="body",
    y_up=True,
    face_front=False,
    camera=None,
    test_camera=None,
    bone_spread=0.0,
    move=STILL,
    mirror=0.0,
    noise=0.0,
    lost_joints=0.0,
)
ROWS, TIME = 4, 9


@pytest.fixture(scope="module")
def solid():
    """Four motions of four bodies in 3D."""
    motions = random_motions(np.random.default_rng(0), "wave", ROWS, num_frames=TIME, frame_rate=5)
    return windows_of(perform(motions, random_bodies(np.random.default_rng(1), ROWS, spread=1.5)))


@pytest.fixture(scope="module")
def flat():
    """Four windows of pixels."""
    return windows_of(np.random.default_rng(0).normal(300, 60, (ROWS, TIME, 17, 2)))


def windows_of(poses, missing=()):
    known = np.tile(~np.isin(LAYOUT.joints, missing), (ROWS, 1))
    valid = np.repeat(known[:, None], TIME, axis=1)
    poses = np.where(valid[..., None], poses, 0).astype(np.float32)
    return Windows(poses, valid, known, np.zeros((ROWS, 2), np.float32))


def drawn(windows, seed=0, **settings):
    views = PLAIN._replace(**settings)
    step = jax.jit(lambda windows, key: two_view_batch(windows, key, views))
    return {name: np.asarray(x) for name, x in step(windows, jax.random.key(seed)).items()}


# What is drawn


def test_nothing_drawn_is_the_same_view_twice(flat):
    batch = drawn(flat)
    assert set(batch) == {"poses", "valid", "other", "other_valid"}
    np.testing.assert_array_equal(batch["poses"], batch["other"])
    expected = evaluation_batch(flat, np.arange(ROWS), jax.random.key(0), PLAIN)["poses"]
    np.testing.assert_allclose(batch["poses"], expected, atol=1e-5)
    for valid in (batch["valid"], batch["other_valid"]):
        np.testing.assert_array_equal(valid, flat.valid)


def residual(poses, other):
    """What an affine map of the image leaves of one view of a window after the other."""
    points = np.concatenate([poses.reshape(-1, 2), np.ones((poses.size // 2, 1))], axis=1)
    mapped = points @ np.linalg.lstsq(points, other.reshape(-1, 2))[0]
    return np.abs(mapped - other.reshape(-1, 2)).max()


def test_moves_in_the_image_keep_the_motion(flat):
    batch = drawn(flat, move=MOVE)
    for i in range(ROWS):
        assert residual(batch["poses"][i], batch["other"][i]) < 1e-4
        assert residual(batch["poses"][i], batch["other"][i - 1]) > 0.1
        assert np.abs(batch["poses"][i] - batch["other"][i]).max() > 0.1
    # Every view is moved on its own.
    maps = [np.linalg.lstsq(a.reshape(-1, 2), b.reshape(-1, 2))[0] for a, b in both(batch)]
    assert np.std(maps, axis=0).max() > 0.05


def both(batch):
    return list(zip(batch["poses"], batch["other"], strict=True))


@pytest.mark.parametrize("mirror", [0.5, 1.0])
def test_both_views_are_of_one_hand(flat, mirror):
    windows = windows_of(flat.poses, missing=["left_wrist"])
    batch = drawn(windows, mirror=mirror)
    np.testing.assert_array_equal(batch["poses"], batch["other"])
    np.testing.assert_array_equal(batch["valid"], batch["other_valid"])
    mirrored = ~batch["valid"][:, 0, LAYOUT.index("right_wrist")]
    np.testing.assert_array_equal(batch["valid"][:, 0, LAYOUT.index("left_wrist")], mirrored)
    assert mirrored.all() if mirror == 1 else 0 < mirrored.sum() < ROWS
    assert not batch["poses"][~batch["valid"]].any()


def test_noise_and_lost_joints_differ(flat):
    batch = drawn(flat, lost_joints=0.3, noise=0.1)
    for poses, valid in (("poses", "valid"), ("other", "other_valid")):
        assert 0.5 < batch[valid].mean() < 0.9
        assert not batch[poses][~batch[valid]].any()
    assert (batch["valid"] != batch["other_valid"]).any(axis=(1, 2)).all()
    common = batch["valid"] & batch["other_valid"]
    noise = (batch["poses"] - batch["other"])[common]
    assert noise.std() == pytest.approx(0.1 * 2**0.5, rel=0.15)


def singular_values(poses, other):
    """Of both images of a window, [4, time x joints]: three where one body is seen twice."""
    rows = np.concatenate([np.moveaxis(view, -1, 0).reshape(2, -1) for view in (poses, other)])
    return np.linalg.svd(rows - rows.mean(axis=1, keepdims=True), compute_uv=False)


def test_two_cameras_see_one_body(solid):
    batch = drawn(solid, camera=FAR)
    for poses, other in both(batch):
        values = singular_values(poses, other)
        assert values[3] < 1e-4 * values[0]
        assert values[2] > 0.02 * values[0]  # not the same camera
    crossed = singular_values(batch["poses"][0], batch["other"][1])
    assert crossed[3] > 0.01 * crossed[0]


def test_two_cameras_see_two_bodies(solid):
    batch = drawn(solid, camera=FAR, bone_spread=0.15)
    for poses, other in both(batch):
        values = singular_values(poses, other)
        assert values[3] > 1e-3 * values[0]
    np.testing.assert_array_equal(batch["valid"], batch["other_valid"])


def test_views_are_a_function_of_the_key(solid):
    views = PLAIN._replace(camera=FAR, bone_spread=0.15)
    step = jax.jit(lambda windows, key: two_view_batch(windows, key, views))
    first, again, other = (step(solid, jax.random.key(seed)) for seed in (0, 0, 1))
    for name in ("poses", "other"):
        np.testing.assert_array_equal(first[name], again[name])
        assert np.abs(first[name] - other[name]).max() > 0.1


def test_2d_recordings_for_a_3d_model(flat):
    with pytest.raises(ValueError, match="2D recordings cannot feed a 3D model"):
        two_view_batch(flat, jax.random.key(0), PLAIN._replace(coords=3))


# The loss. Its terms for any model, and their weights: tests/test_objectives.py.


class Exact(nn.Module):
    """The character is where the joints are on average, the motion how they move about it."""

    @nn.compact
    def encode(self, poses, train):
        self.variable("batch_stats", "rows", lambda: 0).value = len(poses)
        return poses.reshape(len(poses), poses.shape[2], -1)

    def split(self, code, weight):
        del weight
        character = code.mean(axis=1)
        return Split(code - character[:, None], character, character)

    def decode(self, motion, character, train):
        return (motion + character[:, None]).reshape(*motion.shape[:2], -1, 2)


WEIGHTS = {"cross": 2.0, "self": 3.0, "triplet_motion": 5.0, "velocity": 7.0}
MARGIN = 7.0


def terms_of(poses, other, valid=None):
    """The scalars of the loss; poses, other: [rows, time, joints, 2]."""
    valid = np.ones((2, *poses.shape[:3]), bool) if valid is None else valid
    batch = {"poses": poses, "valid": valid[0], "other": other, "other_valid": valid[1]}
    batch = {name: jnp.asarray(value)[:, None] for name, value in batch.items()}
    loss_fn = two_view_loss(Exact(), weights=WEIGHTS, margin=MARGIN)
    loss, (stats, scalars) = loss_fn({}, {"rows": 0}, batch, jax.random.key(0))
    assert stats["rows"] == 2 * len(poses)  # both views are normalised together
    total = sum(WEIGHTS[name] * scalars[name] for name in WEIGHTS)
    np.testing.assert_allclose(loss, total, rtol=1e-6)
    np.testing.assert_array_equal(scalars["loss"], loss)
    return {name: float(scalars[name]) for name in WEIGHTS}


@pytest.fixture
def window():
    """Two pairs of windows of five frames and three joints, and the mean of each joint."""
    poses = np.random.default_rng(0).normal(size=(4, 5, 3, 2)).astype(np.float32)
    return poses, poses.mean(axis=1, keepdims=True)


def gaps_to_partners(motion, other):
    """|other view - view| - |other view - partner| of each row, by a loop."""
    gaps = []
    for i in range(4):
        negative = motion[(i + 2) % 4]
        gaps.append(np.linalg.norm(other[i] - motion[i]) - np.linalg.norm(other[i] - negative))
    return np.array(gaps)


def test_two_characters_that_move_alike_cost_nothing(window):
    poses, mean = window
    place = np.random.default_rng(1).normal(size=(4, 1, 3, 2)).astype(np.float32)
    terms = terms_of(poses, poses + place)
    for name in ("cross", "self", "velocity"):
        assert terms[name] == pytest.approx(0.0, abs=1e-10)
    gaps = gaps_to_partners(poses - mean, poses - mean)
    assert (gaps + MARGIN < 0).any() and (gaps + MARGIN > 0).any()
    expected = np.maximum(0, gaps + MARGIN).mean()
    assert terms["triplet_motion"] == pytest.approx(expected, rel=1e-5)


def test_a_motion_of_twice_the_size_costs_its_difference(window):
    poses, mean = window
    motion = poses - mean
    valid = np.random.default_rng(2).random((2, 4, 5, 3)) > 0.3
    terms = terms_of(poses, mean + 2 * motion, valid)
    # Each view is rebuilt with the other's motion: off by the motion itself.
    joints, moves = [], []
    for view in range(2):
        for i, t, j in np.argwhere(valid[view]):
            joints.append(np.mean(motion[i, t, j] ** 2))
            if t and valid[view, i, t - 1, j]:
                moves.append(np.mean((motion[i, t, j] - motion[i, t - 1, j]) ** 2))
    assert terms["cross"] == pytest.approx(np.mean(joints), rel=1e-5)
    assert terms["velocity"] == pytest.approx(np.mean(moves), rel=1e-5)
    assert terms["self"] == pytest.approx(0.0, abs=1e-10)
    expected = np.maximum(0, gaps_to_partners(motion, 2 * motion) + MARGIN).mean()
    assert terms["triplet_motion"] == pytest.approx(expected, rel=1e-5)


def test_joints_that_are_not_valid_cost_nothing(window):
    poses, _ = window
    valid = np.ones((2, 4, 5, 3), bool)
    valid[:, :, :, 1] = False
    other = poses.copy()
    other[:, :, 1] *= 50  # moves otherwise, unseen
    terms = terms_of(poses, other, valid)
    for name in ("cross", "self", "velocity"):
        assert terms[name] == pytest.approx(0.0, abs=1e-9)
