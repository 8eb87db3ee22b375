from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data import transforms
from via_jax.data.batches import Windows, facts_of, frames_of, read_windows
from via_jax.data.cameras import project, random_cameras
from via_jax.data.clip import Clip
from via_jax.data.sampling import Window, partner
from via_jax.data.synthetic import random_motions
from via_jax.data.synthetic_bodies import perform, random_bodies
from via_jax.data.views import Views, evaluation_batch, training_batch, two_view_batch
from via_jax.data.writer import write
from via_jax.skeletons import get_layout

KEY = jax.random.key(0)
LAYOUT = get_layout("unik17")
MIRROR = np.array(LAYOUT.mirror)
STILL = {"rotation": 0.0, "scale": 0.0, "squeeze": 0.0, "shift": 0.0, "moving": False}
MOVE = {"rotation": 10.0, "scale": 0.1, "squeeze": 0.2, "shift": 0.2, "moving": True}
AT_45: dict[str, Any] = {
    "yaw": (45.0, 45.0),
    "elevation": (0.0, 0.0),
    "distance": (4.0, 4.0),
    "orthographic": 1.0,
}
AROUND: dict[str, Any] = {
    "yaw": (-90.0, 90.0),
    "elevation": (0.0, 30.0),
    "distance": (3.0, 5.0),
    "orthographic": 0.5,
}


def views_of(**settings):
    fixed = {
        "layout": LAYOUT,
        "coords": 2,
        "normalisation": "body",
        "y_up": True,
        "face_front": False,
        "camera": None,
        "test_camera": None,
        "bone_spread": 0.0,
        "move": STILL,
        "mirror": 0.0,
        "noise": 0.0,
        "lost_joints": 0.0,
    }
    return Views(**{**fixed, **settings})


def windows_of(poses, known=None, size=(0, 0)):
    batch, time, joints, _ = poses.shape
    known = np.ones((batch, joints), bool) if known is None else known
    valid = np.repeat(known[:, None], time, axis=1)
    poses = np.where(valid[..., None], poses, 0).astype(np.float32)
    return Windows(poses, valid, known, np.tile(np.array(size, np.float32), (batch, 1)))


def flat_windows(**facts):
    """Four windows of pixels."""
    poses = np.random.default_rng(0).normal(size=(4, 9, 17, 2)) * 60 + 300
    return windows_of(poses, **facts)


def stepper(views, paired=False):
    return jax.jit(lambda windows, key: training_batch(windows, key, views, paired))


def trained(windows, views, paired=False):
    return {name: np.asarray(value) for name, value in stepper(views, paired)(windows, KEY).items()}


def evaluated(windows, views, sequence=None, key=KEY):
    sequence = np.arange(len(windows.poses)) if sequence is None else np.asarray(sequence)
    return np.asarray(evaluation_batch(windows, sequence, key, views)["poses"])


def normalised(poses, known=slice(None)):
    """Reference: hips to the origin on average, known joints at a distance of 1 from them."""
    hips = poses[:, :, list(LAYOUT.hips)].mean(axis=2)
    squared = np.square(poses - hips[:, :, None]).sum(axis=-1)[:, :, known]
    distance = squared.mean(axis=(1, 2)) ** 0.5
    return (poses - hips.mean(axis=1)[:, None, None]) / distance[:, None, None, None]


@pytest.fixture(scope="module")
def motions():
    """Four different motions of nine frames, [4, 9, ...]."""
    return random_motions(np.random.default_rng(0), "wave", 4, num_frames=9, frame_rate=5.0)


@pytest.fixture(scope="module")
def bodies():
    return random_bodies(np.random.default_rng(1), 4, spread=1.5)


@pytest.fixture(scope="module")
def windows(motions, bodies):
    return windows_of(perform(motions, bodies))


# Evaluation


def test_pixels_are_centred_and_scaled():
    flat = flat_windows()
    np.testing.assert_allclose(evaluated(flat, views_of()), normalised(flat.poses), atol=1e-5)
    others = np.arange(17) != 9
    partly = evaluated(flat_windows(known=np.tile(others, (4, 1))), views_of())
    expected = normalised(flat.poses, others)[:, :, others]
    np.testing.assert_allclose(partly[:, :, others], expected, atol=1e-5)
    np.testing.assert_array_equal(partly[:, :, 9], 0.0)


def test_the_own_view_of_3d_recordings(windows):
    seen = evaluated(windows, views_of())
    in_image = windows.poses[..., :2] * np.array([1, -1], np.float32)  # images have y down
    np.testing.assert_allclose(seen, normalised(in_image), atol=1e-5)
    upside_down = windows._replace(poses=windows.poses * np.array([1, -1, 1], np.float32))
    np.testing.assert_allclose(evaluated(upside_down, views_of(y_up=False)), seen, atol=1e-6)
    solid = evaluated(windows, views_of(coords=3))
    np.testing.assert_allclose(solid, normalised(windows.poses), atol=1e-5)
    same = evaluated(upside_down, views_of(coords=3, y_up=False))
    np.testing.assert_allclose(same, solid, atol=1e-6)


def test_each_sequence_keeps_its_test_camera(windows):
    views = views_of(test_camera=AROUND)
    together = evaluated(windows, views, [5, 900, 2, 7])
    swapped = Windows(*(x[::-1] for x in windows))
    np.testing.assert_allclose(evaluated(swapped, views, [7, 2, 900, 5])[::-1], together, atol=1e-6)
    moved = evaluated(windows, views, [6, 900, 2, 7])
    np.testing.assert_array_equal(moved[1:], together[1:])
    assert np.abs(moved[0] - together[0]).max() > 0.1
    assert (
        np.abs(evaluated(windows, views, [5, 900, 2, 7], jax.random.key(1)) - together).max() > 0.1
    )
    camera = random_cameras(jax.random.fold_in(KEY, 900), (), **AROUND)
    middle = windows.poses[1][:, list(LAYOUT.hips)].mean(axis=(0, 1))
    expected = normalised(np.asarray(project(windows.poses[1], camera, middle))[None])
    np.testing.assert_allclose(together[1:2], expected, atol=1e-5)


def test_the_screen_keeps_place_and_aspect():
    poses = np.zeros((4, 9, 17, 2))
    poses[0, 0, :4] = [(0, 0), (640, 480), (320, 240), (480, 0)]
    known = np.tile(np.arange(17) != 16, (4, 1))
    views = views_of(normalisation="screen")
    seen = evaluated(windows_of(poses, known, (640, 480)), views)
    expected = [(-1, -0.75), (1, 0.75), (0, 0), (0.5, -0.75)]
    np.testing.assert_allclose(seen[0, 0, :4], expected, atol=1e-6)
    np.testing.assert_array_equal(seen[:, :, 16], 0.0)  # missing, not in the corner
    twice = evaluated(windows_of(2 * poses, known, (1280, 960)), views)
    np.testing.assert_allclose(twice, seen, atol=1e-6)


# Training


def test_nothing_drawn_is_evaluation():
    flat = flat_windows()
    batch = trained(flat, views_of())
    np.testing.assert_allclose(batch["poses"], evaluated(flat, views_of()), atol=1e-5)
    np.testing.assert_array_equal(batch["valid"], flat.valid)
    assert set(batch) == {"poses", "valid"}


def at_45(poses):
    """Poses as a camera at their front and right sees them."""
    x, y, z = np.moveaxis(poses, -1, 0)
    half = np.sqrt(np.float32(0.5))
    return np.stack([half * (x + z), y, half * (z - x)], axis=-1)


def test_training_looks_through_its_cameras(windows):
    batch = trained(windows, views_of(camera=AT_45))
    image = at_45(windows.poses)[..., :2] * np.array([1, -1])
    np.testing.assert_allclose(batch["poses"], normalised(image), atol=1e-5)


def test_a_mirrored_screen_stays_in_the_image():
    known = np.tile(np.arange(17) != LAYOUT.index("left_wrist"), (4, 1))
    flat = flat_windows(known=known, size=(800, 600))
    views = views_of(normalisation="screen", mirror=1.0)
    mirrored = trained(flat, views)
    expected = evaluated(flat, views)[:, :, MIRROR] * np.array([-1, 1])
    np.testing.assert_allclose(mirrored["poses"], expected, atol=1e-6)
    assert not mirrored["poses"][:, :, LAYOUT.index("right_wrist")].any()


def test_what_missing_joints_held_changes_no_batch(tmp_path):
    rng = np.random.default_rng(0)
    poses = (rng.normal(size=(4, 12, 17, 2)) * 60 + 300).astype(np.float32)
    valid = rng.random((4, 12, 17)) < 0.7
    valid[:, :, 9] = False  # never seen
    window = Window(9, 1, "crop", 1.0, (1.0, 1.0))
    views = views_of(move=MOVE, noise=0.1, lost_joints=0.1)
    step = stepper(views)
    found = []
    for name, garbage in (("zero", 0.0), ("far", 1e6), ("nan", np.nan)):
        filled = np.where(valid[..., None], poses, np.float32(garbage))
        clip = Clip(filled, valid, layout="unik17", name="a")
        data = write(tmp_path / name, [clip], dataset="made", splits=lambda clip: {}, max_persons=4)
        windows = read_windows(facts_of(data), frames_of(data), np.arange(4), window)
        batch = step(windows, KEY)
        found.append((evaluated(windows, views), batch["poses"], batch["valid"]))
    for other in found[1:]:
        for x, y in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(x, y)
    for poses in found[0][:2]:
        assert not poses[:, :, 9].any()  # neither moved nor noisy


# The true retargeted sequence


def shapes(poses):
    """(directions, mean lengths) of the bones."""
    bones = np.asarray(transforms.bones_of(poses, LAYOUT))
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    return bones / np.maximum(lengths, 1e-9), lengths.mean(axis=(1, 3))


@pytest.fixture(scope="module")
def solid(windows):
    """Four bodies and four motions, seen in 3D by equal cameras."""
    return trained(windows, views_of(camera=AT_45, coords=3, bone_spread=0.15), paired=True)


def test_each_window_gets_a_body_of_its_own(windows, solid):
    directions, lengths = shapes(solid["poses"])
    recorded, before = shapes(windows.poses)
    np.testing.assert_allclose(directions, at_45(recorded), atol=1e-4)
    bones = lengths > 0
    factor = lengths[bones].reshape(4, 16) / before[bones].reshape(4, 16)
    factor /= factor[:, :1]
    assert factor.std(axis=0)[1:].min() > 0.02
    np.testing.assert_allclose(lengths, lengths[:, MIRROR], rtol=1e-3)


def test_the_target_has_the_partners_body(solid):
    _, lengths = shapes(solid["poses"])
    _, target = shapes(solid["target"])
    np.testing.assert_allclose(target, partner(lengths), atol=1e-4)
    assert np.abs(lengths - partner(lengths)).max() > 0.02


def test_the_target_has_the_motion_of_its_row(solid):
    directions, _ = shapes(solid["poses"])
    target, _ = shapes(solid["target"])
    np.testing.assert_allclose(target, directions, atol=1e-4)


def test_on_equal_bodies_the_target_is_the_row_itself_up_to_scale(motions, bodies):
    place = np.array([[0, 0, 0], [3, 0, 1], [-2, 0, 5], [4, 0, 4]])[:, None, None]
    same = windows_of(perform(motions, bodies[[0, 0, 0, 0]]) + place)
    batch = trained(same, views_of(bone_spread=1e-6), paired=True)
    hips = batch["target"][:, :, list(LAYOUT.hips)].mean(axis=(1, 2))
    np.testing.assert_allclose(hips, 0.0, atol=1e-4)
    target, poses = normalised(batch["target"]), normalised(batch["poses"])
    np.testing.assert_allclose(target, poses, atol=1e-4)
    assert np.abs(poses - partner(poses)).max() > 0.1


@pytest.fixture(scope="module")
def everything():
    """A step that draws all there is to draw: (windows, key) -> batch."""
    drawn = {"camera": AROUND, "bone_spread": 0.15, "move": MOVE, "mirror": 1.0}
    return stepper(views_of(**drawn, noise=0.01, lost_joints=0.3), paired=True)


def test_one_window_twice_is_its_own_target(everything, motions, bodies):
    pair = np.array([0, 1, 0, 1])
    known = np.tile(np.arange(17) != LAYOUT.index("left_wrist"), (4, 1))  # mirrored: the right one
    batch = everything(windows_of(perform(motions[pair], bodies[pair]), known), KEY)
    poses, target = np.asarray(batch["poses"]), np.asarray(batch["target"])
    kept = np.asarray(batch["valid"])
    assert 0.55 < kept.mean() < 0.75 and not poses[~kept].any()
    # Each row has a camera, a body and a move of its own, and the target has the partner's.
    assert np.abs(target - poses)[kept].max() > 0.1
    noise = (poses - partner(target))[kept]
    assert np.abs(noise).max() < 0.05 and abs(noise.std() - 0.01) < 0.001
    np.testing.assert_array_equal(batch["target_valid"][:, 0], known[:, MIRROR])
    np.testing.assert_array_equal((target != 0).any(axis=(1, 3)), known[:, MIRROR])


def test_training_is_a_pure_function_of_the_key(everything, windows):
    first, again, other = (everything(windows, jax.random.key(seed)) for seed in (0, 0, 1))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert np.abs(first["target"] - other["target"]).max() > 0.1
    assert not np.array_equal(first["valid"], other["valid"])  # other joints are lost


# One motion as two characters


def test_two_views_show_one_motion(windows):
    views = views_of(camera=AT_45, coords=3, bone_spread=0.15, mirror=0.5)
    batch = jax.jit(lambda windows, key: two_view_batch(windows, key, views))(windows, KEY)
    assert set(batch) == {"poses", "valid", "other", "other_valid"}
    recorded, _ = shapes(windows.poses)
    mirrored, _ = shapes(windows.poses[:, :, MIRROR] * np.array([-1, 1, 1], np.float32))
    (first, before), (second, after) = shapes(batch["poses"]), shapes(batch["other"])
    np.testing.assert_allclose(first, second, atol=1e-4)  # also of one hand
    flipped = [np.abs(x - at_45(mirrored)[i]).max() < 1e-4 for i, x in enumerate(first)]
    assert 0 < sum(flipped) < 4
    expected = np.where(np.array(flipped)[:, None, None, None], mirrored, recorded)
    np.testing.assert_allclose(first, at_45(expected), atol=1e-4)
    assert (np.abs(before - after).max(axis=1) > 0.02).all()  # each on two bodies


# What does not fit


@pytest.mark.parametrize(
    ("settings", "paired", "message"),
    [
        ({"coords": 3}, False, "2D recordings cannot feed a 3D model; set model.coords = 2"),
        (
            {"normalisation": "image"},
            False,
            '\'image\'; expected "body", "root", "metric" or "screen"',
        ),
        ({"bone_spread": 0.1}, True, "known only for 3D recordings on random bodies"),
    ],
)
def test_2d_recordings(settings, paired, message):
    with pytest.raises(ValueError, match=message):
        training_batch(flat_windows(), KEY, views_of(**settings), paired)


@pytest.mark.parametrize(
    ("settings", "paired", "message"),
    [
        ({"normalisation": "screen"}, False, 'normalisation "screen" is for 2D recordings'),
        ({"camera": AT_45}, True, "set paired = False, or bone_spread above 0"),
    ],
)
def test_3d_recordings(windows, settings, paired, message):
    with pytest.raises(ValueError, match=message):
        training_batch(windows, KEY, views_of(**settings), paired)
    if not paired:
        with pytest.raises(ValueError, match=message):
            evaluation_batch(windows, jnp.arange(4), KEY, views_of(**settings))
