"""Reads a data set from its original files and writes it as one prepared data set."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from via_jax import __version__, skeletons
from via_jax.data import pool, splits, store, writer
from via_jax.data.alignment import Steps
from via_jax.data.clip import Clip
from via_jax.data.journal import Piece
from via_jax.data.readers import (
    asf_amc,
    berkeley_mhad,
    bvh,
    folder,
    kinetics,
    mixamo,
    ntu,
    nw_ucla,
    openpose,
    penn_action,
    penn_lcrnet,
    posetics,
    prepared,
    projected,
    pyskl,
    sbu,
    smarthome,
    uav_human,
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
    "ntu60": Source(ntu.find_60, ntu.read),
    "ntu120": Source(ntu.find, ntu.read),
    "uav_human": Source(uav_human.find, uav_human.read),
    "openpose": Source(openpose.find, openpose.read),
    "kinetics": Source(kinetics.find, kinetics.read),
    "mixamo": Source(mixamo.find, mixamo.read),
    "pyskl": Source(pyskl.find, pyskl.read, pickled=True),
    "folder": Source(folder.find, folder.read),
    "prepared": Source(prepared.find, prepared.read, min_frames=1),
    "projected": Source(projected.find, projected.read, min_frames=1),
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


def piece_of(
    item: Any, dataset: str, source: Path, layout: str | None, max_persons: int, steps: Steps
) -> Piece:
    """Reads one item: a clip's rows and facts, or, where its file is bad, path and reason.

    Args:
      item: of the data set's `find`.
      dataset: one of SOURCES.
      source: the folder that was searched.
      layout: joint layout to convert to; None keeps the recording's own.
      max_persons: persons kept, the most moving ones.
      steps: preprocessing, in the layout converted to.

    Raises:
      RuntimeError: reading raised anything but a ValueError; with the item.
    """
    reader = SOURCES[dataset]
    try:
        clip = reader.read(item)
        clip = clip if layout is None else to_layout(clip, layout)
        if clip.num_frames < reader.min_frames or not clip.valid.any():
            raise ValueError(
                f"{clip.name}: {clip.num_frames} frame(s), {int(clip.valid.sum())} valid"
                f" joints; expected at least {reader.min_frames} frame(s) and one joint"
            )
        # A clip in no table is a bad one.
        roles = splits.split_of(dataset, clip)
        return writer.encode(clip, roles, max_persons, reader.min_frames, steps)
    except ValueError as error:
        where = item[0] if isinstance(item, tuple) else item
        # Prepared data may travel: no word of where the files lay.
        base = source if source.is_dir() else source.parent
        reason = str(error).replace(f"{base}/", "")
        return Piece({"path": Path(where).name, "reason": reason, "error": str(error)})
    except Exception as error:
        parts = item if isinstance(item, tuple) else (item,)
        where = ", ".join(str(part) for part in parts if isinstance(part, (Path, int)))
        raise RuntimeError(f"{where}: {type(error).__name__}: {error}") from error


def prepare(
    dataset: str,
    source: str | Path,
    out: str | Path,
    *,
    layout: str | None = None,
    max_persons: int = 2,
    fill_empty_frames: bool = False,
    centre_hips: bool = False,
    align_body: bool = False,
    skip_bad: bool = False,
    overwrite: bool = False,
    trust_pickle: bool = False,
    processes: int = 1,
) -> store.Prepared:
    """Prepares a data set; the same files give the same bytes.

    An interrupted run leaves <out>.partial; the same call goes on where it stopped, unless a file
    or the code has changed since.

    Args:
      dataset: one of SOURCES.
      source: folder with the original files.
      out: folder to write.
      layout: joint layout to convert to; None keeps the recording's own.
      max_persons: persons kept of a clip, the most moving ones.
      fill_empty_frames, centre_hips, align_body: preprocessing, see `alignment.Steps`; the manifest
        names it.
      skip_bad: leave bad files out instead of failing; they are listed in the manifest either way.
      overwrite: replace an existing folder.
      trust_pickle: read a data set that is published as a pickle.
      processes: how many read; 1 is this one, 0 one per core where that pays. A script that asks
        for more than 1 must be importable: its work belongs under `if __name__ == "__main__"`.

    Raises:
      ValueError: unknown data set or layout, a pickle without trust_pickle, no files, an existing
        folder, one that another process is writing, or bad files, each with its path and the
        reason.
      RuntimeError: a reader failed in another way; with the item.
      ChildProcessError: a reading process died.
    """
    if dataset not in SOURCES:
        raise ValueError(f"unknown data set {dataset!r}; expected one of {sorted(SOURCES)}")
    if layout is not None:
        skeletons.get_layout(layout)
    source = Path(source)
    if SOURCES[dataset].pickled and not trust_pickle:
        raise ValueError(
            f"{source}: {dataset} is published as a pickle, a format that can hold programs; it is"
            " read by code that runs none of them, but only a file whose origin you trust should be"
            " read: then say trust_pickle"
        )
    items = SOURCES[dataset].find(source)
    steps = Steps(fill_empty_frames, centre_hips, align_body)
    work = functools.partial(
        piece_of,
        dataset=dataset,
        source=source,
        layout=layout,
        max_persons=max_persons,
        steps=steps,
    )
    job = job_of(source, items, [dataset, layout, max_persons, steps])
    with writer.writing(Path(out), dataset=dataset, job=job, overwrite=overwrite) as pieces:
        with (
            contextlib.closing(pool.in_order(work, items[pieces.items :], processes)) as read,
            tqdm(
                desc=f"prepare {dataset}",
                unit="clip",
                total=len(items),
                initial=pieces.items,
                disable=None,
            ) as shown,
        ):
            if pieces.items:
                shown.write(f"{out}: going on after {pieces.items} clips", file=sys.stderr)
            for piece in read:
                if "reason" in piece.facts:
                    shown.write(f"bad: {piece.facts['error']}", file=sys.stderr)
                pieces.add(piece)
                shown.set_postfix(bad=len(pieces.left_out), refresh=False)
                shown.update()
        if pieces.left_out and not skip_bad:
            raise ValueError(
                f"{len(pieces.left_out)} of {len(items)} files are bad, nothing was written; the"
                f" first: {pieces.left_out[0]['error']} (skip_bad leaves them out)"
            )
    return store.load(Path(out))


def job_of(source: Path, items: list[Any], settings: list[Any]) -> str:
    """A hash that changes with all that the prepared bytes depend on.

    These are the settings, the code of via_jax/data, and the items with the sizes and times of
    change of their files. Files beside them that a reader opens by itself are not looked at.
    """
    digest = hashlib.sha256(json.dumps([__version__, store.FORMAT, settings]).encode())
    here = Path(__file__).parent
    for code in [*sorted(here.rglob("*.py")), here.parent / "skeletons.py"]:
        digest.update(code.read_bytes())

    @functools.cache  # the clips of one large file
    def state(path: Path) -> list[Any]:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return [os.path.relpath(path, source), facts]

    for item in items:
        parts = item if isinstance(item, tuple) else (item,)
        facts = [state(part) if isinstance(part, Path) else part for part in parts]
        # What an item holds of its file beside texts and numbers, such as arrays, changes with it.
        digest.update(json.dumps(facts, default=lambda _: None, skipkeys=True).encode())
    return digest.hexdigest()
