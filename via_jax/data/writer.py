"""Writes clips as one prepared data set, in fixed point; `store` says what the folder holds."""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from via_jax import skeletons
from via_jax.data import table
from via_jax.data.alignment import NO_STEPS, Steps, apply_steps
from via_jax.data.clip import Clip, check_clip
from via_jax.data.journal import Journal, Piece
from via_jax.data.persons import bridge, most_moving
from via_jax.data.store import Prepared, load

LEVELS = 32767  # of int16 on each side of the origin


def quantise(poses: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Fixed-point values of one sequence: (int16 values, scale, origin).

    The error is at most scale / 2 in each coordinate: 1/131068 of the sequence's larger extent.
    poses: [time, joints, coords]. known: [joints]; other joints become 0.
    """
    inside = poses[:, known]
    if not inside.size:
        return np.zeros(poses.shape, np.int16), 1.0, np.zeros(poses.shape[-1], np.float32)
    low, high = inside.min(axis=(0, 1)), inside.max(axis=(0, 1))
    origin = ((low + high) / 2).astype(np.float32)
    scale = float(np.float32(max(np.max(high - origin), np.max(origin - low)) / LEVELS)) or 1.0
    values = np.rint((poses.astype(np.float64) - origin) / scale)
    values[:, ~known] = 0
    return np.clip(values, -LEVELS, LEVELS).astype(np.int16), scale, origin


def encode(
    clip: Clip,
    roles: dict[str, str],
    max_persons: int = 2,
    min_frames: int = 2,
    steps: Steps = NO_STEPS,
) -> Piece:
    """The rows and facts of one clip.

    Args:
      clip: checked here.
      roles: protocol -> role.
      max_persons: of more persons the most moving are kept.
      min_frames: a shorter clip is refused.
      steps: what is done with these persons before they are stored.

    Raises:
      ValueError: what `check_clip` or a step refuses; the latter with the clip's name.
    """
    check_clip(clip, min_frames)
    keep = np.flatnonzero(clip.valid.any(axis=(1, 2)))
    order = most_moving(clip.poses[keep], clip.valid[keep], max_persons)
    poses, valid = clip.poses[keep[order]], clip.valid[keep[order]]
    try:
        poses, valid = apply_steps(poses, valid, skeletons.get_layout(clip.layout), steps)
    except ValueError as refused:
        raise ValueError(f"clip {clip.name!r}: {refused}") from refused
    bridged, known = bridge(poses, valid)
    frames, sequences, error = [], [], 0.0
    for person in range(len(poses)):
        values, scale, origin = quantise(bridged[person], known[person])
        frames.append(values.tobytes())
        sequences.append([scale, origin.tolist(), known[person].astype(int).tolist()])
        error = max(error, scale / 2 if values.any() else 0.0)
    facts = {
        "name": clip.name,
        "label": clip.label,
        "subject": clip.subject or "",
        "camera": clip.camera or "",
        "roles": roles,
        "size": [int(side) for side in clip.image_size or (0, 0)],
        "frame_rate": float(clip.frame_rate or 0.0),
        "layout": clip.layout,
        "coords": clip.poses.shape[3],
        "units": clip.units,
        "y_up": bool(clip.y_up) or steps.align_body,
        "preprocessing": [*clip.preprocessing, *steps.names],
        "length": clip.num_frames,
        "observed": int(valid.sum()),
        "error": error,
        "sequences": sequences,
    }
    return Piece(facts, b"".join(frames), valid.tobytes())


class Pieces:
    """Takes the pieces of one data set in order, and refuses those that do not go together.

    Attributes:
      items: how many are done; more than 0 at the beginning where an earlier run is continued.
      left_out: path and reason of those of them that are no clips.
    """

    def __init__(self, journal: Journal, classes: list[str] | None):
        self._journal, self._classes = journal, classes
        self._first: dict[str, Any] = {}
        self._names: set[str] = set()
        self.items = journal.items
        self.left_out: list[dict[str, str]] = []
        for facts in journal.facts():
            self._note(facts)

    def add(self, piece: Piece) -> None:
        """Writes the next one.

        Raises:
          ValueError: a clip of another layout, coords, units or preprocessing than the first, a
            name twice, or an unknown class.
        """
        self._note(piece.facts)
        self._journal.add(piece)
        self.items = self._journal.items

    def _note(self, facts: dict[str, Any]) -> None:
        if "reason" in facts:
            self.left_out.append(facts)
            return
        self._first = self._first or facts
        _check_alike(facts, self._first)
        name, label = facts["name"], facts["label"]
        if name in self._names:
            raise ValueError(f"two clips are named {name!r}; names must differ")
        self._names.add(name)
        if self._classes is not None and label is not None and label not in self._classes:
            raise ValueError(
                f"clip {name!r} has the unknown class {label!r}; expected one of {self._classes}"
            )


@contextlib.contextmanager
def writing(
    folder: Path,
    *,
    dataset: str,
    classes: list[str] | None = None,
    job: str | None = None,
    overwrite: bool = False,
) -> Iterator[Pieces]:
    """Opens a data set to be written piece by piece; complete at the end of the `with` block.

    Until then it lies in <folder>.partial. With a job, an interruption or any error but a
    ValueError leaves that, and the next run of the job continues it.

    Args:
      folder: the finished data set.
      dataset: its name, for the manifest.
      classes: label order; None sorts the labels found.
      job: see `Journal`; None leaves nothing behind.
      overwrite: replace an existing folder.

    Raises:
      ValueError: an existing folder, another process writing it, no clip at all, or as `Pieces`.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise ValueError(f"{folder} exists; choose another folder or say overwrite")
    partial = folder.with_name(folder.name + ".partial")
    with contextlib.closing(Journal(partial, job)) as journal:
        try:
            yield Pieces(journal, classes)
            journal.save()
            table.finish(partial, journal.facts(), dataset, classes)
        except BaseException as error:
            if job is None or isinstance(error, ValueError):
                shutil.rmtree(partial, ignore_errors=True)
            else:
                journal.save()
            raise
        journal.remove()
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)


def write(
    folder: Path,
    clips: Iterable[Clip],
    *,
    dataset: str,
    splits: Callable[[Clip], dict[str, str]],
    classes: list[str] | None = None,
    max_persons: int = 2,
    min_frames: int = 2,
    skipped: Callable[[], list[dict[str, str]]] = list,
    overwrite: bool = False,
) -> Prepared:
    """Writes clips as one prepared data set and opens it. Equal clips give equal bytes.

    Args:
      folder: written under another name first and renamed when complete.
      clips: checked one by one, in the order in which they will be numbered.
      dataset: its name, for the manifest.
      splits: gives protocol -> role for a clip.
      classes: label order; None sorts the labels found.
      max_persons: of more persons the most moving are kept.
      min_frames: shorter clips are refused.
      skipped: called at the end; path and reason of what was left out, for the manifest.
      overwrite: replace an existing folder.

    Raises:
      ValueError: an existing folder, clips of different layout, coords or units, a name twice, an
        unknown class, no clip at all, or what `check_clip` refuses.
    """
    with writing(folder, dataset=dataset, classes=classes, overwrite=overwrite) as pieces:
        for clip in clips:
            pieces.add(encode(clip, splits(clip), max_persons, min_frames))
        for item in skipped():
            pieces.add(Piece(dict(item)))
    return load(folder)


def _check_alike(clip: dict[str, Any], first: dict[str, Any]) -> None:
    for what, key in (
        ("layout", "layout"),
        ("number of coords", "coords"),
        ("unit", "units"),
        ("direction of y (y_up)", "y_up"),
        ("preprocessing", "preprocessing"),
    ):
        if clip[key] != first[key]:
            raise ValueError(
                f"clip {clip['name']!r}: {what} {clip[key]!r}, but {first[key]!r} in"
                f" {first['name']!r}; one prepared data set holds clips of one kind"
            )
