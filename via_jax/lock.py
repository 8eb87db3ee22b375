"""One run at a time in a work directory: a lock that ends with the process that holds it.

The system releases the lock of a process however it ends, kill -9 included, so nothing has to guess
whether a lock is stale. The file `lock` stays; while a run holds it, it says who that is.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import pathlib
import socket
import sys

# Of file systems that know no locks, such as some mounts over a network.
UNKNOWN = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class WorkdirInUse(ValueError):
    """Another run holds the work directory."""


def take(workdir: pathlib.Path) -> int:
    """Locks a work directory for this process; returns what `release` wants.

    The lock of a run that was killed is taken over, with a line on stderr. On a file system
    without locks a line says so, and the run goes on without.

    Raises:
      WorkdirInUse: another run, or this process already, holds it.
    """
    path = workdir / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with contextlib.suppress(BlockingIOError):
            locked = _lock(handle, path)
            if locked and (before := os.pread(handle, 4096, 0)):
                print(
                    f"{workdir}: the run before, {_holder(before)}, did not end by itself; its"
                    " lock is taken over",
                    file=sys.stderr,
                )
            _write(handle, path)
            return handle
        raise WorkdirInUse(
            f"{workdir} is in use by {_holder(os.pread(handle, 4096, 0))}; wait for it, stop it,"
            " or take another work directory"
        )
    except BaseException:
        os.close(handle)
        raise


def release(handle: int) -> None:
    """Gives the lock up and forgets who held it."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
    os.close(handle)


def _lock(handle: int, path: pathlib.Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        print(f"{path}: this file system knows no locks; start no second run", file=sys.stderr)
        return False
    return True


def _write(handle: int, path: pathlib.Path) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
    try:
        os.pwrite(handle, text.encode(), 0)
        os.ftruncate(handle, len(text))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _holder(text: bytes) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, TypeError, KeyError):  # it is being written, or by something else
        return "a process that did not write its name"
