"""Drawn poses: what is written, where the pixels are, what is left out, what is refused."""

import importlib
import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from via_jax.data.readers import openpose
from via_jax.figures import skeleton
from via_jax.skeletons import Layout, get_layout

TINY = Layout("tiny", ("mid_hip", "left_wrist", "right_wrist"), ((0, 1), (0, 2)))
SIZE, GAP, TITLE = 96, 4, 12  # a panel of 96 pixels; gap and title follow from it
BLUE, ORANGE, GREY = skeleton.LEFT, skeleton.RIGHT, skeleton.TORSO


def moving(time=6, coords=2):
    """Hip at the origin, left wrist at (10, 0), right wrist falls from y=0 to y=10 (x=0)."""
    poses = np.zeros((time, 3, coords), np.float32)
    poses[:, 1, 0] = 10.0
    poses[:, 2, 1] = np.linspace(0, 10, time)
    return poses, np.ones((time, 3), bool)


def gif(path, frame=None):
    """All frames of a GIF, or one, [height, width, 3]."""
    with Image.open(path) as image:
        steps = ImageSequence.Iterator(image)
        frames = [np.asarray(step.convert("RGB")).astype(int) for step in steps]
    return frames if frame is None else frames[frame]


def like(picture, color, tolerance=24):
    """Where a picture has (almost) a color, [height, width] bool."""
    return (np.abs(picture - np.array(color)) <= tolerance).all(axis=-1)


@pytest.mark.parametrize("panels", [1, 3])
def test_gif_has_all_frames_and_its_size(tmp_path, panels):
    path = tmp_path / "new" / "folder" / "motion.gif"
    poses, valid = moving(6)
    skeleton.animate([("walk", poses, valid)] * panels, TINY, path, 10, size=SIZE)
    with Image.open(path) as image:
        assert image.size == (GAP + panels * (SIZE + GAP), TITLE + SIZE + GAP)
        assert image.info["duration"] == 100
        assert image.info["loop"] == 0  # for ever
    assert len(gif(path)) == 6


@pytest.mark.parametrize(("frame_rate", "frames"), [(30, 12), (50, 12), (60, 6), (120, 4)])
def test_gif_keeps_the_speed(tmp_path, frame_rate, frames):
    poses, valid = moving(12)
    skeleton.animate([("", poses, valid)], TINY, tmp_path / "a.gif", frame_rate, size=SIZE)
    with Image.open(tmp_path / "a.gif") as image:
        delays = [step.info["duration"] for step in ImageSequence.Iterator(image)]
    assert len(delays) == frames
    assert min(delays) >= 20  # milliseconds; players slow down what is faster
    assert sum(delays) == pytest.approx(1000 * 12 / frame_rate, abs=5)


def test_mp4_has_all_frames_and_its_size(tmp_path):
    poses, valid = moving(8)
    skeleton.animate([("a", poses, valid)] * 2, TINY, tmp_path / "a.mp4", 12.5, size=97)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(tmp_path / "a.mp4")]
    # Not imageio_ffmpeg's reader: it leaves its pipes open, and warnings are errors here.
    done = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    )
    width, height = 4 + 2 * (97 + 4), 12 + 97 + 4 + 1  # even, as the codec needs it
    assert f"{width}x{height}".encode() in done.stderr
    assert b"12.50 fps" in done.stderr
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    assert len(frames) == 8
    picture = frames[-1].astype(int)
    assert like(picture, BLUE, 60).sum() > 50
    assert like(picture, ORANGE, 60).sum() > 50


@pytest.mark.parametrize("y_up", [False, True])
def test_joints_are_where_they_should_be(tmp_path, y_up):
    poses, valid = moving(6)
    skeleton.animate([("", poses, valid)], TINY, tmp_path / "a.gif", 10, size=SIZE, y_up=y_up)
    last = gif(tmp_path / "a.gif", 5)
    # The poses fill a square of 10 units, drawn as 80 % of the panel in its middle.
    low, high = 0.1 * SIZE, 0.9 * SIZE
    hip_y, wrist_y = (high, low) if y_up else (low, high)
    expected = {GREY: (low, hip_y), BLUE: (high, hip_y), ORANGE: (low, wrist_y)}
    for color, (x, y) in expected.items():
        assert like(last, color)[TITLE + int(y), GAP + int(x)], (color, x, y)
    middle = TITLE + SIZE // 2, GAP + SIZE // 2
    assert like(last, (255, 255, 255))[middle]  # no bone between the wrists
    assert like(last, ORANGE)[middle[0], GAP + int(low)]  # half way along a bone
    first = gif(tmp_path / "a.gif", 0)  # the right wrist is still at the hip
    assert not like(first, ORANGE)[TITLE + int(wrist_y), GAP + int(low)]


def test_three_coords_seen_from_the_side():
    poses = np.array([[1.0, 5.0, 2.0], [-3.0, 4.0, 0.5]])
    np.testing.assert_array_equal(skeleton.project(poses, 0.0), poses[:, :2])
    # From positive x, what is far along z lies at the left.
    np.testing.assert_allclose(
        skeleton.project(poses, 90.0), [[-2.0, 5.0], [-0.5, 4.0]], atol=1e-12
    )
    np.testing.assert_allclose(skeleton.project(poses, 180.0), poses[:, :2] * [-1, 1], atol=1e-12)
    length = np.hypot(skeleton.project(poses, 30)[:, 0], skeleton.project(poses, 120)[:, 0])
    np.testing.assert_allclose(length, np.hypot(poses[:, 0], poses[:, 2]))  # a rotation


def test_scale_is_shared_equal_and_ignores_outliers():
    random = np.random.default_rng(0)
    points = random.uniform(0, [30, 60], (40, 3, 2))
    valid = np.ones((40, 3), bool)
    pixels = skeleton.fit(points, valid, 100, 100, False)
    steps = np.diff(pixels, axis=0) / np.diff(points, axis=0)
    np.testing.assert_allclose(steps, steps[0, 0, 0])  # x and y, all frames
    assert pixels.min() >= 10 - 1e-6
    assert pixels.max() <= 90 + 1e-6
    upside = skeleton.fit(points, valid, 100, 100, True)
    np.testing.assert_allclose(upside[..., 1], 100 - pixels[..., 1])

    broken = points.copy()
    broken[7, 1] = 1e7
    seen = skeleton.fit(broken, valid, 100, 100, False)
    valid[7, 1] = False
    np.testing.assert_allclose(
        seen[valid], skeleton.fit(points, valid, 100, 100, False)[valid], atol=1e-6
    )
    assert np.abs(seen).max() <= 1000  # drawable


def test_a_short_high_kick_is_not_cut():
    points = np.random.default_rng(1).uniform(0, 10, (200, 3, 2))
    points[50, 2] = [5.0, -4.0]
    pixels = skeleton.fit(points, np.ones((200, 3), bool), 100, 100, False)
    assert pixels.min() >= 10 - 1e-6


def test_one_point_lies_in_the_middle():
    pixels = skeleton.fit(np.full((1, 1, 2), 7.0), np.ones((1, 1), bool), 80, 100, False)
    np.testing.assert_allclose(pixels, [[[40, 50]]])


@pytest.mark.parametrize("hidden", [3.0, np.nan])
def test_invalid_joints_and_their_bones_are_not_drawn(tmp_path, hidden):
    poses, valid = moving(6)
    valid[:, 2] = False
    valid[3:, 0] = False
    poses[~valid] = hidden  # inside the panel, if it were drawn
    skeleton.animate([("", poses, valid)], TINY, tmp_path / "a.gif", 10, size=SIZE)
    frames = gif(tmp_path / "a.gif")
    # With and without the hip; the equal frames of each half are stored once.
    assert len(frames) == 2
    both, wrist_only = (frame[TITLE:] for frame in frames)
    assert not like(both, ORANGE).any()
    assert not like(wrist_only, ORANGE).any()
    assert like(both, GREY).any()
    assert not like(wrist_only, GREY).any()
    assert like(both, BLUE).sum() > 3 * like(wrist_only, BLUE).sum() > 0  # no bone, one dot


def test_side_colors():
    assert skeleton._color("left_hip", "left_knee") == BLUE
    assert skeleton._color("neck", "right_shoulder") == ORANGE
    assert skeleton._color("left_shoulder", "right_shoulder") == GREY
    assert skeleton._color("neck", "mid_hip") == GREY


def test_trace_shows_where_a_joint_was(tmp_path):
    poses, valid = moving(6)
    poses[:, 1, 0] = np.linspace(10, 6, 6)
    spot = TITLE + int(0.1 * SIZE), GAP + int(0.9 * SIZE)  # of the left wrist at first
    for trace, visible in [(0, False), (2, False), (5, True)]:
        path = tmp_path / f"{trace}.gif"
        skeleton.animate([("", poses, valid)], TINY, path, 10, size=SIZE, trace=trace)
        red, _, blue = gif(path, 5)[spot]
        assert (blue > red + 8) == visible  # a faint blue instead of white
        assert red > 150


def test_long_titles_stay_in_their_panel(tmp_path):
    poses, valid = moving(2)
    panels = [("x" * 200, poses, valid), ("", poses, valid)]
    skeleton.animate(panels, TINY, tmp_path / "a.gif", 10, size=SIZE)
    titles = gif(tmp_path / "a.gif", 0)[:TITLE]
    dark = titles.sum(axis=-1) < 600
    assert dark[:, GAP : GAP + SIZE].any()
    assert not dark[:, GAP + SIZE + 1 :].any()


@pytest.mark.parametrize("titles", [None, ("first", "second")])
def test_contact_sheet(tmp_path, titles):
    poses, valid = moving(9)
    path = tmp_path / "sheet.png"
    skeleton.contact_sheet(
        [poses, poses[::2] * 100], [valid, valid[::2]], TINY, path, 3, titles=titles, size=SIZE
    )
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB")).astype(int)
    gap, title = SIZE // 16, 0 if titles is None else SIZE // 6
    assert picture.shape == (gap + 2 * (title + SIZE + gap), gap + 3 * (SIZE + gap), 3)
    for row in range(2):  # the right wrist: at the hip, half way down, at the lower end
        top = gap + row * (title + SIZE + gap) + title
        for column, reached in enumerate([0.1, 0.5, 0.9]):
            left = gap + column * (SIZE + gap)
            x = left + int(0.1 * SIZE)
            assert like(picture, ORANGE)[top + int(reached * SIZE), x], (row, column)
            assert not like(picture, ORANGE)[top + int((reached + 0.09) * SIZE), x]


def test_real_recording(tmp_path, shared_data):
    item = openpose.find(shared_data / "openpose_videos" / "model")[0]
    clip = openpose.read(item)
    layout = get_layout(clip.layout)
    poses, valid = clip.poses[0, :60], clip.valid[0, :60]
    skeleton.animate([("a", poses, valid)] * 3, layout, tmp_path / "a.gif", 30)
    assert len(gif(tmp_path / "a.gif")) == len(poses)
    assert (tmp_path / "a.gif").stat().st_size < 1e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "a.avi"}, r"'a.avi'; expected a name that ends in .gif or .mp4"),
        ({"path": "a"}, r"ends in .gif or .mp4"),
        ({"panels": []}, "at least one"),
        ({"frame_rate": 0}, "frame_rate=0 must be positive"),
        ({"frame_rate": float("nan")}, "frame_rate=nan"),
        ({"size": 63}, "size=63"),
        ({"trace": -1}, "trace=-1"),
        ({"yaw": 30.0}, r"yaw=30.0 needs 3D poses"),
    ],
)
def test_animate_refuses_settings(tmp_path, change, message):
    good = {"panels": [("a", *moving(6))], "layout": TINY, "path": "a.gif", "frame_rate": 10}
    arguments = {**good, **change}
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(ValueError, match=message):
        skeleton.animate(**arguments)
    assert not list(tmp_path.iterdir())


def test_animate_refuses_panels(tmp_path):
    poses, valid = moving(6)
    broken = poses.copy()
    broken[4, 2, 1] = np.nan
    cases = [
        ((poses[None], valid[None]), r"'bad': poses have shape \(1, 6, 3, 2\).*pick one person"),
        ((poses[:, :2], valid[:, :2]), r"\(6, 2, 2\); expected .* 3 joints \(layout tiny\)"),
        ((poses[..., :1], valid), "2 or 3 coords"),
        ((poses[:0], valid[:0]), r"poses have shape \(0, 3, 2\)"),
        ((poses, valid[:5]), r"valid has shape \(5, 3\); expected \(6, 3\)"),
        ((poses, ~valid), "panel 'bad': no valid joint"),
        ((broken, valid), "frame 4, joint right_wrist"),
        ((poses[:4], valid[:4]), r"\[6, 4\] frames; expected equally many"),
    ]
    for bad, message in cases:
        panels = [("good", poses, valid), ("bad", *bad)]
        with pytest.raises(ValueError, match=message):
            skeleton.animate(panels, TINY, tmp_path / "a.gif", 10)


def test_contact_sheet_refuses(tmp_path):
    poses, valid = moving(4)
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match=r"ends in .png"):
        skeleton.contact_sheet([poses], [valid], TINY, tmp_path / "a.jpg", 2)
    with pytest.raises(ValueError, match="2 poses, 1 valid, no titles"):
        skeleton.contact_sheet([poses, poses], [valid], TINY, path, 2)
    with pytest.raises(ValueError, match="0 poses"):
        skeleton.contact_sheet([], [], TINY, path, 2)
    with pytest.raises(ValueError, match="1 valid, 2 titles"):
        skeleton.contact_sheet([poses], [valid], TINY, path, 2, titles=["a", "b"])
    with pytest.raises(ValueError, match="row 1: no valid joint"):
        skeleton.contact_sheet([poses, poses], [valid, ~valid], TINY, path, 2)
    for count in (0, 5):
        with pytest.raises(ValueError, match=rf"count={count} must lie in \[1, 4\]"):
            skeleton.contact_sheet([poses], [valid], TINY, path, count)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    poses, valid = moving(2)
    with pytest.raises(ImportError, match=r"imageio_ffmpeg.*pip install via_jax\[viz\]"):
        skeleton.animate([("", poses, valid)], TINY, tmp_path / "a.mp4", 10)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "via_jax.figures.skeleton")
    with pytest.raises(ImportError, match=r"PIL.*pip install via_jax\[viz\]"):
        importlib.import_module("via_jax.figures.skeleton")
