"""The tables of a report written by hand."""

from via_jax.benchmark.report import markdown, table

OURS = {
    "seconds": 0.02,
    "per_second": 100.0,
    "floor_share": 0.5,
    "peak_bytes": 2**21,
    "compile_seconds": 3.0,
}
RATIO = {"median": 1.25, "lowest": 1.2, "highest": 1.3}
REPORT = {
    "setting": {"jax": "0.10.2", "threads_of_both_sides": 2},
    "training": [
        {
            "name": "forward batch=2 T=16 V=5",
            "ours": {"conv": OURS},
            "rivals": {"eager": {"seconds": 0.025, "ratio": {"conv": RATIO}}},
        },
        {"name": "pretrain batch=4 T=16 V=5", "ours": {"dft": OURS}, "rivals": {}},
    ],
    "growth": [
        {
            "axis": "frames",
            "formulation": "conv",
            "values": [16, 32],
            "seconds": [0.01, 0.02],
            "times": [1.0, 2.0],
        }
    ],
}


def test_a_table_has_a_line_for_each_row():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_what_was_measured_is_told_and_what_was_not_is_marked():
    text = markdown(REPORT)
    assert "| threads of both sides | 2 |" in text
    assert (
        "| forward batch=2 T=16 V=5 | conv | 20.0 | 100.0 | 50 % | 2 | 3.0 |"
        " eager 25.0 ms, **1.25** (1.20 to 1.30) |"
    ) in text
    assert (
        "| pretrain batch=4 T=16 V=5 | dft | 20.0 | 100.0 | 50 % | 2 | 3.0 | not measured |" in text
    )
    assert "| frames | conv | 16, 32 | 10.0, 20.0 | 1.00, 2.00 |" in text
    assert "## Training" in text and "## Loader" not in text and "## Compile" not in text
