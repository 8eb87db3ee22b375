"""Optimisers and learning-rate schedules of the recipes."""

import optax


def schedule_of(
    *, steps: int, learning_rate: float, schedule: str, warmup: int, drops: tuple[float, ...]
) -> optax.Schedule:
    """Learning rate as a function of the step.

    Args:
      steps: updates of the whole run.
      learning_rate: the largest.
      schedule: "cosine" falls to 0 at the last step, "drops" multiplies by 0.1 at the given shares
        of the run, "constant" stays.
      warmup: first steps in which it rises linearly from 0.
      drops: shares in (0, 1), for "drops".

    Raises:
      ValueError: another schedule, or a warm-up as long as the run.
    """
    if not 0 <= warmup < steps:
        raise ValueError(f"warmup={warmup} must lie in [0, steps={steps})")
    rest = steps - warmup
    if schedule == "cosine":
        after = optax.cosine_decay_schedule(learning_rate, rest)
    elif schedule == "drops":
        after = optax.piecewise_constant_schedule(
            learning_rate, {round(share * steps) - warmup: 0.1 for share in drops}
        )
    elif schedule == "constant":
        after = optax.constant_schedule(learning_rate)
    else:
        raise ValueError(f'schedule={schedule!r}; expected "cosine", "drops" or "constant"')
    if warmup == 0:
        return after
    rise = optax.linear_schedule(0.0, learning_rate, warmup)
    return optax.join_schedules([rise, after], [warmup])


def optimizer_of(
    *,
    name: str,
    steps: int,
    learning_rate: float,
    schedule: str,
    warmup: int,
    drops: tuple[float, ...],
    weight_decay: float,
    clip_norm: float,
) -> optax.GradientTransformation:
    """The optimiser of a run.

    Args:
      name: "adamw", or "sgd" with Nesterov momentum 0.9 as in the published classifiers.
      steps, learning_rate, schedule, warmup, drops: see `schedule_of`.
      weight_decay: decoupled for adamw, added to the gradient for sgd.
      clip_norm: largest norm of the gradient; 0 does not clip.

    Raises:
      ValueError: another name.
    """
    rate = schedule_of(
        steps=steps, learning_rate=learning_rate, schedule=schedule, warmup=warmup, drops=drops
    )
    if name == "adamw":
        update = optax.adamw(rate, weight_decay=weight_decay)
    elif name == "sgd":
        update = optax.chain(
            optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum=0.9, nesterov=True)
        )
    else:
        raise ValueError(f'optimiser {name!r}; expected "adamw" or "sgd"')
    if clip_norm > 0:
        return optax.chain(optax.clip_by_global_norm(clip_norm), update)
    return update
