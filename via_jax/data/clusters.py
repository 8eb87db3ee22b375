"""K-means of the training sequences, so that a source moves otherwise than its driver."""

import contextlib
import hashlib
import json
import os
import uuid
from pathlib import Path

import jax
import numpy as np
from sklearn.cluster import MiniBatchKMeans

from via_jax.data.batches import facts_of, frames_of, read_windows
from via_jax.data.sampling import Window
from via_jax.data.store import Prepared
from via_jax.data.views import Views, evaluation_batch


def cluster_features(
    data: Prepared, sequences: np.ndarray, window: Window, views: Views, batch: int = 512
) -> np.ndarray:
    """Each sequence as one vector: resampled to the window, centred, scaled, flattened.

    Returns:
      [sequences, time x joints x coords] float32; missing joints are 0.
    """
    facts, frames = facts_of(data), frames_of(data)
    parts = []
    for start in range(0, len(sequences), batch):
        chosen = sequences[start : start + batch]
        windows = read_windows(facts, frames, chosen, window)
        poses = evaluation_batch(windows, data.clip[chosen], jax.random.key(0), views)["poses"]
        parts.append(np.asarray(poses).reshape(len(chosen), -1))
    return np.concatenate(parts)


def clusters_of(
    data: Prepared,
    sequences: np.ndarray,
    *,
    count: int,
    window: Window,
    views: Views,
    seed: int,
) -> np.ndarray:
    """The cluster of each sequence, int32 [sequences], cached beside the prepared data.

    Args:
      data: prepared data set.
      sequences: indices of the training sequences.
      count: number of clusters, at least 2; 0 gives every sequence a cluster of its own, so that a
        source is any other sequence (random pairing).
      window: fixed length that sequences are brought to.
      views: layout and coords; clusters are formed in the recordings' own view.
      seed: of k-means.

    Raises:
      ValueError: one cluster, or more clusters than sequences.
    """
    if count == 0:
        return np.arange(len(sequences), dtype=np.int32)
    if not 2 <= count <= len(sequences):
        raise ValueError(
            f"{count} clusters of {len(sequences)} sequences; expected 2 to {len(sequences)}, or 0"
            " to pair at random"
        )
    # The own view: clusters must depend neither on a random camera nor on the place in the image.
    views = views._replace(test_camera=None, normalisation="body")
    facts = {
        "data": data.manifest["sha256"],
        "sequences": hashlib.sha256(sequences.astype(np.int64).tobytes()).hexdigest(),
        "count": count,
        "window": [window.frames, window.sampling],
        "coords": views.coords,
        "seed": seed,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = Path(data.folder) / f"clusters-{digest}.npy"
    if path.is_file():
        return np.load(path, allow_pickle=False)
    features = cluster_features(data, sequences, window, views)
    means = MiniBatchKMeans(count, batch_size=4096, n_init=3, random_state=seed)
    labels = means.fit_predict(features).astype(np.int32)
    with contextlib.suppress(OSError):  # a read-only data set works as well, only slower
        # Complete or not at all: other processes of this run, or of a sweep, may look for it.
        beside = path.with_name(f"{path.stem}.{uuid.uuid4().hex}.tmp")
        with beside.open("wb") as file:
            np.save(file, labels)
        os.replace(beside, path)
    return labels
