"""Prepared data sets as a source: to merge several, or to convert them to another joint layout.

The source is a prepared data set or a folder of them. Clips are named <data set>/<name>. Their
split is that of the first protocol, in alphabetical order, that gives them one; clips of a data set
without any split are for training.
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from via_jax.data import store
from via_jax.data.clip import Clip


def find(source: Path) -> list[tuple[Path, int]]:
    """Lists the clips: (folder, index), data sets in alphabetical order.

    Raises:
      ValueError: no prepared data set in the source.
    """
    folders = sorted(path.parent for path in Path(source).glob("**/manifest.json"))
    if not folders:
        raise ValueError(f"{source}: no prepared data set (manifest.json) in it or below")
    return [(folder, i) for folder in folders for i in range(_open(folder).manifest["clips"])]


def read(item: tuple[Path, int]) -> Clip:
    """Reads one clip; joints that were bridged in time are missing again."""
    folder, index = item
    data = _open(folder)
    clip = data.read(index)
    poses = np.where(clip.valid[..., None], clip.poses, np.float32(0))
    roles = [str(data.splits[protocol][index]) for protocol in sorted(data.splits)]
    split = next((role for role in roles if role), None if roles else "train")
    name = f"{data.manifest['dataset']}/{clip.name}"
    return dataclasses.replace(clip, poses=poses, name=name, split=split)


@functools.lru_cache(maxsize=8)
def _open(folder: Path) -> store.Prepared:
    return store.load(folder)
