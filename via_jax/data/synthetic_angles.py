"""What the synthetic actions are written in: joint angles, random choices and curves over time.

All angles are in degrees, 0 everywhere is a person who stands upright with hanging arms.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Values = np.ndarray | float  # [clips, time], [clips, 1], or one number for all clips and frames


class Turn(NamedTuple):
    """How a part of the trunk is turned against the part below it."""

    pitch: Values = 0.0  # forwards
    yaw: Values = 0.0  # to the left
    roll: Values = 0.0  # sidewards, to the left


class Limb(NamedTuple):
    """An arm against the chest, or a leg against the vertical and the heading."""

    flex: Values = 0.0  # forwards
    abduct: Values = 0.0  # sidewards, away from the body
    twist: Values = 0.0  # around its own upper half: a bent forearm goes inwards
    bend: Values = 0.0  # elbow or knee, 0 is straight


class Angles(NamedTuple):
    """Joint angles of all clips of one action.

    Attributes:
      pelvis, spine, neck: turns of pelvis (against the heading), chest (against it) and head.
      left_arm, right_arm: the arms; None where the action leaves it free.
      left_leg, right_leg: the legs; they do not follow pitch and roll of the pelvis.
      lift: height of the lower ankle above the floor, in leg lengths.
    """

    pelvis: Turn = Turn()
    spine: Turn = Turn()
    neck: Turn = Turn()
    left_arm: Limb | None = None
    right_arm: Limb | None = None
    left_leg: Limb = Limb(bend=3.0)
    right_leg: Limb = Limb(bend=3.0)
    lift: Values = 0.0


class Draw:
    """Random choices of `count` clips, each of shape [clips, 1]."""

    def __init__(self, rng: np.random.Generator, count: int):
        self.rng = rng
        self.count = count

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Uniform numbers in [low, high)."""
        return self.rng.uniform(low, high, (self.count, 1))

    def coin(self, probability: float = 0.5) -> np.ndarray:
        """1.0 with this probability, else 0.0."""
        return (self.rng.random((self.count, 1)) < probability).astype(float)

    def resting_arm(self) -> Limb:
        """An arm that holds one of seven poses, the same in all actions that leave it free."""
        poses = np.array(
            [
                # flex, abduct, twist, bend
                (0, 8, 0, 12),  # hanging
                (-25, 42, 62, 88),  # hand on the hip
                (25, 8, 62, 95),  # forearm across the belly
                (40, 18, 25, 125),  # fist before the shoulder
                (0, 80, -75, 85),  # hand beside the head
                (10, 160, 0, 20),  # up
                (75, 10, 0, 15),  # forwards
            ],
            float,
        )
        chosen = poses[
            self.rng.choice(len(poses), self.count, p=[0.3, 0.15, 0.1, 0.15, 0.1, 0.1, 0.1])
        ]
        chosen = chosen + self.rng.uniform(-10, 10, chosen.shape)
        return Limb(*(chosen[:, i, None] for i in range(4)))


def blend(first: Limb, second: Limb, weight: Values) -> Limb:
    """The first limb where weight is 0, the second where it is 1, linear between."""
    return Limb(*(a + (b - a) * weight for a, b in zip(first, second)))


def sine(turns: Values) -> np.ndarray:
    """Sine of a number of turns, in [-1, 1]."""
    return np.sin(2 * np.pi * np.asarray(turns))


def rise(turns: Values) -> np.ndarray:
    """0 at whole turns, 1 halfway between them, smooth."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.asarray(turns))


def path(turns: Values, keys: Sequence[tuple[float, Values]]) -> np.ndarray:
    """Smooth periodic way through keys (turn in [0, 1), value), at rest at each of them."""
    position = np.asarray(turns) % 1.0
    result = np.zeros(position.shape)
    starts = [turn for turn, _ in keys]
    ends = [*starts[1:], starts[0] + 1.0]
    for i, (start, end) in enumerate(zip(starts, ends)):
        share = ((position - start) % 1.0) / (end - start)
        ease = share * share * (3 - 2 * share)
        value, following = keys[i][1], keys[(i + 1) % len(keys)][1]
        result = np.where((share >= 0) & (share < 1), value + (following - value) * ease, result)
    return result


def swing_or_rest(draw: Draw, swings: Sequence[Limb], rest: float = 0.5) -> tuple[Limb, Limb]:
    """(left, right) arms that swing as given or, with the probability `rest`, hold a pose."""
    still = draw.coin(rest)
    left, right = (blend(swing, draw.resting_arm(), still) for swing in swings)
    return left, right


def squatting(depth: Values) -> Limb:
    """A leg that lets the hips sink, a little behind the foot; depth is the thigh's angle."""
    return Limb(flex=depth, abduct=6.0, bend=1.5 * np.asarray(depth) + 2.0)


def perturb(angles: Angles, draw: Draw, seconds: np.ndarray, posture: float, sway: float) -> Angles:
    """All angles with a random constant and a slow change added (half as much, except for arms).

    seconds: [time]. posture: standard deviation of the constants, sway: size of the slow changes,
    both in degrees. Free arms get a resting pose. Knees and elbows never bend the wrong way.
    """

    def change() -> np.ndarray:
        slow = np.sin(2 * np.pi * (draw.uniform(0.1, 0.6) * seconds + draw.uniform(0, 1)))
        offset = posture * draw.rng.standard_normal((draw.count, 1))
        return offset + sway * draw.uniform(-1, 1) * slow

    def trunk(turn: Turn) -> Turn:
        return Turn(*(angle + 0.5 * change() for angle in turn))

    def limb(part: Limb, size: float) -> Limb:
        flex, abduct, twist, bend = (angle + size * change() for angle in part)
        return Limb(flex, abduct, twist, np.maximum(bend, 0.0))

    def arm(part: Limb | None) -> Limb:
        return limb(draw.resting_arm() if part is None else part, 1.0)

    return Angles(
        pelvis=trunk(angles.pelvis),
        spine=trunk(angles.spine),
        neck=trunk(angles.neck),
        left_arm=arm(angles.left_arm),
        right_arm=arm(angles.right_arm),
        left_leg=limb(angles.left_leg, 0.5),
        right_leg=limb(angles.right_leg, 0.5),
        lift=angles.lift,
    )


def bone_frames(angles: Angles, heading: np.ndarray) -> dict[str, np.ndarray]:
    """Rotation [clips, time, 3, 3] of the bone that ends in each joint, from upright to turned.

    angles: both arms given, every angle broadcasts to the shape of `heading` [clips, time], which
    is in degrees to the left of +z.
    """
    ground = _rotation(0.0, heading, 0.0)
    pelvis = ground @ _of_turn(angles.pelvis)
    chest = pelvis @ _of_turn(angles.spine)
    head = chest @ _of_turn(angles.neck)
    frames = {
        "chest": pelvis @ _of_turn(Turn(*(0.5 * angle for angle in angles.spine))),
        "neck": chest,
        "nose": head,
        "head": head,
    }
    for side, arm, leg, outwards in (
        ("left", angles.left_arm, angles.left_leg, 1.0),
        ("right", angles.right_arm, angles.right_leg, -1.0),
    ):
        if arm is None:
            raise ValueError(
                f"the {side} arm is left free; let `perturb` choose a pose for it first"
            )
        upper_arm = chest @ _rotation(-arm.flex, -outwards * arm.twist, outwards * arm.abduct)
        thigh = ground @ _rotation(-leg.flex, -outwards * leg.twist, outwards * leg.abduct)
        frames |= {
            f"{side}_shoulder": chest,
            f"{side}_elbow": upper_arm,
            f"{side}_wrist": upper_arm @ _rotation(-arm.bend, 0.0, 0.0),
            f"{side}_hip": pelvis,
            f"{side}_knee": thigh,
            f"{side}_ankle": thigh @ _rotation(leg.bend, 0.0, 0.0),
        }
    return frames


def _of_turn(turn: Turn) -> np.ndarray:
    return _rotation(turn.pitch, turn.yaw, -turn.roll)


def _rotation(x: Values, y: Values, z: Values) -> np.ndarray:
    """Turn by y around the vertical, then swing around the horizontal axis (x, 0, z); degrees.

    The swing has no singular direction (Rodrigues' formula with the axis in the horizontal plane).
    """
    x, y, z = np.broadcast_arrays(*(np.deg2rad(angle) for angle in (x, y, z)))
    angle = np.hypot(x, z)
    a, c = (part / np.where(angle == 0, 1.0, angle) for part in (x, z))
    cos, sin, rest = np.cos(angle), np.sin(angle), 1 - np.cos(angle)
    swing = [
        [cos + rest * a * a, -sin * c, rest * a * c],
        [sin * c, cos, -sin * a],
        [rest * a * c, sin * a, cos + rest * c * c],
    ]
    cos, sin, zero, one = np.cos(y), np.sin(y), np.zeros_like(y), np.ones_like(y)
    twist = [[cos, zero, sin], [zero, one, zero], [-sin, zero, cos]]
    return _matrices(swing) @ _matrices(twist)


def _matrices(rows: list[list[np.ndarray]]) -> np.ndarray:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
