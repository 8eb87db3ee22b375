"""Sweeps: the trials of a plan, what runs again, and the table; trials are tiny scripts here."""

import json
import subprocess
import sys

import numpy as np
import pytest

from configs import base
from via_jax import sweep

GRID = {"grid": {"model.num_directions": [8, 32], "pretrain.margin": [0.5, 1.0, 2.0]}}
RATE = {"low": 1e-4, "high": 1e-2, "log": True}
RANDOM = {
    "random": {"pretrain.optimizer.learning_rate": RATE, "pretrain.pairs": [8, 16]},
    "draws": 40,
    "seed": 3,
}


def test_a_grid_holds_every_combination():
    found = sweep.trials_of(GRID)
    assert [tuple(trial.settings.values()) for trial in found] == [
        (k, margin) for k in (8, 32) for margin in (0.5, 1.0, 2.0)
    ]
    assert found[1].name == "model.num_directions=8, pretrain.margin=1.0"
    assert found[1].flags() == ["--config.model.num_directions=8", "--config.pretrain.margin=1.0"]
    sweep.check_trials(found, base.get_config())


def test_random_draws_are_seeded_and_fill_their_range():
    found = sweep.trials_of(RANDOM)
    assert found == sweep.trials_of(RANDOM) and len(found) == 40
    assert found != sweep.trials_of(RANDOM | {"seed": 4})
    rates = np.array([t.settings["pretrain.optimizer.learning_rate"] for t in found])
    assert rates.min() >= 1e-4 and rates.max() <= 1e-2
    assert 0.3 < (rates < 1e-3).mean() < 0.7  # half below the geometric mean
    assert {trial.settings["pretrain.pairs"] for trial in found} == {8, 16}
    few = sweep.trials_of(
        {"random": {"seed": {"low": 1, "high": 3, "log": False}}, "draws": 9, "seed": 0}
    )
    assert {trial.settings["seed"] for trial in few} == {1, 2, 3}  # whole numbers, each once


def test_names_become_folders(tmp_path):
    trial = sweep.Trial({"data.window.speed": [0.5, 2.0], "data.folder": "a/b"})
    folder = trial.folder(tmp_path, 1)
    assert folder.parent == tmp_path
    assert folder.name == "data.window.speed=_0.5_2.0_data.folder=a_b_s1"
    assert trial.flags()[0] == "--config.data.window.speed=(0.5, 2.0)"
    long = [sweep.Trial({"data.folder": "x" * 300 + end}).folder(tmp_path, 0) for end in "ab"]
    assert long[0] != long[1] and len(long[0].name) < 120


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({}, r"keys \[\]; expected"),
        ({"grid": {"seed": []}}, "expected"),
        ({"random": {"seed": [1]}, "draws": 0, "seed": 0}, "at least 1"),
        ({"random": {"seed": 3}, "draws": 1, "seed": 0}, 'seed: 3; expected values, or "low"'),
        (
            {"random": {"seed": {"low": 0, "high": 1, "log": True}}, "draws": 1, "seed": 0},
            "low=0, high=1; expected low < high, above 0 for log",
        ),
    ],
)
def test_other_plans_are_refused(plan, message):
    with pytest.raises(ValueError, match=message):
        sweep.trials_of(plan)


def test_fields_that_there_are_not_are_refused_before_anything_runs():
    trials = sweep.trials_of({"grid": {"model.num_direction": [8]}})
    with pytest.raises(ValueError, match=r'num_direction=8: Key "num_direction" does not exist'):
        sweep.check_trials(trials, base.get_config())
    trials = sweep.trials_of({"grid": {"model.num_directions": ["many"]}})
    with pytest.raises(ValueError, match=r"num_directions=many: Could not override"):
        sweep.check_trials(trials, base.get_config())


def script_of(folder, text):
    """A trial that counts its starts and leaves, or does not leave, results."""
    count = f"import pathlib; pathlib.Path({str(folder)!r} + '.starts').open('a').write('x');"
    return [sys.executable, "-c", count + text]


def test_finished_trials_stay_and_failed_ones_run_again(tmp_path):
    trials = sweep.trials_of({"grid": {"seed": [1, 2, 3]}})
    folders = [trial.folder(tmp_path, 0) for trial in trials]

    def good(folder, top1):
        content = json.dumps({"top1": top1, "class_sit": 3.0, "how": "text"})
        write = f"p = pathlib.Path({str(folder)!r}); p.mkdir(); (p / 'results.json')"
        return script_of(folder, f"{write}.write_text({content!r})")

    work = [
        (folders[0], good(folders[0], 50.0)),
        (folders[1], script_of(folders[1], "print('no data'); raise SystemExit(2)")),
        (folders[2], good(folders[2], 60.0)),
    ]
    failed = sweep.run_trials(work, 2, [])
    assert failed == {folders[1]: "exit code 2: no data"}
    rows = sweep.collect(trials, tmp_path, [0], [], failed)
    assert [row["not_run"] for row in rows] == ["", "exit code 2: no data", ""]
    lines = (tmp_path / "sweep.md").read_text().splitlines()
    assert lines[2:] == [
        "| cell | top1 |",
        "|---|---|",
        "| seed=1 | 50.0 |",
        "| seed=2 | not run: exit code 2: no data |",
        "| seed=3 | 60.0 |",
    ]
    work[1] = (folders[1], good(folders[1], 70.0))
    assert sweep.run_trials(work, 2, []) == {}
    starts = [folder.with_name(f"{folder.name}.starts").read_text() for folder in folders]
    assert starts == ["x", "xx", "x"]
    sweep.collect(trials, tmp_path, [0], ["top1"], {})
    assert "| seed=2 | 70.0 |" in (tmp_path / "sweep.md").read_text()
    assert (tmp_path / "sweep.csv").read_text().splitlines()[1:] == [
        "seed=1,0,50.0",
        "seed=2,0,70.0",
        "seed=3,0,60.0",
    ]
    with pytest.raises(ValueError, match="no top2 in the results, only top1, class_sit, how"):
        sweep.collect(trials, tmp_path, [0], ["top2"], {})


def test_each_device_runs_one_trial_at_a_time(tmp_path):
    show = "import os; print(os.environ['CUDA_VISIBLE_DEVICES']); raise SystemExit(1)"
    work = [(tmp_path / str(i), script_of(tmp_path / str(i), show)) for i in range(4)]
    failed = sweep.run_trials(work, 1, ["5", "7"])
    assert len(failed) == 4
    assert set(failed.values()) <= {"exit code 1: 5", "exit code 1: 7"}


def test_the_array_script_runs_each_trial_and_is_valid_shell(tmp_path):
    text = sweep.slurm_script(["python", "-m", "experiments.sweep", "--plan=my plan.json"], 6, 2)
    assert "#SBATCH --array=0-5%2\n" in text
    assert text.endswith(
        "exec python -m experiments.sweep '--plan=my plan.json' --only=\"$SLURM_ARRAY_TASK_ID\"\n"
    )
    (tmp_path / "array.sh").write_text(text)
    subprocess.run(["bash", "-n", str(tmp_path / "array.sh")], check=True)
