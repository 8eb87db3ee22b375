"""Prepared 3D recordings as 2D ones: every clip filmed by two cameras, for cross-view recognition.

The paper's protocol "Mixamo CV" (Table 7): two 2D projections of every action by random rotations.
Here a rotation is a yaw of up to 180 degrees to both sides and an elevation of up to 30, drawn for
each clip and camera from its name; the projection is orthographic, so lengths stay in metres.
"""

import dataclasses
import zlib
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers import prepared

CAMERAS = ("1", "2")  # trained on, tested on
YAW, ELEVATION = 180.0, 30.0  # degrees, largest


def find(source: Path) -> list[tuple[Path, int, str]]:
    """Lists (folder, index of the clip, camera); ValueError without prepared data in the source."""
    return [(*item, camera) for item in prepared.find(source) for camera in CAMERAS]


def read(item: tuple[Path, int, str]) -> Clip:
    """Reads one projected clip; x to the right and y down, in the units of the recording.

    Raises:
      ValueError: 2D recordings.
    """
    folder, index, camera = item
    clip = prepared.read((folder, index))
    if clip.poses.shape[-1] != 3:
        raise ValueError(f"clip {clip.name!r} is 2D; expected 3D recordings to project")
    rng = np.random.default_rng([zlib.crc32(clip.name.encode()), CAMERAS.index(camera)])
    yaw, elevation = np.deg2rad(rng.uniform(-1.0, 1.0, 2) * (YAW, ELEVATION))
    x, y, z = np.moveaxis(clip.poses.astype(np.float64), -1, 0)
    y = y if clip.y_up else -y
    x, z = np.cos(yaw) * x + np.sin(yaw) * z, np.cos(yaw) * z - np.sin(yaw) * x
    y = np.cos(elevation) * y - np.sin(elevation) * z
    seen = np.where(clip.valid[..., None], np.stack([x, -y], axis=-1), 0.0)
    return dataclasses.replace(
        clip,
        poses=seen.astype(np.float32),
        name=f"{clip.name}/camera{camera}",
        camera=camera,
        y_up=False,
    )
