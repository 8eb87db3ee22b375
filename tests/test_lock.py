"""The lock of a work directory."""

import errno
import fcntl
import json
import os
import socket

import pytest

from via_jax import lock
from via_jax.runs import open_run


def test_one_run_at_a_time(tmp_path):
    with open_run(tmp_path, {"seed": 0}) as run:
        holder = json.loads((tmp_path / "lock").read_text())
        assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())
        with pytest.raises(lock.WorkdirInUse) as caught:
            open_run(tmp_path, {"seed": 0})
        assert f"in use by process {os.getpid()} on {socket.gethostname()} since 20" in str(
            caught.value
        )
        run.resume(3)  # begins a new TensorBoard file, and keeps the lock
        with pytest.raises(lock.WorkdirInUse):
            open_run(tmp_path, {"seed": 0})
    with open_run(tmp_path, {"seed": 0}):
        pass


def test_a_refused_start_changes_nothing(tmp_path):
    with open_run(tmp_path, {"log_every": 1}):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(lock.WorkdirInUse):
            open_run(tmp_path, {"log_every": 2}, may_change=["log_every"])
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_that_is_forgotten_lets_others_in(tmp_path):
    run = open_run(tmp_path, {})
    del run
    open_run(tmp_path, {}).close()
    assert (tmp_path / "lock").read_bytes() == b""


@pytest.mark.parametrize("text", [b"", b"[]", b'{"pid": 7}', b"\xff"])
def test_a_lock_without_a_name_is_a_lock(text, tmp_path):
    held = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    os.write(held, text)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(lock.WorkdirInUse, match="a process that did not write its name"):
        lock.take(tmp_path)
    os.close(held)
    lock.release(lock.take(tmp_path))
    assert (tmp_path / "lock").read_bytes() == b""


def test_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock.release(lock.take(tmp_path))
    assert "lock: this file system knows no locks" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(path, *args):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"Permission denied: .*lock"):
        lock.take(tmp_path)


def test_a_full_disk_is_said_with_the_path(tmp_path):
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: .*lock"):
        lock.take(tmp_path)
