"""Maps of codes: what is embedded, what is drawn and named, what is refused."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from via_jax.figures import code_map


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved, to look at their axes."""
    saved = []
    canvas = code_map.FigureCanvasAgg
    monkeypatch.setattr(
        code_map, "FigureCanvasAgg", lambda figure: (saved.append(figure), canvas(figure))[1]
    )
    return saved


def maps_of(count):
    rng = np.random.default_rng(0)
    return {"motion": rng.normal(size=(count, 2)), "character": rng.normal(size=(count, 2))}


def test_groups_that_are_far_apart_stay_apart():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(24, 6))
    features[12:] += 100.0
    points = code_map.embed(features, 0)
    assert points.shape == (24, 2)
    first, second = points[:12], points[12:]
    apart = np.linalg.norm(first.mean(axis=0) - second.mean(axis=0))
    assert apart > 2 * max(first.std(), second.std())
    np.testing.assert_array_equal(points, code_map.embed(features, 0))


def test_three_points_are_too_few():
    with pytest.raises(ValueError, match="3 rows; t-SNE needs at least 4"):
        code_map.embed(np.zeros((3, 2)), 0)


def test_a_panel_for_each_map_and_known_label(tmp_path, figures):
    labels = {
        "view": np.repeat(["60", "-60", "0"], 20),
        "subject": np.full(60, ""),  # not known of this data set
        "action": np.repeat(["wave", "sit", ""], [30, 20, 10]),
    }
    path = tmp_path / "new" / "map.png"
    maps = maps_of(60)
    code_map.code_map(maps, labels, path)
    with Image.open(path) as image:
        assert image.format == "PNG" and image.width > 700
    assert path.stat().st_size < 300_000
    (figure,) = figures
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "motion, by view",
        "motion, by action",
        "character, by view",
        "character, by action",
    ]
    legends = [axes.get_legend() for axes in figure.axes]
    assert legends[:2] == [None, None]  # one under each column
    names = [[text.get_text() for text in legend.get_texts()] for legend in legends[2:]]
    assert names == [["-60", "0", "60"], ["sit", "wave", "unknown"]]
    drawn = {
        scatter.get_label(): np.asarray(scatter.get_offsets())
        for scatter in figure.axes[2].collections
    }
    for name, points in drawn.items():
        expected = maps["character"][labels["view"] == name]
        np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0))
    colors = {to_hex(scatter.get_facecolor()[0]) for scatter in figure.axes[2].collections}
    assert len(colors) == 3


def test_rare_values_share_a_light_grey(tmp_path, figures):
    values = np.array([f"class {index:02d}" for index in range(21) for _ in range(3)] + ["rare"])
    code_map.code_map({"motion": maps_of(64)["motion"]}, {"action": values}, tmp_path / "a.png")
    scatters = figures[0].axes[0].collections
    assert [scatter.get_label() for scatter in scatters] == [*np.unique(values)[:21], "others"]
    assert to_hex(scatters[-1].get_facecolor()[0]) == code_map._REST.lower()


@pytest.mark.parametrize(
    ("maps", "labels", "message"),
    [
        ({}, {"view": np.array(["a"])}, "0 maps and 1 known labels"),
        ({"motion": np.zeros((1, 2))}, {"view": np.array([""])}, "1 maps and 0 known labels"),
        ({"motion": np.zeros((2, 2))}, {"view": np.array(["a"])}, r"expected finite \(1, 2\)"),
        ({"motion": np.full((1, 2), np.nan)}, {"view": np.array(["a"])}, "expected finite"),
        (
            {"motion": np.zeros((1, 2))},
            {"view": np.array(["a"]), "action": np.array(["a", "b"])},
            "label 'action' has 2 values; expected 1",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, maps, labels, message):
    with pytest.raises(ValueError, match=message):
        code_map.code_map(maps, labels, tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"ends in \.png"):
        code_map.code_map(maps_of(1), {"view": np.array(["a"])}, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
