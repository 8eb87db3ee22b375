"""The loop: what happens when, and that neither a stop nor the placement changes any number."""

import importlib
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from via_jax import loop
from via_jax.checkpoints import Checkpoints
from via_jax.data.batches import blend
from via_jax.data.sampling import Window, epoch_items, training_windows
from via_jax.runs import open_run, read_metrics
from via_jax.training import create_state, train_step

BATCH = 4
RHYTHM = loop.Rhythm(steps=7, log_every=2, eval_every=3, save_every=5, steps_per_dispatch=0)
OPTIMIZER = optax.adam(0.1)


class Stopped(Exception):
    """Stands for a machine that goes away."""


def loss_fn(params, batch_stats, batch, rng):
    """Draws the mean pose towards a point that shakes at random."""
    goal = jax.random.normal(rng, (3,))
    error = batch["poses"].mean(axis=(1, 2)) * params["gain"] + params["offset"][None] - goal[None]
    loss = jnp.square(error).mean()
    return loss, ({"seen": batch_stats["seen"] + batch["poses"].mean()}, {"loss": loss})


def fresh_state():
    params = {"gain": jnp.float32(1.0), "offset": jnp.zeros(3)}
    variables = {"params": params, "batch_stats": {"seen": jnp.float32(0.0)}}
    return create_state(variables, OPTIMIZER)


@pytest.fixture(scope="module")
def feed(tiny_data):
    window = Window(frames=5, multiple=1, sampling="crop", shortest_share=1.0, speed=(0.7, 1.3))

    def draw(step, facts, keys):
        chosen = epoch_items(keys[0], step, BATCH, len(tiny_data.length))
        key = jax.random.fold_in(keys[1], step)
        return training_windows(key, chosen, facts.length[chosen], window)

    def finish(low, high, draw, facts, step, keys):
        return {"poses": blend(low, high, draw, facts).poses}

    keys = [jax.random.key(seed) for seed in (1, 2, 3)]
    return loop.Feed(draw, finish, clips=BATCH, given=keys)


@pytest.fixture(scope="module")
def make_stepper(feed, tiny_data):
    """(placement, steps per dispatch) -> step, each compiled once."""
    made = {}

    def update(state, batch, keys):
        rng = jax.random.fold_in(keys[2], state.step)
        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=OPTIMIZER)

    def make(placement="device", count=1):
        if (placement, count) not in made:
            made[placement, count] = loop.stepper(feed, update, tiny_data, placement, count)
        return made[placement, count]

    return make


def train(workdir, step, rhythm=RHYTHM, stop_after=None, state=None):
    """Runs the loop; it may be stopped after some calls of the step. Returns the last state."""
    calls = 0

    def counting(state):
        nonlocal calls
        if calls == stop_after:
            raise Stopped
        calls += 1
        return step(state)

    def evaluate(state):
        return {"error": float(jnp.abs(state.params["gain"]))}

    with (
        open_run(workdir, {"seed": 0}) as run,
        Checkpoints(
            run.checkpoints, keep_latest=2, keep_best_by="error", higher_is_better=False
        ) as checkpoints,
    ):
        return loop.run_steps(
            state or fresh_state(),
            counting,
            rhythm,
            run=run,
            checkpoints=checkpoints,
            meta={"of": "test_loop"},
            clips=BATCH,
            evaluate=evaluate,
        )


def without_speed(workdir):
    rows = read_metrics(workdir / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "clips_per_second"} for row in rows]


def assert_identical(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


@pytest.fixture(scope="module")
def uninterrupted(make_stepper, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("uninterrupted")
    return workdir, jax.tree.map(np.asarray, train(workdir, make_stepper()))


def test_everything_happens_when_it_should(uninterrupted):
    workdir, state = uninterrupted
    rows = read_metrics(workdir / "metrics.jsonl")
    logged = [row["step"] for row in rows if "loss" in row]
    evaluated = [row["step"] for row in rows if "error" in row]
    assert (logged, evaluated) == ([2, 4, 6, 7], [3, 6, 7])
    assert [row["step"] for row in rows] == sorted(logged + evaluated)
    assert all(row["clips_per_second"] > 0 for row in rows if "loss" in row)
    assert set(rows[0]) == {"step", "loss", "grad_norm", "clips_per_second"}
    assert int(state.step) == 7
    with Checkpoints(workdir / "checkpoints", keep_latest=9, read_only=True) as checkpoints:
        errors = {row["step"]: row["error"] for row in rows if "error" in row}
        assert checkpoints.best_step() == min(errors, key=errors.__getitem__)
        assert checkpoints.steps() == sorted({checkpoints.best_step(), 6, 7})


@pytest.mark.parametrize("stop_after", [2, 3, 4, 6])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    stop_after, make_stepper, uninterrupted, tmp_path
):
    with pytest.raises(Stopped):
        train(tmp_path, make_stepper(), stop_after=stop_after)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.latest_step() == {2: None, 3: 3, 4: 3, 6: 6}[stop_after]
    state = train(tmp_path, make_stepper())
    workdir, expected = uninterrupted
    assert_identical(state, expected)
    assert without_speed(tmp_path) == without_speed(workdir)


def test_a_finished_run_stays_as_it_is(make_stepper, tmp_path):
    first = jax.tree.map(np.asarray, train(tmp_path, make_stepper()))
    lines = (tmp_path / "metrics.jsonl").read_bytes()
    again = train(tmp_path, make_stepper(), stop_after=0)
    assert_identical(again, first)
    assert (tmp_path / "metrics.jsonl").read_bytes() == lines


def test_frames_on_the_host_give_the_batches_of_frames_on_the_device(
    make_stepper, uninterrupted, tmp_path
):
    state = train(tmp_path, make_stepper("host"))
    workdir, expected = uninterrupted
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), state, expected
    )
    for row, wanted in zip(without_speed(tmp_path), without_speed(workdir), strict=True):
        assert row == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_frames_read_ahead_are_not_taken_for_those_of_another_step(make_stepper):
    """A state that does not follow the last one gets the frames of its own step."""
    step = make_stepper("host")

    def seen(number):
        state = fresh_state().replace(step=jnp.int32(number))
        return float(step(state)[0].batch_stats["seen"])

    assert seen(0) != seen(5)
    assert seen(0) == seen(0)
    after = step(step(fresh_state())[0])[0]  # the second with the frames that were read ahead
    assert float(after.batch_stats["seen"]) == pytest.approx(seen(0) + seen(1), rel=1e-6)


def test_a_training_leaves_the_cores_to_xla(make_stepper, tmp_path):
    """BLAS has one thread in the loop, and as many as before behind it."""

    def threads():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    found = []

    def looking(state):
        found.append(threads())
        return make_stepper()(state)

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        train(tmp_path, looking)
        assert threads() == before
    assert len(found) == 7
    assert all(set(count) == {1} for count in found)


def test_several_steps_a_dispatch_change_nothing(make_stepper, tmp_path):
    results = []
    for count in (1, 2):
        rhythm = loop.Rhythm(8, 2, 4, 4, steps_per_dispatch=count)
        workdir = tmp_path / str(count)
        state = train(workdir, make_stepper(count=count), rhythm)
        results.append((jax.tree.map(np.asarray, state), without_speed(workdir)))
    (one, rows), (two, other_rows) = results
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), one, two)
    for row, wanted in zip(other_rows, rows, strict=True):
        assert row == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
def test_a_number_that_is_not_finite_stops_the_run(name, make_stepper, tmp_path):
    step = make_stepper()

    def spoiling(state):
        state, scalars = step(state)
        return state, {**scalars, name: jnp.nan} if int(state.step) == 4 else scalars

    with pytest.raises(FloatingPointError, match=f"{name} is nan near step 4; .* is step 3:"):
        train(tmp_path, spoiling, loop.Rhythm(9, 1, 0, 3, 0))
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]


def test_a_bad_state_is_not_saved_between_two_logs(make_stepper, tmp_path):
    """Step 4 is saved but not logged: the one before, step 2, must stay the latest."""
    step = make_stepper()

    def spoiling(state):
        state, scalars = step(state)
        return state, {**scalars, "loss": jnp.nan} if int(state.step) == 4 else scalars

    with pytest.raises(FloatingPointError, match=r"the last good checkpoint is step 2:"):
        train(tmp_path, spoiling, loop.Rhythm(9, 9, 0, 2, 0))
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.latest_step() == 2


def test_the_state_of_another_model_is_refused(make_stepper, uninterrupted):
    workdir, _ = uninterrupted
    other = fresh_state()
    params = {"gain": jnp.zeros(2), "bias": jnp.float32(0), "offset": jnp.zeros(3)}
    with pytest.raises(ValueError, match="checkpoint of another model") as caught:
        train(workdir, make_stepper(), state=other.replace(params=params))
    assert "model/params/bias: stored absent, expected float32[]" in str(caught.value)
    assert "model/params/gain: stored float32[], expected float32[2]" in str(caught.value)


def test_the_work_directory_of_another_config_is_refused(uninterrupted):
    workdir, _ = uninterrupted
    with pytest.raises(ValueError, match=r"another config:\n  seed: stored 0, given 1"):
        open_run(workdir, {"seed": 1})
    assert json.loads((workdir / "config.json").read_text()) == {"seed": 0}


def test_another_placement_is_refused(feed, tiny_data):
    with pytest.raises(ValueError, match=r'data\.placement=\'disk\'; expected "device" or "host"'):
        loop.stepper(feed, lambda state, batch: (state, {}), tiny_data, "disk", 1)


@pytest.mark.parametrize(
    ("rhythm", "message"),
    [
        (loop.Rhythm(9, 2, 4, 4, 2), "steps=9 is not a multiple of steps_per_dispatch=2"),
        (loop.Rhythm(8, 3, 4, 4, 2), "log_every=3 is not a multiple"),
        (loop.Rhythm(8, 4, 3, 4, 2), "eval_every=3 is not a multiple"),
        (loop.Rhythm(8, 4, 4, 3, 2), "save_every=3 is not a multiple"),
        (loop.Rhythm(8, 0, 4, 4, 2), "log_every=0 must be at least 1"),
    ],
)
def test_a_rhythm_that_does_not_fit_the_dispatch_is_refused(rhythm, message):
    with pytest.raises(ValueError, match=message):
        rhythm.dispatch()


@pytest.mark.parametrize("path", sorted(pathlib.Path("configs").glob("[a-z]*.py")), ids=str)
def test_every_config_runs_on_an_accelerator(path, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    config = importlib.import_module(f"configs.{path.stem}").get_config()
    for section in (config.pretrain, config.fine_tune):
        rhythm = loop.rhythm_of(section, "device")
        assert rhythm.dispatch() in (1, 2, 4, 8)
        assert rhythm.log_every % rhythm.dispatch() == 0
    assert loop.Rhythm(96, 16, 0, 32, 0).dispatch() == 8
    assert loop.Rhythm(800, 50, 250, 0, 0).dispatch() == 2


def test_frames_from_the_host_come_one_step_at_a_time(tiny_config):
    section = tiny_config.pretrain
    assert loop.rhythm_of(section, "host").steps_per_dispatch == 1
    section.steps_per_dispatch = 2
    assert loop.rhythm_of(section, "device").steps_per_dispatch == 2
    with pytest.raises(ValueError, match="steps_per_dispatch=2 with data"):
        loop.rhythm_of(section, "host")


def test_the_dispatch_of_a_rhythm():
    assert RHYTHM.dispatch() == 1  # on CPU
    assert loop.Rhythm(8, 4, 0, 0, 4).dispatch() == 4
