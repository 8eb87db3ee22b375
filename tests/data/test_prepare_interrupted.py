import csv
import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from via_jax.data import journal, prepare, table
from via_jax.data.readers import folder as folder_reader

COUNT = 10
BAD = (1, 7)  # items that are no clips


@pytest.fixture
def source(tmp_path):
    """Ten items in order, two of them bad; one in seven joints is missing."""
    folder = tmp_path / "source"
    folder.mkdir()
    for i in range(COUNT):
        make(folder, i)
        if i in BAD:
            (folder / f"clip_{i}.npz").write_bytes(b"no zip")
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["name", "label", "subject", "split", "layout"])
        for i in range(COUNT):
            table.writerow([f"clip_{i}", "ab"[i % 2], f"s{i}", "train", "coco17"])
    return folder


def make(folder, i, seed=0):
    rng = np.random.default_rng([seed, i])
    poses = rng.normal(size=(1 + i % 3, 5 + i, 17, 2)) * 60 + 300
    np.savez(folder / f"clip_{i}.npz", poses=poses, valid=rng.random(poses.shape[:3]) < 0.86)


@pytest.fixture
def reads(monkeypatch):
    """The items read in this process; setting `stop` ends the run at one of them."""

    class Reads(list):
        stop = None

    found = Reads()

    def read(item):
        if len(found) == found.stop:
            raise KeyboardInterrupt
        found.append(item[0].stem)
        return folder_reader.read(item)

    changed = dataclasses.replace(prepare.SOURCES["folder"], read=read)
    monkeypatch.setitem(prepare.SOURCES, "folder", changed)
    monkeypatch.setattr(journal, "EVERY", 3)
    return found


def run(source, out, **settings):
    return prepare.prepare("folder", source, out, **{"skip_bad": True, **settings})


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def interrupt(source, out, reads, after, **settings):
    """Leaves a run that has read so many items."""
    reads.clear()
    reads.stop = after
    with pytest.raises(KeyboardInterrupt):
        run(source, out, **settings)
    reads.stop = None
    reads.clear()
    assert not out.exists() and out.with_name(f"{out.name}.partial").is_dir()


# Runs that are interrupted


def test_the_number_of_processes_changes_no_byte(source, tmp_path):
    for processes in (1, 2, 0):
        data = run(source, tmp_path / str(processes), processes=processes, layout="unik17")
    assert len(data.names) == 8 and len(data.manifest["skipped"]) == 2
    one = files_of(tmp_path / "1")
    assert set(one) == {"clips.npz", "frames.bin", "manifest.json", "valid.bin"}
    assert files_of(tmp_path / "2") == one
    assert files_of(tmp_path / "0") == one


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5, 9])
def test_an_interrupted_run_goes_on(source, tmp_path, reads, after, capsys):
    run(source, tmp_path / "whole")
    out = tmp_path / "out"
    interrupt(source, out, reads, after)
    run(source, out)
    assert reads == [f"clip_{i}" for i in range(after, COUNT)]
    assert files_of(out) == files_of(tmp_path / "whole")
    assert not (tmp_path / "out.partial").exists()
    assert (f"going on after {after} clips" in capsys.readouterr().err) == (after > 0)


def test_a_run_may_be_interrupted_twice_and_go_on_with_more_processes(source, tmp_path, reads):
    run(source, tmp_path / "whole")
    out = tmp_path / "out"
    interrupt(source, out, reads, 4)
    interrupt(source, out, reads, 3)  # further
    run(source, out, processes=2)
    assert not reads  # here
    assert files_of(out) == files_of(tmp_path / "whole")


def test_an_interruption_at_the_very_end(source, tmp_path, reads, monkeypatch):
    run(source, tmp_path / "whole")
    out, sha256 = tmp_path / "out", table.sha256

    def stop(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(table, "sha256", stop)
    interrupt(source, out, reads, None)
    monkeypatch.setattr(table, "sha256", sha256)
    run(source, out)
    assert not reads
    assert files_of(out) == files_of(tmp_path / "whole")


def test_what_was_half_written_is_cut_off(source, tmp_path, reads):
    run(source, tmp_path / "whole")
    interrupt(source, tmp_path / "out", reads, 4)
    for name in ("frames.bin", "valid.bin", "facts.jsonl"):
        with (tmp_path / "out.partial" / name).open("ab") as file:
            file.write(b'{"name": "half')
    run(source, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


KILLED = """
import os, signal, sys
from via_jax.data import journal, prepare

journal.EVERY = 3
save, saved = journal.Journal.save, []

def die(self):
    save(self)
    saved.append(self.items)
    if len(saved) == 2:
        self._files[0].write(b"half a clip")
        self._files[0].flush()
        os.kill(os.getpid(), signal.SIGKILL)

journal.Journal.save = die
prepare.prepare("folder", sys.argv[1], sys.argv[2], skip_bad=True, processes=int(sys.argv[3]))
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_goes_on(source, tmp_path, reads, processes):
    run(source, tmp_path / "whole")
    reads.clear()
    out, root = tmp_path / "out", Path(__file__).parents[2]
    # Its reading processes hold the pipes too: this returns when they have ended as well.
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(source), str(out), str(processes)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    run(source, out)
    assert reads == [f"clip_{i}" for i in range(6, COUNT)]
    assert files_of(out) == files_of(tmp_path / "whole")


# Runs that begin anew


def test_a_changed_file_begins_anew(source, tmp_path, reads):
    out = tmp_path / "out"
    interrupt(source, out, reads, 5)
    make(source, 0, seed=1)
    run(source, out)
    assert len(reads) == COUNT
    run(source, tmp_path / "whole")
    assert files_of(out) == files_of(tmp_path / "whole")


def test_a_touched_file_a_new_line_and_other_settings_are_other_jobs(source):
    items = folder_reader.find(source)
    job = prepare.job_of(source, items, ["folder", None, 2])
    assert job == prepare.job_of(source, folder_reader.find(source), ["folder", None, 2])
    relabelled = [(path, {**row, "label": "c"}) for path, row in items]
    others = [
        prepare.job_of(source, items, ["folder", None, 3]),
        prepare.job_of(source, items[:-1], ["folder", None, 2]),
        prepare.job_of(source, items[::-1], ["folder", None, 2]),
        prepare.job_of(source, relabelled, ["folder", None, 2]),
    ]
    os.utime(source / "clip_3.npz", ns=(1, 1))
    others.append(prepare.job_of(source, items, ["folder", None, 2]))
    assert len({job, *others}) == 6


def test_a_changed_frame_of_a_folder_is_another_job(tmp_path):
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "0_keypoints.json").write_text("{}")
    job = prepare.job_of(tmp_path, [tmp_path / "film"], [])
    (tmp_path / "film" / "0_keypoints.json").write_text("{ }")
    assert prepare.job_of(tmp_path, [tmp_path / "film"], []) != job


def test_arrays_in_items_stand_in_their_file(tmp_path):
    (tmp_path / "all.pkl").write_bytes(b"1")
    jobs = [
        prepare.job_of(
            tmp_path, [(tmp_path / "all.pkl", number, {"poses": np.ones(3), b"": 1})], []
        )
        for number in (0, 0, 1)
    ]
    (tmp_path / "all.pkl").write_bytes(b"12")
    jobs.append(prepare.job_of(tmp_path, [(tmp_path / "all.pkl", 0, {"poses": np.ones(3)})], []))
    assert jobs[0] == jobs[1] and len(set(jobs)) == 3


@pytest.mark.parametrize("changed", [{"layout": "unik17"}, {"fill_empty_frames": True}])
def test_other_settings_begin_anew(source, tmp_path, reads, changed):
    out = tmp_path / "out"
    interrupt(source, out, reads, 5)
    run(source, out, **changed)
    assert len(reads) == COUNT
    run(source, tmp_path / "whole", **changed)
    assert files_of(out) == files_of(tmp_path / "whole")


def edit(**changes):
    def change(partial):
        entry = json.loads((partial / "journal.json").read_text())
        (partial / "journal.json").write_text(json.dumps({**entry, **changes}))

    return change


def flip(name):
    def change(partial):
        content = bytearray((partial / name).read_bytes())
        content[len(content) // 2] ^= 1
        (partial / name).write_bytes(content)

    return change


def cut(name):
    def change(partial):
        (partial / name).write_bytes((partial / name).read_bytes()[:-1])

    return change


DAMAGE = {
    "no journal": lambda partial: (partial / "journal.json").unlink(),
    "half a journal": cut("journal.json"),
    "an empty journal": lambda partial: (partial / "journal.json").write_bytes(b""),
    "a list": lambda partial: (partial / "journal.json").write_text("[1, 2]"),
    "no text": lambda partial: (partial / "journal.json").write_bytes(b"\xff\x00"),
    "more items": edit(items=6),
    "fewer items": edit(items=4),
    "items of another type": edit(items="5"),
    "other sizes": edit(sizes=[1, 2]),
    "sizes of another type": edit(sizes=["1", "2", "3"]),
    "other sums": edit(sums=[1, 2, 3]),
    "no frames": lambda partial: (partial / "frames.bin").unlink(),
    "fewer frames": cut("frames.bin"),
    "other frames": flip("frames.bin"),
    "other valid": flip("valid.bin"),
    "other facts": flip("facts.jsonl"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_begins_anew(source, tmp_path, reads, case):
    run(source, tmp_path / "whole")
    out = tmp_path / "out"
    interrupt(source, out, reads, 5)
    DAMAGE[case](tmp_path / "out.partial")
    run(source, out)
    assert len(reads) == COUNT
    assert files_of(out) == files_of(tmp_path / "whole")


# Bad files and errors


def test_bad_items_count_before_and_after_an_interruption(source, tmp_path, reads):
    out = tmp_path / "out"
    interrupt(source, out, reads, 5, skip_bad=False)
    with pytest.raises(ValueError, match=r"2 of 10 files are bad, .*the first: /.*/clip_1.npz: "):
        run(source, out, skip_bad=False)
    assert reads == [f"clip_{i}" for i in range(5, COUNT)]
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    interrupt(source, out, reads, 5, skip_bad=False)
    data = run(source, out)  # one may change one's mind
    assert [bad["path"] for bad in data.manifest["skipped"]] == ["clip_1.npz", "clip_7.npz"]
    assert all(set(bad) == {"path", "reason"} for bad in data.manifest["skipped"])
    assert str(tmp_path) not in (out / "manifest.json").read_text()


def test_another_error_names_the_item_and_can_be_mended(source, tmp_path, reads, monkeypatch):
    run(source, tmp_path / "whole")
    reads.clear()
    good = prepare.SOURCES["folder"]

    def read(item):
        return good.read(item) if item[1]["name"] != "clip_4" else len(None)

    monkeypatch.setitem(prepare.SOURCES, "folder", dataclasses.replace(good, read=read))
    with pytest.raises(RuntimeError, match=r"clip_4.npz.*: TypeError: object of type 'NoneType'"):
        run(source, tmp_path / "out")
    monkeypatch.setitem(prepare.SOURCES, "folder", good)
    reads.clear()
    run(source, tmp_path / "out")
    assert reads == [f"clip_{i}" for i in range(4, COUNT)]
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def dying(item, **settings):
    if item[1]["name"] == "clip_8":
        os.kill(os.getpid(), signal.SIGKILL)
    return prepare.piece_of(item, **settings)


def test_a_reading_process_that_dies_leaves_what_was_done(source, tmp_path, reads, monkeypatch):
    run(source, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "piece_of", functools.partial(dying))
        with pytest.raises(ChildProcessError, match="process that read files died"):
            run(source, tmp_path / "out", processes=2)
    reads.clear()
    assert (tmp_path / "out.partial").is_dir()
    run(source, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
