"""Timelines and contact sheets: what is drawn, and what is refused."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="figures are an optional extra: pip install .[viz]")

from PIL import Image

from via_jax.api import Prediction
from via_jax.data.clip import Clip
from via_jax.figures.neighbours import sheet
from via_jax.figures.timeline import draw_pieces, timeline
from via_jax.predictions import Piece


def clip_of(frames, name, y_up=False):
    poses = np.random.default_rng(frames).normal(size=(1, frames, 17, 2)).astype(np.float32)
    return Clip(poses, np.ones((1, frames, 17), bool), "unik17", name, y_up=y_up)


def test_a_picture_for_each_person(tmp_path):
    clip = clip_of(8, "c")
    pieces = [Piece(clip, person, 4 * i, 4 * i + 4) for person in (0, 2) for i in range(2)]
    values = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]], np.float32)
    predictions = [Prediction(("sit", "go"), value) for value in values]
    paths = draw_pieces(pieces, predictions, tmp_path / "t")
    assert [path.name for path in paths] == ["t_person0.png", "t_person2.png"]
    first, second = (np.asarray(Image.open(path).convert("RGB")) for path in paths)
    assert first.shape[1] > 800 and (first != 255).any() and (first != second).any()


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a .png and \(2, 3\), at least one window"):
        timeline([0, 4], [4, 8], np.ones((2, 2)), ["a", "b", "c"], tmp_path / "t.png", None)
    with pytest.raises(ValueError, match=r"t.pdf: .*expected a .png"):
        timeline([0], [4], np.ones((1, 1)), ["a"], tmp_path / "t.pdf", None)


def test_a_sheet_has_a_row_for_each_clip(tmp_path):
    clips = [clip_of(20, "query"), clip_of(5, "one"), clip_of(9, "two")]
    sheet(clips, tmp_path / "three.png", "unik17")
    sheet(clips[:2], tmp_path / "two.png", "unik17")
    with Image.open(tmp_path / "three.png") as three, Image.open(tmp_path / "two.png") as two:
        assert three.height > 1.4 * two.height
