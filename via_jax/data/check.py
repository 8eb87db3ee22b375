"""Is a folder of original files complete? The clips of every split beside the official numbers."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from via_jax.data import ntu_names, pool, splits
from via_jax.data.prepare import SOURCES

# Data sets in the order in which a folder is tried: formats that others' patterns cover come last.
RECOGNISED = (
    *("ntu120", "uav_human", "posetics", "smarthome", "mixamo", "penn_action", "nw_ucla", "hdm05"),
    *("berkeley_mhad", "sbu", "bandai_namco", "openpose", "folder", "kinetics"),
)

# Clips of each role that are officially there; sources in `splits`.
OFFICIAL: dict[str, dict[str, dict[str, int]]] = {
    "penn_action": {"official": {"train": 1258, "test": 1068}},
    "penn_lcrnet": {"official": {"train": 1258, "test": 1068}},
    "penn_lcrnet_published": {"official": {"train": 1258, "test": 1067}},
    "nw_ucla": {"cross_view": {"train": 1020, "test": 464}},
    "berkeley_mhad": {"cross_subject": {"train": 384, "test": 275}},
    "ntu60": {
        "cross_subject": {"train": 40_091, "test": 16_487},
        "cross_view": {"train": 37_646, "test": 18_932},
    },
    "ntu120": {
        "cross_subject": {"train": 63_026, "test": 50_919},
        "cross_set": {"train": 54_468, "test": 59_477},
    },
    "smarthome": {"cross_view1": {"test": 1901}, "cross_view2": {"test": 1901}},
    "smarthome_3d": {"cross_view1": {"test": 1901}, "cross_view2": {"test": 1901}},
}

# The names of a complete copy, no more and no less.
NAMES: dict[str, Callable[[], Sequence[str]]] = {
    "penn_action": lambda: [f"{number:04d}" for number in range(1, 2327)],
    "ntu60": lambda: ntu_names.names(splits.NTU60_SETUPS),
    "ntu120": lambda: ntu_names.names(splits.NTU120_SETUPS),
}
SHOWN = 20  # names of one kind in a description


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found in a folder.

    Attributes:
      dataset: its name.
      clips: that can be read.
      bad: (file, reason) of those that cannot.
      counts: protocol -> role -> clips.
      official: the same, as published; empty where no numbers are.
      missing: names of clips that a complete copy holds and that are not there, not even as bad.
      surplus: names of clips that are there and that no complete copy holds.
    """

    dataset: str
    clips: int
    bad: list[tuple[str, str]]
    counts: dict[str, dict[str, int]]
    official: dict[str, dict[str, int]]
    missing: list[str]
    surplus: list[str]

    @property
    def complete(self) -> bool:
        """Nothing is bad, missing or too much, and every official number is met."""
        met = all(
            self.counts.get(protocol, {}).get(role) == number
            for protocol, roles in self.official.items()
            for role, number in roles.items()
        )
        return met and not (self.bad or self.missing or self.surplus)


def recognise(source: Path) -> str:
    """The data set whose files lie in a folder, by their names.

    Raises:
      ValueError: no files that are read here.
    """
    for dataset in RECOGNISED:
        try:
            items = SOURCES[dataset].find(source)
        except (ValueError, OSError):
            continue
        if dataset == "ntu120" and all(int(item.name[1:4]) <= 17 for item in items):
            return "ntu60"
        return dataset
    raise ValueError(
        f"{source}: no files of a data set that is read here; expected the original files of one of"
        f" {', '.join(sorted(SOURCES))}"
    )


def check(source: Path, dataset: str | None = None, processes: int = 0) -> Report:
    """Reads every clip of a folder and counts the splits.

    Args:
      source: folder with the original files.
      dataset: one of SOURCES; None recognises it.
      processes: how many read, see `pool.in_order`.

    Raises:
      ValueError: an unknown data set, or no files of it.
    """
    dataset = dataset or recognise(source)
    if dataset not in SOURCES:
        raise ValueError(f"unknown data set {dataset!r}; expected one of {sorted(SOURCES)}")
    items = SOURCES[dataset].find(source)
    work = functools.partial(_facts, dataset=dataset)
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    bad, names = [], set()
    read = pool.in_order(work, items, processes)
    for name, roles, reason in tqdm(read, total=len(items), desc=f"check {dataset}", disable=None):
        if reason:
            bad.append((name, reason))
            continue
        names.add(name)
        for protocol, role in roles.items():
            counts[protocol][role] += 1
    there = names | {Path(name).stem for name, _ in bad}
    expected = NAMES[dataset]() if dataset in NAMES else sorted(there)
    return Report(
        dataset=dataset,
        clips=len(names),
        bad=bad,
        counts={protocol: dict(roles) for protocol, roles in sorted(counts.items())},
        official=OFFICIAL.get(dataset, {}),
        missing=[name for name in expected if name not in there],
        surplus=sorted(there.difference(expected)),
    )


def _facts(item: Any, dataset: str) -> tuple[str, dict[str, str], str]:
    """(name, roles, "") of a clip, or (file, {}, reason) of a bad one."""
    try:
        clip = SOURCES[dataset].read(item)
        return clip.name, splits.split_of(dataset, clip), ""
    except ValueError as error:
        return Path(item[0] if isinstance(item, tuple) else item).name, {}, str(error)


def describe(report: Report) -> list[str]:
    """Lines for a reader: counts beside the official ones, then what is bad or missing."""
    lines = [f"{report.dataset}: {report.clips} clips can be read, {len(report.bad)} cannot"]
    for protocol in sorted({*report.counts, *report.official}):
        found, official = report.counts.get(protocol, {}), report.official.get(protocol, {})
        for role in sorted({*found, *official}):
            line = f"  {protocol} {role}: {found.get(role, 0)}"
            if role in official:
                line += f", officially {official[role]}"
                line += "" if found.get(role, 0) == official[role] else "  <- differs"
            lines.append(line)
    if not report.official:
        lines.append("  no official numbers are known for this data set")
    lines += [f"  bad: {reason}" for _, reason in report.bad]
    for what, names in (("missing", report.missing), ("surplus", report.surplus)):
        if names:
            lines.append(f"  {what}: {_shortened(names)}")
    return lines


def _shortened(names: list[str]) -> str:
    """The first names and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
