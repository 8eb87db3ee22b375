"""Ablations on the dictionary, the losses and the pairing: a grid of config overrides, over seeds.

Every cell is trained on drawn characters (see `data.characters`). The dictionary's cells, and the
networks and baselines of Table 6, are judged by the retargeting error. Those of the losses and of
the pairing start from the supervised model, go on without the truth, as Table 7 does, and are
judged by cross-view recognition and by the retargeting error.
"""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from via_jax.evaluation import protocols
from via_jax.evaluation.paired_protocol import baseline, judge, paired
from via_jax.models.encoder import code_channels
from via_jax.pretrain import pretrain
from via_jax.tables import write_tables

ERRORS = {
    "mse": "squared error, cm²",
    "mae": "error, cm",
    "bone_error": "bones, cm",
    "not_rigid": "not rigid, %",
    "foot_skating": "foot skating, cm",
    "jitter": "jitter, cm",
}
RECOGNITION = {
    "fine_tune_top1": "fine-tuned, %",
    "linear_probe_top1": "linear probe (SGD), %",
    "linear_probe_optimum_top1": "linear probe (optimum), %",
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of a grid.

    Attributes:
      name: as the table shows it.
      settings: dotted fields of the config and their values.
      steps: False judges the supervised model as it is (L0).
      baseline: of `paired_protocol.baseline`; nothing is trained, and one seed is enough.
    """

    name: str
    settings: dict[str, Any]
    steps: bool = True
    baseline: str = ""

    @property
    def folder(self) -> str:
        """Its name as the name of a folder."""
        return re.sub(r"[^\w.+-]+", "_", self.name)


def _with_terms(**weights: float) -> dict[str, float]:
    terms = ("self", "cycle", "triplet_motion", "triplet_character", "velocity")
    return {f"pretrain.weights.{term}": weights.get(term, 0.0) for term in terms}


_SELF = {"self": 1.0}
_CYCLE = _SELF | {"cycle": 1.0}
_TRIPLET = _CYCLE | {"triplet_motion": 0.1, "triplet_character": 0.1}
_ALL = _TRIPLET | {"velocity": 1.0}
_THREE_ENCODERS = {
    "pretrain.network": "three_encoders",
    "pretrain.weights.triplet_motion": 1.0,  # as published, with their dropout and rate
    "pretrain.weights.velocity": 0.0,
    "pretrain.optimizer.learning_rate": 1e-3,
    "model.dropout": 0.2,
}
GRIDS = {
    "retargeting": [
        *(Cell(name, {}, baseline=name) for name in ("copied driver", "scaled driver", "ridge")),
        Cell("three encoders, supervised", _THREE_ENCODERS),
        Cell("three encoders, unsupervised", _THREE_ENCODERS | {"pretrain.paired": False}),
        Cell("without D_c", {"model.learned_directions": False}),
        *(Cell(f"K = {k}", {"model.num_directions": k}) for k in (2, 32, 64)),
        Cell("K = 32, unsupervised", {"pretrain.paired": False}),
        Cell("K = 32, in 3D", {"model.coords": 3}),
    ],
    "dictionary": [
        Cell("without D_c", {"model.learned_directions": False}),
        *(Cell(f"K = {k}", {"model.num_directions": k}) for k in (2, 8, 32, 64, 128)),
    ],
    "losses": [
        Cell("L0 supervised only", {}, steps=False),
        Cell("L1 + self", _with_terms(**_SELF)),
        Cell("L2 + cycle", _with_terms(**_CYCLE)),
        Cell("L3 + triplet", _with_terms(**_TRIPLET)),
        Cell("L4 + velocity", _with_terms(**_ALL)),
    ],
    "pairing": [
        Cell("20 clusters, lambda 1", {"pretrain.clusters.count": 20}),
        Cell("random pairs", {"pretrain.clusters.count": 0}),
        Cell("5 clusters", {"pretrain.clusters.count": 5}),
        Cell("80 clusters", {"pretrain.clusters.count": 80}),
        Cell("lambda 0.1", {"pretrain.weights.velocity": 0.1}),
        Cell("lambda 10", {"pretrain.weights.velocity": 10.0}),
    ],
}


def metrics_of(what: str) -> dict[str, str]:
    """Keys of a grid's results and their titles."""
    return RECOGNITION | ERRORS if what in ("losses", "pairing") else ERRORS


def cell_of(what: str, name: str) -> Cell:
    """The cell of a grid by its name."""
    return next(cell for cell in GRIDS[what] if cell.name == name)


def ablate(what: str, config: Any, workdir: Path, seeds: list[int]) -> list[dict]:
    """Runs a grid; finished cells are read, an interrupted one goes on.

    Args:
      what: "retargeting", "dictionary", "losses" or "pairing".
      config: see configs/mocap_characters.py.
      workdir: gets a folder for each cell and seed, <what>.md, .csv and .json. Grids may share it,
        and then share the supervised model.
      seeds: of weights, data draws and clips held out.

    Returns:
      One dictionary a cell: "cell", "results" (one dictionary a seed), "not_run" (the reason, empty
      where it was run).

    Raises:
      ValueError: another grid, no seed, or work directories of another config.
    """
    if what not in GRIDS:
        raise ValueError(f"what={what!r}; expected one of {', '.join(GRIDS)}")
    if not seeds:
        raise ValueError("no seed; expected at least one, such as 0")
    rows: list[dict] = []
    for cell in GRIDS[what]:
        reason = why_not(cell, config)
        results = []
        for seed in [] if reason else seeds[:1] if cell.baseline else seeds:
            print(f"{what}: {cell.name}, seed {seed}", flush=True)
            results.append(run_cell(what, cell, config, workdir, seed))
        rows.append({"cell": cell.name, "results": results, "not_run": reason})
        write_tables(
            workdir / what,
            rows,
            seeds,
            metrics_of(what),
            title=(
                f"Ablation of the {what}, seeds {', '.join(map(str, seeds))}: mean ± standard"
                " deviation."
            ),
            what=what,
        )
    return rows


def why_not(cell: Cell, config: Any) -> str:
    """Why a cell cannot be run with a config; empty where it can."""
    directions = cell.settings.get("model.num_directions", 1)
    channels = code_channels(config.model.width)
    if directions < channels:
        return ""
    return f"K must lie below the {channels} channels of the code at width {config.model.width:g}"


def run_cell(what: str, cell: Cell, config: Any, workdir: Path, seed: int) -> dict[str, float]:
    """The numbers of one cell and seed."""
    config = config.copy_and_resolve_references()
    config.seed = seed
    if cell.baseline:
        return baseline(config, cell.baseline)
    if what in ("dictionary", "retargeting"):
        return paired(_overridden(config, cell), workdir / f"{cell.folder}_s{seed}")
    supervised = Cell(f"K = {config.model.num_directions}", {})  # as the dictionary's grid calls it
    start = workdir / f"{supervised.folder}_s{seed}"
    if not (start / "results.json").is_file():
        paired(config, start)
    place = workdir / f"{cell.folder}_s{seed}"
    return continued(_overridden(config, cell), cell.steps, start, place)


def _overridden(config: Any, cell: Cell) -> Any:
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(cell.settings)
    return config


def continued(config: Any, steps: bool, start: Path, workdir: Path) -> dict[str, float]:
    """Goes on from a supervised model without the truth, then judges it in every way.

    Args:
      config: of the supervised model, with the terms of the loss and the pairing to go on with.
      steps: False goes on for no step.
      start: work directory of `paired`.
      workdir: gets pretrain/, linear_probe/, fine_tune/ and results.json.
    """
    results = workdir / "results.json"
    if results.is_file():
        return json.loads(results.read_text())
    trained = start / "pretrain"
    if steps:
        config.pretrain.paired = False
        config.pretrain.start_from = str(trained)
        config.pretrain.optimizer = config.ablation.continued
        trained = workdir / "pretrain"
        pretrain(config, trained)
    numbers = judge(config, trained)
    recognition = recognition_of(config)
    for section, run in (
        ("linear_probe", protocols.linear_probe),
        ("fine_tune", protocols.fine_tune),
    ):
        recognition[section].checkpoint = str(trained)
        found = run(recognition, workdir / section)
        for name in ("top1", "optimum_top1"):
            if name in found:
                numbers[f"{section}_{name}"] = found[name]
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(numbers, indent=1) + "\n")
    return numbers


def recognition_of(config: Any) -> Any:
    """The config of cross-view recognition on the projected clips, with the same model."""
    config = config.copy_and_resolve_references()
    config.data.folder = config.ablation.views
    config.data.protocol = config.ablation.protocol
    config.data.held_out = config.ablation.held_out
    config.data.characters.train = 0
    config.data.views.camera = config.data.views.test_camera = None
    return config
