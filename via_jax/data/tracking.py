"""People over the frames: detections joined to tracks, the main tracks kept, gaps filled.

A detector finds people in every frame anew. `follow` makes persons of them, by the detector's own
track ids where it gives any and by position otherwise, and drops what was seen too shortly.
`fill_gaps` bridges short absences, `split_persons` makes a clip of each person.

NumPy and SciPy alone: the processes that prepare data would start slower and larger with jax.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from via_jax.data.clip import Clip
from via_jax.data.persons import bridge, motion_energy

SHORTEST = 0.1  # a track seen in a smaller share of the frames of the one seen most is dropped
_AHEAD = 10  # frames over which a velocity is trusted


@dataclasses.dataclass
class _Track:
    """One person over the frames: what was seen when, the body's size, its velocity and id."""

    # frame -> ([joints, (x, y, ...)], [joints] bool)
    seen: dict[int, tuple[np.ndarray, np.ndarray]]
    last: int  # the last of these frames
    size: float  # largest diagonal of the box around the joints
    name: int | None  # the detector's id
    velocity: np.ndarray | None = None  # [(x, y)] per frame


def follow(
    frames: Sequence[np.ndarray | None],
    joints: int,
    max_persons: int,
    min_confidence: float = 0.0,
    ids: Sequence[Sequence[int | None]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Follows persons over the frames and keeps the main ones.

    A detection with an id continues the track of that id. The others are assigned by position, all
    of a frame at once so that the sum of the distances is smallest: each known person is expected
    where the last velocity leads (so two who cross keep their tracks), and the distance is the mean
    over the joints valid in both, in units of the body's size, the diagonal of its box. Beyond one
    such unit, or without a common joint, a detection is a new person. Persons seen more lately are
    assigned first, so that a false detection of long ago takes nobody over.

    Tracks seen in fewer than `SHORTEST` times as many frames as the one seen most are dropped. Kept
    first are those seen in at least half as many, ordered by `motion_energy`; then the others.

    Args:
      frames: [people, joints, (x, y, confidence, ...)] per frame, None where nobody is; further
        columns go with their joint and decide nothing.
      joints: number of joints.
      max_persons: at least 1.
      min_confidence: joints at or below it are missing, in [0, 1).
      ids: the detector's id of each of the people per frame, None for one without.

    Returns:
      poses [persons, time, joints, (x, y, ...)] float32, 0 where missing, and valid [persons, time,
      joints]; persons <= max_persons.

    Raises:
      ValueError: max_persons or min_confidence out of range.
    """
    if max_persons < 1:
        raise ValueError(f"max_persons={max_persons}; expected at least 1")
    if not 0 <= min_confidence < 1:
        raise ValueError(f"min_confidence={min_confidence}; expected a number in [0, 1)")
    tracks: list[_Track] = []
    for time, people in enumerate(frames):
        if people is not None and len(people):
            names = ids[time] if ids is not None else [None] * len(people)
            _extend(tracks, time, people, names, min_confidence)
    kept = _main(tracks)[:max_persons]
    columns = next((people.shape[-1] for people in frames if people is not None), 3)
    poses = np.zeros((len(kept), len(frames), joints, columns - 1), np.float32)
    valid = np.zeros((len(kept), len(frames), joints), bool)
    for person, track in enumerate(kept):
        for time, (pose, seen) in track.seen.items():
            poses[person, time] = np.where(seen[:, None], pose, 0.0)
            valid[person, time] = seen
    return poses, valid


def fill_gaps(clip: Clip, max_gap: int = 10) -> Clip:
    """Bridges short absences: a joint missing in at most max_gap frames on end becomes valid.

    It goes straight from its last place to its next. Longer gaps stay missing, and so do the frames
    before the first and after the last sighting.

    Args:
      clip: any clip.
      max_gap: frames, 0 or more; 10 is a third of a second at 30 frames per second.

    Raises:
      ValueError: a negative max_gap.
    """
    if max_gap < 0:
        raise ValueError(f"max_gap={max_gap}; expected 0 or more frames")
    valid = clip.valid
    frames = np.arange(clip.num_frames)[None, :, None]
    never = clip.num_frames + max_gap + 1
    before = np.maximum.accumulate(np.where(valid, frames, -never), axis=1)
    after = np.minimum.accumulate(np.where(valid, frames, 2 * never)[:, ::-1], axis=1)[:, ::-1]
    valid = valid | (after - before - 1 <= max_gap)
    poses, _ = bridge(clip.poses, clip.valid)
    return dataclasses.replace(clip, poses=np.where(valid[..., None], poses, 0), valid=valid)


def split_persons(clip: Clip) -> list[Clip]:
    """One clip for each person seen in it, named <name>_person0, <name>_person1, ..."""
    return [
        dataclasses.replace(
            clip,
            poses=clip.poses[[person]],
            valid=clip.valid[[person]],
            name=f"{clip.name}_person{person}",
        )
        for person in range(clip.num_persons)
        if clip.valid[person].any()
    ]


def _main(tracks: list[_Track]) -> list[_Track]:
    """Returns the tracks that were seen long enough, the main ones first."""
    longest = max((len(track.seen) for track in tracks), default=0)
    rank = {}
    for i, track in enumerate(tracks):
        if len(track.seen) >= SHORTEST * longest:
            poses, valid = (np.stack(part)[None] for part in zip(*track.seen.values()))
            energy = float(motion_energy(poses[..., :2], valid)[0])
            rank[i] = (2 * len(track.seen) < longest, -energy)
    return [tracks[i] for i in sorted(rank, key=rank.__getitem__)]


def _extend(
    tracks: list[_Track],
    time: int,
    people: np.ndarray,
    names: Sequence[int | None],
    min_confidence: float,
) -> None:
    """Adds a frame's detections to the tracks, or as new tracks."""
    places, confidence = people[..., :2], people[..., 2]
    seen = (confidence > min_confidence) & np.isfinite(places).all(-1) & (places != 0).any(-1)
    poses = np.delete(people, 2, axis=-1)
    free = [person for person in range(len(people)) if seen[person].any()]
    by_name = {track.name: track for track in tracks if track.name is not None}
    for person in list(free):
        track = by_name.get(names[person])
        if track is not None and track.last < time:  # an id given twice holds for the first
            _join(track, time, poses[person], seen[person])
            free.remove(person)
    order = sorted(tracks, key=lambda track: -track.last)
    for last, group in itertools.groupby(order, key=lambda track: track.last):
        if not free:
            return
        if last == time:
            continue
        known = list(group)
        cost = _costs(known, time, poses[free, :, :2], seen[free])
        for i, track in enumerate(known):
            for j, person in enumerate(free):
                if track.name is not None and names[person] is not None:
                    cost[i, j] = 1.0  # of another id
        joined = [(i, free[j]) for i, j in zip(*linear_sum_assignment(cost)) if cost[i, j] < 1]
        for i, person in joined:
            known[i].name = known[i].name if names[person] is None else names[person]
            _join(known[i], time, poses[person], seen[person])
            free.remove(person)
    for person in free:
        sighting = (poses[person], seen[person])
        tracks.append(_Track({time: sighting}, time, _size(*sighting), names[person]))


def _costs(known: list[_Track], time: int, places: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns [tracks, people]: the distance in units of the body, 1 where it is another person."""
    last_places = np.stack([track.seen[track.last][0][:, :2] for track in known])
    last_seen = np.stack([track.seen[track.last][1] for track in known])
    shift = np.zeros((len(known), 1, 2))
    for i, track in enumerate(known):
        if track.velocity is not None:
            shift[i] = track.velocity * min(time - track.last, _AHEAD)
    common = last_seen[:, None] & seen[None]  # [tracks, people, joints]
    count = common.sum(axis=-1)

    def distance(expected: np.ndarray) -> np.ndarray:
        apart = np.where(common[..., None], places[None] - expected[:, None], 0.0)
        return np.linalg.norm(apart, axis=-1).sum(axis=-1) / np.maximum(count, 1)

    sizes = np.array([_size(place, mask) for place, mask in zip(places, seen)])
    reach = np.maximum(np.array([track.size for track in known])[:, None], sizes[None])
    ahead = distance(last_places + shift)
    near = (count > 0) & (np.minimum(ahead, distance(last_places)) <= reach)
    return np.where(near, np.minimum(ahead / np.maximum(reach, 1e-9), 0.999), 1.0)


def _join(track: _Track, time: int, pose: np.ndarray, seen: np.ndarray) -> None:
    last_pose, last_seen = track.seen[track.last]
    common = seen & last_seen
    if common.any():
        moved = (pose - last_pose)[common, :2].mean(axis=0) / (time - track.last)
        track.velocity = moved if track.velocity is None else (track.velocity + moved) / 2
    track.seen[time] = (pose, seen)
    track.last = time
    track.size = max(track.size, _size(pose, seen))


def _size(pose: np.ndarray, seen: np.ndarray) -> float:
    """The diagonal of the box around the joints seen."""
    return float(np.hypot(*np.ptp(pose[seen, :2], axis=0)))
