"""One clip in memory is seen as the clips of a data set are."""

import dataclasses

import numpy as np
import pytest

from via_jax.data.clip import Clip
from via_jax.data.sampling import Window
from via_jax.evaluation.clips import over_clips
from via_jax.evaluation.single import batch_of, window_of
from via_jax.pretrain import meta_of, views_of


def seen_in_data(config, data, clip, window):
    """(poses, present) of `over_clips`."""

    def inputs(_, batch):
        there = batch["present"][..., None, None, None]
        return np.float32(1) * batch["poses"] + 1000 * ~there

    how = {"views": views_of(config, data), "persons": 2, "batch": 1, "seed": 0}
    return over_clips(inputs, {}, data, np.array([clip]), window=window, **how)[0]


@pytest.mark.parametrize(
    ("normalisation", "stream", "sampling", "frames"),
    [
        ("body", "joint", "resample", 20),
        ("root", "joint", "crop", 16),
        ("body", "bone_motion", "crop", 40),
    ],
)
def test_as_a_clip_of_a_data_set(tiny_groups, tiny_config, normalisation, stream, sampling, frames):
    config = tiny_config
    config.data.folder = str(tiny_groups.folder)
    config.data.views.camera = config.data.views.test_camera = None
    config.data.views.normalisation, config.data.views.stream = normalisation, stream
    config.data.window.frames, config.data.window.sampling = frames, sampling
    meta = meta_of(config, tiny_groups, views_of(config, tiny_groups))
    window = window_of(meta)
    assert window == Window(frames, 8, sampling, 0.7, (1.0, 1.0))
    for clip in (0, 1):  # of two persons, and of one
        batch = batch_of(tiny_groups.read(clip), meta, persons=2)
        there = np.asarray(batch["present"])[..., None, None, None]
        found = np.asarray(batch["poses"]) + 1000 * ~there
        wanted = seen_in_data(config, tiny_groups, clip, window)
        np.testing.assert_allclose(found[0], wanted, atol=1e-3)
        assert there.sum() == tiny_groups.persons[clip]
        assert ("weight" in batch) == (frames % 8 > 0)


@pytest.fixture
def meta(tiny_config, tiny_data):
    return meta_of(tiny_config, tiny_data, views_of(tiny_config, tiny_data))


def test_missing_joints_are_bridged_and_persons_never_seen_left_out(tiny_data, meta):
    clip = tiny_data.read(0)
    hidden = clip.valid.copy()
    hidden[:, 5:8, 3] = False
    poses = np.concatenate([clip.poses, np.zeros_like(clip.poses)])
    valid = np.concatenate([hidden, np.zeros_like(hidden)])
    ghost = dataclasses.replace(clip, poses=poses, valid=valid)
    batch = batch_of(ghost, meta, persons=2)
    assert np.asarray(batch["present"]).tolist() == [[True, False]]
    straight = np.linspace(clip.poses[0, 4, 3], clip.poses[0, 8, 3], 5)
    filled = clip.poses.copy()
    filled[0, 4:9, 3] = straight
    wanted = batch_of(dataclasses.replace(clip, poses=filled), meta, persons=2)
    np.testing.assert_allclose(batch["poses"], wanted["poses"], atol=1e-5)


@pytest.mark.parametrize("y_up", [True, False])
def test_a_flat_model_sees_a_solid_recording_along_z(y_up, meta):
    poses = np.random.default_rng(0).normal(size=(1, 16, 17, 3)).astype(np.float32)
    valid = np.ones(poses.shape[:3], bool)
    solid = Clip(poses, valid, "unik17", "solid", y_up=y_up)
    image = poses[..., :2] * np.float32([1, -1 if y_up else 1])  # y down, as in an image
    flat = Clip(image, valid, "unik17", "flat")
    found, wanted = (np.asarray(batch_of(clip, meta, 1)["poses"]) for clip in (solid, flat))
    assert found.shape[-1] == 2
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_what_does_not_fit_is_refused(meta):
    flat = Clip(np.ones((1, 8, 17, 2), np.float32), np.ones((1, 8, 17), bool), "unik17", "flat")
    solid = meta | {"model": meta["model"] | {"coords": 3}}
    with pytest.raises(ValueError, match="clip 'flat' has 2 coords and the model reads 3"):
        batch_of(flat, solid, 1)
    screen = meta | {"views": meta["views"] | {"normalisation": "screen"}}
    with pytest.raises(ValueError, match=r"clip 'flat' has no image size.*give image_size="):
        batch_of(flat, screen, 1)
    valid = np.zeros((1, 8, 17), bool)
    valid[..., 1] = True  # an eye, which unik17 does not have
    eye = dataclasses.replace(flat, layout="coco17", valid=valid)
    with pytest.raises(ValueError, match="no joint that the model's layout unik17 knows"):
        batch_of(eye, meta, 1)
