"""A loss that is not finite: the state never takes it in, and the run stops or passes it over."""

import json
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from via_jax.checkpoints import Checkpoints
from via_jax.data.batches import facts_of
from via_jax.data.store import Prepared
from via_jax.runs import Run, append
from via_jax.training import Scalars, TrainState
from via_jax.typing import Array, Batch, Tree

Update = Callable[[TrainState, Batch, Tree], tuple[TrainState, Scalars]]
NAMED = 8  # clips in a message; nonfinite.jsonl has all of them


def keep_finite(update: Update, skip: bool) -> Update:
    """The update, or the state before it where a scalar or a batch statistic is not finite.

    Inside the compiled step, so it costs neither a transfer nor a wait. The scalars are returned as
    they are. They must be the same on all devices.

    Args:
      update: (state, batch, given) -> (state, scalars).
      skip: count the step all the same, so that the next batch is another one. False repeats the
        step until somebody looks, which gives the same numbers every time.
    """

    def guarded(state: TrainState, batch: Batch, given: Tree) -> tuple[TrainState, Scalars]:
        new, scalars = update(state, batch, given)
        finite = all_finite((scalars, new.batch_stats))
        kept = jax.tree.map(lambda after, before: jnp.where(finite, after, before), new, state)
        return (kept.replace(step=new.step) if skip else kept), scalars

    return guarded


def all_finite(tree: Tree) -> Array:
    """Whether every number in a tree is finite, bool []."""
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]
    return jnp.stack(leaves).all() if leaves else jnp.asarray(True)


def clip_names(draw: Callable, given: Tree, data: Prepared) -> Callable[[int], list[str]]:
    """(updates done before a step) -> the names of the clips in its batch, each once, sorted.

    draw, given: of a `loop.Feed`.
    """

    def names(step: int) -> list[str]:
        drawn = jax.jit(draw)(np.int32(step), facts_of(data), given)
        return sorted({str(data.names[clip]) for clip in data.clip[np.asarray(drawn.sequence)]})

    return names


class Watch:
    """Looks at the scalars of steps as they become known.

    Args:
      run: its folder gets nonfinite.jsonl, a line for each step that was not finite.
      checkpoints: of the run; the last one is named.
      clips_of: see `clip_names`; None names no clips.
      skip: steps in a row that may be passed over; 0 stops at the first. With several steps in one
        dispatch only its last one is seen and counted.
    """

    def __init__(
        self,
        run: Run,
        checkpoints: Checkpoints,
        clips_of: Callable[[int], list[str]] | None,
        skip: int,
    ):
        self._run, self._checkpoints = run, checkpoints
        self._clips_of, self._skip = clips_of, skip
        self._in_a_row = self._looked_at = 0

    def look(self, numbers: dict[str, float], done: int, state: TrainState) -> None:
        """Notes a step that was not finite.

        Args:
          numbers: scalars of the update that made it `done`.
          done: updates after it. Looking twice at one changes nothing.
          state: of this step or a later one.

        Raises:
          FloatingPointError: more steps in a row than may be passed over.
        """
        if done <= self._looked_at:
            return
        self._looked_at = done
        wrong = [f"{name} is {value}" for name, value in numbers.items() if not np.isfinite(value)]
        if not wrong:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        stops = self._in_a_row > self._skip
        # Without skipping the state stands still before the bad step, perhaps amid a dispatch.
        step = done if self._skip else min(done, int(state.step) + 1)
        clips = self._clips_of(step - 1) if self._clips_of is not None else []
        latest = self._checkpoints.latest_step()
        self._note(
            step=step,
            scalars={name: str(value) for name, value in numbers.items()},
            clips=clips,
            last_good_checkpoint=latest,
            stopped=stops,
        )
        more = f" and {len(clips) - NAMED} more" if len(clips) > NAMED else ""
        of_clips = f", of the clips {', '.join(clips[:NAMED])}{more}" if clips else ""
        seen = f"{', '.join(wrong)} near step {step}{of_clips}"
        if stops:
            raise FloatingPointError(
                f"{seen}; the last good checkpoint is step {latest}: lower the learning rate, look"
                " at the data, or let skip_nonfinite pass such steps over"
            )
        if jax.process_index() == 0:
            print(f"{seen}: passed over", file=sys.stderr, flush=True)

    def _note(self, **line) -> None:
        if jax.process_index() == 0:
            append(self._run.workdir / "nonfinite.jsonl", json.dumps(line) + "\n")
