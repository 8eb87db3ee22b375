"""Berkeley MHAD motion capture, all clips in one .npz file."""

import functools
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from via_jax import archives
from via_jax.data.clip import Clip
from via_jax.data.readers import strict

ACTIONS = (
    *("jump in place", "jumping jacks", "bend", "punch", "wave two hands", "wave one hand"),
    *("clap", "throw", "sit then stand", "sit down", "stand up"),
)
_NUM_JOINTS = 35
_METRES_PER_UNIT = 1e-4  # coords count hundredths of a centimetre
_FRAME_RATE = 24.0  # approximately: the file does not say it
_ARRAYS = ("coords", "lengths", "action", "subject", "repetition")


def find(source: Path) -> list[tuple[Path, int]]:
    """The clips (file, index) of the .npz, in its order.

    Args:
      source: the .npz itself, or a folder with exactly one .npz below it.

    Raises:
      ValueError: none or several files; a file that is not as `read` expects.
    """
    files = [source] if source.is_file() else sorted(source.rglob("*.npz"))
    if len(files) != 1:
        raise ValueError(f"{source}: saw the .npz files {files}; expected one, e.g. mhad_mocap.npz")
    lengths = _open(files[0])["lengths"]
    return [(files[0], index) for index in range(len(lengths))]


def read(item: tuple[Path, int]) -> Clip:
    """Reads one clip, layout "mhad35".

    The file has `coords` int16 [frames of all clips, 35, 3] in hundredths of a centimetre, and
    integers [clips]: `lengths` in frames, `action` 1..11, `subject` 1..12, `repetition` 1..5.

    Returns:
      Clip in metres, y up, about 24 frames per second, all joints valid, label of `ACTIONS`,
      subject "1".."12" and the extra repetition "1".."5".

    Raises:
      ValueError: no .npz, missing arrays, other types, shapes or ranges, an index out of
        range, a clip of one frame.
    """
    path, index = item
    arrays = _open(path)
    ends = np.cumsum(arrays["lengths"])
    if not 0 <= index < len(ends):
        raise ValueError(f"{path}: saw clip index {index}; expected 0 to {len(ends) - 1}")
    coords = arrays["coords"][ends[index] - arrays["lengths"][index] : ends[index]]
    action, subject, repetition = (int(arrays[name][index]) for name in _ARRAYS[2:])
    poses = coords[None].astype(np.float32) * np.float32(_METRES_PER_UNIT)
    clip = Clip(
        poses=poses,
        valid=np.ones(poses.shape[:3], bool),
        layout="mhad35",
        name=f"s{subject:02}_a{action:02}_r{repetition:02}",
        label=ACTIONS[action - 1],
        subject=str(subject),
        units="metres",
        y_up=True,
        frame_rate=_FRAME_RATE,
        extra={"repetition": str(repetition)},
    )
    return strict.checked(clip, path)


def _open(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of the file, which stay in memory: many clips are read from one file."""
    try:
        status = path.stat()  # a file that changed is read anew
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected a file") from error
    return _load(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=2)
def _load(path: Path, modified: int, size: int) -> Mapping[str, np.ndarray]:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            archives.check_unpacked_size(file)
            return _checked({name: _array(archive, name) for name in _ARRAYS})
    except Exception as error:  # damaged bytes raise whatever zip, zlib or NumPy stumbles on
        raise ValueError(f"{path}: is not the .npz of Berkeley MHAD: {error}") from error


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array; unlike np.load, takes no memory for what a header only declares."""
    if f"{name}.npy" not in archive.namelist():
        raise ValueError(f"saw {archive.namelist()}; expected {name}.npy among them")
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(
                f"saw {name} in npy format {version}; expected (1, 0), as numpy writes"
            )
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        declared = int(np.prod(shape, dtype=object)) * dtype.itemsize
        held = info.file_size - file.tell()
        if declared != held or fortran or dtype.kind not in "iu":
            raise ValueError(
                f"saw {name} as {dtype} {shape}, {declared} bytes declared and {held} there;"
                " expected integers in C order, as many as declared"
            )
        return np.frombuffer(file.read(), dtype).reshape(shape)


def _checked(arrays: dict[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """The arrays, facts as int64; or says which is not as expected."""
    coords, lengths = arrays["coords"], arrays["lengths"]
    if coords.dtype != np.int16 or coords.ndim != 3 or coords.shape[1:] != (_NUM_JOINTS, 3):
        raise ValueError(
            f"saw coords {coords.dtype} {coords.shape}; expected int16 [frames, {_NUM_JOINTS}, 3]"
        )
    most = {"lengths": len(coords), "action": len(ACTIONS), "subject": 12, "repetition": 5}
    for name, largest in most.items():
        values = arrays[name]
        if values.ndim != 1 or values.shape != lengths.shape:
            raise ValueError(
                f"saw {name} of shape {values.shape} and lengths of {lengths.shape};"
                " expected one number for each clip"
            )
        for clip in np.flatnonzero((values < 1) | (values > largest))[:1]:
            raise ValueError(f"saw {name} {values[clip]} at clip {clip}; expected 1 to {largest}")
        arrays[name] = values.astype(np.int64)
    total = arrays["lengths"].sum()
    if total != len(coords) or total == 0:
        raise ValueError(
            f"saw lengths that add up to {total} frames and coords of {len(coords)};"
            " expected the same number, above 0"
        )
    return arrays
