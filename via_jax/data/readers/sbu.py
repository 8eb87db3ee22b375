"""SBU Kinect Interaction: one text file per clip with two persons of 15 joints (Yun et al., 2012).

`sAAsBB/<class 01 to 08>/<take>/skeleton_pos.txt`: a line per frame, 91 comma-separated numbers:
the frame's number, then 15 x (x, y, z) of one person and of the other. The data set's text says
that the first stands on the left of the image; that holds in 12 of the 21 pairs, in 9 it is the
reverse.

Coordinates are normalised: x and y 0 to 1 over the image (a little beyond at times), y down, z from
0 to 7.8125. The data set's own text inverts them, in millimetres with y up:
X = 1280 - 2560 x, Y = 960 - 1920 y, Z = 10000 z / 7.8125. The three axes thus have different units,
and the reader gives metres with y up: bone lengths then vary by 2.8 % within a person and clip on
average, in the file's units by 5.4 %.
"""

import itertools
import math
import re
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.strict import checked

# Class names in label order; folder 01 is the first.
LABELS = (
    *("approach", "depart", "kick", "push", "shake hands", "hug", "exchange object", "punch"),
)
METRES_PER_UNIT = (2.56, -1.92, 1.28)  # x to the right of the image, y up, z away
_PERSONS, _JOINTS = 2, 15
_COLUMNS = 1 + _PERSONS * _JOINTS * 3
_LARGEST = 100.0  # far beyond 0 to 7.8125


def find(source: Path) -> list[Path]:
    """Lists the files skeleton_pos.txt below the SBU folder, in order of pair, class and take.

    Raises:
      ValueError: none at sAAsBB/CC/TTT/skeleton_pos.txt.
    """
    files = sorted(path for path in source.glob("s*/*/*/skeleton_pos.txt") if _place(path))
    if not files:
        raise ValueError(f"{source}: no sAAsBB/CC/TTT/skeleton_pos.txt; expected the SBU folder")
    return files


def read(item: Path) -> Clip:
    """Reads one clip: layout sbu15, two persons, 3D in metres, y up.

    Returns:
      A clip with label, subject (the ordered pair, "s01s02") and extra take; a joint at (0, 0, 0)
      or with a NaN is missing.

    Raises:
      ValueError: a path of another form, a line that does not hold 91 numbers, frame numbers that
        do not count up by one, fewer than two frames, or no valid joint.
    """
    place = _place(item)
    if place is None:
        raise ValueError(f"{item}: expected a path sAAsBB/CC/TTT/skeleton_pos.txt, CC 01 to 08")
    pair, label, take = place
    try:
        lines = item.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise ValueError(f"{item}: cannot be read ({error.strerror}); expected text") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{item}: {error}; expected lines of numbers") from error
    rows = [_row(line, f"{item}: line {i}") for i, line in enumerate(lines, 1) if line.strip()]
    for i, (row, following) in enumerate(itertools.pairwise(rows), 1):
        if following[0] != row[0] + 1:
            raise ValueError(
                f"{item}: frame {following[0]:g} after frame {row[0]:g} (row {i + 1});"
                " expected numbers that count up by one"
            )
    table = np.array(rows).reshape(-1, _COLUMNS)
    raw = table[:, 1:].reshape(-1, _PERSONS, _JOINTS, 3).swapaxes(0, 1)
    valid = np.isfinite(raw).all(axis=-1) & (raw != 0).any(axis=-1)  # [persons, time, joints]
    clip = Clip(
        poses=np.where(valid[..., None], raw * METRES_PER_UNIT, 0.0).astype(np.float32),
        valid=valid,
        layout="sbu15",
        name=f"{pair}_{label:02d}_{take}",
        label=LABELS[label - 1],
        subject=pair,
        units="metres",
        y_up=True,
        extra={"take": take},
    )
    return checked(clip, item)


def _place(path: Path) -> tuple[str, int, str] | None:
    """Returns (pair, number of the class, take) from the folders, None where they are others."""
    parts = re.fullmatch(
        r"(s\d{2}s\d{2})/0([1-8])/(\d{3})/skeleton_pos\.txt", "/".join(path.parts[-4:])
    )
    return (parts[1], int(parts[2]), parts[3]) if parts else None


def _row(line: str, where: str) -> list[float]:
    words = line.strip().rstrip(",").split(",")
    if len(words) != _COLUMNS:
        raise ValueError(f"{where}: {len(words)} numbers; expected {_COLUMNS}: frame, 2 x 15 x 3")
    row = []
    for word in words:
        try:
            row.append(float(word))
        except ValueError as error:
            raise ValueError(f"{where}: {word[:40]!r}; expected a number") from error
    if not row[0].is_integer():
        raise ValueError(f"{where}: frame number {words[0][:40]!r}; expected a whole number")
    for word, value in zip(words[1:], row[1:], strict=True):
        if abs(value) > _LARGEST and not math.isnan(value):
            raise ValueError(f"{where}: {word[:40]!r}; expected coordinates between 0 and 7.8125")
    return row
