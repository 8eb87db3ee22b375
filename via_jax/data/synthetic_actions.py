"""Sixteen actions of a jointed body: each says how the joint angles change over time.

An action is a function (turns, draw) -> Angles. `turns` [clips, time] counts repetitions of the
action (1.25: a quarter into the second one); `draw` gives the random choices of each clip. What is
done with one hand or foot is written for the right side; the caller mirrors half of the clips.
"""

from collections.abc import Callable

import numpy as np

from via_jax.data.synthetic_angles import (
    Angles,
    Draw,
    Limb,
    Turn,
    Values,
    blend,
    path,
    rise,
    sine,
    squatting,
    swing_or_rest,
)


def _gait(
    turns: np.ndarray,
    draw: Draw,
    *,
    stride: tuple[float, float],
    knee: tuple[float, float],
    lean: float,
    arm: tuple[float, float],
    elbow: tuple[float, float],
    mean: float,
    cushion: float,
) -> Angles:
    """Walking or running: legs and arms swing against each other, the knee bends in the air."""
    step, lift, reach = draw.uniform(*stride), draw.uniform(*knee), draw.uniform(*arm)
    bent, twist = draw.uniform(*elbow), draw.uniform(0, 10)

    def leg(turns: np.ndarray) -> Limb:
        forwards = np.maximum(np.cos(2 * np.pi * turns + 0.4), 0)  # while the thigh comes forwards
        flex = mean + step * sine(turns)
        return Limb(flex, 1.0, 0.0, 8 + lift * forwards**3 + cushion * np.maximum(flex, 0))

    def swing(turns: np.ndarray) -> Limb:
        ahead = reach * sine(turns)
        return Limb(flex=ahead - 3, abduct=8, twist=15, bend=bent + 0.4 * ahead)

    left_arm, right_arm = swing_or_rest(draw, (swing(turns), swing(turns + 0.5)))
    return Angles(
        pelvis=Turn(pitch=lean, yaw=twist * sine(turns)),
        spine=Turn(pitch=lean, yaw=-1.8 * twist * sine(turns)),
        neck=Turn(pitch=-lean),
        left_arm=left_arm,
        right_arm=right_arm,
        left_leg=leg(turns + 0.5),
        right_leg=leg(turns),
    )


def walk(turns: np.ndarray, draw: Draw) -> Angles:
    """Walks forwards."""
    return _gait(
        turns,
        draw,
        stride=(13, 25),
        knee=(35, 60),
        lean=2.0,
        arm=(5, 35),
        elbow=(10, 60),
        mean=4.0,
        cushion=0.1,
    )


def run(turns: np.ndarray, draw: Draw) -> Angles:
    """Runs: longer strides, both feet in the air twice per stride."""
    angles = _gait(
        turns,
        draw,
        stride=(20, 34),
        knee=(65, 105),
        lean=6.0,
        arm=(20, 45),
        elbow=(60, 110),
        mean=11.0,
        cushion=0.7,  # the knee gives as the foot comes down ahead
    )
    return angles._replace(lift=draw.uniform(0.05, 0.18) * sine(turns + 0.03) ** 2)


def march(turns: np.ndarray, draw: Draw) -> Angles:
    """Lifts the knees in turn, on the spot."""
    height = draw.uniform(35, 95)
    arm = draw.uniform(10, 60)

    def leg(turns):
        up = path(turns, [(0.0, 0.0), (0.25, 1.0), (0.5, 0.0)])
        return Limb(flex=height * up, bend=3 + 1.1 * height * up)

    def swing(turns):
        return Limb(flex=arm * sine(turns), abduct=8, twist=15, bend=30 + 0.6 * arm)

    left_arm, right_arm = swing_or_rest(draw, (swing(turns), swing(turns + 0.5)))
    return Angles(
        spine=Turn(roll=3 * sine(turns)),
        left_arm=left_arm,
        right_arm=right_arm,
        left_leg=leg(turns + 0.5),
        right_leg=leg(turns),
    )


def jump(turns: np.ndarray, draw: Draw) -> Angles:
    """Crouches, jumps with both feet, lands."""
    depth = draw.uniform(25, 60)
    crouch = path(turns, [(0.0, 0.1), (0.3, 1.0), (0.5, 0.0), (0.7, 0.15), (0.85, 0.5)])
    flight = np.clip((turns % 1.0 - 0.48) / 0.27, 0, 1)
    arm = draw.uniform(30, 130)
    ahead = path(turns, [(0.0, 0.0), (0.28, -0.35), (0.6, 1.0)])
    swing = Limb(flex=arm * ahead, abduct=10, bend=15 + draw.uniform(0, 30))
    left_arm, right_arm = swing_or_rest(draw, (swing, swing), rest=0.4)
    return Angles(
        pelvis=Turn(pitch=0.45 * depth * crouch),
        spine=Turn(pitch=0.3 * depth * crouch),
        neck=Turn(pitch=-0.4 * depth * crouch),
        left_arm=left_arm,
        right_arm=right_arm,
        left_leg=squatting(depth * crouch),
        right_leg=squatting(depth * crouch),
        lift=draw.uniform(0.12, 0.4) * 4 * flight * (1 - flight),
    )


def jumping_jacks(turns: np.ndarray, draw: Draw) -> Angles:
    """Legs apart and together, arms sidewards up and down, hopping."""
    apart = rise(turns)
    low, high = draw.uniform(5, 30), draw.uniform(95, 170)
    arm = Limb(
        abduct=low + (high - low) * apart, flex=draw.uniform(0, 20), bend=draw.uniform(5, 40)
    )
    legs = Limb(abduct=2 + draw.uniform(15, 32) * apart, bend=5 + 12 * rise(2 * turns + 0.5))
    return Angles(
        left_arm=arm,
        right_arm=arm,
        left_leg=legs._replace(flex=0.5 * legs.bend),
        right_leg=legs._replace(flex=0.5 * legs.bend),
        lift=draw.uniform(0.02, 0.08) * rise(2 * turns),
    )


def squat(turns: np.ndarray, draw: Draw) -> Angles:
    """Sinks with bent knees and rises; the arms come forwards or rest."""
    depth = draw.uniform(45, 90) * rise(turns)
    lean = draw.uniform(0.15, 0.4)
    ahead = Limb(flex=10 + draw.uniform(40, 85) * rise(turns), abduct=8, bend=draw.uniform(5, 40))
    left_arm, right_arm = swing_or_rest(draw, (ahead, ahead))
    leg = squatting(depth)._replace(abduct=6 + draw.uniform(0, 0.3) * depth)
    return Angles(
        pelvis=Turn(pitch=lean * depth),
        spine=Turn(pitch=0.7 * lean * depth),
        neck=Turn(pitch=-lean * depth),
        left_arm=left_arm,
        right_arm=right_arm,
        left_leg=leg,
        right_leg=leg,
    )


def wave(turns: np.ndarray, draw: Draw) -> Angles:
    """Hand beside or above the head, swinging sidewards."""
    swing = draw.uniform(15, 40) * sine(turns)
    hand = Limb(
        flex=draw.uniform(-5, 25),
        abduct=draw.uniform(50, 125) + 0.2 * swing,
        twist=draw.uniform(-95, -65),
        bend=draw.uniform(55, 95) + swing,
    )
    return Angles(spine=Turn(roll=0.1 * swing), right_arm=hand)


def clap(turns: np.ndarray, draw: Draw) -> Angles:
    """Hands together before the chest or the face, and apart."""
    apart = rise(turns)
    lifted = draw.uniform(15, 70)
    arm = Limb(
        flex=lifted,
        abduct=5 + 0.3 * draw.uniform(15, 45) * apart,
        twist=60 - draw.uniform(35, 75) * apart,
        bend=100 - 0.5 * lifted + draw.uniform(-10, 10),
    )
    return Angles(left_arm=arm, right_arm=arm)


def punch(turns: np.ndarray, draw: Draw) -> Angles:
    """From the guard straight forwards: one fist, or both in turn."""
    both = draw.coin(0.4)
    reach, turn, height = draw.uniform(0.65, 1.0), draw.uniform(5, 35), draw.uniform(65, 100)
    keys: list[tuple[float, Values]] = [(0.0, 0.0), (0.18, 1.0), (0.45, 0.0)]
    guard = Limb(draw.uniform(15, 45), 15.0, 25.0, draw.uniform(105, 130))
    straight = Limb(height, 0.0, 10.0, 5.0)
    right, left = path(turns, keys), both * path(turns + 0.5, keys)
    idle = blend(draw.resting_arm(), guard, np.maximum(both, draw.coin()))
    return Angles(
        pelvis=Turn(yaw=0.3 * turn * (right - left)),
        spine=Turn(yaw=0.7 * turn * (right - left), pitch=5.0),
        right_arm=blend(guard, straight, reach * right),
        left_arm=blend(idle, straight, reach * left),
        left_leg=Limb(flex=draw.uniform(5, 20), bend=12.0),
        right_leg=Limb(flex=draw.uniform(-12, 5), bend=12.0),
    )


def kick(turns: np.ndarray, draw: Draw) -> Angles:
    """Lifts the bent leg, stretches it forwards, takes it back."""
    height, pull = draw.uniform(45, 100), draw.uniform(50, 95)
    up = path(turns, [(0.0, 0.0), (0.22, 0.75), (0.36, 1.0), (0.52, 0.7), (0.75, 0.0)])
    knee = path(turns, [(0.0, 0.0), (0.2, 1.0), (0.36, 0.05), (0.52, 0.8), (0.75, 0.0)])
    return Angles(
        pelvis=Turn(pitch=-8 * up, yaw=8 * up),
        spine=Turn(pitch=-4 * up),
        neck=Turn(pitch=10 * up),
        right_leg=Limb(flex=height * up, abduct=2 + draw.uniform(0, 20) * up, bend=3 + pull * knee),
        left_leg=Limb(flex=3.0, bend=8.0),
    )


def bow(turns: np.ndarray, draw: Draw) -> Angles:
    """Bends forwards from the hips and comes up."""
    down = draw.uniform(30, 85) * path(turns, [(0.0, 0.0), (0.4, 1.0), (0.55, 1.0), (0.95, 0.0)])
    arm = Limb(flex=draw.uniform(0, 0.8) * down, abduct=8, bend=draw.uniform(5, 30))
    left_arm, right_arm = swing_or_rest(draw, (arm, arm))
    leg = Limb(flex=0.15 * down, bend=4.0)  # the hips go back, the feet stay
    return Angles(
        pelvis=Turn(pitch=0.65 * down),
        spine=Turn(pitch=0.45 * down),
        neck=Turn(pitch=draw.uniform(-0.3, 0.3) * down),
        left_arm=left_arm,
        right_arm=right_arm,
        left_leg=leg,
        right_leg=leg,
    )


def throw(turns: np.ndarray, draw: Draw) -> Angles:
    """Overarm: the hand goes back beside the head, then forwards and down."""
    back = path(turns, [(0.0, 0.0), (0.38, 1.0), (0.58, 0.0), (0.75, 0.0)])
    ahead = path(turns, [(0.0, 0.0), (0.38, 0.0), (0.58, 1.0), (0.9, 0.0)])
    twist, wide = draw.uniform(10, 40), draw.uniform(70, 110)
    rest = Limb(5.0, 10.0, 10.0, draw.uniform(15, 90))
    wound = Limb(-10.0, wide, -80.0, draw.uniform(80, 115))
    released = Limb(draw.uniform(45, 95), -5.0, 15.0, 12.0)
    return Angles(
        pelvis=Turn(yaw=0.3 * twist * (ahead - back)),
        spine=Turn(yaw=0.8 * twist * (ahead - back), pitch=18 * ahead - 6 * back),
        neck=Turn(yaw=-0.8 * twist * (ahead - back)),
        right_arm=blend(blend(rest, wound, back), released, ahead),
        left_leg=Limb(flex=draw.uniform(5, 25), bend=8.0),
        right_leg=Limb(flex=draw.uniform(-15, 0), bend=5.0),
    )


def arm_circles(turns: np.ndarray, draw: Draw) -> Angles:
    """One or both stretched arms circle beside the body."""
    wide, high = draw.uniform(25, 60), draw.uniform(25, 60)
    circle = Limb(
        flex=10 + wide * sine(turns),
        abduct=draw.uniform(70, 110) + high * sine(turns + 0.25),
        bend=draw.uniform(5, 35),
    )
    return Angles(right_arm=circle, left_arm=blend(circle, draw.resting_arm(), draw.coin()))


def side_bend(turns: np.ndarray, draw: Draw) -> Angles:
    """Bends the trunk to one side, or to both sides in turn."""
    one_side = draw.coin()
    bend = draw.uniform(18, 38) * (sine(turns) * (1 - one_side) + rise(turns) * one_side)
    leg = Limb(abduct=draw.uniform(3, 18), bend=3.0)
    return Angles(
        pelvis=Turn(roll=0.25 * bend),
        spine=Turn(roll=bend),
        neck=Turn(roll=0.3 * bend),
        left_leg=leg,
        right_leg=leg,
    )


def turn_trunk(turns: np.ndarray, draw: Draw) -> Angles:
    """Twists the trunk to the left and to the right."""
    twist = draw.uniform(20, 50) * sine(turns)
    leg = Limb(abduct=draw.uniform(3, 18), bend=5.0)
    return Angles(
        pelvis=Turn(yaw=0.35 * twist),
        spine=Turn(yaw=0.8 * twist),
        neck=Turn(yaw=draw.uniform(-0.4, 0.6) * twist),
        left_leg=leg,
        right_leg=leg,
    )


def stretch(turns: np.ndarray, draw: Draw) -> Angles:
    """One or both arms go up, forwards or sidewards, and come down; nothing else moves."""
    up, sidewards = draw.uniform(90, 170) * rise(turns), draw.coin()
    arm = Limb(flex=up * (1 - sidewards), abduct=8 + up * sidewards, bend=draw.uniform(5, 40))
    return Angles(
        spine=Turn(pitch=-0.05 * up),
        right_arm=arm,
        left_arm=blend(arm, draw.resting_arm(), draw.coin(0.35)),
    )


# Name -> (function, slowest and fastest pace in repetitions per second).
ACTIONS: dict[str, tuple[Callable[[np.ndarray, Draw], Angles], tuple[float, float]]] = {
    "walk": (walk, (0.6, 1.1)),
    "run": (run, (1.0, 1.5)),
    "march": (march, (0.5, 1.2)),
    "jump": (jump, (0.6, 1.0)),
    "jumping_jacks": (jumping_jacks, (0.6, 1.3)),
    "squat": (squat, (0.35, 0.8)),
    "wave": (wave, (0.8, 2.0)),
    "clap": (clap, (0.8, 2.2)),
    "punch": (punch, (0.6, 1.3)),
    "kick": (kick, (0.5, 1.0)),
    "bow": (bow, (0.35, 0.8)),
    "throw": (throw, (0.5, 1.0)),
    "arm_circles": (arm_circles, (0.5, 1.4)),
    "side_bend": (side_bend, (0.35, 0.9)),
    "turn_trunk": (turn_trunk, (0.4, 1.2)),
    "stretch": (stretch, (0.35, 0.9)),
}
