"""The whole of it on a tiny pre-trained model: which files, which numbers, which refusals."""

import json

import pytest
from PIL import Image

from via_jax.disentangle import disentangle
from via_jax.evaluation import disentanglement


def run(pretrained, tiny_data, out, **changed):
    settings = {
        "which": "latest",
        "yaws": (-60.0, 0.0, 90.0),
        "count": 6,
        "show": (),
        "directions": (3, 1),
        "seed": 0,
    }
    return disentangle(
        pretrained.workdir, tiny_data.folder, "official", out, **(settings | changed)
    )


@pytest.fixture(scope="module")
def made(pretrained, tiny_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("disentangled") / "new"
    return out, run(pretrained, tiny_data, out)


def test_numbers_of_the_model_and_of_random_weights(made):
    out, text = made
    results = json.loads((out / "results.json").read_text())
    assert (results["views"], results["chance_view"]) == (3, pytest.approx(100 / 3))
    assert 6 <= results["clips"] <= 9  # drawn, and those that are shown
    for name in disentanglement.FEATURES:
        for label in ("action", "view", "subject"):
            for weights in ("", "random_"):
                assert 0 <= results[f"{weights}{name}_{label}_accuracy"] <= 100
                assert -1 <= results[f"{weights}{name}_{label}_silhouette"] <= 1
    assert results["input_between_views"] == results["random_input_between_views"] > 0
    assert results["canonical_between_views"] != results["random_canonical_between_views"]
    assert (out / "disentanglement.md").read_text() == text
    assert text.count("random weights") == 7  # of each label twice, of canonical poses


def test_three_pictures_that_are_small(made):
    out, _ = made
    for name in ("tsne", "canonical", "traversal"):
        with Image.open(out / f"{name}.png") as image:
            assert min(image.size) > 200
        assert (out / f"{name}.png").stat().st_size < 300_000


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"show": ("nobody",)}, "has no clip nobody"),
        ({"count": 0}, "clips=0"),
        ({"directions": (9,)}, "expected some of 0 to 3"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_written(
    pretrained, tiny_data, tmp_path, changed, message
):
    with pytest.raises(ValueError, match=message):
        run(pretrained, tiny_data, tmp_path / "new", **changed)
    assert not (tmp_path / "new").exists()
