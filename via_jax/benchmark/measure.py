"""Cases measured: our formulations and the rival's modes in turn, and growth with the size."""

from typing import Any

import numpy as np

from via_jax.benchmark.cases import (
    Case,
    Program,
    inputs_of,
    program_of,
    variables_of,
    whole_windows,
)
from via_jax.benchmark.floor import Machine, floor_seconds
from via_jax.benchmark.rivals import Rival, check_same, modes
from via_jax.benchmark.settings import Settings
from via_jax.benchmark.timing import alternated, ratio, timed


def case_of(settings: Settings, kind: str, batch: int, frames: int, joints: int) -> Case:
    """A case with what all cases share."""
    return Case(
        kind=kind,
        batch=batch,
        frames=whole_windows(frames),
        joints=joints,
        coords=settings.coords,
        width=settings.width,
        num_directions=settings.num_directions,
        dtype=settings.dtype,
    )


def training_cases(settings: Settings) -> list[Case]:
    """The encoder alone at every size, then a step of pre-training and one of fine-tuning."""
    cases = [
        case_of(settings, kind, batch, frames, joints)
        for batch in settings.batches
        for frames in settings.frames
        for joints in settings.joints
        for kind in ("forward", "forward_backward")
    ]
    frames, joints = settings.frames[0], settings.joints[0]
    return [
        *cases,
        case_of(settings, "pretrain", 2 * settings.pairs, frames, joints),
        case_of(settings, "fine_tune", settings.clips, frames, joints),
    ]


def inference_cases(settings: Settings) -> list[Case]:
    """The encoder in evaluation."""
    frames, joints = settings.frames[0], settings.joints[0]
    return [
        case_of(settings, kind, batch, frames, joints)
        for batch in settings.inference_batches
        for kind in ("inference", "inference_folded")
    ]


def measure(
    case: Case, formulations: tuple[str, ...], machine: Machine, rival: Rival | None, rounds: int
) -> dict[str, Any]:
    """One case: our formulations beside each of the rival's modes.

    Returns:
      "name", "case"; "ours": formulation -> seconds (median), quartiles, per_second (sequences, or
      pairs of a pre-training step), flops, bytes, peak_bytes, floor_seconds, floor_share (of the
      time), compile_seconds; "rivals": mode -> seconds, difference of the outputs, and ratio:
      formulation -> the rival's time over ours.

    Raises:
      ValueError: outputs that differ.
    """
    variables, inputs = variables_of(case), inputs_of(case)
    programs = {name: program_of(case, name, variables, inputs) for name in formulations}
    runs = {name: timed(program.run) for name, program in programs.items()}
    seconds: dict[str, np.ndarray] = {}
    rivals: dict[str, Any] = {}
    for mode in modes(case.dtype) if rival else ():
        assert rival is not None
        outputs = rival.prepare(case, variables, inputs, mode)
        difference = max(
            check_same(case, name, programs[name].outputs, outputs) for name in formulations
        )
        found = alternated({**runs, mode: rival.run}, rounds)
        theirs = found.pop(mode)
        seconds = seconds or found
        rivals[mode] = {
            "seconds": float(np.median(theirs)),
            "difference": difference,
            "ratio": {name: ratio(theirs, ours)._asdict() for name, ours in found.items()},
        }
    seconds = seconds or alternated(runs, rounds)
    ours = {name: _facts(case, programs[name], seconds[name], machine) for name in formulations}
    return {"name": case.name(), "case": case._asdict(), "ours": ours, "rivals": rivals}


def _facts(case: Case, program: Program, seconds: np.ndarray, machine: Machine) -> dict[str, Any]:
    lowest, median, highest = (float(x) for x in np.quantile(seconds, (0.25, 0.5, 0.75)))
    floor = floor_seconds(program.cost, machine)
    items = case.batch // 2 if case.kind == "pretrain" else case.batch
    return {
        "seconds": median,
        "quartiles": [lowest, highest],
        "per_second": items / median,
        "flops": program.cost.flops,
        "bytes": program.cost.bytes,
        "peak_bytes": program.cost.peak_bytes,
        "floor_seconds": floor,
        "floor_share": floor / median,
        "compile_seconds": sum(program.seconds),
    }


def measure_growth(settings: Settings) -> list[dict[str, Any]]:
    """How time grows along each axis: the encoder's forward and backward pass, or a step with K.

    Returns:
      For each axis and formulation: "axis", "formulation", "values", "seconds" and "times" (of the
      first value, pair by pair).
    """
    first = case_of(
        settings, "forward_backward", settings.batches[0], settings.frames[0], settings.joints[0]
    )
    step = first._replace(kind="pretrain", batch=2 * settings.pairs)
    grown = []
    for axis, values in settings.growth.items():
        for name in settings.formulations:
            runs = {}
            for value in values:
                start = step if axis == "num_directions" else first
                sized: dict[str, Any] = {axis: value}
                case = start._replace(**sized)
                program = program_of(case, name, variables_of(case), inputs_of(case))
                runs[str(value)] = timed(program.run)
            found = alternated(runs, settings.rounds)
            unit = found[str(values[0])]
            grown.append(
                {
                    "axis": axis,
                    "formulation": name,
                    "values": list(values),
                    "seconds": [float(np.median(x)) for x in found.values()],
                    "times": [ratio(x, unit).median for x in found.values()],
                }
            )
    return grown
