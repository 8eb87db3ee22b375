"""Synthetic recordings: random motions, the faults of a pose estimator, labelled data sets.

Bodies, and bodies that perform motions: `synthetic_bodies`. What happens in each action:
`synthetic_actions`. Seen by a camera: `cameras.project`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from via_jax.data.clip import Clip, check_clip
from via_jax.data.synthetic_actions import ACTIONS
from via_jax.data.synthetic_angles import Draw, bone_frames, perturb
from via_jax.data.synthetic_bodies import (
    LAYOUT,
    Motions,
    bone_directions,
    mirror,
    perform,
    random_bodies,
)


def random_motions(
    rng: np.random.Generator,
    action: str,
    count: int,
    *,
    num_frames: int,
    frame_rate: float = 30.0,
    tempo: tuple[float, float] = (0.75, 1.3),
    heading: float = 20.0,
    posture: float = 5.0,
    sway: float = 3.0,
) -> Motions:
    """Draws motions of one action, [count, time, ...]; half of them are mirrored left to right.

    Args:
      rng: source of randomness.
      action: one of `synthetic_actions.ACTIONS`.
      count: number of motions, at least 1.
      num_frames: length of each, at least 1.
      frame_rate: frames per second.
      tempo: range of a factor on the pace of the action, above 0.
      heading: degrees, at least 0; a motion faces +z turned by up to this angle, and turns on by up
        to this angle per second.
      posture: degrees, at least 0; standard deviation of constant offsets of all joint angles.
      sway: degrees, at least 0; size of slow changes of all joint angles.

    Raises:
      ValueError: an unknown action, or a setting outside its range.
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}; expected one of {', '.join(ACTIONS)}")
    if count < 1 or num_frames < 1:
        raise ValueError(f"count={count}, num_frames={num_frames}; both must be at least 1")
    if not (0 < tempo[0] <= tempo[1] and frame_rate > 0):
        raise ValueError(
            f"tempo={tempo}, frame_rate={frame_rate}; expected 0 < lowest <= highest tempo and a"
            " positive frame rate"
        )
    if min(heading, posture, sway) < 0:
        raise ValueError(
            f"heading={heading}, posture={posture}, sway={sway} degrees must not be negative"
        )
    draw = Draw(rng, count)
    move, (slowest, fastest) = ACTIONS[action]
    seconds = np.arange(num_frames) / frame_rate
    pace = draw.uniform(slowest, fastest) * draw.uniform(*tempo)
    # A pace that changes a little within each repetition, yet never goes backwards.
    turns = pace * seconds + draw.uniform(0, 1)
    turns = turns + 0.05 * np.sin(2 * np.pi * (turns + draw.uniform(0, 1)))
    angles = perturb(move(turns, draw), draw, seconds, posture, sway)
    course = draw.uniform(-heading, heading) + draw.uniform(-heading, heading) * seconds
    motions = Motions(
        action,
        directions=bone_directions(bone_frames(angles, course)),
        lift=np.broadcast_to(angles.lift, turns.shape).astype(np.float32),
    )
    mirrored = draw.coin()[:, :, None, None] == 1
    directions = np.where(mirrored, mirror(motions).directions, motions.directions)
    return dataclasses.replace(motions, directions=directions)


def corrupt(
    poses: np.ndarray,
    rng: np.random.Generator,
    *,
    noise: float = 0.0,
    missing: float = 0.0,
    stretch: float = 8.0,
) -> tuple[np.ndarray, np.ndarray]:
    """(poses, valid) as a pose estimator would see them: joints shake and go missing for a while.

    Args:
      poses: [..., time, joints, coords] in any unit.
      rng: source of randomness.
      noise: standard deviation of Gaussian noise on every coordinate, in the unit of the poses.
      missing: expected share of joints that are missing, in [0, 0.5].
      stretch: mean number of frames for which a joint goes missing, at least 1.

    Raises:
      ValueError: a setting outside its range.
    """
    if noise < 0:
        raise ValueError(f"noise={noise} must not be negative")
    if not 0 <= missing <= 0.5:
        raise ValueError(f"missing={missing} must lie in [0, 0.5], the share of missing joints")
    if stretch < 1:
        raise ValueError(f"stretch={stretch} must be at least 1 frame")
    noisy = poses + noise * rng.standard_normal(poses.shape)
    chances = rng.random(poses.shape[:-1])
    valid = np.empty(poses.shape[:-1], bool)
    valid[..., 0, :] = chances[..., 0, :] >= missing
    vanish, stay = missing / (1 - missing) / stretch, 1 - 1 / stretch
    for frame in range(1, poses.shape[-3]):
        threshold = np.where(valid[..., frame - 1, :], vanish, stay)
        valid[..., frame, :] = chances[..., frame, :] >= threshold
    return np.where(valid[..., None], noisy, 0).astype(poses.dtype), valid


def make_clips(
    seed: int,
    *,
    clips_per_class: int,
    test_clips_per_class: int,
    num_frames: int,
    train_characters: int,
    test_characters: int,
    train_spread: float = 1.0,
    test_spread: float = 2.0,
    actions: Sequence[str] = tuple(ACTIONS),
    frame_rate: float = 30.0,
    **motion_settings: Any,
) -> list[Clip]:
    """A labelled data set of 3D clips; the same seed gives the same clips.

    Args:
      seed: at least 0.
      clips_per_class: training clips of each action, each a motion of its own.
      test_clips_per_class: test clips of each action, with motions of their own; may be 0.
      num_frames: length of all clips, at least 2.
      train_characters: number of bodies of the training clips.
      test_characters: number of other bodies, of the test clips.
      train_spread: how much the training bodies differ, see `random_bodies`.
      test_spread: the same of the test bodies.
      actions: classes, by default all.
      frame_rate: frames per second.
      **motion_settings: further arguments of `random_motions`.

    Returns:
      One-person clips, sorted by split, action and number; extra["motion"] names the motion.

    Raises:
      ValueError: a setting outside its range.
    """
    if clips_per_class < 1 or test_clips_per_class < 0:
        raise ValueError(
            f"clips_per_class={clips_per_class}, test_clips_per_class={test_clips_per_class};"
            " expected at least 1 and at least 0"
        )
    if num_frames < 2:
        raise ValueError(f"num_frames={num_frames}; expected at least 2, one pose is not a motion")
    if not actions or len(set(actions)) < len(actions):
        raise ValueError(f"actions={tuple(actions)}; expected at least one, each only once")
    clips = []
    plan = (
        ("train", clips_per_class, train_characters, train_spread),
        ("test", test_clips_per_class, test_characters, test_spread),
    )
    for part, (split, per_class, characters, spread) in enumerate(plan):
        if not per_class:
            continue
        bodies = random_bodies(np.random.default_rng([seed, part]), characters, spread)
        for action in actions:
            # A stream per class: a class keeps its clips when others are left out.
            rng = np.random.default_rng([seed, part, *action.encode()])
            motions = random_motions(
                rng,
                action,
                per_class,
                num_frames=num_frames,
                frame_rate=frame_rate,
                **motion_settings,
            )
            who = rng.integers(characters, size=per_class)
            poses = perform(motions, bodies[who])
            for i in range(per_class):
                name = f"{split}_{action}_{i:04d}"
                clip = Clip(
                    poses=poses[i, None],
                    valid=np.ones((1, *poses.shape[1:3]), bool),
                    layout=LAYOUT,
                    name=name,
                    label=action,
                    subject=f"{split}_{who[i]:03d}",
                    units="metres",
                    y_up=True,
                    frame_rate=frame_rate,
                    split=split,
                    extra={"motion": name},
                )
                clips.append(check_clip(clip))
    return clips
