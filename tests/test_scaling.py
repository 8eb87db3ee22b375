"""Devices and processes: eight simulated devices, and two processes over loopback, train as one."""

import json
import os

import numpy as np
import pytest

from tests.processes.running import assert_same_end, reports, start

SOAK = "VIA_JAX_SOAK" in os.environ


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


def test_fine_tuning_on_two_processes(runs, tmp_path):
    """By pmap with frames sent from the host, against one process by jit that holds them."""
    one, two = tmp_path / "one", tmp_path / "two"
    (alone,) = reports(*runs.start(one, stage="fine_tune"))
    several = {"processes": 2, "placement": "host", "kind": "pmap"}
    together = reports(*runs.start(two, stage="fine_tune", **several))
    scores, expected = (np.load(folder / "scores.npz")["scores"] for folder in (two, one))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    for index, report in enumerate(together):
        assert (report["devices"], report["processes"]) == (4, 2)
        assert report["steps"] == [0, 1, 2, 3] and report["drawn"] == alone["drawn"]
        assert report["result"] == alone["result"]
        assert_same_end(two, (one, alone), index)


def test_linear_probe_on_two_processes(runs, tmp_path):
    """Features are divided among the devices; every process fits the same layer."""
    (alone,) = reports(*runs.start(tmp_path / "one", stage="linear_probe"))
    together = reports(*runs.start(tmp_path / "two", stage="linear_probe", processes=2))
    assert alone["result"]["top1"] > 0
    for report in together:
        assert report["processes"] == 2 and report["result"] == alone["result"]
    results = [json.loads((tmp_path / n / "results.json").read_text()) for n in ("one", "two")]
    assert results[0] == results[1]


@pytest.mark.skipif(not SOAK, reason="minutes; runs with VIA_JAX_SOAK=1")
def test_one_process_stops_and_four_go_on(runs, whole, tmp_path):
    reports(*runs.start(tmp_path, stop_after=4))
    four = reports(*runs.start(tmp_path, processes=4, devices=1))
    for index, report in enumerate(four):
        assert report["drawn"] == whole[1]["drawn"][4:]
        assert_same_end(tmp_path, whole, index)
