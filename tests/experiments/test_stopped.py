"""A real pre-training, started from the shell, stopped and killed: the same end as left alone."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from via_jax.checkpoints import Checkpoints, load_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = 40

pytestmark = pytest.mark.skipif(
    "VIA_JAX_SOAK" not in os.environ,
    reason="six processes that compile a model; make soak runs it, test_stops.py is its short form",
)


def start(data, workdir):
    words = {
        "config.data.folder": data.folder,
        "config.data.window.frames": 16,
        "config.data.window.sampling": "resample",
        "config.data.held_out": 0.0,
        "config.model.width": 1 / 16,
        "config.model.decoder_width": 1 / 16,
        "config.model.num_heads": 1,
        "config.model.num_directions": 4,
        "config.pretrain.pairs": 4,
        "config.pretrain.clusters.count": 0,
        "config.pretrain.optimizer.steps": STEPS,
        "config.pretrain.optimizer.warmup": 4,
        "config.pretrain.log_every": 1,
        "config.pretrain.save_every": 5,
        "workdir": workdir,
    }
    flags = [f"--{name}={value}" for name, value in words.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.pretrain", "--config=configs/base.py", *flags],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(workdir):
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return [{k: v for k, v in row.items() if k != "clips_per_second"} for row in found]


def wait_for(workdir, step, process):
    end = time.monotonic() + 600
    while not any(row["step"] >= step for row in rows(workdir)):
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.01)


def latest(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.latest_step()


def test_a_real_run(tiny_data, tmp_path):
    alone, workdir = tmp_path / "alone", tmp_path / "run"
    process = start(tiny_data, alone)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said

    rng = random.Random(0)
    process = start(tiny_data, workdir)
    wait_for(workdir, 3, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 75, said
    assert "SIGTERM: stopping after this step" in said and "run the command again" in said
    assert "Traceback" not in said
    assert latest(workdir) >= 3
    for step in sorted(rng.sample(range(8, STEPS - 2), 3)):
        process = start(tiny_data, workdir)
        wait_for(workdir, step, process)
        process.kill()
        process.communicate(timeout=900)
        assert latest(workdir) >= step - 10  # the save before the one in progress
    process = start(tiny_data, workdir)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert "its lock is taken over" in said
    one, two = (load_model(folder / "checkpoints", "latest")[0] for folder in (alone, workdir))
    jax.tree.map(np.testing.assert_array_equal, one, two)
    assert rows(workdir) == rows(alone)  # losses of every step, so also the clips drawn
