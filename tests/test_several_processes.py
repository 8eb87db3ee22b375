"""Runs of several processes of which one is asked to stop, or killed: nothing saved is lost."""

import os
import shutil
import signal
import time

import pytest

from tests.processes.running import assert_same_end, logged, reports, wait_until
from via_jax.checkpoints import Checkpoints

SOAK = "VIA_JAX_SOAK" in os.environ
minutes = pytest.mark.skipif(not SOAK, reason="minutes; runs with VIA_JAX_SOAK=1")
TIMEOUT = 10  # seconds until a silent process counts as dead


def steps_held(workdir):
    if not (workdir / "checkpoints").is_dir():
        return []
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.steps()


def goes_on(runs, whole, workdir, processes, **settings):
    """A copy of the work directory ends as the run that was left alone."""
    copy = workdir.with_name(f"{workdir.name}_on_{processes}")
    shutil.copytree(workdir, copy)
    done = steps_held(copy)[-1]
    for index, report in enumerate(reports(*runs.start(copy, processes=processes, **settings))):
        assert report["processes"] == processes
        assert report["steps"] == list(range(done, 8))
        assert report["drawn"] == whole[1]["drawn"][done:]
        assert_same_end(copy, whole, index)


@pytest.mark.parametrize(
    ("number", "asked", "settings"),
    [
        (signal.SIGTERM, 1, {}),
        pytest.param(signal.SIGINT, 0, {"kind": "pmap", "placement": "host"}, marks=minutes),
    ],
)
def test_one_of_two_is_asked_to_stop(number, asked, settings, runs, whole, tmp_path):
    """Both stop at the same step with it saved and code 75; one or two go on."""
    workdir = tmp_path / "run"
    processes = runs.start(workdir, processes=2, pace=0.3, **settings)
    wait_until(lambda: logged(workdir), processes)
    processes[asked].send_signal(number)
    one, two = reports(*processes, code=75)
    assert one["steps"] == two["steps"] and one["drawn"] == two["drawn"]
    done = len(one["steps"])
    assert 1 < done < 8 and steps_held(workdir)[-1] == logged(workdir) == done
    for several in (1, 2) if SOAK else (2,):
        goes_on(runs, whole, workdir, several, placement=settings.get("placement", "device"))


@minutes
def test_one_of_two_is_asked_to_stop_amid_a_dispatch_of_several_steps(runs, tmp_path):
    processes = runs.start(tmp_path, processes=2, pace=1.0, dispatch=2)
    wait_until(lambda: logged(tmp_path), processes)
    processes[1].send_signal(signal.SIGTERM)
    one, two = reports(*processes, code=75)
    assert one["steps"] == two["steps"] in ([0, 2], [0, 2, 4])
    assert steps_held(tmp_path)[-1] == 2 * len(one["steps"])


@pytest.mark.parametrize("killed", [1, pytest.param(0, marks=minutes)])
def test_one_of_two_is_killed(killed, runs, whole, tmp_path):
    """The other ends by itself and badly; fewer or more go on from the step that was saved."""
    workdir = tmp_path / "run"
    processes = runs.start(workdir, processes=2, pace=0.5, peer_timeout=TIMEOUT)
    wait_until(lambda: 4 in steps_held(workdir), processes)
    processes[killed].kill()
    start = time.monotonic()
    other = processes[1 - killed]
    _, said = other.communicate(timeout=300)
    seconds = time.monotonic() - start
    processes[killed].communicate()
    print(f"the other ended with {other.returncode} after {seconds:.1f} s")
    assert other.returncode not in (0, 75), said
    assert seconds < TIMEOUT + 10
    assert steps_held(workdir)[-1] == 4
    goes_on(runs, whole, workdir, 1)
    if SOAK:
        goes_on(runs, whole, workdir, 4, devices=1)
