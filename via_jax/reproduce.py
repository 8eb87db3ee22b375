"""Runs what can be run of a table of the paper, over seeds, beside the paper's numbers."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from via_jax.ablation import cell_of, run_cell, why_not
from via_jax.evaluation import protocols
from via_jax.metrics import spread
from via_jax.paper import TABLES, Row
from via_jax.pretrain import pretrain


def reproduce(
    table: int,
    data: Path,
    workdir: Path,
    config_of: Callable[[str], Any],
    seeds: list[int],
) -> list[dict]:
    """Runs every row of a table whose data are there; a rerun continues where it stopped.

    Pre-trainings are shared by all rows that start from them. A row that fails by a ValueError or a
    FloatingPointError is written as not run, and the others go on.

    Args:
      table: 2 to 7.
      data: folder of prepared data sets, each under the name in its config (`data.folder`).
      workdir: gets one run directory per row and seed, and table<N>.md and table<N>.json.
      config_of: name of a config -> a new ConfigDict.
      seeds: of data draws and weights; the number reported is their mean.

    Returns:
      One dictionary per row: "row", "paper", "ours" (one number per seed), "setting", "not_run"
      (the reason, empty where it was run) and "failed" (whether that is an error).

    Raises:
      ValueError: another table, or no seed.
    """
    if table not in TABLES:
        raise ValueError(f"table={table}; expected one of {sorted(TABLES)}")
    if not seeds:
        raise ValueError("no seed; expected at least one, such as 0")
    found = []
    for row in TABLES[table]:
        chosen, reason = _setting(row, data, config_of)
        ours: list[float] = []
        failed = False
        if chosen is not None:
            print(f"table {table}: {row.name}", flush=True)
            try:
                ours = [run_row(row, *chosen, data, workdir, config_of, seed) for seed in seeds]
            except (ValueError, FloatingPointError) as error:
                failed, reason = True, " ".join(str(error).split())
                print(f"table {table}: {row.name} failed: {reason}", file=sys.stderr, flush=True)
        found.append(
            {
                "row": row.name,
                "paper": row.paper,
                "ours": ours,
                "setting": "" if chosen is None else _describe(row, *chosen, config_of),
                "not_run": reason,
                "failed": failed,
            }
        )
        write_table(table, found, seeds, workdir)
    return found


def _setting(
    row: Row, data: Path, config_of: Callable[[str], Any]
) -> tuple[tuple[str, str] | None, str]:
    """((config, config of the pre-training), "") of what can be run, or (None, the reason)."""
    if row.config is None:
        return None, row.reason
    if row.grid:
        return _grid_setting(row, data, config_of)
    candidates = [(row.config, row.pretrain if row.pretrained else row.config)]
    if row.substitute is not None:
        candidates.append((row.substitute, row.substitute))
    missing: list[str] = []
    for names in candidates:
        folders = dict.fromkeys(_folder(data, config_of(name)) for name in names)
        absent = [folder for folder in folders if not (folder / "manifest.json").is_file()]
        if not absent:
            return names, ""
        missing += [folder.name for folder in absent if folder.name not in missing]
    return None, f"no prepared data set {' and none '.join(missing)}"


def _grid_setting(
    row: Row, data: Path, config_of: Callable[[str], Any]
) -> tuple[tuple[str, str] | None, str]:
    """As `_setting`, for a row that is a cell of a grid."""
    missing: list[str] = []
    for name in filter(None, (row.config, row.substitute)):
        config = config_of(name)
        folders = [_folder(data, config)]
        if row.grid == "losses":
            folders.append(data / Path(config.ablation.views).name)
        absent = [folder.name for folder in folders if not (folder / "manifest.json").is_file()]
        if not absent:
            reason = why_not(cell_of(row.grid, row.cell), config)
            return (None, reason) if reason else ((name, name), "")
        missing += absent
    return None, f"no prepared data set {' and none '.join(missing)}"


def _folder(data: Path, config: Any) -> Path:
    return data / Path(config.data.folder).name


def run_row(
    row: Row,
    name: str,
    pretrain_name: str,
    data: Path,
    workdir: Path,
    config_of: Callable[[str], Any],
    seed: int,
) -> float:
    """One number: pre-trains where needed and evaluates; finished runs are read."""
    config = _prepared(config_of(name), data, seed)
    if row.grid:
        config.ablation.views = str(data / Path(config.ablation.views).name)
        cell = cell_of(row.grid, row.cell)
        return float(run_cell(row.grid, cell, config, workdir / name, seed)[row.metric])
    settings = config[row.evaluation]
    if row.pretrained:
        before = workdir / f"{pretrain_name}_s{seed}"
        if not (before / "results.json").is_file():
            pretrain(_prepared(config_of(pretrain_name), data, seed), before)
        settings.checkpoint = str(before)
    place = f"{name}_s{seed}_{row.evaluation}"
    place += f"_from_{pretrain_name}" if row.pretrained else "_random"
    if row.evaluation == "fine_tune":
        config.data.held_out = 0.0  # nothing is chosen here: all labels are learned from
        settings.label_fraction = row.label_fraction
        place += f"_{row.label_fraction:g}"
    results = workdir / place / "results.json"
    if not results.is_file():
        run = protocols.linear_probe if row.evaluation == "linear_probe" else protocols.fine_tune
        run(config, workdir / place)
    return float(json.loads(results.read_text())[row.metric])


def _prepared(config: Any, data: Path, seed: int) -> Any:
    config.seed = seed
    config.data.folder = str(_folder(data, config))
    return config


def _describe(row: Row, name: str, pretrain_name: str, config_of: Callable[[str], Any]) -> str:
    config, before = config_of(name), config_of(pretrain_name)
    words = [f"configs/{name}.py", f"width {config.model.width:g}"]
    if row.grid:
        words.append("cm²" if row.metric == "mse" else "fine-tuned, cross-view")
    elif row.pretrained:
        words.append(f"pre-trained on {Path(before.data.folder).name}")
    if name != row.config:
        words.append("not the paper's data")
    return ", ".join(words)


def write_table(table: int, rows: list[dict], seeds: list[int], workdir: Path) -> None:
    """Writes the rows so far as table<N>.json and table<N>.md."""
    workdir.mkdir(parents=True, exist_ok=True)
    content = {"table": table, "seeds": seeds, "rows": rows}
    (workdir / f"table{table}.json").write_text(json.dumps(content, indent=1) + "\n")
    lines = [
        f"Table {table}, seeds {', '.join(map(str, seeds))}: mean and standard deviation.",
        "",
        "| row | paper | ours | setting, or why it was not run |",
        "|---|---|---|---|",
    ]
    for row in rows:
        remark = f"not run: {row['not_run']}" if row["not_run"] else row["setting"]
        remark = remark.replace("|", "\\|")
        lines.append(f"| {row['row']} | {row['paper']:g} | {spread(row['ours'])} | {remark} |")
    (workdir / f"table{table}.md").write_text("\n".join(lines) + "\n")
