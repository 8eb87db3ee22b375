"""Published preprocessing of whole clips, which `prepare` applies where asked to.

NumPy alone, as `persons`: the processes that prepare data would start slower and larger with jax.
Sources: UNIK (Yang et al., BMVC 2021) and 2s-AGCN (Shi et al., CVPR 2019), with their data scripts.
"""

from typing import NamedTuple

import numpy as np

from via_jax.skeletons import Layout


class Steps(NamedTuple):
    """Which steps the clips of a data set get, in this order.

    Attributes:
      fill_empty_frames: see there, each person for himself as published (NTU RGB+D, Toyota
        Smarthome, Posetics).
      centre_hips: every frame relative to the first person's hips; 3D only. 2s-AGCN takes the spine
        instead.
      align_body: see there; 3D only (NTU RGB+D).
    """

    fill_empty_frames: bool = False
    centre_hips: bool = False
    align_body: bool = False

    @property
    def names(self) -> list[str]:
        """Of the steps that are asked for, in order."""
        return [name for name, wanted in self._asdict().items() if wanted]


NO_STEPS = Steps()


def apply_steps(
    poses: np.ndarray, valid: np.ndarray, layout: Layout, steps: Steps
) -> tuple[np.ndarray, np.ndarray]:
    """A clip after the steps asked for.

    Args:
      poses: [persons, time, joints, coords], the person that centres and directs the clip first.
      valid: [persons, time, joints].
      layout: of the poses.
      steps: none leaves the clip as it is.

    Returns:
      (poses, valid) of the same shapes; after align_body y is up.

    Raises:
      ValueError: 2D poses to centre or align, or what the steps refuse.
    """
    if steps.fill_empty_frames:
        each = [fill_empty_frames(poses[i : i + 1], valid[i : i + 1]) for i in range(len(poses))]
        poses, valid = (np.concatenate(parts) for parts in zip(*each, strict=True))
    if steps.centre_hips:
        if poses.shape[-1] != 3:
            raise ValueError(f"poses have {poses.shape[-1]} coords; only 3D bodies can be centred")
        poses = centre_on(poses, valid, layout, "mid_hip")
    if steps.align_body:
        poses = align_body(poses, valid, layout)
    return poses, valid


def fill_empty_frames(poses: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames that show nobody are left out, and the others repeated to the length of the clip.

    UNIK and 2s-AGCN fill null frames so, each person for himself: one who comes later then moves to
    the front. Here the persons of a clip stay at their moments; give one person at a time for the
    published effect. They also keep a gap in the middle where the first frame is seen.

    Args:
      poses: [persons, time, joints, coords].
      valid: [persons, time, joints].

    Returns:
      New (poses, valid) of the same shapes; a clip that shows nobody at all as it is.
    """
    seen = np.flatnonzero(valid.any(axis=(0, 2)))
    if not len(seen):
        return poses.copy(), valid.copy()
    order = np.resize(seen, poses.shape[1])
    return poses[:, order], valid[:, order]


def centre_on(poses: np.ndarray, valid: np.ndarray, layout: Layout, joint: str) -> np.ndarray:
    """Poses relative to a joint of the first person, in every frame; missing joints become 0.

    2s-AGCN does so with the spine of NTU's layout (its joint 1) before it aligns bodies. UNIK takes
    "joint 3" of the first frame only, which is the chest of its own layout but the head of NTU's.
    Where the first person's joint is not seen, that of the last frame before (or the first one
    after) counts. poses: [persons, time, joints, coords]. valid: [persons, time, joints].

    Raises:
      ValueError: a joint that the layout does not have, or that is never seen.
    """
    index = layout.index(joint)
    frames = np.flatnonzero(valid[0, :, index])
    if not len(frames):
        raise ValueError(f"{joint} of the first person is never seen; centre on another joint")
    before = np.searchsorted(frames, np.arange(poses.shape[1]), side="right") - 1
    path = poses[0, frames[np.maximum(before, 0)], index]
    return np.where(valid[..., None], poses - path[None, :, None, :], 0.0).astype(poses.dtype)


def align_body(poses: np.ndarray, valid: np.ndarray, layout: Layout) -> np.ndarray:
    """Turns a 3D clip so that its first person starts upright and facing +z, y up.

    One rotation for the whole clip, about the origin: in the first frame that shows these joints,
    the line from mid_hip to spine comes to lie along +y, and the part of the line from right to
    left shoulder that is square to it along +x. The result does not depend on how the recording
    was turned. NTU's benchmarks do this in another convention, see `align_body_published`.

    Args:
      poses: [persons, time, joints, 3], right-handed. A layout without spine uses its chest.
      valid: [persons, time, joints].
      layout: of the poses.

    Returns:
      [persons, time, joints, 3], missing joints 0.

    Raises:
      ValueError: 2D poses, a layout without these joints, no frame that shows them all, or lines
        without length or along each other.
    """
    up, left = _body_lines(poses, valid, layout)
    up = up / np.linalg.norm(up)
    left = left - (left @ up) * up
    left = left / np.linalg.norm(left)
    return _rotated(poses, valid, np.stack([left, up, np.cross(left, up)]))


def align_body_published(poses: np.ndarray, valid: np.ndarray, layout: Layout) -> np.ndarray:
    """Turns a 3D clip as 2s-AGCN does for NTU: z up, the right shoulder towards +x.

    Two shortest turns after each other, found in the first frame that shows the joints: mid_hip to
    spine onto +z, then left to right shoulder onto +x. The second one tilts the spine by as much as
    the shoulders were not square to it, and the result depends a little on how the recording was
    turned. Joints go by name: 2s-AGCN's 0, 1, 8 and 4 in NTU's layout. UNIK's script says 2, 4, 5
    and 6, which are neck, mid_hip, left and right shoulder of its own layout (bodies then stand on
    their heads), and meaningless in NTU's. Arguments, result and errors as `align_body`; cameras
    and random moves of this package expect y up, so they fit `align_body` only.
    """
    up, left = _body_lines(poses, valid, layout)
    first = _shortest_turn(up, np.array([0.0, 0.0, 1.0]))
    second = _shortest_turn(first @ -left, np.array([1.0, 0.0, 0.0]))
    return _rotated(poses, valid, second @ first)


def _body_lines(
    poses: np.ndarray, valid: np.ndarray, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """(mid_hip to spine, right to left shoulder), [3] each, where all four are seen first."""
    if poses.shape[-1] != 3:
        raise ValueError(f"poses have {poses.shape[-1]} coords; only 3D bodies can be aligned")
    upper = "spine" if "spine" in layout.joints else "chest"
    names = ("mid_hip", upper, "right_shoulder", "left_shoulder")
    joints = [layout.index(name) for name in names]
    shown = np.argwhere(valid[:, :, joints].all(axis=2))  # persons first
    if not len(shown):
        raise ValueError(f"no frame shows {', '.join(names)} together; the body has no direction")
    hip, spine, right, left = poses[shown[0][0], shown[0][1], joints].astype(np.float64)
    lines = spine - hip, left - right
    lengths = np.linalg.norm(lines[0]) * np.linalg.norm(lines[1])
    if np.linalg.norm(np.cross(*lines)) <= 1e-6 * lengths:
        raise ValueError(
            f"person {shown[0][0]}, frame {shown[0][1]}: {upper} and shoulders span no plane;"
            " mark such joints as not valid"
        )
    return lines


def _shortest_turn(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation matrix that brings the direction of source onto the unit vector target."""
    source = source / np.linalg.norm(source)
    axis, cos = np.cross(source, target), source @ target
    if cos < -1 + 1e-12:  # any half turn about an axis square to the target
        square = np.cross(target, np.eye(3)[np.argmin(np.abs(target))])
        return 2 * np.outer(square, square) / (square @ square) - np.eye(3)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cos)


def _rotated(poses: np.ndarray, valid: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    seen = np.where(valid[..., None], poses, 0.0)  # a missing joint may hold NaN
    return (seen @ matrix.T).astype(poses.dtype)
