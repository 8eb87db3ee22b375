"""The train state and the one train step, which is handed a loss."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import struct

from via_jax.typing import Array, Batch, Tree

Scalars = dict[str, Array]
# (params, batch_stats, batch, rng) -> (loss, (batch_stats, scalars))
LossFn = Callable[[Tree, Tree, Batch, Array], tuple[Array, tuple[Tree, Scalars]]]


class TrainState(struct.PyTreeNode):
    """All that changes in training.

    Attributes:
      step: number of updates done.
      params, batch_stats: of the model.
      opt_state: of the optimiser.
    """

    step: Array
    params: Tree
    batch_stats: Tree
    opt_state: Tree


def create_state(variables: Tree, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first update.

    variables: "params", and "batch_stats" of a model that has some.
    """
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(params),
    )


def train_step(
    state: TrainState,
    batch: Batch,
    rng: Array,
    *,
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    accumulate: int = 1,
    groups: int = 1,
    axis: str | None = None,
) -> tuple[TrainState, Scalars]:
    """One update.

    Args:
      state: before the update.
      batch: what the loss reads.
      rng: key of this step.
      loss_fn: (params, batch_stats, batch, rng) -> (loss, (batch_stats, scalars)).
      optimizer: gives the update.
      accumulate: micro-batches whose gradients are averaged, see `mean_over_micro_batches`.
      groups: parts of the batch that belong together row by row: 2 for drivers and sources.
      axis: of a pmap whose devices average their gradients; None under jit.

    Returns:
      The state after the update, and the scalars of the loss with the norm of the gradient.
    """
    gradient = jax.grad(loss_fn, has_aux=True)
    if accumulate == 1:
        grads, (batch_stats, scalars) = gradient(state.params, state.batch_stats, batch, rng)
    else:
        micro = micro_batches(batch, accumulate, groups)
        grads, (batch_stats, scalars) = mean_over_micro_batches(gradient, state, micro, rng)
    if axis is not None:
        grads = jax.lax.pmean(grads, axis)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    state = TrainState(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
    )
    return state, {**scalars, "grad_norm": optax.tree.norm(grads)}


def micro_batches(batch: Batch, count: int, groups: int) -> Batch:
    """The arrays of a batch as [count, rows / count, ...]; scalars are repeated.

    Micro-batch i takes the rows i, i + count, ... of every group, so that rows stay on the device
    they are on, and a driver with its source.
    """

    def split(x: Array) -> Array:
        if jnp.ndim(x) == 0:
            return jnp.broadcast_to(x, (count,))
        parts = jnp.moveaxis(x.reshape(groups, -1, count, *x.shape[1:]), 2, 0)
        return parts.reshape(count, -1, *x.shape[1:])

    return jax.tree.map(split, batch)


def mean_over_micro_batches(
    gradient: Callable, state: TrainState, micro: Batch, rng: Array
) -> tuple[Tree, tuple[Tree, Scalars]]:
    """The gradient of the mean of the micro-batches' losses; memory is that of one of them.

    Micro-batches count alike. Each is normalised by its own batch statistics, and the running
    averages move once, by the mean of what the micro-batches would move them by. Micro-batch i
    draws by the key folded with i. Without batch norm and random draws, and where terms are means
    over equal counts, this is the gradient of the whole batch.

    Args:
      gradient: (params, batch_stats, batch, rng) -> (grads, (batch_stats, scalars)).
      state: before the update.
      micro: see `micro_batches`.
      rng: key of this step.
    """
    count = jax.tree.leaves(micro)[0].shape[0]

    def one(index, batch):
        key = jax.random.fold_in(rng, index)
        found = gradient(state.params, state.batch_stats, batch, key)
        return jax.tree.map(lambda x: x / count, found)

    if jax.default_backend() != "cpu":
        total, _ = jax.lax.scan(
            lambda carried, now: (jax.tree.map(jnp.add, carried, one(*now)), None),
            one(0, jax.tree.map(lambda x: x[0], micro)),
            (jnp.arange(1, count), jax.tree.map(lambda x: x[1:], micro)),
        )
        return total
    total = None  # on CPU the gradient of a convolution inside a scan is 15 to 80 times slower
    for index in range(count):
        batch = jax.tree.map(lambda x, index=index: x[index], micro)
        if total is None:
            total = one(index, batch)
        else:  # the barrier keeps the micro-batches one behind the other
            batch, total = jax.lax.optimization_barrier((batch, total))
            total = jax.tree.map(jnp.add, total, one(index, batch))
    return total
