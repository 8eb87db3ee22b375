"""UAV-Human: a text file per clip with 17 joints in 2D, seen from a drone (Li et al., CVPR 2021).

`PpppSssGggBbbHhhUCccccccLCccccccAaaaRr_MMDDHHMM.txt`: person, setup (clothes), gender, backpack,
hat, upper and lower clothing, action 000 to 154, replication, time. The body of the file has the
grammar of NTU RGB+D with 17 joints of 12 values; the data set's own tool names them the same way.
Of these the first two are the joint in pixels, y down; the other ten are not used. The files do not
tell the size of the image: 1920 x 1080 is that of the data set's colour videos, from memory.

The joints are COCO's, in its order, as the graph in the data set's own tool lists them.

What is missing: a frame in which a body is not listed, and a joint at (0, 0) or with a NaN. Bodies
are followed by the number they begin with; where a frame writes it twice (it may be 000 for all),
by their place among those of that number.

A file without any body is refused. The data set's own tool makes it a clip of zeros, which then
counts in the test accuracy.
"""

import re
from pathlib import Path

from via_jax.data.clip import Clip
from via_jax.data.readers import ntu
from via_jax.data.readers.strict import checked

_JOINTS, _COORDS = 17, 2
_IMAGE_SIZE = (1920, 1080)
_SUBJECTS, _ACTIONS = 119, 155
_NAME = re.compile(r"(P\d{3})(S\d+)G\d+B\d+H\d+UC\d+LC\d+(A\d{3})(R\d+)_\d+")


def find(source: Path) -> list[Path]:
    """Lists the files below a folder, in order of their names.

    Raises:
      ValueError: no *.txt of that name there.
    """
    named = [path for path in source.rglob("*.txt") if _NAME.fullmatch(path.stem)]
    if not named:
        raise ValueError(
            f"{source}: no PpppSssGggBbbHhhUCccccccLCccccccAaaaRr_MMDDHHMM.txt; expected the"
            " skeleton files of UAV-Human"
        )
    return sorted(named, key=lambda path: path.name)


def read(item: Path) -> Clip:
    """Reads one clip: layout coco17, one person for each body seen, 2D pixels, y down.

    Returns:
      A clip with label ("A000" to "A154"), subject ("P000") and the extras setup ("S00") and
      replication ("R0").

    Raises:
      ValueError: a file name of another form, as `ntu.parse`, nobody in the file, or one frame
        only.
    """
    parts = _NAME.fullmatch(item.stem)
    if parts is None or int(parts[1][1:]) >= _SUBJECTS or int(parts[3][1:]) >= _ACTIONS:
        raise ValueError(
            f"{item}: expected a name PpppSssGggBbbHhhUCccccccLCccccccAaaaRr_MMDDHHMM.txt, P000 to"
            f" P{_SUBJECTS - 1:03} and A000 to A{_ACTIONS - 1:03}"
        )
    poses, valid = ntu.parse(item, _JOINTS, _COORDS)
    if not valid.any():
        raise ValueError(f"{item}: nobody in {poses.shape[1]} frames; expected a body in one")
    subject, setup, label, replication = parts.groups()
    clip = Clip(
        poses=poses,
        valid=valid,
        layout="coco17",
        name=item.stem,
        label=label,
        subject=subject,
        units="pixels",
        image_size=_IMAGE_SIZE,
        extra={"setup": setup, "replication": replication},
    )
    return checked(clip, item)
