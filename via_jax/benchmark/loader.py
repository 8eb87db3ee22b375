"""Clips a second that the loader gives, and the share of a step that waits for them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from via_jax import loop, parallel
from via_jax.benchmark.timing import Run, alternated, ratio, timed
from via_jax.data import store
from via_jax.networks import network_of, objective_of
from via_jax.optimizers import optimizer_of
from via_jax.pairs import Given, pair_feed
from via_jax.pretrain import long_enough, views_of, window_of
from via_jax.training import TrainState, create_state, train_step

PLACEMENTS = ("device", "host")
CHAIN = 4  # steps of a run


def measure_loader(config: Any, rounds: int) -> list[dict[str, Any]]:
    """Both placements, through the very stepper of training.

    Three programs run in turn: a step that only draws and sums its batch; a whole step of
    pre-training; and the same step on a batch that lies on the device already. What the whole step
    takes longer than the last one is waiting for data: loading hidden behind arithmetic costs
    nothing.

    Args:
      config: of a pre-training, see configs/base.py, with a prepared data set.
      rounds: of alternated runs.

    Returns:
      For each placement: "placement", "clips", "clips_per_second" of the loader alone,
      "step_seconds", "fixed_seconds" and "waiting" (share of a step, at least 0).
    """
    data = store.load(config.data.folder)
    window = window_of(config.data)
    views = views_of(config, data)._replace(move=config.pretrain.move.to_dict())
    train = data.sequences_of(data.clips_of(config.data.protocol, "train"))
    feed = pair_feed(config, data, long_enough(data, train, window), window, views)
    model = network_of(config, data.layout)
    optimizer = optimizer_of(**config.pretrain.optimizer)
    loss_fn = objective_of(config.pretrain, model)
    example = np.zeros((2, 1, window.padded, data.layout.num_joints, views.coords), np.float32)
    start = create_state(
        jax.jit(lambda key: model.init(key, example))(jax.random.key(config.seed)), optimizer
    )
    empty = TrainState(jnp.zeros((), jnp.int32), {}, {}, ())

    def update(state, batch, given: Given):
        rng = jax.random.fold_in(given.loss_key, state.step)
        batch = {**batch, "term_weights": given.weights}
        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=optimizer)

    def only_sum(state, batch, given):
        del given
        sums = {name: value.astype(jnp.float32).sum() for name, value in batch.items()}
        return state.replace(step=state.step + 1), sums

    def keep(state, batch, given):
        del given
        return state.replace(step=state.step + 1), dict(batch)

    mesh = parallel.data_mesh()
    found = []
    for placement in PLACEMENTS:
        _, batch = loop.stepper(feed, keep, data, placement, 1)(_copy(empty, mesh))
        given = parallel.put(feed.given, mesh)
        fixed = parallel.compile_steps(lambda state, c: update(state, *c), mesh, 1)
        runs = {
            "alone": _run(loop.stepper(feed, only_sum, data, placement, 1), _copy(empty, mesh)),
            "step": _run(loop.stepper(feed, update, data, placement, 1), _copy(start, mesh)),
            "fixed": _run(lambda state, f=fixed, c=(batch, given): f(state, c), _copy(start, mesh)),
        }
        seconds = {name: x / CHAIN for name, x in alternated(runs, rounds).items()}
        found.append(
            {
                "placement": placement,
                "clips": feed.clips,
                "clips_per_second": feed.clips / float(np.median(seconds["alone"])),
                "step_seconds": float(np.median(seconds["step"])),
                "fixed_seconds": float(np.median(seconds["fixed"])),
                "waiting": max(0.0, 1.0 - ratio(seconds["fixed"], seconds["step"]).median),
            }
        )
    return found


def _copy(state: TrainState, mesh: Any) -> TrainState:
    """A state whose buffers a step may reuse."""
    return parallel.put(jax.tree.map(np.array, state), mesh)


def _run(step: Any, state: TrainState) -> Run:
    """CHAIN steps as a training does them: each is asked for before the one before is done."""
    now = [state]

    def chain() -> None:
        before: Any = ()
        for _ in range(CHAIN):
            now[0], scalars = step(now[0])
            jax.block_until_ready(before)
            before = scalars
        jax.block_until_ready((now[0], before))

    return timed(chain)
