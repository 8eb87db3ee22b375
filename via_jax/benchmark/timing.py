"""Times of alternated runs, compared pair by pair, so that a busy machine slows all sides alike."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

PAUSE = 0.2  # seconds before a turn, in which the threads of the side before stop spinning

Run = Callable[[], float]  # runs once and returns its seconds


class Ratio(NamedTuple):
    """How many times longer another side takes, round by round.

    Attributes:
      median: of the rounds; above 1 where the other side is slower.
      lowest, highest: the quartiles of the rounds.
    """

    median: float
    lowest: float
    highest: float


def timed(function: Callable[[], object]) -> Run:
    """A run of a function that returns when its work is done."""

    def run() -> float:
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin

    return run


def alternated(runs: Mapping[str, Run], rounds: int, warmup: int = 1) -> dict[str, np.ndarray]:
    """Seconds of every run in every round, [rounds] by name.

    Every second round goes through the runs backwards, so that none always follows the same one. A
    turn is a pause, an uncounted run, so that the caches hold what the step before leaves in a
    training, and the counted run.

    Args:
      runs: by name.
      rounds: at least 1.
      warmup: rounds before that are not counted.

    Raises:
      ValueError: fewer than one round.
    """
    if rounds < 1:
        raise ValueError(f"rounds={rounds} must be at least 1")
    names, seconds = list(runs), {name: list[float]() for name in runs}
    for index in range(warmup + rounds):
        for name in names if index % 2 == 0 else names[::-1]:
            time.sleep(PAUSE)
            runs[name]()
            spent = runs[name]()
            if index >= warmup:
                seconds[name].append(spent)
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(others: np.ndarray, ours: np.ndarray) -> Ratio:
    """Others' time over ours, pair by pair; both [rounds] of the same `alternated`."""
    lowest, median, highest = np.quantile(others / ours, (0.25, 0.5, 0.75))
    return Ratio(float(median), float(lowest), float(highest))
