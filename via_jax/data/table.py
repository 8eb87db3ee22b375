"""Makes the table of a prepared data set, clips.npz, and its manifest, from the facts of clips."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from via_jax.data.store import FORMAT, ROLES, sha256


def finish(
    folder: Path, facts: Iterable[dict[str, Any]], dataset: str, classes: list[str] | None
) -> None:
    """Writes clips.npz and manifest.json beside frames.bin and valid.bin.

    Args:
      folder: holds these two.
      facts: of every item in order, as in `journal.Piece`; read once.
      dataset: its name.
      classes: label order; None sorts the labels found.

    Raises:
      ValueError: no clip, or an unknown role.
    """
    sequences: dict[str, list] = {
        key: [] for key in ("row", "length", "clip", "scale", "origin", "known")
    }
    clips: dict[str, list] = {
        key: []
        for key in ("persons", "label", "size", "frame_rate", "name", "subject", "camera", "roles")
    }
    skipped: list[dict[str, str]] = []
    first: dict[str, Any] = {}
    rows, observed, error, joints = 0, 0, 0.0, 0
    for clip in facts:
        if "reason" in clip:
            skipped.append({key: clip[key] for key in ("path", "reason")})
            continue
        first = first or clip
        for scale, origin, known in clip["sequences"]:
            for key, value in (
                ("row", rows),
                ("length", clip["length"]),
                ("clip", len(clips["name"])),
                ("scale", scale),
                ("origin", np.asarray(origin, np.float32)),
                ("known", np.asarray(known, np.bool_)),
            ):
                sequences[key].append(value)
            rows += clip["length"]
            joints = len(known)
        observed += clip["observed"]
        error = max(error, clip["error"])
        for key, column in clips.items():
            column.append(len(clip["sequences"]) if key == "persons" else clip[key])
    if not first:
        raise ValueError(f"no clip to write into {folder.with_suffix('')}")
    if classes is None:
        classes = sorted({label for label in clips["label"] if label is not None})
    number = {name: index for index, name in enumerate(classes)}
    protocols = sorted({protocol for roles in clips["roles"] for protocol in roles})
    persons = np.asarray(clips["persons"], np.int32)
    columns: dict[str, Any] = {
        "row": np.asarray(sequences["row"], np.int64),
        "length": np.asarray(sequences["length"], np.int32),
        "clip": np.asarray(sequences["clip"], np.int32),
        "scale": np.asarray(sequences["scale"], np.float32),
        "origin": np.stack(sequences["origin"]),
        "known": np.stack(sequences["known"]),
        "persons": persons,
        "first_sequence": (np.cumsum(persons) - persons).astype(np.int32),
        "label": np.asarray(
            [-1 if label is None else number[label] for label in clips["label"]], np.int32
        ),
        "size": np.asarray(clips["size"], np.float32),
        "frame_rate": np.asarray(clips["frame_rate"], np.float32),
        "names": np.asarray(clips["name"]),
        "subjects": np.asarray(clips["subject"]),
        "cameras": np.asarray(clips["camera"]),
        **{
            f"split_{protocol}": np.asarray(
                [ROLES.index(roles.get(protocol, "")) for roles in clips["roles"]], np.int8
            )
            for protocol in protocols
        },
    }
    np.savez(folder / "clips.npz", **columns)
    manifest = {
        "format": FORMAT,
        "dataset": dataset,
        "layout": first["layout"],
        "coords": first["coords"],
        "units": first["units"],
        "y_up": first["y_up"],
        "preprocessing": first["preprocessing"],
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
        "skipped": skipped,
        "sha256": {
            name: sha256(folder / name) for name in ("frames.bin", "valid.bin", "clips.npz")
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
