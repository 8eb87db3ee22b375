"""Embeddings of clips with their names: computed, written, and searched by nearest neighbours."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from via_jax.api import Model
from via_jax.data.clip import Clip


class Embeddings(NamedTuple):
    """Of clips, in one order.

    Attributes:
      names, labels: str [clips]; a label is empty where unknown.
      features: float32 [clips, channels].
    """

    names: np.ndarray
    labels: np.ndarray
    features: np.ndarray


def embed(model: Model, clips: Iterable[Clip], feature: str | None = None) -> Embeddings:
    """Embeddings of clips, one at a time; feature as in `Model.features`.

    Raises:
      ValueError: no clip, or one that does not fit the model.
    """
    names, labels, found = [], [], []
    for clip in clips:
        names.append(clip.name)
        labels.append(clip.label or "")
        found.append(model.features(clip, feature=feature))
    if not names:
        raise ValueError("no clips to embed")
    return Embeddings(np.array(names), np.array(labels), np.stack(found))


def nearest(found: Embeddings, query: np.ndarray, count: int) -> list[tuple[int, float]]:
    """(index, cosine) of the clips most similar to a query, best first.

    Args:
      found: what is searched.
      query: [channels].
      count: how many, in [1, clips].

    Raises:
      ValueError: another count, or a query of another model's channels.
    """
    clips, channels = found.features.shape
    if not 1 <= count <= clips or query.shape != (channels,):
        raise ValueError(
            f"{count} neighbours of a query of shape {query.shape}; expected 1 to {clips}, and"
            f" ({channels},)"
        )
    from sklearn.neighbors import NearestNeighbors  # half a second that other commands spare
    from sklearn.preprocessing import normalize

    index = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute")
    index.fit(normalize(found.features.astype(np.float64)))
    distance, which = index.kneighbors(normalize(query[None].astype(np.float64)))
    return [(int(i), 1.0 - float(d)) for i, d in zip(which[0], distance[0])]


def check_path(path: str | Path) -> None:
    """Raises ValueError for a file that `write_embeddings` cannot write here."""
    suffix = Path(path).suffix
    if suffix not in (".npz", ".parquet"):
        raise ValueError(f"{path}: expected a name that ends in .npz or .parquet")
    if suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ValueError(
                f"{path}: needs pyarrow (extra 'parquet'): install it, or take .npz"
            ) from error


def write_embeddings(path: str | Path, found: Embeddings) -> None:
    """Writes .npz (names, labels, features) or .parquet (name, label, feature).

    Raises:
      ValueError: as `check_path`.
    """
    check_path(path)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, allow_pickle=False, **found._asdict())
        return
    import pyarrow
    from pyarrow import parquet

    columns = {"name": found.names, "label": found.labels, "feature": list(found.features)}
    parquet.write_table(pyarrow.table(columns), path)
