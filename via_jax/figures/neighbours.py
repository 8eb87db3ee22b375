"""A query and the clips found for it, a row of skeletons each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from via_jax import skeletons
from via_jax.data.clip import Clip
from via_jax.data.persons import most_moving
from via_jax.data.prepare import to_layout
from via_jax.figures.skeleton import contact_sheet

FRAMES = 8  # of a row


def sheet(clips: Sequence[Clip], path: str | Path, layout: str) -> None:
    """Writes a PNG of the most moving person of each clip, in one layout; 3D along its z axis.

    Args:
      clips: the query first.
      path: ends in .png.
      layout: to draw in; joints that a clip lacks are left out.
    """
    poses, valid, titles = [], [], []
    for clip in clips:
        clip = to_layout(clip, layout)
        person = most_moving(clip.poses, clip.valid, 1)[0]
        sign = np.array([1.0, -1.0 if clip.y_up else 1.0], np.float32)
        poses.append(clip.poses[person, ..., :2] * sign)
        valid.append(clip.valid[person])
        titles.append(f"{clip.name} {clip.label or ''}".strip())
    frames = min([FRAMES, *map(len, poses)])
    contact_sheet(poses, valid, skeletons.get_layout(layout), path, frames, titles=titles)
