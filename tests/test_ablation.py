"""Grids of ablations: what each cell changes, what is shared, what is written, what is not run."""

import csv
import json

import pytest

from configs import mocap_characters
from via_jax import ablation
from via_jax.ablation import GRIDS, ablate, why_not
from via_jax.figures.ablation import draw_grid

ERRORS = {
    "mse": 40.0,
    "mae": 4.0,
    "bone_error": 3.0,
    "not_rigid": 2.0,
    "foot_skating": 1.0,
    "jitter": 0.5,
}


@pytest.fixture
def config():
    config = mocap_characters.get_config()
    config.lock()
    return config


@pytest.fixture
def calls(monkeypatch):
    """Trainings and evaluations that only note what they were asked for."""
    noted = []

    def note(kind, numbers):
        def run(config, workdir, *rest):
            noted.append((kind, config.copy_and_resolve_references(), workdir))
            if kind in ("paired", "pretrain"):
                workdir.mkdir(parents=True, exist_ok=True)
                (workdir / "results.json").write_text(json.dumps(numbers))
            return {k: v + config.seed for k, v in numbers.items()}

        return run

    monkeypatch.setattr(ablation, "paired", note("paired", ERRORS))
    monkeypatch.setattr(ablation, "pretrain", note("pretrain", {}))
    monkeypatch.setattr(ablation, "judge", note("judge", {k: v + 20 for k, v in ERRORS.items()}))
    top = {"top1": 50.0, "optimum_top1": 70.0}
    monkeypatch.setattr(ablation.protocols, "linear_probe", note("linear_probe", top))
    monkeypatch.setattr(ablation.protocols, "fine_tune", note("fine_tune", {"top1": 80.0}))
    return noted


def test_the_dictionary(config, calls, tmp_path):
    rows = ablate("dictionary", config, tmp_path, [0, 2])
    assert [row["cell"] for row in rows] == [cell.name for cell in GRIDS["dictionary"]]
    trained = {(c.model.learned_directions, c.model.num_directions, c.seed) for _, c, _ in calls}
    ks = [(False, 32), (True, 2), (True, 8), (True, 32)]
    assert trained == {(learned, k, seed) for learned, k in ks for seed in (0, 2)}
    assert all(c.pretrain.paired for _, c, _ in calls) and len(calls) == 8
    assert rows[4]["not_run"] == "K must lie below the 64 channels of the code at width 0.25"
    assert rows[4]["results"] == [] and rows[3]["not_run"] == ""
    table = (tmp_path / "dictionary.md").read_text()
    assert "| K = 32 | 41.0 ± 1.4 | 5.00 ± 1.41 | 4.00 ± 1.41 |" in table
    assert "| K = 64 | not run: K must" in table
    lines = list(csv.DictReader((tmp_path / "dictionary.csv").read_text().splitlines()))
    assert lines[1]["cell"] == "without D_c"
    assert [lines[1][name] for name in ("seed", "mse", "jitter")] == ["2", "42.0", "2.5"]
    assert json.loads((tmp_path / "dictionary.json").read_text())["rows"] == rows


def test_losses_go_on_from_one_supervised_model(config, calls, tmp_path):
    rows = ablate("losses", config, tmp_path, [1])
    kinds = [kind for kind, _, _ in calls]
    assert kinds.count("paired") == 1 and kinds.count("pretrain") == 4
    start = tmp_path / "K_32_s1"
    assert calls[0][2] == start
    terms = []
    for kind, settings, workdir in calls:
        if kind == "pretrain":
            weights = settings.pretrain.weights
            used = ("self", "cycle", "triplet_motion", "triplet_character", "velocity")
            terms.append(sum(weights[term] > 0 for term in used))
            assert not settings.pretrain.paired
            assert settings.pretrain.start_from == str(start / "pretrain")
            assert settings.pretrain.optimizer == config.ablation.continued
        if kind in ("linear_probe", "fine_tune"):
            cell = workdir.parent.name
            trained = start if cell.startswith("L0") else workdir.parent
            assert settings[kind].checkpoint == str(trained / "pretrain")
            assert settings.data.folder == config.ablation.views
            assert settings.data.views.camera is None and settings.data.characters.train == 0
            assert settings.model == config.model
    assert terms == [1, 2, 4, 5]
    recognised = {
        "linear_probe_top1": 51.0,
        "linear_probe_optimum_top1": 71.0,
        "fine_tune_top1": 81.0,
    }
    assert rows[2]["results"] == [{k: v + 21 for k, v in ERRORS.items()} | recognised]
    table = (tmp_path / "losses.md").read_text()
    assert "| L2 + cycle | 81.0 | 51.0 | 71.0 | 61.0 | 25.0 |" in table
    count = len(calls)
    assert ablate("losses", config, tmp_path, [1]) == rows  # all is there
    assert len(calls) == count


def test_table_6_sets_baselines_and_networks_side_by_side(config, calls, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "baseline", lambda config, name: ERRORS | {"name": name})
    rows = ablate("retargeting", config, tmp_path, [0, 1])
    names = [cell.name for cell in GRIDS["retargeting"]]
    assert [row["results"][0]["name"] for row in rows[:3]] == names[:3]
    assert [len(row["results"]) for row in rows] == [1, 1, 1, 2, 2, 2, 2, 2, 0, 2, 2]
    three = [c for _, c, place in calls if place.name.startswith("three_encoders")]
    assert [c.pretrain.paired for c in three] == [True, True, False, False]
    assert all(c.pretrain.network == "three_encoders" and c.model.dropout == 0.2 for c in three)
    steps = {c.pretrain.optimizer.steps for _, c, _ in calls}
    assert len(steps) == 1  # the same number of updates for every row


def test_pairing_changes_one_thing_a_cell(config, calls, tmp_path):
    ablate("pairing", config, tmp_path, [0])
    found = [
        (c.pretrain.clusters.count, c.pretrain.weights.velocity)
        for kind, c, _ in calls
        if kind == "pretrain"
    ]
    assert found == [(20, 1.0), (0, 1.0), (5, 1.0), (80, 1.0), (20, 0.1), (20, 10.0)]


def test_a_wider_model_takes_more_directions(config):
    (cell,) = (cell for cell in GRIDS["dictionary"] if cell.name == "K = 64")
    assert why_not(cell, config)
    config.model.width = 0.5
    assert not why_not(cell, config)


def test_what_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match="what='width'; expected one of retargeting, dictionary"):
        ablate("width", config, tmp_path, [0])
    with pytest.raises(ValueError, match="no seed"):
        ablate("losses", config, tmp_path, [])


def test_the_picture_has_a_panel_a_metric_and_a_line_a_cell(tmp_path, monkeypatch):
    from via_jax.figures import ablation as drawing

    kept = []
    save = drawing.save_png
    monkeypatch.setattr(drawing, "save_png", lambda f, p: (kept.append(f), save(f, p)))
    rows = [
        {"cell": "one", "results": [{"mse": 1.0}, {"mse": 3.0}]},
        {"cell": "none", "results": []},
        {"cell": "two", "results": [{"mse": 5.0}]},
    ]
    draw_grid(rows, {"mse": "error"}, tmp_path / "grid.png")
    (axes,) = kept[0].axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["one", "two"]
    assert (tmp_path / "grid.png").stat().st_size > 2000
    with pytest.raises(ValueError, match="no cell was run"):
        draw_grid(rows[1:2], {"mse": "error"}, tmp_path / "grid.png")
