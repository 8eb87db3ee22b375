"""Toyota Smarthome, trimmed: one LCR-Net JSON file per clip (Das et al., ICCV 2019).

`Activity_pSS_rRR_vVV_cCC<suffix>.json`: activity, person, recording, a number v, camera; the suffix
is `_pose3d` in the refined skeletons (version 1.2), others have none. Activities hold dots
("Cook.Cleandishes") but no underscore. All 16115 clips are of 31 classes, 18 subjects, 7 cameras.
"""

import dataclasses
import re
from pathlib import Path

from via_jax.data.clip import Clip
from via_jax.data.readers import lcrnet

# Class names; published label lists have them in other orders, so only names are compared.
LABELS = (
    *("Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir", "Cook.Usestove", "Cutbread"),
    *("Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable"),
    *("Eat.Snack", "Enter", "Getup", "Laydown", "Leave", "Makecoffee.Pourgrains"),
    *("Makecoffee.Pourwater", "Maketea.Boilwater", "Maketea.Insertteabag", "Pour.Frombottle"),
    *("Pour.Fromcan", "Pour.Fromkettle", "Readbook", "Sitdown", "Takepills", "Uselaptop"),
    *("Usetablet", "Usetelephone", "Walk", "WatchTV"),
)
_NAME = re.compile(r"(([^_]+)_(p\d{2})_r(\d{2})_v(\d{2})_(c\d{2}))(?:\D.*)?")


def find(source: Path) -> list[Path]:
    """Lists the clips, in order, of a folder or of its folder smarthome_skeletons/.

    A file that is nearly named like a clip is listed too, for `read` to refuse: none is lost
    unseen.

    Raises:
      ValueError: no Activity_p*_r*_v*_c*.json there.
    """
    named = source / "smarthome_skeletons"
    folder = named if named.is_dir() else source
    files = [path for path in folder.glob("*_p*_r*_v*_c*.json") if not path.name.startswith(".")]
    if not files:
        raise ValueError(
            f"{folder}: no Activity_pSS_rRR_vVV_cCC_pose3d.json; expected the skeletons of"
            " Toyota Smarthome"
        )
    return sorted(files)


def read(item: Path, coords: int = 2, max_persons: int = 2) -> Clip:
    """Reads one clip: layout lcrnet13, in pixels (2D) or metres (3D), see `lcrnet.read`.

    Args:
      item: path of a clip.
      coords, max_persons: see `lcrnet.read`.

    Returns:
      A clip named without the suffix, with label, subject ("p03"), camera ("c01"), and extra r and
      v, the numbers of these letters in the name.

    Raises:
      ValueError: a file name of another form, an unknown activity, or what `lcrnet.read` refuses.
    """
    parts = _NAME.fullmatch(item.stem)
    if parts is None:
        raise ValueError(
            f"{item}: expected a name Activity_pSS_rRR_vVV_cCC_pose3d.json, two digits each"
        )
    name, activity, subject, recording, number, camera = parts.groups()
    if activity not in LABELS:
        raise ValueError(f"{item}: activity {activity!r}; expected one of {', '.join(LABELS)}")
    return dataclasses.replace(
        lcrnet.read(item, coords, max_persons),
        name=name,
        label=activity,
        subject=subject,
        camera=camera,
        extra={"r": recording, "v": number},
    )
