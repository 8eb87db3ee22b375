"""Alternation, medians and the pairing of times."""

import numpy as np
import pytest

from via_jax.benchmark import timing
from via_jax.benchmark.timing import alternated, ratio, timed


def test_runs_take_turns_and_every_second_round_is_backwards(monkeypatch):
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    order = []

    def run(name, seconds):
        order.append(name)
        return seconds

    found = alternated({"a": lambda: run("a", 1.0), "b": lambda: run("b", 3.0)}, 3, warmup=1)
    assert order[::2] == order[1::2] == ["a", "b", "b", "a", "a", "b", "b", "a"]
    np.testing.assert_array_equal(found["a"], [1.0] * 3)  # the first round is not counted
    np.testing.assert_array_equal(found["b"], [3.0] * 3)


def test_ratios_are_taken_round_by_round():
    """The machine is ten times slower in one round: the ratio of the medians would be 2.5."""
    ours, others = np.array([1.0, 10.0, 2.0]), np.array([2.0, 20.0, 5.0])
    found = ratio(others, ours)
    assert found.median == 2.0 and found.lowest == 2.0 and found.highest == 2.25
    assert np.median(others) / np.median(ours) == 2.5


def test_a_timed_function_is_called_once_a_run():
    calls = []
    run = timed(lambda: calls.append(1))
    assert run() >= 0.0 and run() < 5.0
    assert len(calls) == 2


def test_no_round_is_refused():
    with pytest.raises(ValueError, match="rounds=0 must be at least 1"):
        alternated({}, 0)
