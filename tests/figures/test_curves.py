"""Curves and matrices as pictures: what is written, what is drawn, what is refused."""

import importlib
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from via_jax.figures import curves

RECORDS = [
    {"step": step, "loss": 3.0 / (step + 1), "accuracy": step / 10, "rate": 1e-3}
    for step in range(10)
]


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved, to look at their axes."""
    saved = []
    save = curves.save_png

    def keep(figure, path):
        saved.append(figure)
        save(figure, path)

    monkeypatch.setattr(curves, "save_png", keep)
    return saved


def test_a_plot_per_scalar(tmp_path, figures):
    path = tmp_path / "new" / "curves.png"
    curves.loss_curves(RECORDS, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 900 < image.width < 1400
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    axes = figures[0].axes
    assert [one.get_title() for one in axes] == ["loss", "accuracy", "rate"]
    assert [one.get_yscale() for one in axes] == ["log", "linear", "linear"]
    (line,) = axes[0].lines
    np.testing.assert_allclose(line.get_xdata(), np.arange(10))
    np.testing.assert_allclose(line.get_ydata(), 3.0 / np.arange(1, 11))


def test_chosen_keys_in_their_order(tmp_path, figures):
    curves.loss_curves(RECORDS, tmp_path / "a.png", ["rate", "loss"])
    assert [one.get_title() for one in figures[0].axes] == ["rate", "loss"]


def test_a_resumed_run_and_rare_scalars(tmp_path, figures):
    records: list[dict[str, Any]] = [
        {"step": 2, "loss": 5.0, "note": "text is no problem where keys leave it out"},
        {"step": 4, "loss": 9.0},
        {"step": 3, "loss": float("inf"), "top1": np.float32(0.5)},
        {"step": 4, "loss": np.array(3.0)},
    ]
    curves.loss_curves(records, tmp_path / "a.png", ["loss", "top1"])
    (loss,), (top1,) = (one.lines for one in figures[0].axes)
    np.testing.assert_array_equal(loss.get_xdata(), [2, 3, 4])
    np.testing.assert_array_equal(loss.get_ydata(), [5, np.nan, 3])
    np.testing.assert_array_equal(top1.get_xdata(), [3])
    assert top1.get_marker() == "."  # one point has no line


def test_a_diverged_run_is_still_drawn(tmp_path, figures):
    records = [{"step": step, "loss": float("nan")} for step in range(4)]
    curves.loss_curves(records, tmp_path / "a.png")
    assert [text.get_text() for text in figures[0].axes[0].texts] == ["no finite value"]


@pytest.mark.parametrize(
    ("records", "keys", "message"),
    [
        ([], None, "at least one record"),
        ([{"step": 0, "loss": 1.0}, {"loss": 2.0}], None, r"record 1 holds \['loss'\].*'step'"),
        ([{"step": 0}], None, "no scalar beside 'step'"),
        (RECORDS, [], "no scalar beside 'step'"),
        (RECORDS, ["los"], "no record holds 'los'; did you mean 'loss'"),
        ([{"step": 7, "loss": [1.0, 2.0]}], None, r"'loss' at step 7 is \[1.0, 2.0\]"),
        ([{"step": 7, "loss": "low"}], None, "expected a single number"),
    ],
)
def test_loss_curves_refuses(tmp_path, records, keys, message):
    with pytest.raises(ValueError, match=message):
        curves.loss_curves(records, tmp_path / "a.png", keys)
    assert not list(tmp_path.iterdir())


def test_confusion_in_percent_of_the_true_class(tmp_path, figures):
    counts = np.array([[6, 2, 0], [0, 0, 0], [1, 0, 3]])
    curves.confusion_matrix(counts, ["sit", "stand", "wave"], tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 300
    axes = figures[0].axes[0]
    expected = [[75, 25, 0], [0, 0, 0], [25, 0, 75]]
    np.testing.assert_allclose(axes.images[0].get_array(), expected)
    cells = {text.get_position(): text.get_text() for text in axes.texts}  # (column, row)
    assert cells == {(0, 0): "75", (1, 0): "25", (0, 2): "25", (2, 2): "75"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sit", "stand", "wave"]
    assert axes.get_ylabel() == "true class"


def test_many_classes_carry_no_numbers(tmp_path, figures):
    curves.confusion_matrix(np.eye(30), [f"class {i}" for i in range(30)], tmp_path / "a.png")
    assert not figures[0].axes[0].texts


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\) for 2 class names"),
        (np.ones((3, 3)), r"shape \(3, 3\) for 2 class names"),
        (np.array([[1.0, -1.0], [0.0, 1.0]]), "entries from -1.0 to 1.0"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "expected finite counts"),
        (np.zeros((2, 2)), "not all 0"),
    ],
)
def test_confusion_matrix_refuses(tmp_path, matrix, message):
    with pytest.raises(ValueError, match=message):
        curves.confusion_matrix(matrix, ["a", "b"], tmp_path / "a.png")


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'a.pdf'; expected a name that ends in .png"):
        curves.loss_curves(RECORDS, tmp_path / "a.pdf")
    with pytest.raises(ValueError, match=r"ends in .png"):
        curves.confusion_matrix(np.eye(2), ["a", "b"], tmp_path / "a")


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "via_jax.figures.curves")
    with pytest.raises(ImportError, match=r"pip install via_jax\[viz\]"):
        importlib.import_module("via_jax.figures.curves")
