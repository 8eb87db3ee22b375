"""The scripts from the command line: mistakes end in one readable line and exit code 2."""

import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys

import pytest

from experiments import launch

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = "--config=configs/base.py"
COMMANDS = {
    "misspelt key": ["pretrain", CONFIG, "--workdir={tmp}/run", "--config.pretrain.pair=3"],
    "bad value": ["fine_tune", CONFIG, "--workdir={tmp}/run", "--config.seed=many"],
    "no such config": ["pretrain", "--config=configs/bas.py", "--workdir={tmp}/run"],
    "no workdir": ["linear_probe", CONFIG],
    "no data": ["pretrain", CONFIG, "--workdir={tmp}/run", "--config.data.folder={tmp}/none"],
    "a pickle": ["prepare", "--dataset=pyskl", "--source={tmp}", "--out={tmp}/run"],
    "half a size": ["predict", "--checkpoint={tmp}", "--out={tmp}/out", "--image_size=640"],
    "unknown data set": ["prepare", "--dataset=penn", "--source={tmp}", "--out={tmp}/out"],
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """All commands, run side by side: name -> (exit code, lines of stderr, folder)."""
    running = {}
    for name, (script, *flags) in COMMANDS.items():
        folder = tmp_path_factory.mktemp("script")
        words = [flag.format(tmp=folder) for flag in flags]
        process = subprocess.Popen(
            [sys.executable, "-m", f"experiments.{script}", *words],
            cwd=ROOT,
            env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running[name] = (process, folder)
    results = {}
    for name, (process, folder) in running.items():
        stdout, stderr = process.communicate(timeout=120)
        assert stdout == ""
        results[name] = (process.returncode, stderr.strip().splitlines(), folder)
    return results


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("misspelt key", 'Did you mean "pairs" instead of "pair"?'),
        ("bad value", "flag --config.seed=many: invalid literal"),
        ("no such config", "configs/bas.py"),
        ("half a size", "expected WIDTH,HEIGHT in whole pixels, such as 1920,1080"),
        ("no workdir", "Flag --workdir must have a value"),
        ("no data", "none holds no prepared data (no manifest.json); make it with python -m"),
        ("a pickle", "pyskl is published as a pickle"),
        ("unknown data set", "unknown data set 'penn'; expected one of"),
    ],
)
def test_what_a_user_can_mend_ends_in_exit_code_2(name, expected, ended):
    code, lines, folder = ended[name]
    assert code == 2, lines
    assert lines[0].startswith("error: ") and "\\'" not in lines[0]
    assert expected in "\n".join(lines)
    assert not any(line.startswith("Traceback") for line in lines) and len(lines) <= 4
    assert not (folder / "run").exists()  # nothing was begun


def test_reproduce_goes_on_after_a_row_that_fails_and_exits_with_1(tmp_path):
    (tmp_path / "data" / "penn_action").mkdir(parents=True)
    (tmp_path / "data" / "penn_action" / "manifest.json").write_text("{}")
    flags = ["--table=4", f"--data={tmp_path / 'data'}", f"--workdir={tmp_path / 'out'}"]
    ended = subprocess.run(
        [sys.executable, "-m", "experiments.reproduce", *flags],
        cwd=ROOT,
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 1, ended.stderr
    rows = json.loads((tmp_path / "out" / "table4.json").read_text())["rows"]
    failed = [row["not_run"] for row in rows if row["failed"]]
    assert len(failed) > 1 and all("manifest.json: format None" in reason for reason in failed)
    assert f"not run: {failed[-1]} |" in ended.stdout
    assert rows[-1]["not_run"] and "no prepared data set" in ended.stdout  # it reached the end


@pytest.fixture
def restarts(monkeypatch):
    """Calls of os.execv, which do not happen; as on Linux with a glibc that has the settings."""
    calls = []
    monkeypatch.setattr(os, "execv", lambda *args: calls.append(args))
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.35"))
    for name in ("GLIBC_TUNABLES", "LD_PRELOAD", "VIA_JAX_ALLOCATOR"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_the_allocator_is_settled_once(restarts, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    launch.settle_allocator()
    assert restarts == [(sys.executable, sys.orig_argv)]
    assert os.environ["GLIBC_TUNABLES"] == launch.GLIBC_TUNABLES
    launch.settle_allocator()  # as in the restarted process
    assert len(restarts) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GLIBC_TUNABLES", "glibc.malloc.check=1"),
        ("LD_PRELOAD", "libjemalloc.so"),
        ("VIA_JAX_ALLOCATOR", "system"),
    ],
)
def test_another_choice_of_allocator_is_respected(name, value, restarts, monkeypatch):
    monkeypatch.setattr(os, "environ", {**os.environ, name: value})
    launch.settle_allocator()
    assert not restarts and os.environ[name] == value


@pytest.mark.parametrize("libc", [("glibc", "2.34"), ("musl", "1.2"), ("", "")])
def test_other_systems_keep_their_allocator(libc, restarts, monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    launch.settle_allocator()
    assert not restarts and "GLIBC_TUNABLES" not in os.environ


def test_the_compiler_is_set_for_the_release_that_knows_the_flag(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.10.2")
    launch.settle_compiler()
    assert os.environ == {"XLA_FLAGS": launch.XLA_FLAGS["0.10"]}


@pytest.mark.parametrize(
    ("version", "environ"),
    [
        ("0.9.1", {}),
        ("0.10.2", {"XLA_FLAGS": "--xla_dump_to=dump"}),
        ("0.10.2", {"VIA_JAX_COMPILER": "default"}),
    ],
)
def test_another_choice_of_compiler_flags_is_respected(version, environ, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(environ))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    launch.settle_compiler()
    assert os.environ == environ
