"""The groups of the benchmark, one after the other."""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import resource
import sys
import tempfile
from collections.abc import Collection
from typing import Any

import jax

from via_jax.benchmark import compiling, floor, loader, measure, report, rivals, startup
from via_jax.benchmark.cases import lowered_flops
from via_jax.benchmark.settings import GROUPS, Settings
from via_jax.quickstart import make_data


def run(what: Collection[str], settings: Settings, config: Any, out: pathlib.Path) -> str:
    """Measures the chosen groups, writes benchmark.json and benchmark.md, returns the latter.

    Args:
      what: names out of `settings.GROUPS`.
      settings: sizes of the cases.
      config: of the pre-training whose loader is measured; without a prepared data set, motion is
        generated as its section "synthetic" says.
      out: folder, made when missing.

    Raises:
      ValueError: an unknown group, or sides that do not compute the same.
    """
    unknown = set(what) - set(GROUPS)
    if unknown:
        raise ValueError(f"--what={','.join(sorted(unknown))}; expected some of {','.join(GROUPS)}")
    result: dict[str, Any] = {"setting": setting_of(settings)}
    both = {"training", "inference"} & set(what)
    against = settings.rivals and rivals.installed() and bool(both)
    machine = floor.measure_machine(settings.dtype, settings.matrix, settings.copied)
    result["setting"]["peak_gflops"] = round(machine.flops / 1e9, 1)
    result["setting"]["copy_gbytes_per_second"] = round(machine.bandwidth / 1e9, 2)
    with rivals.Rival(rivals.threads()) if against else contextlib.nullcontext() as rival:
        for group, cases_of in (
            ("training", measure.training_cases),
            ("inference", measure.inference_cases),
        ):
            if group in what:
                result[group] = []
                for case in cases_of(settings):
                    _say(case.name())
                    row = measure.measure(
                        case, settings.formulations, machine, rival, settings.rounds
                    )
                    result[group].append(row)
        if rival is not None:
            result["setting"]["rival"] = rival.facts()
    if "inference" in what:
        _say("start-up")
        start = measure.case_of(settings, "fine_tune", 1, settings.frames[0], startup.JOINTS)
        result["start_up"] = startup.measure_startup(start, config, against)
    if "floor" in what:
        result["floor"] = {**machine._asdict(), "programs": static_costs(settings, machine)}
    if "growth" in what:
        _say("growth")
        result["growth"] = measure.measure_growth(settings)
    if "loader" in what:
        _say("loader")
        result["loader"] = _loader(config, settings.rounds)
    if "compile" in what:
        frames, joints = settings.frames[0], settings.joints[0]
        step = measure.case_of(settings, "pretrain", 2 * settings.pairs, frames, joints)
        _say(f"compile {step.name()}")
        result["compile"] = [
            compiling.measure_compile(step, name) for name in settings.formulations
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result["setting"]["process_mib"] = peak // 2**20
    statistics = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in statistics:
        result["setting"]["device_mib"] = statistics["peak_bytes_in_use"] // 2**20
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmark.json").write_text(json.dumps(result, indent=1) + "\n")
    text = report.markdown(result)
    (out / "benchmark.md").write_text(text)
    return text


def setting_of(settings: Settings) -> dict[str, Any]:
    """What the times depend on."""
    device = jax.devices()[0]
    options: Any = jax.config
    allocator = [
        f"{name}={os.environ[name]}"
        for name in ("GLIBC_TUNABLES", "LD_PRELOAD")
        if name in os.environ
    ]
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "jax": jax.__version__,
        "python": platform.python_version(),
        "device": f"{device.platform}: {device.device_kind}",
        "cpu": _cpu(),
        "threads_of_both_sides": rivals.threads(),
        "load_average_before": round(os.getloadavg()[0], 1),
        "dtype": settings.dtype,
        "float32_products": options.jax_default_matmul_precision or "default (TF32 on GPU)",
        "width": settings.width,
        "rounds": settings.rounds,
        "allocator_of_both_sides": " ".join(allocator) or "system",
        "pytorch": "in turn" if settings.rivals and rivals.installed() else report.NOT_MEASURED,
    }


def static_costs(settings: Settings, machine: floor.Machine) -> list[dict[str, Any]]:
    """Operations of the encoder's forward pass of one sequence, by the unoptimised program."""
    costs = []
    for frames in settings.frames:
        case = measure.case_of(settings, "inference", 1, frames, settings.joints[0])
        for name in settings.formulations:
            flops = lowered_flops(case, name)
            costs.append(
                {
                    "name": case.name(),
                    "formulation": name,
                    "flops": flops,
                    "floor_seconds": flops / machine.flops,
                }
            )
    return costs


def _loader(config: Any, rounds: int) -> list[dict[str, Any]]:
    if config.data.folder:
        return loader.measure_loader(config, rounds)
    with tempfile.TemporaryDirectory() as folder:
        config = config.copy_and_resolve_references()
        config.data.folder = f"{folder}/data"
        make_data(config, pathlib.Path(config.data.folder))
        return loader.measure_loader(config, rounds)


def _cpu() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def _say(text: str) -> None:
    print(f"measuring {text}", file=sys.stderr, flush=True)
