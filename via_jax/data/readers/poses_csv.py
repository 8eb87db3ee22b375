"""Our own table of poses: a CSV file with a line for each person in each frame.

UTF-8, comma-separated, first line the column names, in any order:

  frame               number of the frame, a whole number.
  person              number of the person, the same over the frames. An empty cell is a person who
                      is found by position.                                            optional
  <joint>_x           coordinates of a joint, named as in `via_jax/skeletons.py`
  <joint>_y           (left_wrist_x, left_wrist_y, ...).
  <joint>_confidence  in [0, 1]; 0 is missing.                                         optional

The joints make the layout: the smallest that has all of them; what else the layout has is missing.
Other columns are refused: a misspelt name would go unnoticed. For example:

  frame,person,nose_x,nose_y,left_wrist_x,left_wrist_y
  0,1,310.5,88,402,215.5
  1,1,311,88.5,,

What is missing: a joint with an empty or nan cell, of confidence 0 or at (0, 0), and a frame
without a line. For 3D poses and everything else there is the .npz of `folder.py`.
"""

import csv
import io
from pathlib import Path

import numpy as np

from via_jax import skeletons
from via_jax.data.clip import Clip
from via_jax.data.readers.detected import Person, clip_of, in_order
from via_jax.data.readers.strict import numbers

_COLUMNS = ("x", "y", "confidence")


def read(
    item: Path, layout: str | None = None, max_persons: int = 2, min_confidence: float = 0.0
) -> Clip:
    """Reads one clip.

    Args:
      item: path of a CSV file.
      layout: name of a layout that has the joints of the file; None takes the smallest.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.
      min_confidence: joints at or below it are missing, in [0, 1).

    Returns:
      A clip in 2D, y down, in pixels ("normalised" where no coordinate goes beyond 1.5), named as
      the file.

    Raises:
      ValueError: no CSV in UTF-8, an unknown or doubled column, a line of another length, a cell
        that is no number, frames too far apart, fewer than two frames, or no valid joint.
    """
    (_, header), *lines = _lines(item)
    columns, chosen = _columns(header, layout, item)
    people = []
    for number, cells in lines:
        where = f"{item}: line {number}"
        if len(cells) != len(header):
            raise ValueError(f"{where}: {len(cells)} cells; expected {len(header)}")
        row = dict(zip(header, cells))
        joints = np.full((chosen.num_joints, 3), np.nan)
        joints[:, 2] = 1.0
        for name, place in columns.items():
            joints[place] = _number(row[name], where)
        track = None if row.get("person", "") == "" else _whole(row["person"], where)
        people.append(
            (_whole(row["frame"], where), Person(numbers(joints, (None, 3), where), track))
        )
    return clip_of(
        in_order(people, item),
        item,
        layout=chosen.name,
        max_persons=max_persons,
        min_confidence=min_confidence,
    )


def joints_of(header: list[str]) -> list[str]:
    """Returns the joints that the columns of a file name, in order; none where it is another."""
    joints = [name.removesuffix("_x") for name in header if name.endswith("_x")]
    return joints if "frame" in header else []


def header_of(item: Path) -> list[str]:
    """Returns the column names of a file.

    Raises:
      ValueError: no CSV in UTF-8, or an empty file.
    """
    return _lines(item)[0][1]


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Returns the number and the cells of each line; blank lines are skipped."""
    try:
        reader = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected a file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: {error}; expected CSV in UTF-8") from error
    if not lines:
        raise ValueError(f"{path}: empty; expected a line with the column names")
    return lines


def _columns(
    header: list[str], layout: str | None, path: Path
) -> tuple[dict[str, tuple[int, int]], skeletons.Layout]:
    """Returns {column: (joint, coordinate)} and the layout."""
    joints = joints_of(header)
    if not joints or len(set(header)) < len(header):
        raise ValueError(
            f"{path}: columns {', '.join(header)[:120]}; expected frame, <joint>_x and <joint>_y,"
            " each once"
        )
    layouts = skeletons.all_layouts() if layout is None else (skeletons.get_layout(layout),)
    fitting = [known for known in layouts if set(joints) <= set(known.joints)]
    if not fitting:
        raise ValueError(
            f"{path}: joints {', '.join(joints)[:120]}; expected those of"
            f" {layout or 'a layout in via_jax/skeletons.py'}"
        )
    chosen = min(fitting, key=lambda known: known.num_joints)
    columns = {
        f"{name}_{what}": (chosen.index(name), k)
        for name in joints
        for k, what in enumerate(_COLUMNS)
        if f"{name}_{what}" in header or what == "y"
    }
    odd = set(header) ^ {"frame", *columns, *({"person"} & set(header))}
    if odd:
        raise ValueError(
            f"{path}: column {min(odd)[:40]!r}; expected x and y of each joint, and besides these"
            " only frame, person and <joint>_confidence"
        )
    return columns, chosen


def _number(cell: str, where: str) -> float:
    if not cell:
        return np.nan
    try:
        return float(cell)
    except ValueError as error:
        raise ValueError(f"{where}: {cell[:40]!r}; expected a number") from error


def _whole(cell: str, where: str) -> int:
    if not cell.removeprefix("-").isdecimal() or len(cell) > 15:
        raise ValueError(f"{where}: {cell[:40]!r}; expected a whole number")
    return int(cell)
