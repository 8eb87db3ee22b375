"""The whole job once in a tiny version: what it leaves, and that a rerun only continues."""

import json
import math
from collections.abc import Callable

import jax
import numpy as np
import pytest
from PIL import Image, ImageSequence

from configs import base
from configs import quickstart as settings
from via_jax.data import store
from via_jax.quickstart import make_data, quickstart
from via_jax.runs import read_metrics

ACCURACIES = [f"{name}_top1" for name in ("random_linear", "linear", "fine_tune", "scratch")]
ERRORS = ["retargeting_error", "copied_driver_error", "copied_source_error"]
STAGES = ("pretrain", "scratch", "fine_tune")


def tiny():
    config = settings.get_config()
    config.synthetic.update(
        clips_per_class=6,
        test_clips_per_class=2,
        num_frames=24,
        train_characters=4,
        test_characters=2,
        actions=("squat", "walk", "wave"),
    )
    config.data.window.frames = 16
    config.model.width = 1 / 16
    config.model.decoder_width = 1 / 16
    config.model.num_heads = 1
    config.model.num_directions = 4
    config.pretrain.pairs = 4
    config.pretrain.clusters.count = 2
    config.pretrain.clusters.frames = 8
    config.pretrain.optimizer = base.optimizer(steps=4, learning_rate=1e-3)
    config.linear_probe.epochs = 5
    config.fine_tune.batch = 8
    config.fine_tune.optimizer = base.optimizer(steps=2, learning_rate=1e-3)
    for section in (config.pretrain, config.fine_tune):
        section.log_every = 1
    return config


def files_of(workdir):
    """When each file of the trained stages was written."""
    paths = [path for stage in STAGES for path in (workdir / stage / "checkpoints").rglob("*")]
    return {path: path.stat().st_mtime_ns for path in paths if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(work directory, returned results) of one run."""
    workdir = tmp_path_factory.mktemp("quickstart") / "run"
    return workdir, quickstart(tiny(), workdir)


def test_the_results_are_complete(finished):
    workdir, results = finished
    stored = json.loads((workdir / "results.json").read_text())
    assert stored == pytest.approx(results)
    assert {*ACCURACIES, *ERRORS, "raw_pose_top1", "linear_optimum_top1"} <= set(results)
    for name in ACCURACIES:
        right = 6 * results[name] / 100  # of six clips
        assert 0 <= right <= 6 and right == pytest.approx(round(right), abs=1e-4)
    for name in ERRORS:
        assert math.isfinite(results[name]) and results[name] > 0
    assert 0 < results["seconds_compile"] < results["seconds_total"] < 600


def test_pictures_are_left(finished):
    workdir, _ = finished
    with Image.open(workdir / "retargeted.gif") as film:
        assert sum(1 for _ in ImageSequence.Iterator(film)) == 24
        assert film.size[0] == pytest.approx(4 * 240, rel=0.1)
    with Image.open(workdir / "loss.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 0


def test_every_stage_ran_as_the_config_says(finished):
    workdir, _ = finished
    for stage, steps in (("pretrain", 4), ("scratch", 2), ("fine_tune", 2)):
        rows = read_metrics(workdir / stage / "metrics.jsonl")
        assert sorted({row["step"] for row in rows}) == list(range(1, steps + 1))
    data = store.load(workdir / "data", verify=True)
    assert data.classes == ["squat", "walk", "wave"] and data.coords == 3
    assert data.manifest["splits"] == {"official": {"train": 18, "test": 6}}
    configs = {
        name: json.loads((workdir / name / "config.json").read_text())
        for name in ("random_linear", "linear", "raw_pose", "scratch", "fine_tune")
    }
    assert configs["raw_pose"]["linear_probe"]["feature"] == "poses"
    for stage in ("random_linear", "linear"):
        assert configs[stage]["linear_probe"]["feature"] == tiny().linear_probe.feature
    for stage, section, checkpoint in (
        ("random_linear", "linear_probe", ""),
        ("linear", "linear_probe", str(workdir / "pretrain")),
        ("scratch", "fine_tune", ""),
        ("fine_tune", "fine_tune", str(workdir / "pretrain")),
    ):
        assert configs[stage][section]["checkpoint"] == checkpoint


def test_a_rerun_trains_nothing_again(finished, monkeypatch):
    workdir, results = finished
    before = files_of(workdir)
    metrics = {stage: (workdir / stage / "metrics.jsonl").read_bytes() for stage in STAGES}
    listeners: list[Callable] = []
    monkeypatch.setattr(jax.monitoring, "register_event_duration_secs_listener", listeners.append)
    monkeypatch.setattr(jax.monitoring, "unregister_event_duration_listener", listeners.remove)
    again = quickstart(tiny(), workdir)
    assert not listeners  # none stays behind
    assert before and files_of(workdir) == before
    for stage in STAGES:
        assert (workdir / stage / "metrics.jsonl").read_bytes() == metrics[stage]
    assert set(again) == set(results)
    for name in {*results} - {"seconds_compile", "seconds_total"}:
        assert again[name] == pytest.approx(results[name], rel=1e-5), name


def test_other_settings_are_refused_before_anything_runs(finished, monkeypatch):
    workdir, _ = finished
    config = tiny()
    config.synthetic.train_characters = 5
    monkeypatch.setattr(jax, "jit", None)
    with pytest.raises(
        ValueError, match=r"another config:\n  synthetic.train_ch.*: stored 4, given 5"
    ):
        quickstart(config, workdir)


def test_the_data_are_a_function_of_the_seed(finished, tmp_path):
    workdir, _ = finished
    config = tiny()
    again = make_data(config, tmp_path / "again")
    assert again.manifest == store.load(workdir / "data").manifest
    config.seed = 1
    other = make_data(config, tmp_path / "other")
    assert other.manifest["sha256"] != again.manifest["sha256"]
