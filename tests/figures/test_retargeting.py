"""Films of driver, source and result: what is handed to the drawing, and what is drawn."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageSequence

from via_jax.data.clip import Clip
from via_jax.data.prepare import to_layout
from via_jax.figures import retargeting, skeleton
from via_jax.skeletons import get_layout


def moving(layout, frames, seed, coords=2, **facts):
    joints = get_layout(layout).num_joints
    poses = np.random.default_rng(seed).normal(size=(1, frames, joints, coords))
    valid = np.ones((1, frames, joints), bool)
    return Clip(poses.astype(np.float32), valid, layout, **{"name": f"clip{seed}"} | facts)


@pytest.fixture
def clips():
    """Driver, source (shorter, of another layout) and result."""
    driving = moving("unik17", 5, 0, frame_rate=12.5)
    return driving, moving("coco17", 3, 1), moving("coco17", 5, 2)


@pytest.fixture
def drawn(monkeypatch):
    """What `animate` is called with, without drawing."""
    calls = []
    monkeypatch.setattr(retargeting, "animate", lambda *args: calls.append(args))
    return calls


@pytest.mark.parametrize("with_truth", [False, True])
def test_a_gif_of_three_or_four_panels(tmp_path, clips, with_truth):
    truth = moving("unik17", 5, 3) if with_truth else None
    retargeting.film(*clips, tmp_path / "a.gif", "unik17", truth)
    panels = 4 if with_truth else 3
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size[0] == pytest.approx(240 * panels, rel=0.1)
        steps = ImageSequence.Iterator(image)
        frames = [np.asarray(step.convert("RGB")).astype(int) for step in steps]
        assert image.info["duration"] == 80  # milliseconds, of the driver's 12.5 frames a second
    assert len(frames) == 5
    for part in np.array_split(frames[0], panels, axis=1):  # left limbs in every panel
        assert (np.abs(part - np.array(skeleton.LEFT)) < 24).all(axis=-1).sum() > 50


def test_every_panel_is_as_long_as_the_result(clips, drawn):
    driving, source, result = clips
    truth = moving("unik17", 9, 3)
    retargeting.film(driving, source, result, "a.gif", "unik17", truth)
    ((panels, layout, path, frame_rate),) = drawn
    assert (layout.name, path, frame_rate) == ("unik17", "a.gif", 12.5)
    assert [title for title, _, _ in panels] == ["driver", "source", "retargeted", "truth"]
    rows = (range(5), (0, 1, 2, 0, 1), range(5), range(5))  # repeated or cut
    for (_, poses, valid), clip, kept in zip(panels, (*clips, truth), rows, strict=True):
        expected = to_layout(clip, "unik17")
        np.testing.assert_array_equal(poses, expected.poses[0, list(kept)])
        np.testing.assert_array_equal(valid, expected.valid[0, list(kept)])


def test_y_grows_downwards_and_3d_is_seen_along_z(drawn):
    solid = moving("unik17", 4, 0, coords=3, y_up=True)
    upside_down = dataclasses.replace(solid, y_up=False)
    retargeting.film(solid, upside_down, solid, "a.gif", "unik17")
    driver, source, _ = (poses for _, poses, _ in drawn[0][0])
    np.testing.assert_array_equal(driver, solid.poses[0, ..., :2] * np.float32([1, -1]))
    np.testing.assert_array_equal(source, solid.poses[0, ..., :2])


def test_an_unknown_frame_rate_is_30(clips, drawn):
    driving, source, result = clips
    driving = dataclasses.replace(driving, frame_rate=None)
    retargeting.film(driving, source, result, "a.gif", "unik17")
    assert drawn[0][3] == 30.0


def test_the_most_moving_person_is_shown(clips, drawn):
    driving, source, result = clips
    among = [
        dataclasses.replace(
            clip,
            poses=np.concatenate([0.1 * clip.poses, clip.poses]),
            valid=np.concatenate([clip.valid, clip.valid]),
        )
        for clip in (driving, source)
    ]
    retargeting.film(*among, result, "a.gif", "unik17")
    retargeting.film(driving, source, result, "a.gif", "unik17")
    for (_, first, _), (_, second, _) in zip(drawn[0][0], drawn[1][0], strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_sheet_has_a_row_for_each_clip(tmp_path, clips):
    retargeting.sheet(*clips, tmp_path / "a.png", "unik17", 4)
    with Image.open(tmp_path / "a.png") as image:
        colors = np.asarray(image.convert("RGB")).astype(int)
    assert (tmp_path / "a.png").stat().st_size < 300_000
    for part in np.array_split(colors, 3):  # left limbs in every row
        assert (np.abs(part - np.array(skeleton.LEFT)) < 24).all(axis=-1).sum() > 50


def test_a_sheet_shows_what_the_film_shows(clips, drawn, monkeypatch):
    calls = []
    monkeypatch.setattr(retargeting, "contact_sheet", lambda *args, **named: calls.append(args))
    truth = moving("unik17", 9, 3)
    retargeting.film(*clips, "a.gif", "unik17", truth)
    retargeting.sheet(*clips, "a.png", "unik17", 3, truth)
    ((poses, valid, layout, path, count),) = calls
    assert (layout.name, path, count) == ("unik17", "a.png", 3)
    for index, (_, film_poses, film_valid) in enumerate(drawn[0][0]):
        np.testing.assert_array_equal(poses[index], film_poses)
        np.testing.assert_array_equal(valid[index], film_valid)


def test_another_suffix_is_refused(tmp_path, clips):
    with pytest.raises(ValueError, match=r"'a.avi'; expected a name that ends in .gif or .mp4"):
        retargeting.film(*clips, tmp_path / "a.avi", "unik17")
