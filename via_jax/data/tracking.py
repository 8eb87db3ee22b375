"""People over the frames: detections joined to tracks, the main tracks kept, gaps filled.

A detector finds people in every frame anew. `follow` makes persons of them, by the detector's own
track ids where it gives any and by position otherwise, and drops what was seen too shortly.
`fill_gaps` bridges short absences, `split_persons` makes a clip of each person.

NumPy and SciPy alone: the processes that prepare data would start slower and larger with jax.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from via_jax.data.clip import Clip
from via_jax.data.persons import bridge, motion_energy

SHORTEST = 0.1  # a track seen in a smaller share of the frames of the one seen most is dropped
_AHEAD = 10  # frames over which a velocity is trusted


class _Tracks:
    """The persons found so far: their sightings, and of each the last one, size, velocity and id.

    Attributes:
      sightings: of each, frame -> ([joints, (x, y, ...)], [joints] bool).
      names: of each, the detector's id.
      places, seen: [tracks, joints, 2] and [tracks, joints], the last sighting.
      last: [tracks], its frame.
      size: [tracks], the largest diagonal of the box around the joints.
      velocity: [tracks, 2] per frame, NaN as long as it is unknown.
    """

    def __init__(self, joints: int):
        self.sightings: list[dict[int, tuple[np.ndarray, np.ndarray]]] = []
        self.names: list[int | None] = []
        self.places = np.zeros((0, joints, 2))
        self.seen = np.zeros((0, joints), bool)
        self.last = np.zeros(0, int)
        self.size = np.zeros(0)
        self.velocity = np.zeros((0, 2))

    def begin(self, time: int, poses: np.ndarray, seen: np.ndarray, name: int | None) -> None:
        """Adds a person, seen for the first time."""
        places = poses[None, :, :2]
        self.sightings.append({time: (poses, seen)})
        self.names.append(name)
        self.places = np.concatenate([self.places, places])
        self.seen = np.concatenate([self.seen, seen[None]])
        self.last = np.append(self.last, time)
        self.size = np.append(self.size, _sizes(places, seen[None]))
        self.velocity = np.concatenate([self.velocity, np.full((1, 2), np.nan)])

    def join(self, i: int, time: int, pose: np.ndarray, seen: np.ndarray) -> None:
        """Adds a sighting to person i."""
        places = pose[:, :2]
        common = seen & self.seen[i]
        if common.any():
            moved = (places - self.places[i])[common].mean(axis=0) / (time - self.last[i])
            known = not np.isnan(self.velocity[i]).any()
            self.velocity[i] = (self.velocity[i] + moved) / 2 if known else moved
        self.sightings[i][time] = (pose, seen)
        self.places[i], self.seen[i], self.last[i] = places, seen, time
        self.size[i] = max(self.size[i], _sizes(places[None], seen[None])[0])


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
    tracks = _Tracks(joints)
    for time, people in enumerate(frames):
        if people is not None and len(people):
            names = ids[time] if ids is not None else [None] * len(people)
            _extend(tracks, time, people, names, min_confidence)
    kept = _main(tracks.sightings)[:max_persons]
    columns = next((people.shape[-1] for people in frames if people is not None), 3)
    poses = np.zeros((len(kept), len(frames), joints, columns - 1), np.float32)
    valid = np.zeros((len(kept), len(frames), joints), bool)
    for person, sightings in enumerate(kept):
        for time, (pose, seen) in sightings.items():
            poses[person, time] = pose
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


def _main(sightings: list[dict]) -> list[dict]:
    """Returns the tracks that were seen long enough, the main ones first."""
    longest = max(map(len, sightings), default=0)
    rank = {}
    for i, track in enumerate(sightings):
        if len(track) >= SHORTEST * longest:
            poses, valid = (np.stack(part)[None] for part in zip(*track.values()))
            energy = float(motion_energy(poses[..., :2], valid)[0])
            rank[i] = (2 * len(track) < longest, -energy)
    return [sightings[i] for i in sorted(rank, key=rank.__getitem__)]


def _extend(
    tracks: _Tracks,
    time: int,
    people: np.ndarray,
    names: Sequence[int | None],
    min_confidence: float,
) -> None:
    """Adds a frame's detections to the tracks, or as new tracks."""
    places, confidence = people[..., :2], people[..., 2]
    seen = (confidence > min_confidence) & np.isfinite(places).all(-1) & (places != 0).any(-1)
    poses = np.where(seen[..., None], np.delete(people, 2, axis=-1), 0.0)
    free = [person for person in range(len(people)) if seen[person].any()]
    known = {name: i for i, name in enumerate(tracks.names) if name is not None}
    for person in list(free):
        name = names[person]
        if name in known and tracks.last[known[name]] < time:  # given twice, it holds for the first
            tracks.join(known[name], time, poses[person], seen[person])
            free.remove(person)
    candidates = np.flatnonzero(tracks.last < time)
    if free and len(candidates):
        cost = _costs(tracks, candidates, time, poses[free, :, :2], seen[free])
        for j, person in enumerate(free):
            if names[person] is not None:  # no continuation of another id
                named = [tracks.names[i] is not None for i in candidates]
                cost[named, j] = 1.0
        joined = _assign(cost, tracks.last[candidates])
        for i, j in joined:
            person = free[j]
            if names[person] is not None:
                tracks.names[candidates[i]] = names[person]
            tracks.join(candidates[i], time, poses[person], seen[person])
        taken = {free[j] for _, j in joined}
        free = [person for person in free if person not in taken]
    for person in free:
        tracks.begin(time, poses[person], seen[person], names[person])


def _assign(cost: np.ndarray, last: np.ndarray) -> list[tuple[int, int]]:
    """Returns (track, person) pairs of cost below 1; tracks seen last are assigned first."""
    pairs: list[tuple[int, int]] = []
    open_columns = np.ones(cost.shape[1], bool)
    for frame in np.unique(last[(cost < 1).any(axis=1)])[::-1]:
        rows, columns = np.flatnonzero(last == frame), np.flatnonzero(open_columns)
        part = cost[np.ix_(rows, columns)]
        for i, j in zip(*linear_sum_assignment(part)):
            if part[i, j] < 1:
                pairs.append((int(rows[i]), int(columns[j])))
                open_columns[columns[j]] = False
    return pairs


def _costs(
    tracks: _Tracks, which: np.ndarray, time: int, places: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """Returns [tracks, people]: the distance in units of the body, 1 where it is another person."""
    ahead = np.minimum(time - tracks.last[which], _AHEAD)[:, None]
    shift = np.nan_to_num(tracks.velocity[which]) * ahead
    common = tracks.seen[which][:, None] & seen[None]  # [tracks, people, joints]
    count = common.sum(axis=-1)
    apart = places[None] - tracks.places[which][:, None]  # [tracks, people, joints, 2]

    def mean_length(apart: np.ndarray) -> np.ndarray:
        length = np.where(common, np.hypot(apart[..., 0], apart[..., 1]), 0.0)
        return length.sum(axis=-1) / np.maximum(count, 1)

    reach = np.maximum(tracks.size[which][:, None], _sizes(places, seen)[None])
    expected = mean_length(apart - shift[:, None, None])
    near = (count > 0) & (np.minimum(expected, mean_length(apart)) <= reach)
    return np.where(near, np.minimum(expected / np.maximum(reach, 1e-9), 0.999), 1.0)


def _sizes(places: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The diagonal of the box around the joints seen of each person, 0 where none is."""
    low = np.where(seen[..., None], places, np.inf).min(axis=1)
    high = np.where(seen[..., None], places, -np.inf).max(axis=1)
    return np.hypot(*np.maximum(high - low, 0.0).T)
