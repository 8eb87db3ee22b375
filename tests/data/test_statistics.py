"""Mean and deviation of root-relative poses."""

import numpy as np

from via_jax.data import transforms
from via_jax.data.batches import facts_of, frames_of, read_windows
from via_jax.data.statistics import measure_statistics, statistics_of
from via_jax.pretrain import views_of, window_of


def test_statistics_against_numpy(tiny_config, tiny_data):
    tiny_config.data.views.normalisation = "root"
    tiny_config.data.views.camera = None  # as recorded
    window = window_of(tiny_config.data)
    views = views_of(tiny_config, tiny_data)
    sequences = tiny_data.sequences_of(tiny_data.clips_of("official", "train"))
    windows = read_windows(facts_of(tiny_data), frames_of(tiny_data), sequences, window)
    poses = np.asarray(windows.poses)[..., :2] * [1, -1]
    root = views.layout.parents.index(-1)
    hips = poses[:, :, list(views.layout.hips)].mean(axis=2, keepdims=True)
    size = np.sqrt(np.square(poses - hips).sum(-1).mean(axis=(1, 2)))[:, None, None, None]
    moves = np.diff(poses[:, :, root], axis=1)
    expected = (poses - poses[:, :, root : root + 1]) / size
    expected[:, :, root] = np.concatenate([moves[:, :1], moves], axis=1) / size[:, 0]
    mean, deviation = measure_statistics(tiny_data, sequences, window, views, batch=5)
    np.testing.assert_allclose(mean, expected.mean(axis=(0, 1)), atol=1e-5)
    np.testing.assert_allclose(deviation, expected.std(axis=(0, 1)), atol=1e-5)
    np.testing.assert_allclose(views.statistics.mean, mean, atol=1e-6)


def test_a_coordinate_that_never_changes_keeps_its_unit(tiny_config, tiny_data):
    tiny_config.data.views.normalisation = "root"
    tiny_config.data.window.frames = 1
    tiny_config.data.views.camera = None
    window = window_of(tiny_config.data)
    views = views_of(tiny_config, tiny_data)
    mean, deviation = measure_statistics(tiny_data, np.array([0]), window, views)
    assert (deviation == 1).all() and np.isfinite(mean).all()


def test_statistics_survive_the_meta_of_a_checkpoint():
    found = transforms.Statistics(np.float32([[0.1, 1 / 3]]), np.float32([[2.5, 1e-7]]))
    meta = {"statistics": {name: value.tolist() for name, value in found._asdict().items()}}
    again = statistics_of(meta)
    np.testing.assert_array_equal(again.mean, found.mean)
    np.testing.assert_array_equal(again.deviation, found.deviation)
    assert statistics_of({"statistics": None}) is None
