"""Batches of pre-training: drivers and their sources, every batch a pure function of the step."""

from typing import Any, NamedTuple

import jax
import numpy as np

from via_jax import loop
from via_jax.data import batches, store
from via_jax.data.clusters import clusters_of
from via_jax.data.sampling import (
    Clusters,
    Draw,
    Window,
    epoch_items,
    from_another_cluster,
    real_frames,
    real_steps,
    sort_by_cluster,
    training_windows,
)
from via_jax.data.views import Views, training_batch, two_view_batch
from via_jax.models.encoder import TIME_FACTOR
from via_jax.typing import Array, Batch


class Given(NamedTuple):
    """What the steps of a pre-training are handed, so that seeds and pairings share a compilation.

    Attributes:
      order_key, key, loss_key: of the order of the drivers, of all draws, and of the loss.
      sequences: int [chosen], sequences of the data set to draw from.
      clusters: of these sequences.
      weights: of the terms of the loss.
    """

    order_key: jax.Array
    key: jax.Array
    loss_key: jax.Array
    sequences: Array
    clusters: Clusters
    weights: dict[str, Array]


def pair_feed(
    config: Any, data: store.Prepared, sequences: np.ndarray, window: Window, views: Views
) -> loop.Feed:
    """Batches of drivers and their sources, each source from another cluster than its driver."""
    pairs = config.pretrain.pairs
    clusters = sort_by_cluster(
        clusters_of(
            data,
            sequences,
            count=config.pretrain.clusters.count,
            window=Window(
                config.pretrain.clusters.frames, TIME_FACTOR, "resample", 1.0, (1.0, 1.0)
            ),
            views=views,
            seed=config.pretrain.clusters.seed,
        )
    )
    order_key, key = jax.random.split(jax.random.key(config.seed))
    loss_key = jax.random.fold_in(jax.random.key(config.seed), 7)
    shares = real_steps(window)
    weights: dict[str, Array] = {
        term: np.asarray(weight, np.float32) for term, weight in config.pretrain.weights.items()
    }
    given = Given(order_key, key, loss_key, sequences, clusters, weights)

    def draw(step, facts, given: Given):
        step_key = jax.random.fold_in(given.key, step)
        source_key, window_key = jax.random.split(jax.random.fold_in(step_key, 0))
        driver = epoch_items(given.order_key, step, pairs, len(sequences))
        source = from_another_cluster(source_key, driver, given.clusters)
        chosen = jax.numpy.asarray(given.sequences)[jax.numpy.concatenate([driver, source])]
        return training_windows(window_key, chosen, facts.length[chosen], window)

    def finish(low, high, draw: Draw, facts, step, given: Given) -> Batch:
        windows = batches.blend(low, high, draw, facts)
        windows = windows._replace(valid=windows.valid & real_frames(window)[None, :, None])
        view_key = jax.random.fold_in(jax.random.fold_in(given.key, step), 1)
        if config.pretrain.two_views:
            batch = two_view_batch(windows, view_key, views)
        else:
            batch = training_batch(windows, view_key, views, config.pretrain.paired)
        batch = {name: value[:, None] for name, value in batch.items()}  # one person a sequence
        if shares is not None:
            batch["weight"] = jax.numpy.tile(shares, (2 * pairs, 1))
        return batch

    return loop.Feed(draw, finish, clips=2 * pairs, given=given)
