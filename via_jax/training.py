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
) -> tuple[TrainState, Scalars]:
    """One update.

    Args:
      state: before the update.
      batch: what the loss reads.
      rng: key of this step.
      loss_fn: (params, batch_stats, batch, rng) -> (loss, (batch_stats, scalars)).
      optimizer: gives the update.

    Returns:
      The state after the update, and the scalars of the loss with the norm of the gradient.
    """
    grads, (batch_stats, scalars) = jax.grad(loss_fn, has_aux=True)(
        state.params, state.batch_stats, batch, rng
    )
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    state = TrainState(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
    )
    return state, {**scalars, "grad_norm": optax.tree.norm(grads)}
