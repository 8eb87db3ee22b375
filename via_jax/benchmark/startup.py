"""Seconds from the start of a process to its first prediction, by the installed command."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from via_jax.benchmark.cases import Case, variables_of
from via_jax.converted import write_checkpoint
from via_jax.weights import to_published

LAYOUT, JOINTS = "coco17", 17
# What the rival's user would write; the model's size stands on the command line.
TORCH = """
import sys, torch
from via_jax.benchmark.torch_rival import CHANNELS, Unik
channels = tuple(max(1, round(c * float(sys.argv[1]))) for c in CHANNELS)
model = Unik(17, 2, 1, channels, classes=60).eval()
with torch.no_grad():
    print(model(torch.zeros(1, 1, int(sys.argv[2]), 17, 2)).argmax())
"""


def measure_startup(case: Case, config: Any, rivals: bool) -> list[dict[str, Any]]:
    """Runs `via-jax predict` on one clip three times, with a cache that is empty at first.

    Args:
      case: "fine_tune" of 17 joints in 2D: width and frames.
      config: see configs/base.py.
      rivals: also start PyTorch with the same model.

    Returns:
      "name" and "seconds" of the first start, the second and the third, and of PyTorch's second.

    Raises:
      subprocess.CalledProcessError: a process failed.
    """
    config = config.copy_and_resolve_references()
    config.model.width, config.model.coords, config.data.persons = case.width, case.coords, 1
    config.data.views.normalisation = "body"
    config.data.window.frames = case.frames
    poses = np.random.default_rng(0).normal(size=(1, case.frames, case.joints, case.coords))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        state = to_published(variables_of(case))
        write_checkpoint(f"{folder}/model", state, config, LAYOUT, None)
        np.savez(f"{folder}/clip.npz", poses=poses.astype(np.float32), layout=LAYOUT)
        predict = [sys.executable, "-m", "via_jax.cli", "predict", f"--checkpoint={folder}/model"]
        predict += [f"--out={folder}/labels", f"{folder}/clip.npz"]
        ours = {"XDG_CACHE_HOME": f"{folder}/cache"}
        for name in ("first start", "second start", "third start"):
            rows.append({"name": name, "seconds": _seconds(predict, ours)})
    if rivals:
        words = [sys.executable, "-c", TORCH, str(case.width), str(case.frames)]
        _seconds(words, {})  # its files lie in memory then, as ours do
        rows.append({"name": "PyTorch, second start", "seconds": _seconds(words, {})})
    return rows


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    begin = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        env={**os.environ, **environment, "PYTHONPATH": paths},
    )
    return time.perf_counter() - begin
