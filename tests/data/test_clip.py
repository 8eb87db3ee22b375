import dataclasses

import numpy as np
import pytest

from via_jax.data.clip import Clip, check_clip


def clip_with(poses=None, valid=None, **facts):
    """Two persons, five frames of 2D penn13 unless told otherwise."""
    if poses is None:
        poses = np.random.default_rng(0).normal(size=(2, 5, 13, 2)).astype(np.float32)
    if valid is None:
        valid = np.ones(poses.shape[:3], bool)
    return Clip(poses, valid, **{"layout": "penn13", "name": "wave_01", **facts})


def test_a_good_clip_passes_unchanged():
    clip = clip_with()
    assert check_clip(clip) is clip
    assert (clip.num_persons, clip.num_frames) == (2, 5)


def test_three_coords_pass():
    check_clip(clip_with(np.ones((1, 2, 13, 3), np.float32)))


def test_a_missing_joint_may_hold_anything():
    clip = clip_with()
    clip.poses[0, 1, 2], clip.valid[0, 1, 2] = (np.nan, np.inf), False
    check_clip(clip)


def test_one_frame_passes_where_it_is_asked_for():
    still = clip_with(np.ones((1, 1, 13, 2), np.float32))
    check_clip(still, min_frames=1)
    with pytest.raises(ValueError, match=r"'wave_01': 1 frame\(s\); expected at least 2; one pose"):
        check_clip(still)
    with pytest.raises(ValueError, match=r"5 frame.*at least 6"):
        check_clip(clip_with(), min_frames=6)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 13, 2), r"\(5, 13, 2\); expected \[persons, time.*add a persons axis"),
        ((1, 5, 12, 2), r"12 joints and 2 coords; expected 13 joints \(layout penn13\)"),
        ((1, 5, 13, 4), "13 joints and 4 coords; expected .* 2 or 3 coords"),
        ((1, 5, 13, 1), "13 joints and 1 coords"),
        ((1, 13, 5, 2), "axis of size 13 stands elsewhere: are axes transposed"),
        ((1, 2, 5, 13), "axis of size 13 stands elsewhere: are axes transposed"),
        ((0, 5, 13, 2), "no person; expected at least one"),
        ((1, 0, 13, 2), r"0 frame\(s\)"),
    ],
)
def test_bad_shapes_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        check_clip(clip_with(np.ones(shape, np.float32)))


def test_no_hint_at_transposed_axes_where_there_is_none():
    with pytest.raises(ValueError, match="in the order") as refused:
        check_clip(clip_with(np.ones((1, 5, 12, 2), np.float32)))
    assert "transposed" not in str(refused.value)


def test_valid_must_fit_the_poses():
    with pytest.raises(ValueError, match=r"valid has shape \(1, 5, 13\); expected \(2, 5, 13\)"):
        check_clip(clip_with(valid=np.ones((1, 5, 13), bool)))


def test_a_clip_without_any_joint_is_refused():
    with pytest.raises(ValueError, match="all joints are missing in all frames"):
        check_clip(clip_with(valid=np.zeros((2, 5, 13), bool)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_number_that_is_none_is_located(bad):
    clip = clip_with()
    clip.poses[1, 3, 4, 1] = clip.poses[1, 4, 0, 0] = bad
    with pytest.raises(ValueError, match="NaN or infinity at person 1, frame 3, joint 4"):
        check_clip(clip)


def test_unknown_layouts_are_refused():
    with pytest.raises(ValueError, match=r"unknown layout: 'penn14'.*penn13"):
        check_clip(dataclasses.replace(clip_with(), layout="penn14"))
