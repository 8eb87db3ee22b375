"""Checkpoints that were cut, changed or deleted, and disks that do not take what is written."""

import errno
import os
import pathlib
import random
import resource
import shutil

import jax
import numpy as np
import pytest
import tiny_run

from via_jax import loop
from via_jax.checkpoints import Checkpoints, DamagedCheckpoint, UnwrittenCheckpoint, load_model
from via_jax.runs import open_run

# orbax leaves threads behind that end in tracebacks when a file cannot be read
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SOAK = "VIA_JAX_SOAK" in os.environ
WHEN = tiny_run.rhythm(steps=8, log=4, save=4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(work directory with steps 4 and 8, the two states); only to be read."""
    workdir = tmp_path_factory.mktemp("saved") / "run"
    states = {}

    def before(state):
        states[int(state.step)] = jax.tree.map(np.asarray, state)

    end = tiny_run.train(workdir, WHEN, before=before)
    return workdir, {4: states[4], 8: jax.tree.map(np.asarray, end)}


def copy(saved, tmp_path, name="run"):
    return pathlib.Path(shutil.copytree(saved[0], tmp_path / name))


def files_of(step):
    return sorted(path for path in step.rglob("*") if path.is_file())


def cut(path, rng):
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def flip(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [cut, flip, "delete"])
def test_a_damaged_step_is_never_loaded_in_silence(harm, saved, tmp_path, capsys):
    """Places at random, or each file in turn: step 8 exactly, or step 4 and a word."""
    fresh, rng = tiny_run.fresh_state(), random.Random(0)
    files = [path for path in files_of(saved[0] / "checkpoints" / "8") if path.stat().st_size]
    # Short, three places each; of the files the one with the record, and one with arrays.
    count = 10 if SOAK else 3
    record = next(path for path in files if path.name == "metadata")
    chosen = [record, *rng.choices(files, k=count - 1)]
    if harm == "delete":
        wanted = [path for path in files if path.name == "metadata" or path.parent.name == "d"]
        chosen = files if SOAK else [wanted[0], wanted[-1], files[0]]
    found = []
    for number, path in enumerate(chosen):
        workdir = copy(saved, tmp_path, str(number))
        victim = workdir / path.relative_to(saved[0])
        before = victim.read_bytes()
        if harm == "delete":
            victim.unlink()
        else:
            harm(victim, rng)
        with Checkpoints(workdir / "checkpoints") as checkpoints:
            state, done = loop.restore_newest(fresh, checkpoints)
        tiny_run.assert_identical(state, saved[1][done])
        aside, said = workdir / "checkpoints" / "8.damaged", capsys.readouterr().err
        assert aside.exists() == (done == 4)
        if done == 4:
            assert "damaged checkpoint, now 8.damaged: " in said and "checkpoints/8/" in said
            assert "going on from step 4 instead" in said
            kept = aside / victim.relative_to(workdir / "checkpoints" / "8")
            assert harm == "delete" or kept.read_bytes() != before  # nothing is deleted
        found.append(done)
    assert 4 in found  # other files hold nothing that a restore reads


def test_the_run_goes_on_from_the_step_before_and_reaches_the_same_end(saved, tmp_path):
    workdir = copy(saved, tmp_path)
    shutil.rmtree(workdir / "checkpoints" / "8" / "model")
    state = tiny_run.train(workdir, WHEN)
    tiny_run.assert_identical(state, saved[1][8])
    assert tiny_run.rows(workdir) == tiny_run.rows(saved[0])
    names = {path.name for path in (workdir / "checkpoints").iterdir()}
    assert names == {"4", "8", "8.damaged"}


def test_none_left_is_an_error_and_nothing_is_moved(saved, tmp_path):
    workdir = copy(saved, tmp_path)
    for step in ("4", "8"):
        (workdir / "checkpoints" / step / "meta" / "metadata").write_bytes(b"{")
    with pytest.raises(DamagedCheckpoint) as caught:
        tiny_run.train(workdir, WHEN)
    message = str(caught.value)
    assert "no step in" in message and "is whole:" in message
    assert "checkpoints/8/meta" in message and "checkpoints/4/meta" in message
    assert {path.name for path in (workdir / "checkpoints").iterdir()} == {"4", "8"}


def test_evaluation_never_takes_another_step_in_silence(saved, tmp_path):
    workdir = copy(saved, tmp_path)
    (workdir / "checkpoints" / "4" / "meta" / "metadata").write_bytes(b"{")
    _, meta = load_model(workdir / "checkpoints", "latest")  # step 8 is whole
    assert meta == {"of": "tiny_run"}
    with pytest.raises(DamagedCheckpoint, match="4/meta"):  # it might have been the best
        load_model(workdir / "checkpoints", "best")
    (workdir / "checkpoints" / "8" / "meta" / "metadata").write_bytes(b"{")
    with pytest.raises(DamagedCheckpoint, match="8/meta"):
        load_model(workdir / "checkpoints", "latest")


def test_a_step_that_may_not_be_read_is_not_damaged(saved, tmp_path, monkeypatch):
    workdir = copy(saved, tmp_path)
    with Checkpoints(workdir / "checkpoints") as checkpoints:

        def refuse(*args, **kwargs):
            raise PermissionError(errno.EACCES, "Permission denied", "8/model")

        monkeypatch.setattr(checkpoints._manager, "restore", refuse)
        with pytest.raises(OSError, match=r"8/meta cannot be read: .*Permission denied"):
            loop.restore_newest(tiny_run.fresh_state(), checkpoints)
    assert (workdir / "checkpoints" / "8").exists()


def assert_step_4_is_whole(workdir, saved):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        state, done = loop.restore_newest(tiny_run.fresh_state(), checkpoints)
    assert done == 4
    tiny_run.assert_identical(state, saved[1][4])


@pytest.fixture
def small_files():
    """(bytes or None) -> None: no file may grow larger, in whatever language it is written."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    yield limit
    limit(None)


def test_a_full_disk_leaves_the_step_before(saved, tmp_path, small_files):
    class Full(Checkpoints):
        def save(self, step, *args, **kwargs):
            self.wait()
            small_files(100 if step == 8 else None)
            try:
                super().save(step, *args, **kwargs)
                self.wait()
            finally:
                small_files(None)

    workdir = tmp_path / "run"
    with pytest.raises(UnwrittenCheckpoint) as caught:
        tiny_run.train(workdir, WHEN, made=Full)
    message = str(caught.value)
    assert "step 8 could not be written (" in message
    assert "File too large); the steps held are [4], untouched: make room" in message
    assert_step_4_is_whole(workdir, saved)
    tiny_run.assert_identical(tiny_run.train(workdir, WHEN), saved[1][8])  # once there is room


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_made_leaves_the_step_before(number, saved, tmp_path, monkeypatch):
    make = os.mkdir

    def refuse(path, *args, **kwargs):
        if "8.orbax" in str(path):
            raise OSError(number, os.strerror(number), str(path))
        make(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", refuse)
    workdir = tmp_path / "run"
    with pytest.raises(UnwrittenCheckpoint, match=rf"step 8 could .*{os.strerror(number)}.*\[4\]"):
        tiny_run.train(workdir, WHEN)
    monkeypatch.undo()
    assert_step_4_is_whole(workdir, saved)


def test_a_full_disk_while_logging(tmp_path):
    with open_run(tmp_path, {}) as run:
        (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
        with pytest.raises(OSError, match=r"metrics\.jsonl cannot be written: No space left"):
            run.log(1, loss=1.0)


def test_results_stay_as_they_were_on_a_read_only_disk(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EROFS, "Read-only file system")

    with open_run(tmp_path, {}) as run:
        run.results(top1=50.0)
        before = (tmp_path / "results.json").read_bytes()
        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match=r"results\.json cannot be written: Read-only file"):
            run.results(top1=60.0)
    assert (tmp_path / "results.json").read_bytes() == before
