"""A clip through windows and back."""

import numpy as np
import pytest

from via_jax.data.sampling import Window
from via_jax.evaluation.sliding import cover, join, look


def window_of(frames, sampling="crop"):
    return Window(frames, 8, sampling, 1.0, (1.0, 1.0))


@pytest.mark.parametrize("frames", [1, 2, 7, 11, 12, 13, 18, 100])
@pytest.mark.parametrize("sampling", ["crop", "resample"])
def test_every_frame_is_seen_and_nothing_else(frames, sampling):
    positions = cover(frames, window_of(12, sampling))
    assert positions.shape[1] == 16  # padded
    assert positions.min() == 0 and positions.max() == frames - 1
    if sampling == "crop":
        assert set(positions.ravel().astype(int)) == set(range(frames))
    else:
        assert len(positions) == 1


def test_windows_stand_half_a_window_apart_and_end_with_the_clip():
    positions = cover(31, window_of(12))
    np.testing.assert_array_equal(positions[:, 0], [0, 6, 12, 18, 19])
    np.testing.assert_array_equal(positions[-1], [*range(19, 31), *range(19, 23)])


def test_look_interpolates_between_frames():
    sequence = np.array([[0.0, 10.0], [2.0, 30.0], [4.0, 30.0]])
    seen = look(sequence, np.array([[0.5, 2.0], [0.0, 1.25]]))
    np.testing.assert_allclose(seen, [[[1, 20], [4, 30]], [[0, 10], [2.5, 30]]])


@pytest.mark.parametrize("frames", [1, 5, 12, 13, 40])
def test_what_windows_saw_is_the_clip_again(frames):
    clip = np.random.default_rng(0).normal(size=(frames, 3, 2))
    window = window_of(12)
    again = join(look(clip, cover(frames, window)), frames, window)
    np.testing.assert_allclose(again, clip, atol=1e-6)


def test_a_resampled_clip_is_stretched_back():
    clip = np.linspace(0, 1, 37)[:, None, None] * np.ones((1, 3, 2))  # even motion survives
    window = window_of(16, "resample")
    again = join(look(clip, cover(37, window)), 37, window)
    np.testing.assert_allclose(again, clip, atol=1e-6)


def test_windows_that_disagree_are_cross_faded():
    window = window_of(8)
    parts = np.zeros((2, 8, 1))
    parts[1] = 1.0  # frames 4 to 11
    joined = join(parts, 12, window)[:, 0]
    # t = 1/8, 3/8, 5/8, 7/8 of the overlap: t^4 (35 - 84 t + 70 t^2 - 20 t^3) by hand.
    share = [0.0062389, 0.2430205, 0.7569795, 0.9937611]
    np.testing.assert_allclose(joined, [0, 0, 0, 0, *share, 1, 1, 1, 1], atol=1e-6)
