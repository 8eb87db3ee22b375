"""Posetics: LCR-Net JSON files of a part of Kinetics-400, 320 classes (Yang et al., BMVC 2021).

`posetics_{train,val}/<anything>_<id>_<6 digits>_<6 digits>.json`: the YouTube id of 11 characters,
which may begin with "-" or hold "_", and the seconds between which the clip lies. Beside the
folders, `posetics_{train,val}_label.json` maps an id to {"label_index": 0 to 319, "has_skeleton"},
and to "label", the name, where it has one. The validation part is the one that is tested on.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

from via_jax.data.clip import Clip
from via_jax.data.readers import lcrnet
from via_jax.data.readers.strict import field, load_json

NUM_CLASSES = 320
_SPLITS = {"train": "train", "val": "test"}
_NAME = re.compile(r".*?([\w-]{11})_\d{6}_\d{6}")
_Item = tuple[Path, str, Any]


def find(source: Path) -> list[_Item]:
    """Lists the clips: (file, split, what the label file says of its id or None), train first.

    Files whose id has no skeleton according to the label file are left out, as in UNIK.

    Raises:
      ValueError: neither folder, or a folder without clips or without its label file.
    """
    items: list[_Item] = []
    folders = [(part, source / f"posetics_{part}") for part in _SPLITS]
    folders = [(part, folder) for part, folder in folders if folder.is_dir()]
    if not folders:
        raise ValueError(f"{source}: no posetics_train/ and no posetics_val/; expected both")
    for part, folder in folders:
        table = source / f"posetics_{part}_label.json"
        labels = load_json(table)
        if not isinstance(labels, dict):
            raise ValueError(f"{table}: of type {type(labels).__name__}; expected an object of ids")
        files = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
        if not files:
            raise ValueError(f"{folder}: no *.json; expected the clips of Posetics")
        for path in files:
            name = _NAME.fullmatch(path.stem)
            facts = labels.get(name[1]) if name else None
            if isinstance(facts, dict) and facts.get("has_skeleton") is False:
                continue
            items.append((path, _SPLITS[part], facts))
    return items


def read(item: _Item, coords: int = 2, max_persons: int = 2) -> Clip:
    """Reads one clip: layout lcrnet13, in pixels (2D) or metres (3D), see `lcrnet.read`.

    Args:
      item: from `find`.
      coords, max_persons: see `lcrnet.read`.

    Returns:
      A clip named as the file, with split, extra id, and a label that begins with the three digits
      of its index, so that sorted labels are in the official order.

    Raises:
      ValueError: a file name of another form, an id that is not in the label file, an index out of
        range, or what `lcrnet.read` refuses.
    """
    path, split, facts = item
    parts = _NAME.fullmatch(path.stem)
    if parts is None:
        raise ValueError(f"{path}: expected a name ending in <id of 11>_<6 digits>_<6 digits>.json")
    if facts is None:
        raise ValueError(f"{path}: id {parts[1]!r} is not in {path.parent.name}_label.json")
    where = f"{path}: id {parts[1]!r} in {path.parent.name}_label.json"
    index = field(facts, "label_index", int, where)
    if not 0 <= index < NUM_CLASSES:
        raise ValueError(f"{where}: label_index {index}; expected 0 to {NUM_CLASSES - 1}")
    label = f"{index:03d}"
    if "label" in facts:
        label += f" {field(facts, 'label', str, where)}"
    return dataclasses.replace(
        lcrnet.read(path, coords, max_persons), label=label, split=split, extra={"id": parts[1]}
    )
