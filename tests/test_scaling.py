"""Devices and processes: eight simulated devices, and two processes over loopback, train as one."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOAK = "VIA_JAX_SOAK" in os.environ


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


def reports(*processes: subprocess.Popen) -> list[dict]:
    """What the processes printed; they must end well."""
    try:
        ended = [process.communicate(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for process, (_, stderr) in zip(processes, ended):
        assert process.returncode == 0, stderr[:3000]
    return [json.loads(stdout.strip().splitlines()[-1]) for stdout, _ in ended]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Runs:
    """Pre-trainings of eight steps on the tiny data set, each in processes of its own."""

    def __init__(self, data: pathlib.Path):
        self.data = data

    def start(
        self, workdir, *, processes=1, devices=2, stop_after=-1, placement="device", kind="jit"
    ) -> list[subprocess.Popen]:
        port = free_port()
        words = (self.data, workdir, stop_after, placement, kind)
        return [
            start(
                devices,
                "two_processes",
                *words,
                *((f"127.0.0.1:{port}", processes, index) if processes > 1 else ()),
            )
            for index in range(processes)
        ]


@pytest.fixture(scope="module")
def runs(tiny_data):
    return Runs(tiny_data.folder)


@pytest.fixture(scope="module")
def whole(runs, tmp_path_factory):
    """The uninterrupted run of one process: (work directory, report)."""
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, reports(*runs.start(workdir))[0]


def assert_same_end(workdir, whole, index=0):
    found = np.load(workdir / f"params_{index}.npy")
    expected = np.load(whole[0] / "params_0.npy")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_eight_devices_compute_what_one_does(tiny_data):
    """Draws, loss, gradient and batch statistics, with dropout and augmentation."""
    (report,) = reports(start(8, "eight_devices", tiny_data.folder))
    assert set(report) == {"jit", "pmap"}
    for kind, errors in report.items():
        assert {
            "drawn",
            "loss",
            "cross",
            "triplet_motion",
            "grad_norm",
            "gradient",
            "statistics",
        } <= set(errors)
        for name, error in errors.items():
            assert error < 1e-5, f"{name} by {kind} differs by {error:.1e}"


def check_two_processes(runs, whole, workdir, placement, kind):
    """Stopped after four steps on 2 x 2 devices, continued on one process of two devices."""
    two = reports(*runs.start(workdir, processes=2, stop_after=4, placement=placement, kind=kind))
    for report in two:
        assert (report["devices"], report["processes"], report["stopped"]) == (4, 2, True)
        assert report["drawn"] == whole[1]["drawn"][:4]  # the same global batches
        assert len(report["counted"]) == 9  # every test clip once, though batches hold 4
        np.testing.assert_allclose(report["counted"], whole[1]["counted"], rtol=1e-4, atol=1e-4)
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]  # one process writes
    (rest,) = reports(*runs.start(workdir, placement=placement))
    assert rest["steps"] == [4, 5, 6, 7] and rest["drawn"] == whole[1]["drawn"][4:]
    assert_same_end(workdir, whole)


def test_two_processes_stop_and_one_goes_on(runs, whole, tmp_path):
    assert whole[1]["steps"] == list(range(8)) and whole[1]["processes"] == 1
    check_two_processes(runs, whole, tmp_path, "host", "jit")


@pytest.mark.skipif(not SOAK, reason="minutes; runs with VIA_JAX_SOAK=1")
@pytest.mark.parametrize(
    ("placement", "kind"), [("device", "jit"), ("device", "pmap"), ("host", "pmap")]
)
def test_two_processes_of_every_kind(placement, kind, runs, whole, tmp_path):
    check_two_processes(runs, whole, tmp_path, placement, kind)


@pytest.mark.skipif(not SOAK, reason="minutes; runs with VIA_JAX_SOAK=1")
def test_one_process_stops_and_four_go_on(runs, whole, tmp_path):
    reports(*runs.start(tmp_path, stop_after=4))
    four = reports(*runs.start(tmp_path, processes=4, devices=1))
    for index, report in enumerate(four):
        assert report["drawn"] == whole[1]["drawn"][4:]
        assert_same_end(tmp_path, whole, index)
