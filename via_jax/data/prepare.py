"""Reads a data set from its original files and writes it as one prepared data set."""

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from via_jax import skeletons
from via_jax.data import splits, store, writer
from via_jax.data.clip import Clip
from via_jax.data.readers import (
    asf_amc,
    berkeley_mhad,
    bvh,
    folder,
    kinetics,
    mixamo,
    nw_ucla,
    openpose,
    penn_action,
    penn_lcrnet,
    posetics,
    prepared,
    pyskl,
    sbu,
    smarthome,
)


@dataclasses.dataclass(frozen=True)
class Source:
    """How one data set is read.

    Attributes:
      find: folder -> items, one a clip.
      read: item -> clip.
      min_frames: shorter clips are refused; 1 where the official counts contain single frames.
      pickled: the files are pickles, read only when asked for.
    """

    find: Callable[[Path], list[Any]]
    read: Callable[[Any], Clip]
    min_frames: int = 2
    pickled: bool = False


SOURCES = {
    "penn_action": Source(penn_action.find, penn_action.read),
    "penn_lcrnet": Source(penn_lcrnet.find, penn_lcrnet.read),
    "penn_lcrnet_published": Source(penn_lcrnet.find_published, penn_lcrnet.read),
    "smarthome": Source(smarthome.find, smarthome.read),
    "smarthome_3d": Source(smarthome.find, functools.partial(smarthome.read, coords=3)),
    "posetics": Source(posetics.find, posetics.read),
    "posetics_3d": Source(posetics.find, functools.partial(posetics.read, coords=3)),
    "nw_ucla": Source(nw_ucla.find, nw_ucla.read, min_frames=1),
    "hdm05": Source(asf_amc.find, asf_amc.read),
    "berkeley_mhad": Source(berkeley_mhad.find, berkeley_mhad.read),
    "bandai_namco": Source(bvh.find, bvh.read),
    "sbu": Source(sbu.find, sbu.read),
    "openpose": Source(openpose.find, openpose.read),
    "kinetics": Source(kinetics.find, kinetics.read),
    "mixamo": Source(mixamo.find, mixamo.read),
    "pyskl": Source(pyskl.find, pyskl.read, pickled=True),
    "folder": Source(folder.find, folder.read),
    "prepared": Source(prepared.find, prepared.read, min_frames=1),
}


def to_layout(clip: Clip, layout: str) -> Clip:
    """The clip in another joint layout, converted by the meaning of the joints.

    UNIK-17 is defined by LCR-Net's 13 joints, so the way there leads through them: the joints of
    the trunk are then the same points of the body in every recording.
    """
    if clip.layout == layout:
        return clip
    steps = ["lcrnet13", layout] if layout == "unik17" else [layout]
    poses, valid, before = clip.poses, clip.valid, clip.layout
    for step in steps:
        poses, valid = skeletons.convert(
            poses, valid, skeletons.get_layout(before), skeletons.get_layout(step)
        )
        before = step
    return dataclasses.replace(clip, poses=poses, valid=valid, layout=layout)


def prepare(
    dataset: str,
    source: str | Path,
    out: str | Path,
    *,
    layout: str | None = None,
    max_persons: int = 2,
    skip_bad: bool = False,
    overwrite: bool = False,
    trust_pickle: bool = False,
) -> store.Prepared:
    """Prepares a data set; the same files give the same bytes.

    Args:
      dataset: one of SOURCES.
      source: folder with the original files.
      out: folder to write.
      layout: joint layout to convert to; None keeps the recording's own.
      max_persons: persons kept of a clip, the most moving ones.
      skip_bad: leave bad files out instead of failing; they are listed in the manifest either way.
      overwrite: replace an existing folder.
      trust_pickle: read a data set that is published as a pickle.

    Raises:
      ValueError: unknown data set or layout, a pickle without trust_pickle, no files, an existing
        folder, or bad files, each with its path and the reason.
    """
    if dataset not in SOURCES:
        raise ValueError(f"unknown data set {dataset!r}; expected one of {sorted(SOURCES)}")
    if layout is not None:
        skeletons.get_layout(layout)
    reader = SOURCES[dataset]
    if reader.pickled and not trust_pickle:
        raise ValueError(
            f"{source}: {dataset} is published as a pickle, a format that can hold programs; it is"
            " read by code that runs none of them, but only a file whose origin you trust should be"
            " read: then say trust_pickle"
        )
    items = reader.find(Path(source))
    bad: list[dict[str, str]] = []
    reasons: list[str] = []

    def clips() -> Iterator[Clip]:
        shown = tqdm(items, desc=f"prepare {dataset}", unit="clip", disable=None)
        for item in shown:
            try:
                clip = reader.read(item)
                clip = clip if layout is None else to_layout(clip, layout)
                splits.split_of(dataset, clip)  # here, so that a clip in no table is a bad one
                if clip.num_frames < reader.min_frames or not clip.valid.any():
                    raise ValueError(
                        f"{clip.name}: {clip.num_frames} frame(s), {int(clip.valid.sum())} valid"
                        f" joints; expected at least {reader.min_frames} frame(s) and one joint"
                    )
            except ValueError as error:
                where = item[0] if isinstance(item, tuple) else item
                reasons.append(str(error))
                # Prepared data may travel: no word of where the files lay.
                base = Path(source) if Path(source).is_dir() else Path(source).parent
                reason = str(error).replace(f"{base}/", "")
                bad.append({"path": Path(where).name, "reason": reason})
                shown.write(f"bad: {error}", file=sys.stderr)
                shown.set_postfix(bad=len(bad))
                continue
            yield clip
        if bad and not skip_bad:
            raise ValueError(
                f"{len(bad)} of {len(items)} files are bad, nothing was written; the first:"
                f" {reasons[0]} (skip_bad leaves them out)"
            )

    return writer.write(
        Path(out),
        clips(),
        dataset=dataset,
        splits=lambda clip: splits.split_of(dataset, clip),
        max_persons=max_persons,
        min_frames=reader.min_frames,
        skipped=lambda: bad,
        overwrite=overwrite,
    )
