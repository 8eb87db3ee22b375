"""Clips in known views: the pictures of known cameras, and the codes of their rows."""

import dataclasses
import math

import numpy as np
import pytest

from via_jax.data.store import Prepared
from via_jax.evaluation import known_views

YAWS = (-60.0, 0.0, 90.0)


@pytest.fixture(scope="module")
def clips_to_test(tiny_data):
    return tiny_data.clips_of("official", "test")


@pytest.fixture(scope="module")
def seen(tiny_data, clips_to_test, tiny_model):
    return known_views.see(tiny_data, clips_to_test, tiny_model[1], YAWS)


def seen_by_hand(data: Prepared, clip, yaw):
    """All 24 frames resampled to 16, looked at from yaw degrees, centred and scaled."""
    poses = data.read(int(clip)).poses[0]
    hips = [data.layout.index(name) for name in ("left_hip", "right_hip")]
    flat = np.zeros((16, data.layout.num_joints, 2))
    for now in range(16):
        where = now * 23 / 15
        low = min(int(where), 22)
        pose = poses[low] + (where - low) * (poses[low + 1] - poses[low])
        for joint, (x, y, z) in enumerate(pose):
            across = math.cos(math.radians(yaw)) * x + math.sin(math.radians(yaw)) * z
            flat[now, joint] = across, -y
    middle = flat[:, hips].mean(axis=1)
    size = np.mean([math.dist(flat[t, j], middle[t]) ** 2 for t, j in np.ndindex(flat.shape[:2])])
    return (flat - middle.mean(axis=0)) / math.sqrt(size)


def test_every_clip_in_every_view(tiny_data, clips_to_test, seen):
    assert seen.inputs.shape == (27, 16, tiny_data.layout.num_joints, 2)
    np.testing.assert_array_equal(seen.clip, [*clips_to_test, *clips_to_test, *clips_to_test])
    assert seen.view.tolist() == ["-60"] * 9 + ["0"] * 9 + ["90"] * 9
    assert seen.known.all() and seen.known.shape == seen.inputs.shape[::2]
    for row in (0, 4, 13, 26):
        expected = seen_by_hand(tiny_data, seen.clip[row], float(seen.view[row]))
        np.testing.assert_allclose(seen.inputs[row], expected, atol=1e-3)


def test_without_yaws_the_view_is_the_data_sets_own(tiny_data, clips_to_test, tiny_model):
    cameras = np.array([f"c{index % 2}" for index in range(len(tiny_data.names))])
    data = dataclasses.replace(tiny_data, cameras=cameras)
    own = known_views.see(data, clips_to_test, tiny_model[1], ())
    expected = seen_by_hand(data, clips_to_test[3], 0.0)  # along the recording's z axis
    np.testing.assert_allclose(own.inputs[3], expected, atol=1e-3)
    np.testing.assert_array_equal(own.view, cameras[clips_to_test])


def test_labels_are_those_of_the_clips(tiny_data, seen):
    labels = known_views.labels_of(tiny_data, seen)
    for row in (0, 8, 9, 26):
        clip = tiny_data.read(int(seen.clip[row]))
        assert labels["action"][row] == clip.label
        assert labels["subject"][row] == clip.subject
    assert labels["view"] is seen.view
    nameless = dataclasses.replace(tiny_data, label=np.full_like(tiny_data.label, -1))
    assert set(known_views.labels_of(nameless, seen)["action"]) == {known_views.UNKNOWN}


def test_codes_are_split_along_the_dictionary(tiny_model, seen):
    variables, meta = tiny_model
    split = known_views.encode(variables, meta, seen.inputs, 16)
    basis = np.linalg.qr(variables["params"]["dictionary"]["directions"])[0]  # [channels, 4]
    assert split.motion.shape == (27, 2, len(basis))
    mean = split.motion.mean(axis=1) + split.character
    for row in range(27):
        projected = sum(np.dot(mean[row], direction) * direction for direction in basis.T)
        np.testing.assert_allclose(split.character[row], projected, atol=1e-5)
        lengths = np.abs(basis.T @ mean[row])  # the sign of a direction is a convention
        np.testing.assert_allclose(np.abs(split.magnitudes[row]), lengths, atol=1e-5)


def test_a_code_does_not_depend_on_the_rows_beside_it(tiny_model, seen):
    variables, meta = tiny_model
    together = known_views.encode(variables, meta, seen.inputs, 16)
    alone = known_views.encode(variables, meta, seen.inputs[20:23], 16)
    for all_rows, three in zip(together, alone, strict=True):
        np.testing.assert_allclose(all_rows[20:23], three, atol=1e-5)
    assert np.ptp(together.motion, axis=0).max() > 1e-3


def test_padding_does_not_count_in_the_character(tiny_model, seen):
    """Of a window of 12 frames in 16, the second step of the code is half real."""
    variables, meta = tiny_model
    meta = meta | {"window": meta["window"] | {"frames": 12}}
    split = known_views.encode(variables, meta, seen.inputs[:16], 16)
    basis = np.linalg.qr(variables["params"]["dictionary"]["directions"])[0]
    code = split.motion + split.character[:, None]
    mean = (code[:, 0] + 0.5 * code[:, 1]) / 1.5
    np.testing.assert_allclose(split.character, mean @ basis @ basis.T, atol=1e-5)


def test_random_weights_have_the_models_shapes(tiny_model):
    variables, meta = tiny_model
    first, second = (known_views.random_variables(meta, seed) for seed in (0, 1))
    kernel = first["params"]["dictionary"]["directions"]
    assert kernel.shape == variables["params"]["dictionary"]["directions"].shape
    assert not np.allclose(kernel, second["params"]["dictionary"]["directions"])


def test_a_seeded_draw_of_clips():
    clips = np.arange(10, 30)
    drawn = known_views.draw_clips(clips, 5, 0)
    np.testing.assert_array_equal(drawn, known_views.draw_clips(clips, 5, 0))
    assert len(set(drawn)) == 5 and set(drawn) <= set(clips) and (np.diff(drawn) > 0).all()
    assert not np.array_equal(drawn, known_views.draw_clips(clips, 5, 1))
    np.testing.assert_array_equal(known_views.draw_clips(clips, 50, 0), clips)
    with pytest.raises(ValueError, match="clips=0; expected at least 1"):
        known_views.draw_clips(clips, 0, 0)


def test_clips_to_show_by_name_or_one_of_each_action(tiny_data, clips_to_test):
    by_name = known_views.clips_to_show(
        tiny_data, clips_to_test, tiny_data.names[[7, 2]].tolist(), 4
    )
    assert by_name.tolist() == [7, 2]
    chosen = known_views.clips_to_show(tiny_data, clips_to_test, [], 4)
    assert sorted(tiny_data.label[chosen]) == [0, 1, 2] and set(chosen) <= set(clips_to_test)
    assert tiny_data.label[known_views.clips_to_show(tiny_data, clips_to_test, [], 2)].tolist() == [
        0,
        2,
    ]
    with pytest.raises(ValueError, match="has no clip nobody; its names look like"):
        known_views.clips_to_show(tiny_data, clips_to_test, ["nobody"], 4)


def test_what_does_not_fit_is_refused(tiny_data, clips_to_test, tiny_model):
    _, meta = tiny_model
    with pytest.raises(ValueError, match="no clips to encode"):
        known_views.see(tiny_data, clips_to_test[:0], meta, YAWS)
    with pytest.raises(ValueError, match="the model's is 'ntu25'; prepare the data with --layout"):
        known_views.see(tiny_data, clips_to_test, meta | {"layout": "ntu25"}, YAWS)
    flat = dataclasses.replace(tiny_data, frames=tiny_data.frames[..., :2])
    with pytest.raises(ValueError, match="2D recordings, which have their own view; set no yaws"):
        known_views.see(flat, clips_to_test, meta, YAWS)
