"""Strict reading of other people's files: a failure is a ValueError naming the file and place."""

import json
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from via_jax.data.clip import Clip, check_clip

LARGEST = 1e9  # beyond any pixel or metre; larger numbers are damage, and float32 would overflow


def load_json(path: Path) -> Any:
    """Parses a JSON file, in UTF-8 or another Unicode encoding.

    Raises:
      ValueError: the file cannot be opened, is no text or no JSON, or nests too deeply.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected a file") from error
    except RecursionError as error:
        raise ValueError(f"{path}: lists nested too deeply; expected poses in JSON") from error
    except ValueError as error:  # JSONDecodeError or UnicodeDecodeError
        raise ValueError(f"{path}: {error}; expected a complete JSON file in UTF-8") from error


def field(record: Any, key: str, kind: type, where: str) -> Any:
    """Looks up `record[key]`, which must be of type `kind`.

    Raises:
      ValueError: record is no JSON object, lacks the key, or holds something else there.
    """
    if not isinstance(record, dict):
        raise ValueError(
            f"{where}: of type {type(record).__name__}; expected an object with {key!r}"
        )
    if key not in record:
        seen = ", ".join(reprlib.repr(name) for name in list(record)[:8]) or "nothing"
        raise ValueError(f"{where}: holds {seen}; expected the key {key!r}")
    value = record[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(
            f"{where}: {key!r} is of type {type(value).__name__}; expected {kind.__name__}"
        )
    return value


def numbers(value: Any, shape: tuple[int | None, ...], where: str) -> np.ndarray:
    """Turns nested lists of numbers into a float64 array; null and NaN become NaN.

    Args:
      value: nested lists, as JSON gives them.
      shape: the expected sizes, None where any size will do.
      where: file and place, for the message.

    Raises:
      ValueError: ragged lists, other sizes, anything that is not a number, or a number too large
        to be a coordinate (infinity included).
    """
    wanted = f"numbers of shape {tuple('any' if size is None else size for size in shape)}"
    try:
        raw = np.array(value)
    except ValueError as error:
        raise ValueError(f"{where}: lists of unequal length; expected {wanted}") from error
    if raw.size == 0 and 0 in raw.shape and len(raw.shape) == len(shape):
        raw = raw.astype(np.float64)  # an empty list has no type of its own
    if raw.dtype == object and all(v is None or type(v) in (int, float) for v in raw.flat):
        try:
            raw = raw.astype(np.float64)
        except OverflowError as error:
            raise ValueError(f"{where}: a number too large; expected {wanted}") from error
    if raw.dtype.kind not in "iuf":
        raise ValueError(f"{where}: something that is not a number; expected {wanted}")
    fits = raw.ndim == len(shape) and all(
        expected in (None, size) for size, expected in zip(raw.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{where}: numbers of shape {raw.shape}; expected {wanted}")
    array = raw.astype(np.float64)
    if (np.abs(array) > LARGEST).any():
        raise ValueError(
            f"{where}: {array[np.abs(array) > LARGEST][0]:g}; expected coordinates, none above"
            f" {LARGEST:g}"
        )
    return array


def checked(clip: Clip, path: Path, min_frames: int = 2) -> Clip:
    """`check_clip`, with the file's path in the message.

    Raises:
      ValueError: as `check_clip`.
    """
    try:
        return check_clip(clip, min_frames=min_frames)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
