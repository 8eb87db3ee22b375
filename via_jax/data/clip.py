"""One recorded clip in memory, and the checks that every clip passes before it is used."""

import dataclasses

import numpy as np

from via_jax import skeletons


@dataclasses.dataclass(frozen=True)
class Clip:
    """A skeleton sequence of one or more persons with what is known about it.

    Attributes:
      poses: [persons, time, joints, coords] float32, in the recording's units; missing joints 0.
      valid: [persons, time, joints] bool, True where a joint was really observed; also inside short
        gaps where `tracking.fill_gaps` was asked to bridge them.
      layout: name of the joint layout, see `skeletons.get_layout`.
      name: unique within its data set, stable across machines (no folder of this machine in it).
      label: name of the action class, None where unknown.
      subject: who moves, as the data set writes it; None where unknown.
      camera: which camera or viewpoint, as the data set writes it; None where unknown.
      units: "pixels", "metres", "centimetres" or "normalised".
      y_up: True where the y coordinate grows upwards (3D recordings), False for image coordinates.
      frame_rate: frames per second, None where unknown.
      image_size: (width, height) in pixels, None where unknown.
      split: "train" or "test" where the file itself says so, else None.
      extra: further facts of this data set (take, repetition, setup, ...), plain strings.
      preprocessing: names of the steps of `alignment` that the poses went through already.
    """

    poses: np.ndarray
    valid: np.ndarray
    layout: str
    name: str
    label: str | None = None
    subject: str | None = None
    camera: str | None = None
    units: str = "pixels"
    y_up: bool = False
    frame_rate: float | None = None
    image_size: tuple[int, int] | None = None
    split: str | None = None
    extra: dict[str, str] = dataclasses.field(default_factory=dict)
    preprocessing: tuple[str, ...] = ()

    @property
    def num_persons(self) -> int:
        """Number of persons."""
        return self.poses.shape[0]

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return self.poses.shape[1]


def check_clip(clip: Clip, min_frames: int = 2) -> Clip:
    """Returns the clip unchanged, or says what is wrong with it.

    Args:
      clip: any clip.
      min_frames: fewer frames are refused; 1 lets a single pose pass.

    Raises:
      ValueError: wrong rank, joint count or number of coords, transposed axes, whole numbers, too
        few frames, no person, no valid joint, or a valid joint whose coordinates are not finite.
    """
    layout = skeletons.get_layout(clip.layout)
    poses, valid = clip.poses, clip.valid

    def refuse(seen: str, expected: str) -> ValueError:
        return ValueError(f"clip {clip.name!r}: {seen}; expected {expected}")

    if poses.ndim != 4:
        raise refuse(
            f"poses have shape {poses.shape}",
            "[persons, time, joints, coords]; add a persons axis in front for one person",
        )
    persons, time, joints, coords = poses.shape
    if joints != layout.num_joints or coords not in (2, 3):
        hint = ""
        if layout.num_joints in poses.shape and joints != layout.num_joints:
            hint = f" (an axis of size {layout.num_joints} stands elsewhere: are axes transposed?)"
        raise refuse(
            f"poses have shape {poses.shape}, {joints} joints and {coords} coords",
            f"{layout.num_joints} joints (layout {layout.name}) and 2 or 3 coords, in the order"
            f" [persons, time, joints, coords]{hint}",
        )
    if not np.issubdtype(poses.dtype, np.floating):
        raise refuse(f"poses of type {poses.dtype}", "float32; whole pixels by astype(np.float32)")
    if valid.shape != poses.shape[:3]:
        raise refuse(f"valid has shape {valid.shape}", f"{poses.shape[:3]}, as the poses")
    if persons == 0:
        raise refuse("no person", "at least one")
    if time < min_frames:
        why = "; one pose is not a motion" if min_frames > 1 else ""
        raise refuse(f"{time} frame(s)", f"at least {min_frames}{why}")
    if not valid.any():
        raise refuse("all joints are missing in all frames", "at least one valid joint")
    finite = np.isfinite(poses).all(axis=-1)
    if not finite[valid].all():
        where = np.argwhere(valid & ~finite)[0]
        raise refuse(
            f"NaN or infinity at person {where[0]}, frame {where[1]}, joint {where[2]}",
            "finite coordinates where valid; mark such joints as not valid",
        )
    return clip
