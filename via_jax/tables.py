"""Tables of runs as JSON, CSV and Markdown: ablations and sweeps write theirs here."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from via_jax.metrics import spread


def write_tables(
    stem: Path,
    rows: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    metrics: Mapping[str, str],
    *,
    title: str,
    what: str,
) -> None:
    """Writes rows as <stem>.json, .csv (a line for each cell and seed) and .md.

    Args:
      stem: path without an ending; its folder is made.
      rows: one dictionary a cell: "cell", its name; "results", one dictionary a seed; "not_run",
        the reason, empty where it was run.
      seeds: in the order of the results.
      metrics: keys of the results that are shown, and their titles.
      title: first line of the Markdown.
      what: name of the table in the JSON.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    content = {"what": what, "seeds": list(seeds), "rows": list(rows)}
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(content, indent=1) + "\n")
    with stem.with_name(f"{stem.name}.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["cell", "seed", *metrics])
        for row in rows:
            for seed, found in zip(seeds, row["results"]):
                lines.writerow([row["cell"], seed, *(found[name] for name in metrics)])
    text = [
        title,
        "",
        f"| cell | {' | '.join(metrics.values())} |",
        f"|---|{'---|' * len(metrics)}",
    ]
    for row in rows:
        shown = [spread([found[name] for found in row["results"]]) for name in metrics]
        if row["not_run"]:
            shown[0] = f"not run: {row['not_run']}"
        text.append(f"| {row['cell']} | {' | '.join(shown)} |")
    stem.with_name(f"{stem.name}.md").write_text("\n".join(text) + "\n")
