"""Mean and standard deviation of root-relative training poses, which standardise model input."""

import jax
import numpy as np

from via_jax.data.batches import facts_of, frames_of, read_windows
from via_jax.data.sampling import Window
from via_jax.data.store import Prepared
from via_jax.data.transforms import Statistics
from via_jax.data.views import Views, evaluation_batch


def measure_statistics(
    data: Prepared, sequences: np.ndarray, window: Window, views: Views, batch: int = 256
) -> Statistics:
    """Statistics of the known joints of all sequences, seen by cameras of the training range."""
    views = views._replace(test_camera=views.camera, statistics=None)
    facts, frames = facts_of(data), frames_of(data)
    shape = (data.layout.num_joints, views.coords)
    total, squares, count = np.zeros(shape), np.zeros(shape), np.zeros((shape[0], 1))
    for start in range(0, len(sequences), batch):
        part = sequences[start : start + batch]
        windows = read_windows(facts, frames, part, window)
        seen = evaluation_batch(windows, data.clip[part], jax.random.key(0), views)
        poses = np.asarray(seen["poses"], np.float64)  # 0 where not known
        total += poses.sum(axis=(0, 1))
        squares += np.square(poses).sum(axis=(0, 1))
        count += np.asarray(windows.known).sum(axis=0)[:, None] * poses.shape[1]
    mean = total / np.maximum(count, 1.0)
    variance = squares / np.maximum(count, 1.0) - np.square(mean)
    # A coordinate that never changes keeps its unit.
    deviation = np.sqrt(np.where(variance > 1e-12, variance, 1.0))
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32))


def statistics_of(meta: dict) -> Statistics | None:
    """The statistics that the meta of a checkpoint holds."""
    written = meta["statistics"]
    if written is None:
        return None
    return Statistics(*(np.asarray(written[name], np.float32) for name in Statistics._fields))
