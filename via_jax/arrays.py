"""Arrays of poses as clips, for the Python API."""

import dataclasses
from typing import Any

import numpy as np

from via_jax.data.clip import Clip, check_clip
from via_jax.data.readers.strict import LARGEST
from via_jax.skeletons import Layout, get_layout


def as_clip(
    poses: Any, valid: Any, layout: str | None, own: Layout, name: str, facts: dict[str, Any]
) -> Clip:
    """Poses as a clip that is still to be checked; a Clip is returned as it is.

    Arguments as of `api.Model.clip_of`; own: layout of the model.

    Raises:
      ValueError: shapes that do not fit each other or the layout.
    """
    if isinstance(poses, Clip):
        if valid is not None or layout is not None or facts:
            raise ValueError("a Clip says its own valid, layout and facts; give poses alone")
        return poses
    array = np.asarray(poses)
    wanted = own if layout is None else get_layout(layout)
    if array.ndim not in (3, 4) or array.dtype.kind not in "iuf":
        raise ValueError(
            f"poses have shape {array.shape} and type {array.dtype}; expected real numbers"
            f" [time, {wanted.num_joints} joints, coords] or [persons, time, joints, coords]"
        )
    seen = np.isfinite(array).all(axis=-1) if valid is None else np.asarray(valid)
    if seen.shape != array.shape[:-1]:
        raise ValueError(f"valid has shape {seen.shape}; poses want {array.shape[:-1]}")
    if array.shape[-2] != wanted.num_joints and layout is None:
        raise ValueError(
            f"poses have shape {array.shape}, {array.shape[-2]} joints; the model reads"
            f" {wanted.num_joints} of layout {wanted.name}: name the layout of yours, such as"
            ' layout="coco17"'
        )
    array = array[None] if array.ndim == 3 else array
    seen = (seen[None] if seen.ndim == 2 else seen).astype(bool)
    _check(facts)
    facts = {"y_up": array.shape[-1] == 3} | facts
    wide = np.where(seen[..., None], array, 0)
    if (np.abs(wide) > LARGEST).any():
        raise ValueError(
            f"poses have a coordinate of {np.nanmax(np.abs(wide)):g}; expected none above"
            f" {LARGEST:g}, and NaN where a joint is missing"
        )
    poses = wide.astype(np.float32)
    return Clip(poses, seen, wanted.name, name, **facts)


def _check(facts: dict[str, Any]) -> None:
    """Raises ValueError for facts that no clip has, or that no recording can have."""
    names = [field.name for field in dataclasses.fields(Clip)]
    unknown = sorted(set(facts) - set(names))
    if unknown:
        raise ValueError(f"unknown facts {', '.join(unknown)}; expected some of {', '.join(names)}")
    size, rate = facts.get("image_size"), facts.get("frame_rate")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"image_size={size}; expected (width, height) in pixels")
    if rate is not None and not rate > 0:
        raise ValueError(f"frame_rate={rate}; expected frames a second, or None where unknown")


def block_of(poses: Any, layout: str | None, own: Layout, name: str, facts: dict[str, Any]) -> Clip:
    """A part of a recording as a checked clip, which may show nobody; see `as_clip`.

    Raises:
      ValueError: as `check_clip`, but for joints that are all missing.
    """
    block = as_clip(poses, None, layout, own, name, facts)
    if block.valid.any():
        return check_clip(block, min_frames=1)
    shown = dataclasses.replace(
        block, poses=np.zeros_like(block.poses), valid=np.ones_like(block.valid)
    )
    check_clip(shown, min_frames=1)
    return block
