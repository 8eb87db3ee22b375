"""Our own generic format: a folder with labels.csv and one .npz file per clip.

labels.csv (UTF-8, comma-separated, first line the column names), one line per clip:

  name        the clip is the file <name>.npz beside labels.csv; "/" leads into sub-folders. Unique.
  label       class name; may be empty (unknown), the column may not be absent.
  subject     who moves.                                                            optional
  camera      camera or viewpoint.                                                  optional
  split       train, validation or test.                                            optional
  layout      name of the joint layout, needed where the .npz has none.             optional
  frame_rate  frames per second, a positive number.                                 optional
  (others)    any other column goes to the clip's `extra`.                          optional

An empty cell is "unknown". For example:

  name,label,subject,split,take
  wave_01,wave,anna,train,1
  wave_02,wave,ben,test,1

<name>.npz (`numpy.savez`, no pickled objects), the arrays:

  poses       [persons, time, joints, coords], or [time, joints, coords] for one person; 2 or 3
              coords, any real type. NaN is missing.
  valid       [persons, time, joints] or [time, joints], bool or 0 and 1.           optional
              Joints that are False or NaN are missing; without it all others are valid.
  layout      a string, see above.                                                  optional
  units       "pixels", "metres", "centimetres" or "normalised".                    optional
              Default "pixels" for 2 coords, "metres" for 3.
  y_up        True where y grows upwards. Default False for 2 coords, True for 3.    optional
  frame_rate  frames per second.                                                    optional
  image_size  [width, height] in pixels.                                            optional

Where both files give the layout or the frame rate they must agree. Other arrays are refused: a
misspelt name would go unnoticed. `write_clip` writes such an .npz, `read_clip` reads one alone.
"""

import csv
import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from via_jax import archives
from via_jax.data.clip import Clip, check_clip
from via_jax.data.readers.strict import checked

UNITS = ("pixels", "metres", "centimetres", "normalised")
SPLITS = ("train", "validation", "test")
_COLUMNS = ("name", "label", "subject", "camera", "split", "layout", "frame_rate")
_ARRAYS = ("poses", "valid", "layout", "units", "y_up", "frame_rate", "image_size")
_T = TypeVar("_T")
_LARGEST = 1e9  # beyond any pixel or centimetre


def find(source: Path) -> list[tuple[Path, dict[str, str]]]:
    """Lists the clips of a folder, ordered by name: each file with its line of labels.csv.

    Raises:
      ValueError: no labels.csv, or with its line: not UTF-8 or CSV, a column missing or twice, a
        line of another length, a name empty, twice or outside the folder, a file that is absent, a
        split or frame rate that is none, or no clip at all.
    """
    table = source / "labels.csv"
    items: dict[str, tuple[Path, dict[str, str]]] = {}
    for line, row in _rows(table):
        where, name = f"{table}: line {line}", row["name"]
        if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{where}: name {name[:80]!r}; expected a file in this folder")
        if name in items:
            raise ValueError(f"{where}: name {name[:80]!r} a second time; expected unique names")
        if row.get("split", "") not in ("", *SPLITS):
            raise ValueError(
                f"{where}: split {row['split'][:80]!r}; expected {', '.join(SPLITS)} or nothing"
            )
        if row.get("frame_rate"):
            _frame_rate(row["frame_rate"], where)
        path = source / f"{name}.npz"
        if not path.is_file():
            raise ValueError(f"{where}: no file {path}; expected one for each line")
        items[name] = (path, row)
    if not items:
        raise ValueError(f"{table}: no clips; expected a line for each below the column names")
    return [items[name] for name in sorted(items)]


def read(item: tuple[Path, Mapping[str, str]]) -> Clip:
    """Reads one clip and joins it with its line of labels.csv.

    Args:
      item: path of the .npz, and the line as {column: cell}.

    Raises:
      ValueError: as `read_clip`, or the two files disagree.
    """
    path, row = item
    return _clip(path, row)


def read_clip(path: Path, layout: str | None = None) -> Clip:
    """Reads a single .npz without labels.csv: its name is the file's, its label is unknown.

    Args:
      path: of the file.
      layout: taken where the file names none.

    Raises:
      ValueError: no .npz, pickled objects, an unknown array, `poses` absent, arrays of another
        shape or type, infinite coordinates, no layout, or what `check_clip` refuses.
    """
    return _clip(path, {"name": path.stem}, layout)


def write_clip(path: Path, clip: Clip) -> None:
    """Writes one clip as .npz: what was recorded, not who and what; those stand in labels.csv.

    Args:
      path: ends in .npz; its folder exists.
      clip: any clip that passes `check_clip`.

    Raises:
      ValueError: another ending, or a clip that fails.
    """
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected a name that ends in .npz")
    check_clip(clip)
    arrays: dict[str, Any] = {
        "poses": np.where(clip.valid[..., None], clip.poses, np.float32(0)),
        "valid": clip.valid,
        "layout": np.array(clip.layout),
        "units": np.array(clip.units),
        "y_up": np.array(clip.y_up),
    }
    if clip.frame_rate is not None:
        arrays["frame_rate"] = np.array(clip.frame_rate)
    if clip.image_size is not None:
        arrays["image_size"] = np.array(clip.image_size)
    np.savez_compressed(path, **arrays)


def _clip(path: Path, row: Mapping[str, str], otherwise: str | None = None) -> Clip:
    arrays = _arrays(path)
    poses, valid = _poses(arrays, path)
    flat = poses.shape[-1] == 2
    layout = _agreed(_text(arrays, "layout", path), row.get("layout") or None, "layout", path)
    layout = layout or otherwise
    if layout is None:
        raise ValueError(
            f"{path}: no layout; expected one here or in labels.csv; of a file that is opened"
            " alone, name it"
        )
    units = _text(arrays, "units", path) or ("pixels" if flat else "metres")
    if units not in UNITS:
        raise ValueError(f"{path}: units {units[:80]!r}; expected one of {', '.join(UNITS)}")
    rate = float(_scalar(arrays, "frame_rate", "iuf", path)) if "frame_rate" in arrays else None
    clip = Clip(
        poses=poses,
        valid=valid,
        layout=layout,
        name=row["name"],
        label=row.get("label") or None,
        subject=row.get("subject") or None,
        camera=row.get("camera") or None,
        units=units,
        y_up=bool(_scalar(arrays, "y_up", "b", path)) if "y_up" in arrays else not flat,
        frame_rate=_agreed(
            None if rate is None else _frame_rate(str(rate), str(path)),
            _frame_rate(row["frame_rate"], str(path)) if row.get("frame_rate") else None,
            "frame_rate",
            path,
        ),
        image_size=_image_size(arrays, path),
        split=row.get("split") or None,
        extra={key: cell for key, cell in row.items() if key not in _COLUMNS and cell},
    )
    return checked(clip, path)


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Returns the number and the cells of each line; blank lines are skipped."""
    try:
        text = table.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(
            f"{table}: cannot be read ({error.strerror}); expected a table of the clips"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{table}: {error}; expected UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        header = [column.strip() for column in next(reader, [])]
        if not {"name", "label"} <= set(header) or len(set(header)) < len(header) or "" in header:
            raise ValueError(
                f"{table}: columns {', '.join(header)}; expected name, label and others, each once"
            )
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"{table}: line {reader.line_num}: {len(cells)} cells;"
                    f" expected {len(header)}: {', '.join(header)}"
                )
            cells = [cell.strip() for cell in cells]
            rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise ValueError(f"{table}: line {reader.line_num}: {error}; expected CSV") from error
    return rows


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:  # NumPy would leave a damaged file open
            zipped = zipfile.is_zipfile(file)
            file.seek(0)
            if zipped:
                archives.check_arrays(file)
            elif file.read(6) != b"\x93NUMPY":  # NumPy would take it for a pickle
                raise ValueError("no zip archive, or a part of one")
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            if set(archive.files) - set(_ARRAYS) or "poses" not in archive.files:
                raise ValueError(f"arrays {', '.join(sorted(archive.files)) or 'none'}")
            arrays = {key: archive[key] for key in archive.files}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise ValueError("a member that is no .npy")  # NumPy gives its bytes
            return arrays
    except Exception as error:  # damaged bytes raise whatever zip, zlib or NumPy stumbles on
        raise ValueError(
            f"{path}: {error}; expected an .npz with poses and none but {', '.join(_ARRAYS)}"
        ) from error


def _poses(arrays: Mapping[str, np.ndarray], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns poses [persons, time, joints, coords] and valid [persons, time, joints]."""
    poses = arrays["poses"]
    if poses.ndim not in (3, 4) or poses.dtype.kind not in "iuf" or poses.shape[-1] not in (2, 3):
        raise ValueError(
            f"{path}: poses have shape {poses.shape} and type {poses.dtype}; expected real"
            " [persons, time, joints, coords] or [time, joints, coords] with 2 or 3 coords"
        )
    valid = arrays.get("valid", np.ones(poses.shape[:-1], bool))
    if valid.shape != poses.shape[:-1] or valid.dtype.kind not in "biuf":
        raise ValueError(
            f"{path}: valid has shape {valid.shape} and type {valid.dtype};"
            f" expected bool {poses.shape[:-1]}, as the poses"
        )
    if not np.isin(valid, (0, 1)).all():
        raise ValueError(f"{path}: valid holds other values than 0 and 1; expected bool")
    with np.errstate(invalid="ignore"):  # damage can make a signalling NaN
        wide = poses.astype(np.float64)
    valid = (valid != 0) & ~np.isnan(wide).any(axis=-1)
    wide = np.where(valid[..., None], wide, 0.0)
    if (np.abs(wide) > _LARGEST).any():
        raise ValueError(
            f"{path}: a coordinate of {np.abs(wide).max():g}; expected none above {_LARGEST:g},"
            " and NaN where a joint is missing"
        )
    if poses.ndim == 3:
        wide, valid = wide[None], valid[None]
    return wide.astype(np.float32), valid


def _scalar(arrays: Mapping[str, np.ndarray], key: str, kinds: str, path: Path) -> np.ndarray:
    value = arrays[key]
    if value.shape != () or value.dtype.kind not in kinds:
        raise ValueError(
            f"{path}: {key} has shape {value.shape} and type {value.dtype}; expected a single"
            f" {'string' if kinds == 'U' else 'truth value' if kinds == 'b' else 'number'}"
        )
    return value


def _text(arrays: Mapping[str, np.ndarray], key: str, path: Path) -> str | None:
    if key not in arrays:
        return None
    value = _scalar(arrays, key, "U", path)
    try:
        text = str(value)
        list(text)  # NumPy takes any bytes for characters; Python stumbles when it looks at them
    except Exception as error:
        raise ValueError(f"{path}: {key} is no text; expected characters of Unicode") from error
    return text


def _image_size(arrays: Mapping[str, np.ndarray], path: Path) -> tuple[int, int] | None:
    if "image_size" not in arrays:
        return None
    size = arrays["image_size"]
    if size.shape != (2,) or size.dtype.kind not in "iu" or (size < 1).any():
        raise ValueError(f"{path}: image_size {size}; expected two whole numbers, width and height")
    return int(size[0]), int(size[1])


def _frame_rate(text: str, where: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (0 < rate < math.inf):
        raise ValueError(f"{where}: frame_rate {text[:80]!r}; expected a positive number")
    return rate


def _agreed(here: _T | None, listed: _T | None, what: str, path: Path) -> _T | None:
    """Returns the value that either file gives."""
    if here is not None and listed is not None and here != listed:
        raise ValueError(f"{path}: {what} {here}, but labels.csv says {listed}; expected the same")
    return listed if here is None else here
