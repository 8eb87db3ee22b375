"""Writes clips as one prepared data set, in fixed point; `store` says what the folder holds."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from via_jax.data.clip import Clip, check_clip
from via_jax.data.persons import bridge, most_moving
from via_jax.data.store import FORMAT, ROLES, Prepared, load, sha256

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
      skipped: called at the end; what was left out and why, for the manifest.
      overwrite: replace an existing folder.

    Raises:
      ValueError: an existing folder, clips of different layout, coords or units, a name twice, an
        unknown class, no clip at all, or what `check_clip` refuses.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise ValueError(f"{folder} exists; choose another folder or say overwrite")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _fill(partial, clips, dataset, splits, classes, max_persons, min_frames, skipped)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return load(folder)


def _fill(
    partial: Path,
    clips: Iterable[Clip],
    dataset: str,
    splits: Callable[[Clip], dict[str, str]],
    classes: list[str] | None,
    max_persons: int,
    min_frames: int,
    skipped: Callable[[], list[dict[str, str]]],
) -> None:
    sequences: dict[str, list] = {
        k: [] for k in ("row", "length", "clip", "scale", "origin", "known")
    }
    facts: dict[str, list] = {
        k: []
        for k in ("persons", "label", "size", "frame_rate", "name", "subject", "camera", "roles")
    }
    first: Clip | None = None
    names: set[str] = set()
    rows, error, observed = 0, 0.0, 0
    with (
        open(partial / "frames.bin", "wb") as frames_file,
        open(partial / "valid.bin", "wb") as valid_file,
    ):
        for clip in clips:
            check_clip(clip, min_frames)
            first = first or clip
            _check_alike(clip, first)
            if clip.name in names:
                raise ValueError(f"two clips are named {clip.name!r}; names must differ")
            names.add(clip.name)
            if classes is not None and clip.label is not None and clip.label not in classes:
                raise ValueError(
                    f"clip {clip.name!r} has the unknown class {clip.label!r}; expected one of"
                    f" {classes}"
                )
            keep = np.flatnonzero(clip.valid.any(axis=(1, 2)))
            order = most_moving(clip.poses[keep], clip.valid[keep], max_persons)
            poses, valid = clip.poses[keep[order]], clip.valid[keep[order]]
            bridged, known = bridge(poses, valid)
            for person in range(len(poses)):
                values, scale, origin = quantise(bridged[person], known[person])
                frames_file.write(values.tobytes())
                valid_file.write(valid[person].tobytes())
                for key, value in (
                    ("row", rows),
                    ("length", clip.num_frames),
                    ("clip", len(facts["name"])),
                    ("scale", scale),
                    ("origin", origin),
                    ("known", known[person]),
                ):
                    sequences[key].append(value)
                rows += clip.num_frames
                error = max(error, scale / 2 if values.any() else 0.0)
            observed += int(valid.sum())
            for key, fact in (
                ("persons", len(poses)),
                ("label", clip.label),
                ("name", clip.name),
                ("subject", clip.subject or ""),
                ("camera", clip.camera or ""),
                ("roles", splits(clip)),
                ("size", clip.image_size or (0, 0)),
                ("frame_rate", clip.frame_rate or 0.0),
            ):
                facts[key].append(fact)
    if first is None:
        raise ValueError(f"no clip to write into {partial.with_suffix('')}")
    if classes is None:
        classes = sorted({label for label in facts["label"] if label is not None})
    protocols = sorted({protocol for roles in facts["roles"] for protocol in roles})
    persons = np.asarray(facts["persons"], np.int32)
    columns: dict[str, Any] = {
        "row": np.asarray(sequences["row"], np.int64),
        "length": np.asarray(sequences["length"], np.int32),
        "clip": np.asarray(sequences["clip"], np.int32),
        "scale": np.asarray(sequences["scale"], np.float32),
        "origin": np.stack(sequences["origin"]).astype(np.float32),
        "known": np.stack(sequences["known"]),
        "persons": persons,
        "first_sequence": (np.cumsum(persons) - persons).astype(np.int32),
        "label": np.asarray(
            [-1 if label is None else classes.index(label) for label in facts["label"]], np.int32
        ),
        "size": np.asarray(facts["size"], np.float32),
        "frame_rate": np.asarray(facts["frame_rate"], np.float32),
        "names": np.asarray(facts["name"]),
        "subjects": np.asarray(facts["subject"]),
        "cameras": np.asarray(facts["camera"]),
        **{
            f"split_{protocol}": np.asarray(
                [ROLES.index(roles.get(protocol, "")) for roles in facts["roles"]], np.int8
            )
            for protocol in protocols
        },
    }
    np.savez(partial / "clips.npz", **columns)
    joints, coords = first.poses.shape[2:]
    manifest = {
        "format": FORMAT,
        "dataset": dataset,
        "layout": first.layout,
        "coords": coords,
        "units": first.units,
        "y_up": first.y_up,
        "classes": classes,
        "clips": len(persons),
        "sequences": int(persons.sum()),
        "rows": rows,
        "observed_joints": observed / max(rows * joints, 1),
        "largest_rounding_error": error,
        "splits": {
            protocol: {
                role: int((columns[f"split_{protocol}"] == code).sum())
                for code, role in enumerate(ROLES)
                if role and (columns[f"split_{protocol}"] == code).any()
            }
            for protocol in protocols
        },
        "skipped": skipped(),
        "sha256": {
            name: sha256(partial / name) for name in ("frames.bin", "valid.bin", "clips.npz")
        },
    }
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def _check_alike(clip: Clip, first: Clip) -> None:
    for what, seen, expected in (
        ("layout", clip.layout, first.layout),
        ("number of coords", clip.poses.shape[3], first.poses.shape[3]),
        ("unit", clip.units, first.units),
        ("direction of y (y_up)", clip.y_up, first.y_up),
    ):
        if seen != expected:
            raise ValueError(
                f"clip {clip.name!r}: {what} {seen!r}, but {expected!r} in {first.name!r}; one"
                " prepared data set holds clips of one kind"
            )
