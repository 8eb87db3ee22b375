"""Sweeps: a grid or a seeded random search of config fields, each trial a process of its own.

A plan is a JSON file, {"grid": {field: [values]}} for every combination, or {"random": {field:
[values] or {"low": ..., "high": ..., "log": true}}, "draws": 20, "seed": 0}. Fields are dotted
names of the config. A rerun goes on: finished trials are read, interrupted ones continue.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import queue
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from via_jax.tables import write_tables

LONGEST_NAME = 100  # characters of a folder's name
VISIBLE = ("CUDA_VISIBLE_DEVICES", "TPU_VISIBLE_CHIPS")  # what gives a process one device


@dataclasses.dataclass(frozen=True)
class Trial:
    """Settings of one trial: dotted fields of the config and their values."""

    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """The settings as text, by which tables and folders call the trial."""
        return ", ".join(f"{field}={value}" for field, value in self.settings.items())

    def folder(self, workdir: Path, seed: int) -> Path:
        """Work directory of the trial with a seed."""
        name = re.sub(r"[^\w.+=-]+", "_", self.name)
        if len(name) > LONGEST_NAME:
            name = f"{name[:LONGEST_NAME]}_{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"
        return workdir / f"{name}_s{seed}"

    def flags(self) -> list[str]:
        """The settings as flags of a script."""
        return [
            f"--config.{field}={tuple(value) if isinstance(value, list) else value}"
            for field, value in self.settings.items()
        ]


def trials_of(plan: Mapping[str, Any]) -> list[Trial]:
    """The trials of a plan, in order, each once.

    Raises:
      ValueError: a plan that is neither a grid nor a random search, or a range that is none.
    """
    if set(plan) == {"grid"} and plan["grid"] and all(plan["grid"].values()):
        fields = plan["grid"]
        found = [Trial(dict(zip(fields, values))) for values in itertools.product(*fields.values())]
    elif set(plan) == {"random", "draws", "seed"} and plan["random"] and plan["draws"] > 0:
        rng = np.random.default_rng(plan["seed"])
        found = [
            Trial({field: _drawn(rng, field, choice) for field, choice in plan["random"].items()})
            for _ in range(plan["draws"])
        ]
    else:
        raise ValueError(
            f'a plan with the keys {sorted(plan)}; expected {{"grid": {{field: [values]}}}} or'
            ' {"random": {field: [values] or a range}, "draws": at least 1, "seed": ...}'
        )
    return list({trial.name: trial for trial in found}.values())


def _drawn(rng: np.random.Generator, field: str, choice: Any) -> Any:
    if isinstance(choice, list) and choice:
        return choice[int(rng.integers(len(choice)))]
    if not isinstance(choice, dict) or set(choice) != {"low", "high", "log"}:
        raise ValueError(f'{field}: {choice!r}; expected values, or "low", "high" and "log"')
    low, high = choice["low"], choice["high"]
    if not low < high or (choice["log"] and low <= 0):
        raise ValueError(f"{field}: low={low}, high={high}; expected low < high, above 0 for log")
    value = np.exp(rng.uniform(*np.log([low, high]))) if choice["log"] else rng.uniform(low, high)
    if isinstance(low, int) and isinstance(high, int):
        return round(float(value))
    return float(f"{value:.4g}")


def check_trials(trials: Sequence[Trial], config: Any) -> None:
    """Raises ValueError for a field that the config does not have, or a value of another type."""
    for trial in trials:
        try:
            config.copy_and_resolve_references().lock().update_from_flattened_dict(trial.settings)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"trial {trial.name}: {error.args[0]}") from error


def command_of(trial: Trial, stage: str, shared: Sequence[str], workdir: Path, seed: int) -> list:
    """The command line of a trial.

    stage: name of the script in experiments. shared: flags of every trial, --config first.
    """
    script = [sys.executable, "-m", f"experiments.{stage}"]
    place = f"--workdir={trial.folder(workdir, seed)}"
    return [*script, *shared, f"--config.seed={seed}", *trial.flags(), place]


def run_trials(
    work: Sequence[tuple[Path, list[str]]], jobs: int, devices: Sequence[str]
) -> dict[Path, str]:
    """Runs commands side by side; what is finished (results.json) is left alone.

    Args:
      work: (work directory, command line) of each; what it prints goes to <work directory>.log.
      jobs: processes at once, where no devices are named.
      devices: numbers of local accelerators, each of which runs one process at a time.

    Returns:
      {work directory: last line that was printed} of those that failed.
    """
    free: queue.SimpleQueue = queue.SimpleQueue()
    places: Sequence[str | None] = devices or [None for _ in range(jobs)]
    for device in places:
        free.put(device)

    def run(item: tuple[Path, list[str]]) -> str:
        folder, command = item
        if (folder / "results.json").is_file():
            return ""
        folder.parent.mkdir(parents=True, exist_ok=True)
        device = free.get()
        seen = {} if device is None else dict.fromkeys(VISIBLE, device)
        log = folder.with_name(f"{folder.name}.log")
        try:
            with log.open("w") as file:
                print(f"sweep: {folder.name}", flush=True)
                code = subprocess.run(
                    command, env=os.environ | seen, stdout=file, stderr=subprocess.STDOUT
                ).returncode
        finally:
            free.put(device)
        lines = log.read_text(errors="replace").strip().splitlines()
        return f"exit code {code}: {lines[-1] if lines else 'nothing printed'}" if code else ""

    with ThreadPoolExecutor(len(devices) or jobs) as pool:
        ended = list(pool.map(run, work))
    return {folder: reason for (folder, _), reason in zip(work, ended) if reason}


def collect(
    trials: Sequence[Trial],
    workdir: Path,
    seeds: Sequence[int],
    metrics: Sequence[str],
    failed: Mapping[Path, str],
) -> list[dict]:
    """Reads what the trials left and writes sweep.json, .csv and .md; returns the rows.

    metrics: keys of results.json to show; none takes every number but those of single classes.
    """
    rows: list[dict] = []
    for trial in trials:
        folders = [trial.folder(workdir, seed) for seed in seeds]
        missing = [folder for folder in folders if not (folder / "results.json").is_file()]
        reason = "; ".join(failed.get(folder, "not finished") for folder in missing)
        results = [] if missing else [json.loads((f / "results.json").read_text()) for f in folders]
        rows.append({"cell": trial.name, "results": results, "not_run": reason})
    finished = [found for row in rows for found in row["results"]]
    if not metrics and finished:
        metrics = [
            name
            for name in finished[0]
            if not name.startswith("class_")
            and all(isinstance(found.get(name), int | float) for found in finished)
        ]
    for found in finished:
        if absent := [name for name in metrics if name not in found]:
            raise ValueError(f"no {', '.join(absent)} in the results, only {', '.join(found)}")
    title = f"{len(trials)} trials, seeds {', '.join(map(str, seeds))}: mean ± standard deviation."
    titles = {name: name for name in metrics or ["results"]}
    write_tables(workdir / "sweep", rows, seeds, titles, title=title, what="sweep")
    return rows


def slurm_script(command: Sequence[str], count: int, jobs: int) -> str:
    """A SLURM array that runs one trial a task, `jobs` at once.

    command: this sweep's own command line; each task runs it with --only=<its number>. The table
    is written by the same command without --only, when the array has ended.
    """
    line = shlex.join(command)
    return f"""#!/bin/bash
#SBATCH --job-name=via_jax_sweep
#SBATCH --array=0-{count - 1}%{jobs}
#SBATCH --output=%x_%A_%a.out
#SBATCH --requeue
# Partition, time and --gres=gpu:1 are the cluster's: add them here or on sbatch's command line.
# Afterwards, for the table: {line}
exec {line} --only="$SLURM_ARRAY_TASK_ID"
"""
