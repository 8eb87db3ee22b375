"""The benchmark itself at a tiny size: it runs, both sides compute the same, files are written."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from via_jax.benchmark import compiling, measure, rivals, suite
from via_jax.benchmark.cases import Case, inputs_of, program_of, variables_of, whole_windows
from via_jax.benchmark.floor import Machine
from via_jax.benchmark.loader import measure_loader
from via_jax.benchmark.settings import GROUPS, SIZES

ROOT = pathlib.Path(__file__).resolve().parents[2]
MACHINE = Machine(1e9, 1e9)
STEP = Case("pretrain", 4, 16, 5, 2, 1 / 16, 4, "float32")
soak = pytest.mark.skipif("VIA_JAX_SOAK" not in os.environ, reason="compiles much; VIA_JAX_SOAK=1")
with_torch = pytest.mark.skipif(not rivals.installed(), reason="PyTorch is an optional extra")


def check_row(row, formulations):
    for name in formulations:
        ours = row["ours"][name]
        assert ours["seconds"] > 0 and ours["flops"] > 1e5 and ours["peak_bytes"] > 1e4
        assert ours["floor_share"] == ours["floor_seconds"] / ours["seconds"]
        items = row["case"]["batch"] / (2 if row["case"]["kind"] == "pretrain" else 1)
        np.testing.assert_allclose(ours["per_second"] * ours["seconds"], items)


@with_torch
def test_a_step_of_pre_training_and_the_encoder_beside_pytorch():
    """The losses agree, or `measure` would raise."""
    with rivals.Rival(1) as rival:  # threads that wait for each other starve on a busy machine
        row = measure.measure(STEP, ("conv",), MACHINE, rival, rounds=1)
        folded = STEP._replace(kind="inference_folded")
        other = measure.measure(folded, ("dft",), MACHINE, rival, rounds=1)
        facts = rival.facts()
        with pytest.raises(RuntimeError, match="PyTorch: KeyError"):
            rival.prepare(STEP._replace(kind="none"), *data_of(STEP), "eager")
    assert facts["threads"] == 1 and facts["process_bytes"] > 2**20
    for found, name in ((row, "conv"), (other, "dft")):
        check_row(found, [name])
        theirs = found["rivals"]["eager"]
        assert theirs["seconds"] > 0 and theirs["difference"] < rivals.TOLERANCE["float32"]
        assert theirs["ratio"][name]["median"] > 0


def data_of(case):
    return variables_of(case), inputs_of(case)


@pytest.mark.parametrize("value", [1.01, np.nan])
def test_sides_that_differ_are_not_compared(value):
    one, other = {"loss": np.array(1.0)}, {"loss": np.array(value)}
    with pytest.raises(ValueError, match="pretrain batch=4 T=16 V=5: dft and PyTorch differ by"):
        rivals.check_same(STEP, "dft", one, other)
    assert rivals.check_same(STEP, "dft", one, one) == 0.0


def test_a_case_without_a_program_is_refused():
    case = STEP._replace(kind="train")
    with pytest.raises(ValueError, match="kind='train'; expected one of forward, "):
        program_of(case, "conv", *data_of(STEP))


def test_an_unknown_group_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--what=speed; expected some of floor,training"):
        suite.run(["speed"], SIZES["small"], None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("frames", "padded"), [(64, 64), (300, 304), (1, 8)])
def test_windows_are_filled_up(frames, padded):
    assert whole_windows(frames) == padded


def test_the_floor_is_written_without_compiling_a_model(tmp_path):
    settings = SIZES["small"]._replace(formulations=("conv", "dft"), rivals=False)
    text = suite.run(["floor"], settings, None, tmp_path)
    found = json.loads((tmp_path / "benchmark.json").read_text())
    assert (tmp_path / "benchmark.md").read_text() == text and "## Floor" in text
    conv, dft = found["floor"]["programs"]
    assert conv["formulation"] == "conv" and conv["flops"] > 1e5 and dft["flops"] > 1e5
    assert found["setting"]["pytorch"] == "not measured"


@soak
def test_growth():
    rows = measure.measure_growth(SIZES["small"])
    assert [row["axis"] for row in rows] == ["frames", "num_directions"]
    for row in rows:
        assert row["times"][0] == 1.0 and len(row["seconds"]) == len(row["values"]) == 2


@soak
def test_the_cache_is_read_by_a_second_process():
    found = compiling.measure_compile(STEP._replace(kind="inference"), "conv")
    assert found["cached"]["compile"] < found["cold"]["compile"]


@soak
def test_the_loader_in_both_placements(tiny_config):
    tiny_config.pretrain.paired = True
    rows = measure_loader(tiny_config, rounds=2)
    assert [row["placement"] for row in rows] == ["device", "host"]
    for row in rows:
        assert row["clips"] == 8 and row["clips_per_second"] > 0 and 0 <= row["waiting"] < 1


@soak
def test_the_command(tmp_path):
    command = [sys.executable, "-m", "experiments.benchmark", "--size=small", f"--out={tmp_path}"]
    subprocess.run([*command, "--rounds=1"], cwd=ROOT, check=True, timeout=1200)
    found = json.loads((tmp_path / "benchmark.json").read_text())
    assert set(GROUPS) < set(found)
    for row in found["training"] + found["inference"]:
        check_row(row, ["auto"])
        assert bool(row["rivals"]) == rivals.installed()
