import os
import signal
import time
from pathlib import Path

import pytest

from via_jax.data import pool


def square(number):
    return number * number


def mark(item):
    """Leaves a file, so that another process sees what was computed."""
    folder, number = item
    (folder / str(number)).touch()
    time.sleep(0.02 if number % 3 == 0 else 0.0)  # not in the order of the items
    return number


def die(number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number):
    raise RuntimeError(f"item {number}")


def test_results_come_in_order():
    items = list(range(30))
    expected = [n * n for n in items]
    assert list(pool.in_order(square, items, 1)) == expected
    assert list(pool.in_order(square, items, 2)) == expected
    assert list(pool.in_order(square, [], 2)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_it_is_not_far_ahead_of_what_is_taken(tmp_path, processes):
    items = [(tmp_path, number) for number in range(40)]
    bound = 1 if processes == 1 else processes * pool.AHEAD
    most = 0
    results = pool.in_order(mark, items, processes)
    for taken, result in enumerate(results):
        assert result == taken
        if taken % 10 == 5:
            time.sleep(0.2)  # a slow taker
        ahead = len(os.listdir(tmp_path)) - taken
        assert ahead <= bound
        most = max(most, ahead)
    assert most > bound // 2


def test_a_process_that_dies_ends_it():
    results = pool.in_order(die, list(range(30)), 2)
    with pytest.raises(ChildProcessError, match="process that read files died: it was killed"):
        list(results)


def test_an_error_keeps_its_words():
    with pytest.raises(RuntimeError, match="item 0"):
        list(pool.in_order(fail, [0, 1, 2], 2))


def test_no_process_outlives_its_end(tmp_path):
    results = pool.in_order(mark, [(tmp_path, number) for number in range(40)], 2)
    next(results)
    results.close()
    done = len(os.listdir(tmp_path))
    assert done < 40
    time.sleep(0.2)
    assert len(os.listdir(tmp_path)) == done
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if children.exists():
        commands = [Path(f"/proc/{n}/cmdline").read_text() for n in children.read_text().split()]
        assert not any("spawn_main" in command for command in commands)


def test_short_work_stays_in_this_process(monkeypatch):
    monkeypatch.setattr(pool, "_cores", lambda: 2)
    assert set(pool.in_order(process_of, [0.0] * 30, 0)) == {os.getpid()}


def test_long_work_goes_to_processes(monkeypatch):
    monkeypatch.setattr(pool, "_cores", lambda: 2)
    monkeypatch.setattr(pool, "WORTH", 0.01)
    found = list(pool.in_order(process_of, [0.005] * 30, 0))
    assert found[: pool.TRIED] == [os.getpid()] * pool.TRIED
    assert os.getpid() not in found[pool.TRIED :] and len(found) == 30


def process_of(seconds):
    time.sleep(seconds)
    return os.getpid()


def test_all_cores_are_no_more_than_a_bound(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(500), raising=False)
    assert pool._cores() == pool.MOST
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(3), raising=False)
    assert pool._cores() == 3


def test_a_negative_number_of_processes():
    with pytest.raises(ValueError, match=r"processes=-1; expected 1 or more, or 0 for all"):
        next(pool.in_order(square, [1], -1))
