"""A prepared data set, opened: all clips in one memory-mapped array, with their facts.

A folder holds
  frames.bin     int16 [rows, joints, coords]: fixed point, `origin + scale x value` of its sequence
  valid.bin      bool [rows, joints]: observed joints; the others were bridged in time
  clips.npz      one row per sequence or clip, see `Prepared`
  manifest.json  layout, units, preprocessing, classes, counts, splits, largest rounding error,
                 SHA-256 of files

A *sequence* is one person of a clip; its rows are contiguous, persons of a clip follow each other.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from via_jax import skeletons
from via_jax.data.clip import Clip

FORMAT = 2
_KINDS = {  # of the manifest's fields
    "sha256": dict,
    "clips": int,
    "rows": int,
    "coords": int,
    "classes": list,
    "layout": str,
    "units": str,
    "y_up": bool,
    "dataset": str,
}
ROLES = ("", "train", "test", "validation")  # codes of the split columns


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared data set, memory-mapped.

    Attributes:
      folder: where it lies.
      manifest: contents of manifest.json.
      frames: int16 [rows, joints, coords].
      valid: bool [rows, joints].
      row, length, clip: int [sequences], first row, frames and clip of each sequence.
      scale: float32 [sequences]. origin: float32 [sequences, coords].
      known: bool [sequences, joints], joints seen at least once.
      first_sequence, persons, label: int [clips]; label is -1 where unknown.
      size: float32 [clips, 2], width and height of the image in pixels; 0 where unknown.
      frame_rate: float32 [clips], frames per second; 0 where unknown.
      names, subjects, cameras: str [clips].
      splits: protocol -> str [clips], "train", "test", "validation" or "".
    """

    folder: Path
    manifest: dict
    frames: np.ndarray
    valid: np.ndarray
    row: np.ndarray
    length: np.ndarray
    clip: np.ndarray
    scale: np.ndarray
    origin: np.ndarray
    known: np.ndarray
    first_sequence: np.ndarray
    persons: np.ndarray
    label: np.ndarray
    size: np.ndarray
    frame_rate: np.ndarray
    names: np.ndarray
    subjects: np.ndarray
    cameras: np.ndarray
    splits: dict[str, np.ndarray]

    @property
    def layout(self) -> skeletons.Layout:
        """Joint layout of the poses."""
        return skeletons.get_layout(self.manifest["layout"])

    @property
    def coords(self) -> int:
        """2 or 3."""
        return self.frames.shape[2]

    @property
    def classes(self) -> list[str]:
        """Names of the action classes; a label is an index into it."""
        return self.manifest["classes"]

    def clips_of(self, protocol: str, role: str) -> np.ndarray:
        """Indices of the clips that a protocol puts into "train", "test" or "validation".

        Raises:
          ValueError: unknown protocol, or no clip in that role.
        """
        if protocol not in self.splits:
            raise self._unknown(protocol)
        found = np.flatnonzero(self.splits[protocol] == role)
        if not len(found):
            raise ValueError(f"{self.folder}: protocol {protocol!r} has no clip for {role!r}")
        return found

    def of_protocol(self, protocol: str) -> "Prepared":
        """The same data with the classes of one protocol only, still in the order of `classes`.

        A protocol may use a part of the classes: those of the clips to which it gives a role. Only
        they are to be learned and counted. Clips of other classes get the label -1.

        Raises:
          ValueError: unknown protocol.
        """
        if protocol not in self.splits:
            raise self._unknown(protocol)
        used = np.unique(self.label[self.splits[protocol] != ""])
        used = used[used >= 0]
        new = np.full(len(self.classes) + 1, -1, np.int32)  # the last entry is for label -1
        new[used] = np.arange(len(used))
        classes = [self.classes[label] for label in used]
        return dataclasses.replace(
            self, manifest=self.manifest | {"classes": classes}, label=new[self.label]
        )

    def sequences_of(self, clips: np.ndarray) -> np.ndarray:
        """Indices of all sequences of the given clips, in their order."""
        parts = [
            np.arange(self.first_sequence[c], self.first_sequence[c] + self.persons[c])
            for c in clips
        ]
        return np.concatenate(parts)

    def read(self, clip: int) -> Clip:
        """One clip as it was prepared: bridged coordinates in input units, valid as observed."""
        sequences = self.sequences_of(np.array([clip]))
        poses, valid = [], []
        for s in sequences:
            rows = slice(self.row[s], self.row[s] + self.length[s])
            poses.append(self.frames[rows] * self.scale[s] + self.origin[s])
            valid.append(self.valid[rows])
        label = int(self.label[clip])
        return Clip(
            poses=np.stack(poses).astype(np.float32),
            valid=np.stack(valid),
            layout=self.manifest["layout"],
            name=str(self.names[clip]),
            label=self.classes[label] if label >= 0 else None,
            subject=str(self.subjects[clip]) or None,
            camera=str(self.cameras[clip]) or None,
            image_size=(int(self.size[clip, 0]), int(self.size[clip, 1]))
            if self.size[clip].all()
            else None,
            units=self.manifest["units"],
            y_up=self.manifest["y_up"],
            frame_rate=float(self.frame_rate[clip]) or None,
            preprocessing=tuple(self.manifest.get("preprocessing", ())),
        )

    def _unknown(self, protocol: str) -> ValueError:
        return ValueError(
            f"{self.folder}: no protocol {protocol!r}; this data set has {sorted(self.splits)}"
        )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def load(folder: Path, verify: bool = False) -> Prepared:
    """Opens a prepared data set.

    Args:
      folder: as written by `writer.write`.
      verify: compare the checksums of all files first.

    Raises:
      ValueError: no prepared data there, another format, or a file missing or damaged.
    """
    folder = Path(folder)
    path = folder / "manifest.json"
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no prepared data (no manifest.json); make it with"
            " python -m experiments.prepare"
        )
    try:
        manifest = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}; prepare the data again") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise ValueError(
            f"{path}: format {str(found)[:40]}; this version reads {FORMAT}: prepare the data again"
        )
    try:
        return _opened(folder, manifest, verify)
    except (LookupError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"[:300]
        raise ValueError(f"{path} is damaged: {reason}; prepare the data again") from error


def _opened(folder: Path, manifest: dict, verify: bool) -> Prepared:
    for key, kind in _KINDS.items():
        if type(manifest[key]) is not kind:
            raise TypeError(f"{key} of type {type(manifest[key]).__name__}, not {kind.__name__}")
    for name, expected in manifest["sha256"].items():
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing; prepare the data again")
        # The table is small: it is always compared.
        if (verify or name == "clips.npz") and sha256(folder / name) != expected:
            raise ValueError(f"{folder / name} is damaged: its SHA-256 differs from manifest.json")
    try:
        joints = skeletons.get_layout(manifest["layout"]).num_joints
    except ValueError as error:  # which names no file
        raise LookupError(str(error)) from error
    shape = (manifest["rows"], joints, manifest["coords"])
    for name, expected_size in (
        ("frames.bin", 2 * int(np.prod(shape))),
        ("valid.bin", int(np.prod(shape[:2]))),
    ):
        size = (folder / name).stat().st_size
        if size != expected_size:
            raise ValueError(
                f"{folder / name} has {size} bytes; manifest.json says {expected_size}"
            )
    with np.load(folder / "clips.npz", allow_pickle=False) as columns:
        table = {key: columns[key] for key in columns.files}
    splits = {
        key.removeprefix("split_"): np.asarray(ROLES)[table.pop(key)]
        for key in list(table)
        if key.startswith("split_")
    }
    if manifest["clips"] != len(table["names"]) or table["label"].max() >= len(manifest["classes"]):
        raise LookupError("another number of clips or classes than in clips.npz")
    return Prepared(
        folder=folder,
        manifest=manifest,
        frames=np.memmap(folder / "frames.bin", np.int16, "r", shape=shape),
        valid=np.memmap(folder / "valid.bin", np.bool_, "r", shape=shape[:2]),
        splits=splits,
        **table,
    )
