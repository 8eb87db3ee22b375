"""Penn Action as UNIK and ViA see it: the official labels, poses by LCR-Net (Yang et al., 2021).

`labels/NNNN.mat` gives action, viewpoint and train flag, see `penn_action`; `skeletons/NNNN.json`
the poses, see `lcrnet`. As in UNIK the poses count as pixels of 640 x 480, whatever the size of the
video. UNIK drops the last video, 2326 (a test video): `find_published` does so too.
"""

import dataclasses
import re
from pathlib import Path

from via_jax.data.clip import Clip
from via_jax.data.readers import lcrnet, penn_action

_LAST_PUBLISHED = "2325"


def find(source: Path) -> list[tuple[Path, Path]]:
    """Lists (skeleton file, label file) of every official video, in order.

    A video without skeleton file is listed too, for `read` to refuse: none is lost unseen.

    Args:
      source: folder with labels/, and with NNNN*.json in skeletons/ or beside labels/.

    Raises:
      ValueError: no NNNN.mat, no NNNN*.json, one without label file, or two of one video.
    """
    labels = penn_action.find(source)
    folder = source / "skeletons" if (source / "skeletons").is_dir() else source
    skeletons: dict[str, Path] = {}
    for path in sorted(folder.glob("*.json")):
        number = re.match(r"\d{4}(?!\d)", path.name)
        if number is None:
            continue
        if number[0] in skeletons:
            raise ValueError(
                f"{path}: video {number[0]} a second time, after {skeletons[number[0]].name};"
                " expected one file a video"
            )
        skeletons[number[0]] = path
    if not skeletons:
        raise ValueError(f"{folder}: no NNNN*.json; expected the LCR-Net poses of Penn Action")
    unknown = sorted(set(skeletons) - {path.stem for path in labels})
    if unknown:
        raise ValueError(
            f"{skeletons[unknown[0]]}: no labels/{unknown[0]}.mat; expected one for each video"
        )
    return [(skeletons.get(path.stem, folder / f"{path.stem}.json"), path) for path in labels]


def find_published(source: Path) -> list[tuple[Path, Path]]:
    """Lists the same without video 2326, the published test set of 1067 videos.

    Raises:
      ValueError: as `find`.
    """
    return [item for item in find(source) if item[1].stem <= _LAST_PUBLISHED]


def read(item: tuple[Path, Path], max_persons: int = 2) -> Clip:
    """Reads one video: layout lcrnet13, 2D pixels, y down.

    Args:
      item: from `find`.
      max_persons: see `lcrnet.read`.

    Returns:
      A clip with label, camera (the coarse viewpoint) and official split.

    Raises:
      ValueError: what `penn_action.read` or `lcrnet.read` refuses.
    """
    skeleton, label = item
    official = penn_action.read(label)
    return dataclasses.replace(
        lcrnet.read(skeleton, max_persons=max_persons),
        name=official.name,
        label=official.label,
        camera=official.camera,
        split=official.split,
    )
