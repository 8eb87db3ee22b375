"""Run directories: the config guard, metrics that survive a resume, results, progress lines."""

import json
import sys

import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from via_jax import runs
from via_jax.runs import open_run, progress, read_metrics, truncate_metrics

CONFIG = {"seed": 0, "log_every": 50, "model": {"width": 64, "kernels": (9, 1)}, "extra": {}}


def change(**values):
    return {**CONFIG, **values}


def test_first_start_writes_a_readable_config(tmp_path):
    run = open_run(tmp_path / "new" / "run", CONFIG)
    text = (run.workdir / "config.json").read_text()
    assert json.loads(text) == {**CONFIG, "model": {"width": 64, "kernels": [9, 1]}}
    assert text.startswith('{\n  "extra": {},\n  "log_every": 50,')  # one key a line, sorted
    assert sorted(path.name for path in run.workdir.iterdir()) == ["config.json", "lock"]
    run.close()
    open_run(run.workdir, CONFIG)
    open_run(run.workdir, ml_collections.ConfigDict(CONFIG))  # the same values
    open_run(run.workdir, ml_collections.FrozenConfigDict(CONFIG))
    assert (run.workdir / "config.json").read_text() == text


def test_another_config_is_refused_key_by_key(tmp_path):
    open_run(tmp_path, CONFIG)
    other = {"seed": False, "log_every": 50.0, "model": {"width": 128}, "new": [1]}
    with pytest.raises(ValueError) as caught:
        open_run(tmp_path, other)
    message = str(caught.value)
    assert f"{tmp_path} is a work directory of another config:" in message
    assert message.splitlines()[1:-1] == [
        "  extra: stored {}, given absent",
        "  log_every: stored 50, given 50.0",
        "  model.kernels: stored [9, 1], given absent",
        "  model.width: stored 64, given 128",
        "  new: stored absent, given [1]",
        "  seed: stored 0, given false",
    ]
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0


def test_named_keys_may_change(tmp_path):
    open_run(tmp_path, CONFIG)
    open_run(tmp_path, change(log_every=10), may_change=["log_every"])
    assert json.loads((tmp_path / "config.json").read_text())["log_every"] == 10
    open_run(tmp_path, change(log_every=10, model={"width": 1}), may_change=["model"])
    with pytest.raises(ValueError, match=r"\n  log_every: stored 10, given 20\n"):
        open_run(tmp_path, change(log_every=20, model={"width": 1}), may_change=["log", "model"])


@pytest.mark.parametrize("value", [object(), float("nan"), np.ones(2)])
def test_a_config_that_json_cannot_hold_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="config cannot be written as JSON"):
        open_run(tmp_path, change(seed=value))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "seen"), [("{", "cannot be read as JSON"), ("[1]", "holds a list")]
)
def test_a_damaged_config_is_named(tmp_path, text, seen):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=f"config.json {seen}"):
        open_run(tmp_path, CONFIG)


def test_log_writes_one_json_line_and_tensorboard_events(tmp_path):
    with open_run(tmp_path, CONFIG) as run:
        assert not (tmp_path / "tensorboard").exists()
        run.log(0, loss=jnp.float32(0.5), rate=1e-3, clips=np.int64(7))
        run.log(50, loss=jnp.asarray([jnp.nan]), norm=np.inf, half=jnp.bfloat16(0.25))
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()  # before the run ends
    assert lines[0] == '{"step": 0, "loss": 0.5, "rate": 0.001, "clips": 7}'
    assert lines[1] == '{"step": 50, "loss": null, "norm": null, "half": 0.25}'
    assert read_metrics(tmp_path / "metrics.jsonl") == [json.loads(line) for line in lines]
    (events,) = (tmp_path / "tensorboard").iterdir()
    content = events.read_bytes()
    assert b"loss" in content and b"half" in content
    assert b"norm" not in content


@pytest.mark.parametrize("value", ["0.5", None, np.ones(2), 1j])
def test_only_single_numbers_are_logged(tmp_path, value):
    with (
        open_run(tmp_path, CONFIG) as run,
        pytest.raises(ValueError, match=r"loss is .*one number"),
    ):
        run.log(0, loss=value)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_resumed_metrics_equal_the_uninterrupted_ones(tmp_path):
    def train(run, first, last):
        for step in range(first, last):
            run.log(step, loss=1 / (step + 3))

    with open_run(tmp_path / "whole", CONFIG) as run:
        train(run, 0, 9)
    with open_run(tmp_path / "resumed", CONFIG) as run:
        train(run, 0, 7)
    path = tmp_path / "resumed" / "metrics.jsonl"
    with path.open("a") as file:
        file.write('{"step": 7, "lo')  # killed while writing
    assert len(read_metrics(path)) == 7
    with open_run(tmp_path / "resumed", CONFIG) as run:
        run.resume(5)
        train(run, 5, 9)
    assert path.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert len(list((tmp_path / "resumed" / "tensorboard").iterdir())) == 2


def test_truncating_cuts_by_step_only(tmp_path):
    path = tmp_path / "metrics.jsonl"
    truncate_metrics(path, 3)
    assert not path.exists()
    path.write_text('{"step": 1,  "a": 1}\n{"step": 3}\n{"step": 2}\n{"step": 4}\n')
    truncate_metrics(path, 3)
    assert path.read_text() == '{"step": 1,  "a": 1}\n{"step": 2}\n'
    truncate_metrics(path, 0)
    assert path.read_text() == ""
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize("line", ["not json", "[1]", '{"loss": 1}', '{"step": null}', ""])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    text = f'{{"step": 0}}\n{line}\n{{"step": 2}}\n'
    path.write_text(text)
    for call in (read_metrics, lambda path: truncate_metrics(path, 1)):
        with pytest.raises(ValueError, match=r"metrics.jsonl, line 2: .* expected a JSON object"):
            call(path)
    assert path.read_text() == text


def test_results_merge(tmp_path):
    with open_run(tmp_path, CONFIG) as run:
        run.results(top1=np.float64(0.5), protocol="cross_view", done=True, note=None)
        run.results(top1=jnp.float32(0.75), confusion=np.eye(2), folds=(1, float("nan"), "none"))
    assert json.loads((tmp_path / "results.json").read_text()) == {
        "top1": 0.75,
        "protocol": "cross_view",
        "done": True,
        "note": None,
        "confusion": [[1, 0], [0, 1]],
        "folds": [1, None, "none"],
    }
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["config.json", "lock", "results.json"]


@pytest.mark.parametrize("value", [{"top1": 1}, [{"top1": 1}], object()])
def test_nested_results_are_refused_and_nothing_is_lost(tmp_path, value):
    run = open_run(tmp_path, CONFIG)
    run.results(top1=0.5)
    with pytest.raises(ValueError, match=r"result bad is .* expected a number, a text or a list"):
        run.results(good=1, bad=value)
    assert json.loads((tmp_path / "results.json").read_text()) == {"top1": 0.5}


def test_progress_prints_a_line_now_and_then_without_a_terminal(monkeypatch, capsys):
    seconds = iter(range(0, 1000, 10))
    monkeypatch.setattr(runs.time, "monotonic", lambda: next(seconds))
    with progress(total=1000, initial=200) as bar:
        for step in range(5):
            bar.update(100, loss=jnp.float32(0.5)) if step == 1 else bar.update(100)
    (line,) = capsys.readouterr().err.splitlines()  # after 30 of 50 seconds
    assert "500/1.00k" in line and "10.0 clips/s" in line  # 300 since the start of this run
    assert "00:30<00:50" in line and "loss=0.5" in line


def test_progress_shows_a_bar_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(total=10, initial=4, unit="steps") as bar:
        bar.update(6, loss=0.123456)
    shown = capsys.readouterr().err
    assert "40%" in shown and "10.0/10.0" in shown and "loss=0.1235" in shown
