"""Runs that are asked to stop or killed: nothing complete is lost, and nothing changes a number."""

import os
import random
import signal
import time

import jax
import numpy as np
import pytest
import tiny_run

from via_jax import lock, loop, parallel, signals
from via_jax.checkpoints import Checkpoints
from via_jax.runs import open_run

SOAK = "VIA_JAX_SOAK" in os.environ


def latest(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.latest_step()


def test_stopped_killed_and_stopped_again_it_ends_as_if_left_alone(tmp_path, capsys):
    """SIGTERM, with two more signals during the save; kill -9 between saves; SIGINT; the end."""
    when = tiny_run.rhythm(steps=30, log=2, save=11)
    expected = jax.tree.map(np.asarray, tiny_run.train(tmp_path / "alone", when))
    workdir = tmp_path / "child" / "run"
    workdir.parent.mkdir()

    process, pipe = tiny_run.start(workdir, when, pace=0.05, seconds=0.2)
    heard = tiny_run.wait_for(pipe, "step", 3)
    with pytest.raises(lock.WorkdirInUse, match=rf"in use by process {process.pid} on "):
        open_run(workdir, {"seed": 0})
    os.kill(process.pid, signal.SIGTERM)
    heard += tiny_run.wait_for(pipe, "saving")
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGINT)
    process.join(120)
    assert process.exitcode == signals.EXIT_CODE == 75
    steps = [number for kind, number in heard if kind == "step"]
    assert latest(workdir) == steps[-1] + 1 == heard[-1][1] < 11  # also the step in progress
    assert not (workdir / "lock").read_bytes()
    assert "SIGTERM: stopping after this step" in (workdir.parent / "stderr").read_text()

    stopped_at = heard[-1][1]
    process, pipe = tiny_run.start(workdir, when, pace=0.02)
    heard = tiny_run.wait_for(pipe, "step", 15)
    assert heard[0] == ("step", stopped_at)
    process.kill()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    kept = latest(workdir)
    assert kept in (stopped_at, 11)  # step 11 was being written, on a slow disk it still is
    held = lock.take(workdir)  # as the next start does
    assert f"the run before, process {process.pid} on " in capsys.readouterr().err
    lock.release(held)

    process, pipe = tiny_run.start(workdir, when, pace=0.02)
    heard = tiny_run.wait_for(pipe, "step", 17)
    assert heard[0] == ("step", kept)
    os.kill(process.pid, signal.SIGINT)
    process.join(120)
    assert process.exitcode == 75
    last = [number for kind, number in heard + tiny_run.rest_of(pipe) if kind == "step"][-1]
    assert latest(workdir) == last + 1

    state = tiny_run.train(workdir, when)
    tiny_run.assert_identical(state, expected)  # parameters, optimiser, and the clips drawn
    assert (np.asarray(state.batch_stats["drawn"])[:30] >= 0).all()
    assert tiny_run.rows(workdir) == tiny_run.rows(tmp_path / "alone")


@pytest.mark.parametrize("kills", [50 if SOAK else 3])
def test_kill_9_during_a_save(kills, tmp_path):
    """Each restart goes on from a whole step, no older than the last one said to be saved."""
    workdir, when = tmp_path / "run", tiny_run.rhythm(steps=100_000, log=1000, save=1)
    rng, last = random.Random(0), 0
    for _ in range(kills):
        process, pipe = tiny_run.start(workdir, when, pace=0.0)
        heard = tiny_run.wait_for(pipe, "saving", last + rng.randint(2, 4))
        time.sleep(rng.uniform(0, 0.05))  # a save takes some 0.03 s
        process.kill()
        process.join(120)
        heard += tiny_run.rest_of(pipe)
        assert heard[0][0] == "step" and heard[0][1] >= last
        last = max([last, *(number for kind, number in heard if kind == "saved")])
        with Checkpoints(workdir / "checkpoints") as checkpoints:
            state, done = loop.restore_newest(tiny_run.fresh_state(), checkpoints)
        assert done >= last and int(state.step) == done
        assert not list((workdir / "checkpoints").glob("*.damaged*"))


def test_signals_are_given_back(monkeypatch):
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    with signals.stop_requests() as asked:
        assert not asked.now()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.now() and asked.name in ("SIGINT", "SIGTERM")
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before
    with pytest.raises(KeyError), signals.stop_requests():
        raise KeyError
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as under nohup
    try:
        with signals.stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert not asked.now()
    finally:
        signal.signal(signal.SIGINT, before)


def test_several_processes_stop_where_any_was_asked(monkeypatch):
    """One stop later than asked, so that nobody waits for the step in progress."""
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    of_the_other = iter([0, 0, 2, 2])
    monkeypatch.setattr(
        signals.parallel, "count_flags", lambda flag: np.int32(2 * flag + next(of_the_other))
    )
    with signals.stop_requests() as asked:
        assert [asked.now() for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize("flag", [False, True])
def test_flags_are_counted_over_devices(flag):
    assert int(parallel.count_flags(flag)) == flag * jax.device_count() != 1


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    states = [
        jax.tree.map(np.asarray, tiny_run.train(tmp_path / name, seed=seed))
        for name, seed in (("first", 0), ("second", 0), ("other", 1))
    ]
    tiny_run.assert_identical(states[0], states[1])
    assert tiny_run.rows(tmp_path / "first") == tiny_run.rows(tmp_path / "second")
    assert (states[0].params["places"] != states[2].params["places"]).all()
    assert (states[0].batch_stats["drawn"] != states[2].batch_stats["drawn"]).any()
