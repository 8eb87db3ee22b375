"""A function of many items, computed by several processes: in order and in bounded memory."""

import collections
import itertools
import multiprocessing
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4  # items per process that are being read or wait for those before them
MOST = 32  # for "all cores": a process that prepares data takes some 40 MB
TRIED = 16  # items from which the whole time is estimated
# Seconds of work from which processes pay. One takes 0.35 s of CPU time to start and adds a tenth
# to the work: two finished NW-UCLA or Penn Action (1484 and 2326 clips, 1.4 s each) no sooner.
WORTH = 4.0


def in_order(function: Callable[[T], R], items: Sequence[T], processes: int) -> Generator[R]:
    """Yields function(item) of every item, in order.

    At most AHEAD x processes items are computed, or being computed, and not yet taken. Close the
    iterator to end the processes before its end.

    Args:
      function: of a module, as items and results must be: all three travel between processes.
      items: what to compute.
      processes: 1 computes in this process. 0 begins in it and, if that pays, goes on with one per
        core.

    Raises:
      ValueError: a negative number of processes.
      ChildProcessError: a process died (killed, out of memory).
    """
    if processes < 0:
        raise ValueError(f"processes={processes}; expected 1 or more, or 0 for all cores")
    todo = iter(items)
    left = len(items)
    if processes == 0:
        seconds = []
        for item in itertools.islice(todo, TRIED):
            begin = time.perf_counter()
            result = function(item)
            seconds.append(time.perf_counter() - begin)
            yield result
        left -= len(seconds)
        pays = left > 0 and left * statistics.median(seconds) > WORTH
        processes = _cores() if pays else 1
    if processes == 1:
        yield from map(function, todo)
        return
    # Spawned, not forked: jax and other libraries with threads do not survive a fork.
    pool = ProcessPoolExecutor(
        min(processes, max(left, 1)), multiprocessing.get_context("spawn"), initializer=_settle
    )
    waiting: collections.deque[tuple[T, Future[R]]] = collections.deque()
    try:
        for item in todo:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) == AHEAD * processes:
                yield waiting.popleft()[1].result()
        while waiting:
            yield waiting.popleft()[1].result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a process that read files died: it was killed, perhaps for want of memory"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """The cores that this process may use, at most MOST."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST)
    return min(os.cpu_count() or 1, MOST)


def _settle() -> None:
    """Readies a new process: it ends with its parent, and leaves Ctrl-C to it."""
    # NumPy and SciPy come later, with the function; their BLAS would start a thread per core each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns when the parent is gone, killed or not
        os._exit(1)
