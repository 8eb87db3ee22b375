"""How a script learns that it is one of several processes."""

import pytest

from experiments.launch import processes_of

SLURM = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}


def test_one_process_is_left_alone():
    assert processes_of({}, None, None, None) is None
    assert processes_of({"SLURM_STEP_NUM_TASKS": "1"}, None, None, None) is None
    assert processes_of({"SLURM_NTASKS": "4"}, None, None, None) is None  # no srun, no step
    assert processes_of({"TPU_WORKER_HOSTNAMES": "one"}, None, None, None) is None


@pytest.mark.parametrize("environ", [SLURM, {"TPU_WORKER_HOSTNAMES": "one,two"}])
def test_clusters_are_found_by_their_variables(environ):
    assert processes_of(environ, None, None, None) == {}


def test_flags_come_first():
    found = {"coordinator_address": "host:1234", "num_processes": 8, "process_id": 7}
    assert processes_of(SLURM, "host:1234", 8, 7) == found
    assert processes_of({}, "auto", None, None) == {}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("host:1234", None, None), "--num_processes=None, .* give all three"),
        ((None, 2, 0), "--coordinator=None, .* give all three"),
        (("auto", 2, 0), r"expected HOST:PORT"),
        (("host", 2, 0), r"expected HOST:PORT"),
        (("host:1234", 2, 2), r"--process_id=2 of 2; .* an id from 0"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, message):
    with pytest.raises(ValueError, match=message):
        processes_of({}, *flags)
