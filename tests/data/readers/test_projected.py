"""Projected recordings: two orthographic cameras a clip, each a turn of the recorded body."""

import numpy as np
import pytest

from via_jax.data import splits
from via_jax.data.readers import prepared, projected


@pytest.fixture(scope="module")
def clips(tiny_data):
    items = projected.find(tiny_data.folder)
    assert len(items) == 2 * tiny_data.manifest["clips"]
    return [projected.read(item) for item in items[:6]]


def test_both_cameras_see_a_turned_body(tiny_data, clips):
    """A third coordinate exists that makes all distances those of the recording, for both."""
    for index, clip in enumerate(clips):
        whole = prepared.read((tiny_data.folder, index // 2)).poses[0, 0].astype(np.float64)
        seen = clip.poses[0, 0].astype(np.float64)
        turned, *_ = np.linalg.lstsq(np.c_[whole, np.ones(17)], seen, rcond=None)
        rows = turned[:3].T  # of a rotation: orthonormal
        np.testing.assert_allclose(rows @ rows.T, np.eye(2), atol=1e-3)
        np.testing.assert_allclose(np.c_[whole, np.ones(17)] @ turned, seen, atol=1e-3)
        elevation = np.rad2deg(np.arccos(min(1.0, abs(rows[1, 1]))))
        assert elevation <= 30.1 and rows[1, 1] < 0  # y grows downwards
    assert not np.allclose(clips[0].poses, clips[1].poses, atol=0.05)


def test_names_cameras_and_roles(tiny_data, clips):
    assert [clip.camera for clip in clips[:2]] == ["1", "2"]
    assert clips[0].name.endswith("/camera1") and len({clip.name for clip in clips}) == 6
    assert clips[0].label == clips[1].label and not clips[0].y_up
    again = projected.read(projected.find(tiny_data.folder)[0])
    np.testing.assert_array_equal(again.poses, clips[0].poses)
    roles = [splits.split_of("projected", clip) for clip in clips[:2]]
    assert [role["cross_view"] for role in roles] == ["train", "test"]
    own = clips[0].split
    assert [("cross_view_subject" in role) for role in roles] == [own == "train", own == "test"]
