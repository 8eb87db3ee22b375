"""Motion retargeting of one clip onto another, and how well bones and joint angles come out."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from via_jax import skeletons
from via_jax.data.clip import Clip, check_clip
from via_jax.data.prepare import to_layout
from via_jax.data.transforms import bones_of, measure, scale_bones, to_frame, turn
from via_jax.data.views import Views
from via_jax.evaluation.codes import Coded, decode_onto, encode_clip, model_input, parts_of
from via_jax.skeletons import Layout
from via_jax.typing import Tree


def retarget(
    variables: Tree, meta: dict, driving: Clip, source: Clip, *, fit_bones: bool = True
) -> Clip:
    """As `generate`, in the source's joint layout."""
    return in_layout_of(generate(variables, meta, driving, source, fit_bones=fit_bones), source)


def in_layout_of(made: Clip, source: Clip) -> Clip:
    """A generated clip in the layout of its source; joints that the model lacks are not valid.

    Raises:
      ValueError: no joint is left.
    """
    return check_clip(laid_out(made, source))


def laid_out(made: Clip, source: Clip) -> Clip:
    """As `in_layout_of`, where a part of a recording may have no joint left.

    UNIK-17's nose is a point between head and neck, not the nose that a detector finds.
    """
    result = to_layout(made, source.layout)
    if made.layout == "unik17" and source.layout != "unik17":
        detected = np.array([name != "nose" for name in skeletons.get_layout(source.layout).joints])
        valid = result.valid & detected
        result = dataclasses.replace(
            result, valid=valid, poses=np.where(valid[..., None], result.poses, 0)
        )
    return result


def generate(
    variables: Tree, meta: dict, driving: Clip, source: Clip, *, fit_bones: bool = True
) -> Clip:
    """The source's character making the driver's motion: decode(r_m of driver + r_c of source).

    The most moving person of each clip is taken. Both clips are seen through windows of the
    training's length, see `sliding`; one character is the mean over the source's windows. The
    result lies in the model's layout and the source's units; joints that either clip lacks are not
    valid. The root's path is the decoded one within a window and the driver's way from window to
    window, in the size of the source, around the middle of the source's own path. A 3D recording
    is seen by a 2D model along its z axis. What a 3D model makes has y up.

    Args:
      variables, meta: of a pre-trained autoencoder, from `checkpoints.load_model`.
      driving: whose motion; gives the number of frames and the frame rate.
      source: whose body and camera.
      fit_bones: scale each bone by one factor for the whole clip, so that the 95th percentile of
        its length is the source's; False returns what the decoder wrote.

    Raises:
      ValueError: a clip that `check_clip` refuses, a 2D clip for a 3D model, or a body of which no
        joint is known to the model.
    """
    _, _, views = parts_of(meta)
    driver, body = (encode_clip(variables, meta, clip) for clip in (driving, source))
    made = decode_onto(variables, meta, driver, body.windows.character.mean(axis=0))
    poses = placed_as(made, body)
    if fit_bones:
        scale = bone_scale(poses, body.poses, body.valid, views.layout)
        poses = np.asarray(scale_bones(poses, scale, views.layout))
    valid = np.broadcast_to(driver.known & body.known, poses.shape[:2])
    return check_clip(made_clip(poses, valid, driving, source, views))


def placed_as(made: np.ndarray, body: Coded) -> np.ndarray:
    """Decoded poses [time, joints, coords] in the units, in the place and facing of a source."""
    poses = made * body.stood.scale.mean() + body.stood.centre.mean(axis=0)
    return poses if body.angle is None else np.asarray(turn(poses, body.angle))


def made_clip(
    poses: np.ndarray, valid: np.ndarray, driving: Clip, source: Clip, views: Views
) -> Clip:
    """Poses [time, joints, coords] in the model's layout as a clip, with what is known about it."""
    return dataclasses.replace(
        source,
        poses=np.where(valid[..., None], poses, 0)[None].astype(np.float32),
        valid=valid[None].copy(),
        layout=views.layout.name,
        name=f"{driving.name}-on-{source.name}",
        label=driving.label,
        frame_rate=driving.frame_rate,
        y_up=source.y_up if source.poses.shape[-1] == 2 else views.coords == 3,
        split=None,
    )


def bone_lengths(poses: np.ndarray, valid: np.ndarray, layout: Layout) -> np.ndarray:
    """Length of the bone that ends in each joint, [time, joints]; NaN where an end is not valid."""
    lengths = np.linalg.norm(np.asarray(bones_of(poses, layout)), axis=-1)
    parents = np.asarray(layout.parents)
    both = valid & valid[:, parents] & (parents >= 0)
    return np.where(both, lengths, np.nan)


def percentile_length(poses: np.ndarray, valid: np.ndarray, layout: Layout) -> np.ndarray:
    """95th percentile over time of each bone's length, [joints]; NaN where it was never seen."""
    lengths = bone_lengths(poses, valid, layout)
    seen = ~np.isnan(lengths).all(axis=0)
    result = np.full(lengths.shape[1], np.nan)
    result[seen] = np.nanpercentile(lengths[:, seen], 95, axis=0)
    return result


def bone_scale(
    poses: np.ndarray, source: np.ndarray, source_valid: np.ndarray, layout: Layout
) -> np.ndarray:
    """Factor on each bone that gives it the source's 95th percentile, [joints]; 1 where unknown."""
    everywhere = np.ones(poses.shape[:2], bool)
    ours = percentile_length(poses, everywhere, layout)
    theirs = percentile_length(source, source_valid, layout)
    scale = theirs / np.maximum(ours, 1e-9)
    return np.where(np.isfinite(scale), scale, 1.0).astype(np.float32)


def joint_angles(poses: np.ndarray, layout: Layout) -> np.ndarray:
    """Angle in [0, pi] between the bones that meet in a joint, [time, angles].

    Without a sign, so that a knee bends alike whichever side the camera sees.
    """
    bones = np.asarray(bones_of(poses, layout))
    angles = []
    for joint, parent in enumerate(layout.parents):
        if parent < 0 or layout.parents[parent] < 0:
            continue
        first, second = bones[:, parent], bones[:, joint]
        size = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
        cosine = (first * second).sum(axis=-1) / np.maximum(size, 1e-9)
        angles.append(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return np.stack(angles, axis=1)


def angle_correlation(
    poses: np.ndarray, driver: np.ndarray, layout: Layout, known: np.ndarray | None = None
) -> float:
    """Mean over joint angles of the correlation over time with the driver's, in [-1, 1].

    poses, driver: [time, joints, coords] of one length. Angles that hardly move in the driver
    (below 2 degrees of standard deviation) have no motion to follow and are left out, and those
    between bones of which an end is not known; known: bool [joints], None for all.
    """
    ours, theirs = joint_angles(poses, layout), joint_angles(driver, layout)
    moving = theirs.std(axis=0) > np.deg2rad(2.0)
    if known is not None:
        triples = [
            known[joint] and known[parent] and known[layout.parents[parent]]
            for joint, parent in enumerate(layout.parents)
            if parent >= 0 and layout.parents[parent] >= 0
        ]
        moving &= np.asarray(triples)
    if not moving.any():
        return float("nan")
    ours = ours[:, moving] - ours[:, moving].mean(axis=0)
    theirs = theirs[:, moving] - theirs[:, moving].mean(axis=0)
    # An angle that stands still follows nothing; its rounding noise must not count.
    spread = np.maximum(ours.std(axis=0), 1e-3) * theirs.std(axis=0)
    return float(((ours * theirs).mean(axis=0) / spread).mean())


def judge(result: Clip, driving: Clip, source: Clip, layout_name: str) -> dict[str, float]:
    """Numbers on a retargeted clip that need no ground truth, measured in the model's layout.

    Returns:
      "bone_error": largest over bones of |95th percentile length / the source's - 1|, in percent;
      "bone_error_median": the median over bones; "angle_correlation": with the driver;
      "angle_correlation_of_source": of the copied source, repeated to the driver's length. NaN
      where there is nothing to measure.
    """
    layout = skeletons.get_layout(layout_name)
    coords = result.poses.shape[-1]
    ours, known, valid = model_input(result, layout, coords)
    looks, looks_known, looks_seen = model_input(source, layout, coords)
    moves, moves_known, _ = model_input(driving, layout, coords)
    known = known & looks_known & moves_known
    ratio = percentile_length(ours, valid, layout) / percentile_length(looks, looks_seen, layout)
    error = 100.0 * np.abs(ratio[np.isfinite(ratio)] - 1.0)
    error = error if error.size else np.array([np.nan])  # no bone is known to both
    copied = looks[np.arange(len(moves)) % len(looks)]
    return {
        "bone_error": float(error.max()),
        "bone_error_median": float(np.median(error)),
        "angle_correlation": angle_correlation(ours, moves, layout, known),
        "angle_correlation_of_source": angle_correlation(copied, moves, layout, known),
    }


def errors(result: Clip, truth: Clip, driving: Clip, source: Clip) -> dict[str, float]:
    """Distance from the true retargeted sequence, beside that of copying the driver or the source.

    Mean squared joint error of the first person, each clip centred and scaled for itself, so that
    a body's joints lie about 1 from its hips; all clips in one layout, the source is repeated.
    """
    layout = skeletons.get_layout(truth.layout)

    def placed(clip: Clip) -> np.ndarray:
        rows = np.arange(truth.num_frames) % clip.num_frames
        poses, known = clip.poses[0, rows], clip.valid[0].any(axis=0)
        return np.asarray(to_frame(poses, known, measure(poses, known, layout.hips)))

    wanted = placed(truth)
    return {
        f"{name}_error": float(np.square(placed(clip) - wanted).mean())
        for name, clip in (
            ("retargeting", result),
            ("copied_driver", driving),
            ("copied_source", source),
        )
    }


def write_json(path: str | Path, clip: Clip) -> None:
    """Writes a clip as JSON: joint names, units, frame rate, and per frame [x, y(, z), valid]."""
    rows = np.concatenate([clip.poses[0], clip.valid[0][..., None]], axis=-1)
    content = {
        "name": clip.name,
        "layout": clip.layout,
        "joints": list(skeletons.get_layout(clip.layout).joints),
        "units": clip.units,
        "y_up": clip.y_up,
        "frame_rate": clip.frame_rate,
        "frames": [[[round(float(v), 5) for v in joint] for joint in frame] for frame in rows],
    }
    Path(path).write_text(json.dumps(content) + "\n")
