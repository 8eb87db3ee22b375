import dataclasses
import shutil
from typing import Any

import numpy as np
import pytest

from via_jax.data import clusters, store
from via_jax.data.clip import Clip
from via_jax.data.sampling import Window
from via_jax.data.views import Views
from via_jax.data.writer import write
from via_jax.skeletons import get_layout

LAYOUT = get_layout("penn13")
WINDOW = Window(4, 8, "resample", 1.0, (1.0, 1.0))
VIEWS = Views(
    layout=LAYOUT,
    coords=2,
    normalisation="body",
    y_up=False,
    face_front=False,
    camera=None,
    test_camera=None,
    bone_spread=0.0,
    move={},
    mirror=0.0,
    noise=0.0,
    lost_joints=0.0,
)
GROUP = np.arange(24) % 3  # how each clip moves


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """24 clips, in which another arm or leg is stretched far out; places and sizes differ."""
    rng = np.random.default_rng(0)
    body = rng.normal(size=(13, 2))
    clips = []
    for i, group in enumerate(GROUP):
        frames = 5 + i % 4
        poses = np.repeat(body[None, None], frames, axis=1)
        joint = LAYOUT.index(("left_wrist", "right_wrist", "left_ankle")[group])
        poses[..., joint, :] += 6 * np.linspace(0.5, 1, frames)[:, None]
        poses = (
            poses * rng.uniform(20, 60) + rng.uniform(100, 500, 2) + rng.normal(size=poses.shape)
        )
        valid = np.ones(poses.shape[:3], bool)
        clips.append(Clip(poses.astype(np.float32), valid, layout="penn13", name=f"{i:02d}"))
    folder = tmp_path_factory.mktemp("clusters") / "made"
    return write(folder, clips, dataset="made", splits=lambda clip: {})


@pytest.fixture
def data(prepared, tmp_path):
    """A copy without cached clusters."""
    return store.load(shutil.copytree(prepared.folder, tmp_path / "made"))


def clusters_of(data, sequences=None, **settings):
    sequences = np.arange(24) if sequences is None else sequences
    fixed = {"count": 3, "window": WINDOW, "views": VIEWS, "seed": 0}
    return clusters.clusters_of(data, sequences, **{**fixed, **settings})


def cached(data):
    return sorted(path.name for path in data.folder.glob("clusters-*.npy"))


def test_features_are_centred_and_scaled_windows(prepared):
    sequences = np.array([3, 0, 7, 2])
    features = clusters.cluster_features(prepared, sequences, WINDOW, VIEWS, batch=2)
    assert features.shape == (4, 8 * 13 * 2) and features.dtype == np.float32
    for row, sequence in zip(features, sequences, strict=True):
        poses = prepared.read(sequence).poses[0]
        position = np.linspace(0, len(poses) - 1, 4)[np.arange(8) % 4]
        low = np.floor(position).astype(int)
        share = (position - low)[:, None, None]
        window = (1 - share) * poses[low] + share * poses[np.minimum(low + 1, len(poses) - 1)]
        hips = window[:, list(LAYOUT.hips)].mean(axis=1)
        scale = np.square(window - hips[:, None]).sum(axis=-1).mean() ** 0.5
        expected = (window - hips.mean(axis=0)) / scale
        np.testing.assert_allclose(row.reshape(8, 13, 2), expected, atol=1e-4)


def test_alike_motions_share_a_cluster(data):
    found = clusters_of(data)
    assert found.dtype == np.int32 and found.shape == (24,)
    first = found[:3]
    assert sorted(first) == [0, 1, 2]
    np.testing.assert_array_equal(found, first[GROUP])


def test_clusters_are_read_again(data):
    found = clusters_of(data)
    (name,) = cached(data)
    np.testing.assert_array_equal(np.load(data.folder / name), found)
    np.save(data.folder / name, found + 40)
    np.testing.assert_array_equal(clusters_of(data), found + 40)  # not computed anew


def test_clusters_are_deterministic(data):
    found = clusters_of(data)
    (data.folder / cached(data)[0]).unlink()
    np.testing.assert_array_equal(clusters_of(data), found)


def test_every_question_has_an_answer_of_its_own(data, monkeypatch):
    monkeypatch.setattr(
        clusters, "cluster_features", lambda data, sequences, *_: np.eye(len(sequences))
    )
    clusters_of(data)
    manifest = {**data.manifest, "sha256": {"frames.bin": "other"}}
    changes: tuple[dict[str, Any], ...] = (
        {"count": 4},
        {"seed": 1},
        {"sequences": np.arange(12)},
        {"window": dataclasses.replace(WINDOW, frames=5)},
        {"data": dataclasses.replace(data, manifest=manifest)},
    )
    for i, change in enumerate(changes):
        clusters_of(**{"data": data, **change})
        assert len(cached(data)) == 2 + i
    clusters_of(data, views=VIEWS._replace(mirror=0.5))  # clusters do not see training
    assert len(cached(data)) == 1 + len(changes)


def test_clusters_are_formed_in_the_own_view(data, monkeypatch):
    seen = []

    def features(data, sequences, window, views):
        seen.append(views)
        return np.eye(len(sequences))

    monkeypatch.setattr(clusters, "cluster_features", features)
    views = VIEWS._replace(test_camera={"yaw": (0.0, 1.0)}, normalisation="screen")
    clusters_of(data, views=views)
    assert seen[0].test_camera is None and seen[0].normalisation == "body"


def test_a_data_set_that_cannot_be_written_works_as_well(data, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(np, "save", refuse)
    assert len(np.unique(clusters_of(data))) == 3
    assert not cached(data)


def test_no_clusters_leave_everyone_alone(data):
    np.testing.assert_array_equal(clusters_of(data, np.arange(5, 12), count=0), np.arange(7))
    assert not cached(data)


@pytest.mark.parametrize("count", [-1, 1, 6])
def test_counts_that_do_not_fit(data, count):
    with pytest.raises(ValueError, match=f"{count} clusters of 5 sequences; expected 2 to 5, or 0"):
        clusters_of(data, np.arange(5), count=count)
