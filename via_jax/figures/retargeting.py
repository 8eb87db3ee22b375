"""Driver, source and retargeted result side by side (paper, Figure 3)."""

from pathlib import Path

import numpy as np

from via_jax import skeletons
from via_jax.data.clip import Clip
from via_jax.data.persons import most_moving
from via_jax.data.prepare import to_layout
from via_jax.figures.skeleton import Panel, animate, contact_sheet


def film(
    driving: Clip,
    source: Clip,
    result: Clip,
    path: str | Path,
    layout: str,
    truth: Clip | None = None,
) -> None:
    """Writes a GIF or MP4 of the most moving person of each clip, in the model's layout.

    Where the true retargeted sequence is known it is shown beside the result.

    The source is repeated or cut to the driver's length. 3D clips are seen along their z axis.
    """
    panels = _panels(driving, source, result, layout, truth)
    animate(panels, skeletons.get_layout(layout), path, driving.frame_rate or 30.0)


def sheet(
    driving: Clip,
    source: Clip,
    result: Clip,
    path: str | Path,
    layout: str,
    count: int,
    truth: Clip | None = None,
) -> None:
    """Writes `count` evenly spaced frames of what `film` shows, a row for each clip, as PNG."""
    titles, poses, valid = zip(*_panels(driving, source, result, layout, truth))
    contact_sheet(poses, valid, skeletons.get_layout(layout), path, count, titles=titles)


def _panels(
    driving: Clip, source: Clip, result: Clip, layout: str, truth: Clip | None
) -> list[Panel]:
    frames = result.num_frames
    panels = []
    shown = [("driver", driving), ("source", source), ("retargeted", result)]
    if truth is not None:
        shown.append(("truth", truth))
    for title, clip in shown:
        clip = to_layout(clip, layout)
        rows = np.arange(frames) % clip.num_frames
        person = most_moving(clip.poses, clip.valid, 1)[0]
        poses, valid = clip.poses[person, rows, :, :2], clip.valid[person, rows]
        if clip.y_up:
            poses = poses * np.array([1.0, -1.0], np.float32)
        panels.append((title, poses, valid))
    return panels
