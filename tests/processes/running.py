"""Processes of a run started by tests: with simulated devices, over loopback."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def start(devices: int, module: str, *words) -> subprocess.Popen:
    """Starts a script of tests/processes with so many simulated devices."""
    ours = {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache" / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.processes.{module}", *map(str, words)],
        cwd=ROOT,
        env=os.environ | ours,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reports(*processes: subprocess.Popen, code: int = 0) -> list[dict]:
    """What the processes printed; they must all end with the exit code."""
    try:
        ended = [process.communicate(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for process, (_, stderr) in zip(processes, ended):
        assert process.returncode == code, f"{process.returncode}: {stderr[:3000]}"
    return [json.loads(stdout.strip().splitlines()[-1]) for stdout, _ in ended]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Runs:
    """Runs on the tiny data set, each in processes of its own; pre-training takes eight steps."""

    def __init__(self, data: pathlib.Path):
        self.data = data

    def start(self, workdir, *, processes=1, devices=2, **settings) -> list[subprocess.Popen]:
        """settings: of `two_processes.trained`, and `peer_timeout`."""
        port = free_port()
        words = json.dumps({"data": str(self.data), "workdir": str(workdir), **settings})
        return [
            start(
                devices,
                "two_processes",
                words,
                *((f"127.0.0.1:{port}", processes, index) if processes > 1 else ()),
            )
            for index in range(processes)
        ]


def wait_until(true, processes) -> None:
    """Returns when `true()`; fails when a process ends before, or after ten minutes."""
    end = time.monotonic() + 600
    while not true():
        for process in processes:
            assert process.poll() is None, process.communicate()[1][:3000]
        assert time.monotonic() < end
        time.sleep(0.01)


def logged(workdir: pathlib.Path) -> int:
    """Lines of metrics.jsonl."""
    path = workdir / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def assert_same_end(workdir, whole, index=0):
    """The parameters of process `index` are those of the run `whole`, (work directory, report)."""
    found = np.load(workdir / f"params_{index}.npy")
    expected = np.load(whole[0] / "params_0.npy")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
