"""Grids of poses: where cells lie, what is drawn in them, what is refused."""

import numpy as np
import pytest
from PIL import Image

from via_jax.figures import grid
from via_jax.figures.skeleton import LEFT
from via_jax.skeletons import get_layout

UNIK = get_layout("unik17")


def poses_of(rows, columns, coords=2):
    rng = np.random.default_rng(0)
    poses = np.tile(rng.normal(size=(1, 1, 17, coords)), (rows, columns, 1, 1))
    return poses, np.ones((rows, columns, 17), bool)


def left_pixels(path):
    """How many pixels of each column of the picture have the colour of left limbs."""
    with Image.open(path) as image:
        colors = np.asarray(image.convert("RGB")).astype(int)
    return (np.abs(colors - np.array(LEFT)) < 24).all(axis=-1)


@pytest.mark.parametrize("coords", [2, 3])
def test_a_pose_in_every_cell_but_the_invalid_one(tmp_path, coords):
    poses, valid = poses_of(2, 4, coords)
    valid[1, 2] = False
    path = tmp_path / "new" / "grid.png"
    grid.grid(poses, valid, UNIK, path, ["one", "two"], ["a", "b"], group=2)
    blue = left_pixels(path)
    upper, lower = blue[28 : 28 + 110], blue[28 + 114 :]
    seen = [np.flatnonzero(part.any(axis=0)) for part in (upper, lower)]
    pieces = [np.split(x, np.flatnonzero(np.diff(x) > 6) + 1) for x in seen]
    assert [len(piece) for piece in pieces] == [4, 3]
    starts = [piece[0] for piece in pieces[0]]
    near, far, again = np.diff(starts)
    assert near == again and far == near + 10  # groups stand apart
    assert path.stat().st_size < 300_000


def test_all_poses_have_one_scale_and_one_root(tmp_path, monkeypatch):
    poses, valid = poses_of(1, 2)
    poses[0, 1] = 0.5 * poses[0, 1] + 7.0
    drawn = []
    figure = grid.stick_figure

    def keep(points, *args):
        drawn.append(points[0])
        return figure(points, *args)

    monkeypatch.setattr(grid, "stick_figure", keep)
    grid.grid(poses, valid, UNIK, tmp_path / "a.png", ["row"], ["a", "b"])
    root = UNIK.parents.index(-1)
    large, small = (points - points[root] for points in drawn)
    np.testing.assert_allclose(small, 0.5 * large, atol=1e-9)
    np.testing.assert_allclose(drawn[0][root], drawn[1][root])
    assert np.abs(large).max() > 20  # pixels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "a.gif"}, "ends in .png"),
        ({"rows": ["a"]}, r"expected \(1, 3, 17\)"),
        ({"columns": ["a"]}, r"expected \(2, 1, 17\)"),
        ({"rows": []}, r"expected \(0, 3, 17\)"),
        ({"valid": np.zeros((2, 3, 17), bool)}, "nothing to draw"),
        ({"poses": np.full((2, 3, 17, 2), np.nan)}, "NaN or infinity"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, change, message):
    poses, valid = poses_of(2, 3)
    given = {"poses": poses, "valid": valid, "layout": UNIK, "path": "a.png"}
    given |= {"rows": ["a", "b"], "columns": ["x", "y", "z"]} | change
    given["path"] = tmp_path / given["path"]
    with pytest.raises(ValueError, match=message):
        grid.grid(**given)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def drawn(monkeypatch):
    """What `grid` is called with, without drawing."""
    calls = []
    monkeypatch.setattr(grid, "grid", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


def test_canonical_poses_lie_under_the_inputs(drawn):
    rng = np.random.default_rng(0)
    inputs, canonical = rng.normal(size=(2, 2, 3, 12, 17, 2))  # [clips, views, time, ...]
    known = rng.random((2, 3, 17)) > 0.3
    grid.canonical_sheet(
        inputs, canonical, known, UNIK, "a.png", ["sit", "run"], ["l", "m", "r"], y_up=False
    )
    (((poses, valid, _, path, rows, columns), how),) = drawn
    assert (path, columns, how) == ("a.png", ["l", "m", "r"], {"y_up": False, "group": 3})
    assert rows == ["sit: input", "sit: canonical", "run: input", "run: canonical"]
    assert poses.shape == (4, 9, 17, 2)
    for row, source in enumerate((inputs, canonical, inputs, canonical)):
        for column in range(9):
            view, now = column // 3, (2, 6, 10)[column % 3]
            np.testing.assert_array_equal(poses[row, column], source[row // 2, view, now])
            np.testing.assert_array_equal(valid[row, column], known[row // 2, view])


def test_a_traversal_shows_the_middle_frame(drawn):
    poses = np.random.default_rng(0).normal(size=(2, 3, 9, 17, 3))
    known = np.arange(17) != 4
    grid.traversal_sheet(poses, known, UNIK, "a.png", [7, 1], [-1.5, 0.0, 2.0], y_up=True)
    (((shown, valid, _, _, rows, columns), how),) = drawn
    np.testing.assert_array_equal(shown, poses[:, :, 4])
    assert valid.shape == (2, 3, 17) and (valid == known).all()
    assert rows == ["direction 7", "direction 1"] and how == {"y_up": True}
    assert columns == ["-1.5 sd", "mean", "+2 sd"]
