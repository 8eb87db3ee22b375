"""The numbers of a benchmark as Markdown."""

from collections.abc import Sequence
from typing import Any

NOT_MEASURED = "not measured"


def markdown(report: dict[str, Any]) -> str:
    """Tables of all groups in a report of `suite.run`; groups that were not run are left out."""
    parts = [_setting(report["setting"])]
    for name, draw in (
        ("floor", _floor),
        ("training", _cases),
        ("inference", _cases),
        ("start_up", _startup),
        ("growth", _growth),
        ("loader", _loader),
        ("compile", _compile),
    ):
        if name in report:
            title = name.capitalize().replace("_", "-")
            parts.append(f"## {title}\n\n{draw(report[name])}")
    return "\n\n".join(parts) + "\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _setting(setting: dict[str, Any]) -> str:
    rows = [[name.replace("_", " "), str(value)] for name, value in setting.items()]
    return (
        "# Benchmark\n\nEach time is the median of alternated runs, each ratio the median of the"
        " rounds with their quartiles: PyTorch's time over ours, above 1 where we are faster.\n\n"
        + table(["setting", "value"], rows)
    )


def _floor(floor: dict[str, Any]) -> str:
    machine = (
        f"Measured peaks: {floor['flops'] / 1e9:.0f} GFLOP/s,"
        f" {floor['bandwidth'] / 1e9:.1f} GB/s.\n\n"
    )
    rows = [
        [r["name"], r["formulation"], f"{r['flops'] / 1e9:.3f}", f"{r['floor_seconds'] * 1e3:.1f}"]
        for r in floor["programs"]
    ]
    return machine + table(["program", "formulation", "GFLOP", "arithmetic, ms"], rows)


def _cases(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        for name, ours in row["ours"].items():
            rivals = [
                f"{mode} {1e3 * rival['seconds']:.1f} ms, {_ratio(rival['ratio'][name])}"
                for mode, rival in row["rivals"].items()
            ]
            lines.append(
                [
                    row["name"],
                    name,
                    f"{1e3 * ours['seconds']:.1f}",
                    f"{ours['per_second']:.1f}",
                    f"{100 * ours['floor_share']:.0f} %",
                    f"{ours['peak_bytes'] / 2**20:.0f}",
                    f"{ours['compile_seconds']:.1f}",
                    "; ".join(rivals) or NOT_MEASURED,
                ]
            )
    heads = ["case", "formulation", "ms", "sequences or pairs/s", "floor / time", "MiB"]
    return table([*heads, "compile, s", "PyTorch"], lines)


def _startup(rows: list[dict[str, Any]]) -> str:
    lines = [[row["name"], f"{row['seconds']:.2f}"] for row in rows]
    return table(["process, until its first prediction is written", "s"], lines)


def _ratio(ratio: dict[str, float]) -> str:
    return f"**{ratio['median']:.2f}** ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"


def _growth(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            row["axis"],
            row["formulation"],
            ", ".join(str(value) for value in row["values"]),
            ", ".join(f"{1e3 * seconds:.1f}" for seconds in row["seconds"]),
            ", ".join(f"{times:.2f}" for times in row["times"]),
        ]
        for row in rows
    ]
    return table(["axis", "formulation", "values", "ms", "times the first"], lines)


def _loader(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            row["placement"],
            f"{row['clips_per_second']:.0f}",
            f"{1e3 * row['step_seconds']:.1f}",
            f"{1e3 * row['fixed_seconds']:.1f}",
            f"{100 * row['waiting']:.1f} %",
        ]
        for row in rows
    ]
    heads = ["placement", "clips/s of the loader alone", "step, ms", "on a fixed batch, ms"]
    return table([*heads, "waiting for data"], lines)


def _compile(rows: list[dict[str, Any]]) -> str:
    lines = [
        [row["name"], row["formulation"]]
        + [f"{row[kind][part]:.1f}" for kind in ("cold", "cached") for part in ("trace", "compile")]
        for row in rows
    ]
    heads = ["program", "formulation", "cold: trace, s", "compile, s", "cached: trace, s"]
    return table([*heads, "compile, s"], lines)
