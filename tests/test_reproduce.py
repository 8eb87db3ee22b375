"""Rows of a table: what is run, what is not and why, and what a rerun repeats."""

import json

import pytest

from via_jax import reproduce as reproducing
from via_jax.paper import Row

ROWS = [
    Row("cited", 50.0, reason="another method"),
    Row("random", 10.0, "tiny", pretrained=False),
    Row("pre-trained", 20.0, "tiny", "tiny", evaluation="fine_tune", label_fraction=0.5),
    Row("elsewhere", 30.0, "far", "tiny"),
    Row("substituted", 40.0, "far", "far", substitute="tiny", metric="mean_class"),
]


@pytest.fixture
def config_of(tiny_config):
    def make(name):
        config = tiny_config.copy_and_resolve_references()
        config.linear_probe.epochs = 5
        config.linear_probe.rates = (0.1,)
        config.pretrain.optimizer.steps = 2
        config.fine_tune.optimizer.steps = 2
        if name == "far":
            config.data.folder = "somewhere/far"
        return config

    return make


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setattr(reproducing, "TABLES", {4: ROWS})


def test_rows_are_run_or_say_why_not(config_of, tiny_data, tmp_path, monkeypatch, capsys):
    data = tiny_data.folder.parent
    found = reproducing.reproduce(4, data, tmp_path, config_of, [0])
    assert [row["row"] for row in found] == [row.name for row in ROWS]
    assert [row["not_run"] for row in found] == [
        "another method",
        "",
        "",
        "no prepared data set far",
        "",
    ]
    assert [len(row["ours"]) for row in found] == [0, 1, 1, 0, 1]
    probe = json.loads((tmp_path / "tiny_s0_linear_probe_random" / "results.json").read_text())
    assert found[1]["ours"] == [probe["top1"]]
    assert "pre-trained on" in found[2]["setting"] and "not the paper's" in found[4]["setting"]
    stored = json.loads((tmp_path / "table4.json").read_text())
    assert stored == {"table": 4, "seeds": [0], "rows": found}
    text = (tmp_path / "table4.md").read_text()
    assert "| cited | 50 |  | not run: another method |" in text
    assert f"| random | 10 | {found[1]['ours'][0]:.1f} | configs/tiny.py" in text

    def refuse(*args):
        raise AssertionError("run again")

    monkeypatch.setattr(reproducing, "pretrain", refuse)
    monkeypatch.setattr(reproducing.protocols, "linear_probe", refuse)
    monkeypatch.setattr(reproducing.protocols, "fine_tune", refuse)
    assert reproducing.reproduce(4, data, tmp_path, config_of, [0]) == found


def test_a_row_that_fails_stops_no_other(config_of, tiny_data, tmp_path, monkeypatch, capsys):
    errors = {
        ("random", 1): ValueError("no clip\nof | a class"),
        ("pre-trained", 0): FloatingPointError("the loss is nan at step 3"),
    }

    def run_row(row, name, pretrain_name, data, workdir, config_of, seed):
        if (row.name, seed) in errors:
            raise errors[row.name, seed]
        return 7.0 + seed

    monkeypatch.setattr(reproducing, "run_row", run_row)
    found = reproducing.reproduce(4, tiny_data.folder.parent, tmp_path, config_of, [0, 1])
    assert [row["failed"] for row in found] == [False, True, True, False, False]
    assert [row["ours"] for row in found] == [[], [], [], [], [7.0, 8.0]]
    assert [row["not_run"] for row in found[1:3]] == [
        "no clip of | a class",
        "the loss is nan at step 3",
    ]
    assert json.loads((tmp_path / "table4.json").read_text())["rows"] == found
    text = (tmp_path / "table4.md").read_text()
    assert "| random | 10 |  | not run: no clip of \\| a class |\n" in text
    assert "random failed: no clip of | a class" in capsys.readouterr().err
    errors["random", 0] = RuntimeError("a fault of the code")
    with pytest.raises(RuntimeError, match="a fault of the code"):
        reproducing.reproduce(4, tiny_data.folder.parent, tmp_path, config_of, [0])


def test_other_tables_and_no_seeds_are_refused(config_of, tmp_path):
    with pytest.raises(ValueError, match=r"table=8; expected one of \[4\]"):
        reproducing.reproduce(8, tmp_path, tmp_path, config_of, [0])
    with pytest.raises(ValueError, match="no seed"):
        reproducing.reproduce(4, tmp_path, tmp_path, config_of, [])


def test_cells_of_a_grid_are_rows(config_of, tiny_data, tmp_path, monkeypatch):
    """The paper's data are not there, the substitute's are; a cell may not fit its model."""
    rows = [
        Row("cell", 0.9, "far", substitute="tiny", grid="retargeting", cell="K = 2", metric="mse"),
        Row("wide", 0.9, "far", substitute="tiny", grid="retargeting", cell="K = 64", metric="mse"),
        Row("views", 70.0, "far", substitute="tiny", grid="losses", cell="L1 + self"),
    ]
    monkeypatch.setattr(reproducing, "TABLES", {6: rows})
    asked = []

    def run_cell(what, cell, config, workdir, seed):
        asked.append((what, cell.name, config.data.folder, workdir, seed))
        return {"mse": 40.0 + seed}

    monkeypatch.setattr(reproducing, "run_cell", run_cell)
    found = reproducing.reproduce(6, tiny_data.folder.parent, tmp_path, config_of, [0, 1])
    assert found[0]["ours"] == [40.0, 41.0] and "cm²" in found[0]["setting"]
    folder = str(tiny_data.folder)
    assert asked == [("retargeting", "K = 2", folder, tmp_path / "tiny", s) for s in (0, 1)]
    assert found[1]["not_run"].startswith("K must lie below the 16 channels")
    assert found[2]["not_run"].startswith("no prepared data set far")
