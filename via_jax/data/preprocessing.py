"""The preprocessing of the published benchmarks, each step a pure function on arrays.

Some steps are elsewhere. Whole clips get them when they are prepared: `persons` picks the two
persons of largest motion energy, `alignment` fills empty frames, centres and aligns bodies. In
`transforms`, `to_root` centres on the hips and puts the hips' velocity into their row (Aberman et
al. 2019).

Sources: UNIK (Yang et al., BMVC 2021) with its data scripts, which the paper's 2D benchmarks use;
2s-AGCN (Shi et al., CVPR 2019) with its own, which the field uses for NTU RGB+D.
"""

import jax.numpy as jnp
import numpy as np

from via_jax.data.sampling import Window, evaluation_windows
from via_jax.data.transforms import Frame, bones_of, to_frame
from via_jax.skeletons import Layout
from via_jax.typing import Array

STREAMS = ("joint", "bone", "joint_motion", "bone_motion")


def screen_frame(size: Array) -> Frame:
    """Frame of x -> 2 x / w - 1 and y -> 2 y / w - h / w: [-1, 1] in width, the aspect kept.

    size: [..., 2], width and height of the image in pixels.
    """
    return Frame(centre=size / 2, scale=size[..., 0] / 2)


def to_screen(poses: Array, size: Array) -> Array:
    """Screen coordinates of pixels, see `screen_frame`; a coordinate that is exactly 0 stays 0.

    As UNIK's data scripts, for which such a coordinate is missing and the image 640 x 480.
    poses: [..., time, joints, 2] pixels, y down. size: [..., 2] pixels.
    """
    everything = np.ones((*poses.shape[:-3], poses.shape[-2]), bool)
    placed = to_frame(poses, everything, screen_frame(jnp.asarray(size, jnp.float32)))
    return jnp.where(poses == 0, 0.0, placed)


def resample(poses: np.ndarray, valid: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Brings a clip to a fixed length, linearly between frames; first and last frame stay.

    The positions are those of evaluation windows with sampling "resample".

    Args:
      poses: [persons, time, joints, coords].
      valid: [persons, time, joints].
      frames: wanted, at least 1; 1 takes the first frame.

    Returns:
      (poses, valid), [persons, frames, ...]; a joint between a seen and a missing one is missing,
      with coordinates 0.
    """
    window = Window(frames, 1, "resample", 1.0, (1.0, 1.0))
    draw = evaluation_windows(np.zeros(1, int), np.array([poses.shape[1]]), window)
    low, high, fraction = (np.asarray(x)[0] for x in draw[1:])
    seen = valid[:, low] & (valid[:, high] | (fraction == 0)[None, :, None])
    share = fraction[None, :, None, None]
    poses = np.where(valid[..., None], poses, 0.0)  # a missing joint may hold NaN
    between = poses[:, low] * (1 - share) + poses[:, high] * share
    return np.where(seen[..., None], between, 0.0).astype(np.float32), seen


def stream_of(poses: Array, seen: Array, layout: Layout, stream: str) -> tuple[Array, Array]:
    """One of the four streams whose scores are fused (2s-AGCN; its successors add the motions).

    "bone" is joint minus parent by the layout's tree, 0 at its root; "..._motion" is the next frame
    minus this one, 0 in the last frame. In 2s-AGCN the trees have their own roots (NTU's neck), and
    in UNIK the root (the head) keeps its position.

    Args:
      poses: [..., time, joints, coords].
      seen: bool [..., time, joints], or time 1 for joints known throughout.
      layout: of the poses; its bones must be a tree for the bone streams.
      stream: one of `STREAMS`.

    Returns:
      (values, seen): shaped as the arguments. A value is 0 and not seen where one of the joints or
      frames that it is made of is not.

    Raises:
      ValueError: another stream, or bones that are no tree.
    """
    if stream not in STREAMS:
        raise ValueError(f"stream={stream!r}; expected one of {', '.join(STREAMS)}")
    if stream in ("bone", "bone_motion"):
        parents = [joint if p < 0 else p for joint, p in enumerate(layout.parents)]
        seen = seen & seen[..., np.array(parents)]
        poses = bones_of(poses, layout)
    if stream in ("joint_motion", "bone_motion"):
        poses = poses[..., _following(poses.shape[-3]), :, :] - poses
        seen = seen & seen[..., _following(seen.shape[-2]), :]
    return jnp.where(seen[..., None], poses, 0.0), seen


def _following(frames: int) -> np.ndarray:
    return np.minimum(np.arange(frames) + 1, frames - 1)
