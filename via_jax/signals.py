"""Stopping when asked to: after SIGTERM or SIGINT a run saves the step in progress and ends.

Several processes agree by a flag of each, summed by their devices after every dispatch. The
preemption service of `jax.distributed` is not asked: it names one step, which a run of several
steps a dispatch passes over, and it swallows SIGTERM also where nothing asks for it.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import jax

from via_jax import parallel
from via_jax.typing import Array

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command goes on
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """Ends the process with EXIT_CODE after a save; `str` says at which step."""

    def __init__(self, message: str):
        super().__init__(message)
        self.code = EXIT_CODE


class Request:
    """Whether somebody asked this run to stop.

    Attributes:
      name: of the first signal that came; None before.
    """

    name: str | None = None
    _before: Array | None = None  # flags at the question before

    def now(self) -> bool:
        """Whether to stop here; in a run of several processes all answer alike.

        Every process must ask as often. There the answer is that of the flags at the question
        before, so that nobody waits for the step in progress: the run stops a dispatch later.
        """
        if jax.process_count() == 1:
            return self.name is not None
        before, self._before = self._before, parallel.count_flags(self.name is not None)
        return before is not None and int(before) > 0


@contextlib.contextmanager
def stop_requests() -> Iterator[Request]:
    """While open, the first SIGTERM or SIGINT is noted instead of ending the process.

    Later ones change nothing: a save in progress is finished. A signal that the process ignored
    before, as under nohup, stays ignored. After `Stopped` the process stays deaf, for it is ending.
    In another thread than the main one nothing can be noted and signals work as ever.
    """
    request = Request()

    def note(number: int, frame: object) -> None:
        name = signal.Signals(number).name
        if request.name is None:
            request.name = name
            say(f"{name}: stopping after this step; it is saved, please wait\n")

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield request
    except Stopped:
        raise
    except BaseException:
        _restore(before)
        raise
    else:
        _restore(before)


def say(text: str) -> None:
    """Writes to stderr from a signal handler, where print could meet itself."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


def _restore(before: dict) -> None:
    for number, handler in before.items():
        signal.signal(number, handler or signal.SIG_DFL)
