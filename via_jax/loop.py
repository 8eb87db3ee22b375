"""The loop that every training shares: draw, step, log, evaluate, save, resume."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from via_jax import blas, guard, memory, parallel, signals
from via_jax.checkpoints import Checkpoints
from via_jax.data.batches import Facts, Frames, facts_of, frames_of, gather
from via_jax.data.sampling import Draw
from via_jax.data.store import Prepared
from via_jax.runs import Run, progress
from via_jax.training import Scalars, TrainState
from via_jax.typing import Array, Batch, Tree


@dataclasses.dataclass(frozen=True)
class Feed:
    """The batch of a step as a pure function of the step.

    Attributes:
      draw: (step, facts, given) -> Draw, which frames.
      finish: (low frames, high frames, draw, facts, step, given) -> Batch, what is made of them.
      clips: clips in a batch, for the speed that is shown.
      given: arrays that both read, such as random keys and the sequences to draw from. They are
        arguments of the compiled step, so runs that differ in them alone share its compilation.
    """

    draw: Callable[[Array, Facts, Tree], Draw]
    finish: Callable[[Frames, Frames, Draw, Facts, Array, Tree], Batch]
    clips: int
    given: Tree


@dataclasses.dataclass(frozen=True)
class Rhythm:
    """How often a loop does what, in steps.

    Attributes:
      steps: updates in all.
      log_every: scalars are fetched and written; at least 1.
      eval_every: the evaluation is run; also after the last step. 0 is never.
      save_every: a checkpoint is written; also after the last step and each evaluation.
      steps_per_dispatch: steps in one compiled call, which must divide the other numbers; 0 takes 1
        on CPU and the largest of 8, 4, 2 and 1 that divides elsewhere.
    """

    steps: int
    log_every: int
    eval_every: int
    save_every: int
    steps_per_dispatch: int

    def dispatch(self) -> int:
        """Steps in one compiled call.

        Raises:
          ValueError: it does not divide the other numbers, or nothing is ever logged.
        """
        if self.log_every < 1:
            raise ValueError(f"log_every={self.log_every} must be at least 1 step")
        numbers = {
            name: getattr(self, name) for name in ("steps", "log_every", "eval_every", "save_every")
        }
        if self.steps_per_dispatch == 0:
            largest = 1 if jax.default_backend() == "cpu" else 8
            return math.gcd(largest, *numbers.values())
        for name, number in numbers.items():
            if number % self.steps_per_dispatch:
                raise ValueError(
                    f"{name}={number} is not a multiple of"
                    f" steps_per_dispatch={self.steps_per_dispatch}; choose numbers that divide"
                )
        return self.steps_per_dispatch


def rhythm_of(settings: Any, placement: str) -> Rhythm:
    """The rhythm in a section of a config, see configs/base.py; "host" makes one step a dispatch.

    Raises:
      ValueError: several steps a dispatch asked for with placement "host".
    """
    several = settings.steps_per_dispatch
    if placement == "host" and several > 1:
        raise ValueError(
            f'steps_per_dispatch={several} with data.placement="host", where frames are sent step'
            " by step; set it to 0 or 1"
        )
    return Rhythm(
        steps=settings.optimizer.steps,
        log_every=settings.log_every,
        eval_every=settings.eval_every,
        save_every=settings.save_every,
        steps_per_dispatch=1 if placement == "host" else several,
    )


def stepper(
    feed: Feed,
    update: Callable[[TrainState, Batch, Tree], tuple[TrainState, Scalars]],
    data: Prepared,
    placement: str,
    steps_per_dispatch: int,
    kind: str = "jit",
) -> Callable[[TrainState], tuple[TrainState, Scalars]]:
    """state -> (state, scalars), compiled over all devices of all processes.

    Args:
      feed: gives the batches.
      update: (state, batch, given) -> (state, scalars).
      data: prepared data set.
      placement: "device" holds all frames on the device and gathers there; "host" gathers from the
        memory map, one step a dispatch, the next step's while this one runs. Both see the same
        batches.
      steps_per_dispatch: only for "device".
      kind: "jit" or "pmap", see `parallel.compile_steps`.

    Raises:
      ValueError: another placement or kind, or processes that would draw other batches.
    """
    mesh = parallel.data_mesh()
    parallel.check_alike({"facts": facts_of(data), "draws": feed.given})
    facts, given = parallel.put((facts_of(data), feed.given), mesh)
    divided, whole = parallel.over_batch(mesh), parallel.replicated(mesh)
    by_jit = parallel.axis_of(kind) is None

    def finish(state, facts, given, draw, low, high):
        batch = feed.finish(low, high, draw, facts, state.step, given)
        if by_jit:
            batch = jax.lax.with_sharding_constraint(batch, divided)
        return update(state, batch, given)

    if placement == "device":
        frames = Frames(*(np.asarray(x) for x in frames_of(data)))
        memory.check_fits({"data": memory.bytes_of(frames)}, jax.local_devices()[0])
        frames = parallel.put(frames, mesh)

        def step(state, constants):
            facts, frames, given = constants
            draw = feed.draw(state.step, facts, given)
            low, high = gather(frames, facts.row[draw.sequence], draw)
            return finish(state, facts, given, draw, low, high)

        program = parallel.compile_steps(step, mesh, steps_per_dispatch, kind)
        compiled = memory.reporting(program)
        return lambda state: compiled(state, (facts, frames, given))
    if placement != "host":
        raise ValueError(f'data.placement={placement!r}; expected "device" or "host"')

    mapped, rows = frames_of(data), facts_of(data).row
    draw_step, own = jax.jit(feed.draw), (facts_of(data), feed.given)
    shardings = (whole, whole, whole, divided, divided)
    program = parallel.compile_steps(lambda s, c: finish(s, *c), mesh, 1, kind, shardings)
    compiled = memory.reporting(program)

    def read(drawn):
        # Every process draws the whole batch by itself, and reads the frames of its own rows.
        draw = Draw(*(np.asarray(x) for x in drawn))
        part = parallel.local_rows(len(draw.sequence), mesh) if by_jit else slice(None)
        mine = Draw(*(x[part] for x in draw))
        low, high = gather(mapped, rows[mine.sequence], mine)
        if by_jit:
            low, high = parallel.put_rows((low, high), mesh)
        return draw, low, high

    ahead: Any = None  # (the step's array, its number, its frames), read while the device computes

    def from_host(state):
        nonlocal ahead
        if ahead is None or state.step is not ahead[0]:
            number = np.asarray(state.step)
            ahead = state.step, number, read(draw_step(number, *own))
        _, number, frames = ahead
        # Drawn before this step is queued, so that it does not wait behind it.
        drawn = draw_step(number + 1, *own)
        state, scalars = compiled(state, (facts, given, *frames))
        ahead = state.step, number + 1, read(drawn)
        return state, scalars

    return from_host


def run_steps(
    state: TrainState,
    step: Callable[[TrainState], tuple[TrainState, Scalars]],
    rhythm: Rhythm,
    *,
    run: Run,
    checkpoints: Checkpoints,
    meta: dict,
    clips: int,
    evaluate: Callable[[TrainState], dict[str, float]] | None = None,
    clips_of: Callable[[int], list[str]] | None = None,
    skip_nonfinite: int = 0,
) -> TrainState:
    """Trains to the last step, from the newest whole checkpoint of the work directory, if any.

    Args:
      state: before the first step.
      step: from `stepper`.
      rhythm: how often it does what.
      run: work directory that gets the metrics.
      checkpoints: where the state is saved and looked for.
      meta: stored with every checkpoint.
      clips: clips a step, for the speed that is shown.
      evaluate: state -> numbers, logged and kept with the checkpoint.
      clips_of: names of the clips of a step, for the message of a loss that is not finite.
      skip_nonfinite: such steps in a row that may be passed over, see `guard.Watch`.

    Raises:
      FloatingPointError: the loss or its gradient is not finite, seen at the step after at the
        latest; no such state is ever saved.
      Stopped: somebody asked the run to stop; the state is saved, see `signals`.
    """
    many = rhythm.dispatch()
    state, done = restore_newest(state, checkpoints)
    run.resume(done + 1)  # a run that stopped before its first checkpoint has logged as well
    mesh = parallel.data_mesh()
    state = parallel.put(jax.tree.map(np.asarray, state), mesh)
    watch = guard.Watch(run, checkpoints, clips_of, skip_nonfinite)
    before: Scalars = {}
    shown = progress(rhythm.steps * clips, done * clips)
    with blas.one_thread(), signals.stop_requests() as asked, shown as bar:
        since, since_step = time.perf_counter(), done
        while done < rhythm.steps:
            state, scalars = step(state)
            done += many
            bar.update(many * clips)
            at_end, stop = done == rhythm.steps, asked.now()
            log = at_end or done % rhythm.log_every == 0
            measure = evaluate is not None and is_due(rhythm.eval_every, done, rhythm.steps)
            keep = at_end or stop or measure or is_due(rhythm.save_every, done, rhythm.steps)
            # The step before has ended or is about to: looking at it does not hold this one up.
            watch.look(parallel.fetch(before), done - many, state)
            before = scalars
            if log or keep:
                numbers = parallel.fetch(scalars)
                watch.look(numbers, done, state)
            if log:
                now = time.perf_counter()
                speed = clips * (done - since_step) / (now - since)
                since, since_step = now, done
                run.log(done, **numbers, clips_per_second=speed)
                bar.update(0, loss=numbers["loss"])
            measured = {}
            if evaluate is not None and measure:
                measured = evaluate(state)
                run.log(done, **measured)
                since, since_step = time.perf_counter(), done
            if keep:
                save(state, checkpoints, meta, measured)
            if stop:
                checkpoints.wait()
                signals.say(f"stopped at step {done} of {rhythm.steps}; run the command again\n")
                raise signals.Stopped(f"stopped at step {done}")
    checkpoints.wait()
    return state


def is_due(every: int, done: int, steps: int) -> bool:
    """Whether something that happens every so many steps, and at the end, happens now; 0: never."""
    return every > 0 and (done % every == 0 or done == steps)


def save(state: TrainState, checkpoints: Checkpoints, meta: dict, metrics: dict) -> None:
    """Saves a state in the background: the model apart from what only training needs."""
    checkpoints.save(
        int(state.step),
        {
            "model": {"params": state.params, "batch_stats": state.batch_stats},
            "training": {"step": state.step, "opt_state": state.opt_state},
        },
        meta,
        metrics,
    )


def restore_newest(like: TrainState, checkpoints: Checkpoints) -> tuple[TrainState, int]:
    """(state, updates done) of the newest whole checkpoint, bit for bit; (like, 0) without any."""
    host = jax.tree.map(np.asarray, like)
    found = checkpoints.restore_newest(
        {"params": host.params, "batch_stats": host.batch_stats},
        {"step": host.step, "opt_state": host.opt_state},
    )
    if found is None:
        return like, 0
    done, parts, _ = found
    state = TrainState(
        step=jnp.asarray(parts["training"]["step"]),
        params=parts["model"]["params"],
        batch_stats=parts["model"]["batch_stats"],
        opt_state=parts["training"]["opt_state"],
    )
    return state, done
