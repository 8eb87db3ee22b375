"""A loss that is not finite: the state stays clean, the run stops at once or passes it over."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_run

from via_jax import guard
from via_jax.checkpoints import Checkpoints
from via_jax.data.sampling import Draw
from via_jax.training import TrainState

RARELY = tiny_run.rhythm(steps=12, log=12, save=2)


def spoilt(*clips):
    goals = tiny_run.GOALS.copy()
    goals[list(clips)] = np.nan
    return goals


def drawn(step):
    return tiny_run.clips_of(step).tolist()


def test_the_run_stops_at_the_step_after_and_names_the_clips(tmp_path):
    """Clip 3 is first drawn at step index `bad`; nothing is logged before the end."""
    (clip,) = drawn(2)[:1]
    bad = next(step for step in range(3) if clip in drawn(step))
    states = []

    def before(state):
        states.append(jax.tree.map(np.asarray, state))

    when = tiny_run.rhythm(steps=12, log=12, save=0)
    with pytest.raises(FloatingPointError) as caught:
        tiny_run.train(tmp_path, when, goals=spoilt(clip), before=before)
    names = [f"clip{index}" for index in sorted(drawn(bad))]
    message = str(caught.value)
    assert f"grad_norm is nan, loss is nan, term is nan near step {bad + 1}" in message
    assert f"of the clips {', '.join(names)}; the last good checkpoint is step None" in message
    assert len(states) == bad + 2  # the step in progress was the last
    assert [int(state.step) for state in states] == [*range(bad + 1), bad]  # it stood still
    tiny_run.assert_identical(states[-1], states[-2])
    (line,) = map(json.loads, (tmp_path / "nonfinite.jsonl").read_text().splitlines())
    assert line == {
        "step": bad + 1,
        "scalars": {"loss": "nan", "term": "nan", "grad_norm": "nan"},
        "clips": names,
        "last_good_checkpoint": None,
        "stopped": True,
    }


def test_no_bad_state_is_saved(tmp_path):
    clip = (set(drawn(1)) - set(drawn(0))).pop()
    when = tiny_run.rhythm(steps=12, log=12, save=1)
    with pytest.raises(
        FloatingPointError, match=r"near step 2, .* last good checkpoint is step 1:"
    ):
        tiny_run.train(tmp_path, when, goals=spoilt(clip))
    with Checkpoints(tmp_path / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.steps() == [1]


def test_steps_are_passed_over_where_it_is_asked_for(tmp_path, capsys):
    """One of twelve clips is bad, four are drawn a step: one step of each epoch of three."""
    state = tiny_run.train(tmp_path, RARELY, goals=spoilt(5), skip=2)
    assert int(state.step) == 12
    assert guard.all_finite((state.params, state.opt_state))
    seen = np.asarray(state.batch_stats["drawn"])[:12]
    wrong = [step for step in range(12) if 5 in drawn(step)]
    assert len(wrong) == 4
    for step in range(12):
        assert seen[step].tolist() == ([-1] * 4 if step in wrong else drawn(step))
    lines = [json.loads(line) for line in (tmp_path / "nonfinite.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [step + 1 for step in wrong]
    assert all("clip5" in line["clips"] and not line["stopped"] for line in lines)
    assert capsys.readouterr().err.count("passed over") == 4
    good = np.delete(np.arange(12), 5)
    moved = np.asarray(state.params["places"]) != np.asarray(
        tiny_run.fresh_state().params["places"]
    )
    assert moved[good].all()


def test_too_many_in_a_row_stop_the_run(tmp_path):
    with pytest.raises(FloatingPointError, match="near step 3,"):
        tiny_run.train(tmp_path, RARELY, goals=spoilt(*range(12)), skip=2)
    lines = (tmp_path / "nonfinite.jsonl").read_text().splitlines()
    assert [json.loads(line)["stopped"] for line in lines] == [False, False, True]


@pytest.mark.parametrize("what", ["scalars", "batch_stats"])
def test_scalars_and_statistics_must_be_finite(what):
    state = TrainState(step=jnp.int32(4), params=jnp.ones(2), batch_stats=jnp.ones(3), opt_state=())

    def update(state, batch, given):
        wrong = jnp.array([1.0, jnp.inf, 1.0])
        scalars = {"loss": wrong[1] if what == "scalars" else wrong[0]}
        stats = wrong if what == "batch_stats" else state.batch_stats + 1
        return TrainState(state.step + 1, state.params + 1, stats, ()), scalars

    for skip, step in ((False, 4), (True, 5)):
        new, scalars = jax.jit(guard.keep_finite(update, skip))(state, {}, None)
        tiny_run.assert_identical(new, state.replace(step=jnp.int32(step)))
        assert np.isinf(scalars["loss"]) == (what == "scalars")


def test_names_of_the_clips_of_a_step(tiny_data):
    def draw(step, facts, given):
        return Draw(given + step, facts.row, facts.row, facts.row)

    names = guard.clip_names(draw, np.array([7, 0, 7]), tiny_data)
    assert names(2) == sorted(str(tiny_data.names[tiny_data.clip[index]]) for index in (2, 9))
