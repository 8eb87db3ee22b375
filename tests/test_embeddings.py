"""Embeddings: in order, written, and their nearest neighbours."""

import sys

import numpy as np
import pytest

from via_jax.data.clip import Clip
from via_jax.embeddings import Embeddings, check_path, embed, nearest, write_embeddings

FOUND = Embeddings(
    np.array(["a", "b", "c"]),
    np.array(["run", "", "sit"]),
    np.array([[3, 4], [-1, 0], [0, 2]], np.float32),
)


class Mean:
    """A model whose feature is the mean place of the joints."""

    def features(self, clip, feature):
        assert feature == "code"
        return clip.poses.mean(axis=(0, 1, 2))


def test_clips_are_embedded_in_order():
    clips = [
        Clip(np.full((1, 4, 17, 2), i, np.float32), np.ones((1, 4, 17), bool), "unik17", f"c{i}")
        for i in (5, 2)
    ]
    found = embed(Mean(), iter(clips), "code")
    assert found.names.tolist() == ["c5", "c2"] and found.labels.tolist() == ["", ""]
    np.testing.assert_array_equal(found.features, [[5, 5], [2, 2]])
    with pytest.raises(ValueError, match="no clips to embed"):
        embed(Mean(), [], "code")


def test_neighbours_are_the_largest_cosines():
    found = nearest(FOUND, np.array([0.0, 0.5]), 3)
    assert [index for index, _ in found] == [2, 0, 1]
    np.testing.assert_allclose([cosine for _, cosine in found], [1, 0.8, 0], atol=1e-9)


@pytest.mark.parametrize(("count", "channels"), [(0, 2), (4, 2), (1, 3)])
def test_a_query_that_does_not_fit_is_refused(count, channels):
    with pytest.raises(ValueError, match=r"expected 1 to 3, and \(2,\)"):
        nearest(FOUND, np.ones(channels), count)


def test_they_are_written_with_their_names(tmp_path, monkeypatch):
    write_embeddings(tmp_path / "out/e.npz", FOUND)
    with np.load(tmp_path / "out/e.npz", allow_pickle=False) as file:
        for name, value in FOUND._asdict().items():
            np.testing.assert_array_equal(file[name], value)
    with pytest.raises(ValueError, match=r"e.csv: expected a name that ends in .npz or .parquet"):
        check_path(tmp_path / "e.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ValueError, match=r"needs pyarrow \(extra 'parquet'\): install it, or take .npz"
    ):
        check_path(tmp_path / "e.parquet")


def test_parquet_holds_a_row_for_each_clip(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is not installed")
    write_embeddings(tmp_path / "e.parquet", FOUND)
    table = parquet.read_table(tmp_path / "e.parquet").to_pydict()
    assert table["name"] == FOUND.names.tolist() and table["label"] == FOUND.labels.tolist()
    np.testing.assert_array_equal(np.array(table["feature"], np.float32), FOUND.features)
