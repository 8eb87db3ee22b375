"""A run of a few numbers through the real loop, to be stopped, killed and spoilt by tests.

Not a test. Its clips are twelve goals; the state remembers which were drawn at each step, in the
place of batch statistics. Child processes are forked from a server that has imported everything, so
that one costs a fraction of a second.
"""

import functools
import multiprocessing
import os
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from via_jax import guard, loop
from via_jax.checkpoints import Checkpoints
from via_jax.data.sampling import epoch_items
from via_jax.runs import open_run, read_metrics
from via_jax.training import create_state, train_step

CLIPS, BATCH, LONGEST = 12, 4, 40
OPTIMIZER = optax.adam(0.1)
GOALS = np.linspace(-1, 1, CLIPS * 3).reshape(CLIPS, 3).astype(np.float32)


def loss_fn(params, batch_stats, batch, rng):
    noise = 0.1 * jax.random.normal(rng, (3,))
    error = params["places"][batch["clip"]] + params["shift"][None] - batch["goal"] + noise[None]
    drawn = batch_stats["drawn"].at[batch["step"] % LONGEST].set(batch["clip"])
    loss = jnp.square(error).mean()
    return loss, ({"drawn": drawn}, {"loss": loss, "term": jnp.abs(error).mean()})


def fresh_state(seed=0):
    places = jax.random.normal(jax.random.key(seed), (CLIPS, 3))
    variables = {
        "params": {"places": places, "shift": jnp.zeros(3)},
        "batch_stats": {"drawn": jnp.full((LONGEST, BATCH), -1, jnp.int32)},
    }
    return create_state(variables, OPTIMIZER)


def clips_of(step, seed=0):
    return epoch_items(jax.random.key(seed), step, BATCH, CLIPS).astype(jnp.int32)


@functools.lru_cache
def stepper(skip=False, seed=0):
    """(state, goals) -> (state, scalars), compiled once a process."""

    def update(state, batch, given):
        rng = jax.random.fold_in(jax.random.key(seed), state.step)
        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=OPTIMIZER)

    guarded = guard.keep_finite(update, skip)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, goals):
        clip = clips_of(state.step, seed)
        batch = {"clip": clip, "goal": goals[clip], "step": state.step}
        return guarded(state, batch, None)

    return step


def rhythm(steps=12, log=3, save=5):
    return loop.Rhythm(steps, log_every=log, eval_every=0, save_every=save, steps_per_dispatch=1)


def train(workdir, when=None, *, goals=GOALS, skip=0, seed=0, before=None, made=Checkpoints):
    """Runs the loop to its end; `before(state)` is called before every step."""
    step = stepper(skip > 0, seed)

    def watched(state):
        if before is not None:
            before(state)
        return step(state, goals)

    with (
        open_run(workdir, {"seed": seed}) as run,
        made(run.checkpoints) as checkpoints,
    ):
        return loop.run_steps(
            fresh_state(seed),
            watched,
            when or rhythm(),
            run=run,
            checkpoints=checkpoints,
            meta={"of": "tiny_run"},
            clips=BATCH,
            clips_of=lambda done: [f"clip{index}" for index in sorted(clips_of(done).tolist())],
            skip_nonfinite=skip,
        )


def rows(workdir):
    """What was logged, without the speed."""
    found = read_metrics(workdir / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "clips_per_second"} for row in found]


def assert_identical(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


class Reporting(Checkpoints):
    """Tells the parent before each save, and which step is on disk since; takes its time."""

    pipe, seconds = None, 0.0

    def save(self, step, *args, **kwargs):
        self.pipe.send(("saving", step))
        time.sleep(self.seconds)
        before = self.latest_step()
        super().save(step, *args, **kwargs)  # waits for the save before this one
        if before is not None:
            self.pipe.send(("saved", before))


def child(pipe, workdir, when, pace, seconds):
    """Trains in a process of its own, a step every `pace` seconds."""
    Reporting.pipe, Reporting.seconds = pipe, seconds
    os.dup2(os.open(pathlib.Path(workdir).parent / "stderr", os.O_WRONLY | os.O_CREAT), 2)

    def before(state):
        pipe.send(("step", int(state.step)))  # so many are complete
        time.sleep(pace)

    train(pathlib.Path(workdir), when, before=before, made=Reporting)


def start(workdir, when, pace=0.01, seconds=0.0):
    """(process, pipe) of a child."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny_run"])
    here = pathlib.Path(__file__).parent
    path, os.environ["PYTHONPATH"] = os.environ.get("PYTHONPATH"), f"{here}:{here.parent}"
    try:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=child, args=(theirs, str(workdir), when, pace, seconds))
        process.start()
    finally:
        if path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = path
    theirs.close()
    return process, ours


def wait_for(pipe, kind, at_least=0):
    """Everything said until a message of this kind and number; fails after two minutes."""
    heard = []
    while pipe.poll(120):
        heard.append(pipe.recv())
        if heard[-1][0] == kind and heard[-1][1] >= at_least:
            return heard
    raise AssertionError(f"no {kind} {at_least}, only {heard}")


def rest_of(pipe):
    """Everything said since, by a process that has ended."""
    heard = []
    try:
        while True:
            heard.append(pipe.recv())
    except EOFError:
        return heard
