"""Recordings that arrive in blocks: sliding windows of them, and their motion on another body.

What is kept is one window and one block, however long the recording is. The windows, and with them
the results, do not depend on how it is cut into blocks.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.prepare import to_layout
from via_jax.data.transforms import Frame, facing, scale_bones, turn
from via_jax.evaluation.codes import (
    decode_onto,
    decode_windows,
    encode_clip,
    encode_windows,
    moves,
    parts_of,
    redefined,
    seen_by,
)
from via_jax.evaluation.retargeting import bone_scale, laid_out, made_clip, placed_as
from via_jax.evaluation.sliding import cover, faded, look
from via_jax.typing import Tree


def check_sliding(frames: int, hop: int) -> None:
    """Raises ValueError for fewer than 2 frames of a window, or a hop below 1."""
    if frames < 2 or hop < 1:
        raise ValueError(
            f"windows of {frames} frames, {hop} apart; expected at least 2 frames and a hop of 1"
        )


def sliding_windows(blocks: Iterable[Clip], frames: int, hop: int) -> Iterator[tuple[int, Clip]]:
    """Windows of a recording in blocks, each as soon as its last frame is there.

    Each starts a hop after the one before, and the last one ends with the recording, as those of
    `predictions.windows_of`. A shorter recording is one window.

    Args:
      blocks: parts of one recording, in order, of any lengths.
      frames, hop: as `check_sliding` lets pass.

    Yields:
      (start, window): its first frame in the recording, and its poses as a clip of their own.

    Raises:
      ValueError: another window, or blocks that do not belong together.
    """
    check_sliding(frames, hop)
    held: Clip | None = None
    first = following = 0  # frames of the recording: the first one held, and where a window starts
    latest = -1
    for block in blocks:
        held = block if held is None else _after(held, block)
        end = first + held.num_frames
        while following + frames <= end:
            yield following, _part(held, following - first, following - first + frames)
            latest, following = following, following + hop
        # The last window may start before the following one: it ends with the recording.
        keep = max(min(following, end - frames), first)
        held, first = _part(held, keep - first, held.num_frames), keep
    if held is None:
        return
    last = max(first + held.num_frames - frames, 0)
    if last > latest:
        yield last, _part(held, last - first, held.num_frames)


def retarget_blocks(
    variables: Tree, meta: dict, blocks: Iterable[Clip], source: Clip, *, fit_bones: bool
) -> Iterator[Clip]:
    """The source's character making the motion of a recording that arrives in blocks.

    As `retargeting.retarget`, but from what was seen so far: the path begins in the middle of the
    source's path; a gap that is still open at the end of a window holds the last place; a joint is
    not valid before it was first seen; a body that the model turns to the front is turned as in
    its first window; bones are fitted by the source's own motion, made again by the model. With
    all joints seen and `fit_bones=False` the poses are those of `retarget` but for one shift,
    where its windows are crops too. Windows of a "resample" model are those of the training's
    length as well.

    Args:
      variables, meta: of a pre-trained autoencoder, from `checkpoints.load_model`.
      blocks: of one person each, of any lengths and layout; frames may show no joint.
      source: whose body and camera; encoded once.
      fit_bones: scale each bone by one factor.

    Yields:
      Clips in the source's layout and units that follow each other without a gap; a frame comes
      one to one and a half windows after it went in, and the rest when the blocks end.

    Raises:
      ValueError: as `retarget`, or blocks of several persons.
    """
    _, window, views = parts_of(meta)
    body = encode_clip(variables, meta, source)
    character = body.windows.character.mean(axis=0)
    bones = None
    if fit_bones:
        again = placed_as(decode_onto(variables, meta, body, character), body)
        bones = bone_scale(again, body.poses, body.valid, views.layout)
    window = dataclasses.replace(window, sampling="crop")
    shape = (views.layout.num_joints, views.coords)

    def finished(made: np.ndarray, known: np.ndarray, driving: Clip) -> Clip:
        poses = placed_as(redefined(made, views.layout), body)
        if bones is not None:
            poses = np.asarray(scale_bones(poses, bones, views.layout))
        valid = known & body.known
        return laid_out(made_clip(poses, valid, driving, source, views), source)

    seen = _never_seen(*shape)
    angle: np.ndarray | None = None
    stood: Frame | None = None
    way = np.zeros(shape[1])
    made, known = np.zeros((0, *shape)), np.zeros((0, shape[0]), bool)  # frames not yet given
    done = 0  # frames given
    before: tuple[int, np.ndarray, np.ndarray] | None = None
    driving = None
    converted = (_of_one_person(block, views.layout.name) for block in blocks)
    for start, part in sliding_windows(converted, window.frames, max(window.frames // 2, 1)):
        driving = part if driving is None else driving
        poses, valid = seen_by(part.poses, part, views.coords)[0], part.valid[0]
        if before is not None:
            seen = _seen_until(start, *before, seen)
        before = start, poses, valid
        filled, now_known = _bridged(poses, valid, start, seen)
        new = np.zeros(filled.shape)  # nobody was seen yet
        if now_known.any():
            if views.coords == 3 and views.face_front:
                angle = np.asarray(facing(filled, views.layout)) if angle is None else angle
                filled = np.asarray(turn(filled, -angle))
            inputs = look(filled, cover(len(filled), window))
            codes, here = encode_windows(variables, meta, inputs, now_known, part)
            if stood is not None:
                way = way + moves(Frame(*(np.concatenate(pair) for pair in zip(stood, here))))[1]
            stood = here
            new = decode_windows(variables, meta, codes.motion, character)[0, : len(filled)] + way
        if start > done:
            yield finished(made[: start - done], known[: start - done], driving)
        rest, known = made[start - done :], known[start - done :]
        made, done = faded(rest, new), start
        fresh = np.tile(now_known, (len(made) - len(known), 1))
        known = np.concatenate([known, fresh])
    if driving is not None:
        yield finished(made, known, driving)


class _Seen(NamedTuple):
    """Where and when each joint was last seen before a window.

    Attributes:
      place: [joints, coords].
      frame: [joints], of the recording; NaN where it never was.
    """

    place: np.ndarray
    frame: np.ndarray


def _never_seen(joints: int, coords: int) -> _Seen:
    return _Seen(np.zeros((joints, coords)), np.full(joints, np.nan))


def _seen_until(end: int, start: int, poses: np.ndarray, valid: np.ndarray, seen: _Seen) -> _Seen:
    """The last sightings before frame `end`, after a window from `start` on of poses and valid."""
    place, frame = seen.place.copy(), seen.frame.copy()
    poses, valid = poses[: end - start], valid[: end - start]
    for joint in np.flatnonzero(valid.any(axis=0)):
        row = np.flatnonzero(valid[:, joint])[-1]
        place[joint], frame[joint] = poses[row, joint], start + row
    return _Seen(place, frame)


def _bridged(
    poses: np.ndarray, valid: np.ndarray, start: int, seen: _Seen
) -> tuple[np.ndarray, np.ndarray]:
    """As `persons.bridge`, of a window and the last sightings before it; known [joints]."""
    filled = np.where(valid[..., None], poses, 0).astype(np.float32)
    known = valid.any(axis=0) | ~np.isnan(seen.frame)
    frames = start + np.arange(len(poses))
    for joint in np.flatnonzero(known & ~valid.all(axis=0)):
        rows = valid[:, joint]
        times, places = frames[rows], poses[rows, joint]
        if not np.isnan(seen.frame[joint]):
            times = np.append(seen.frame[joint], times)
            places = np.concatenate([seen.place[joint][None], places])
        for coord in range(poses.shape[-1]):
            track = np.interp(frames, times, places[:, coord])
            filled[:, joint, coord] = np.where(rows, filled[:, joint, coord], track)
    return filled, known


def _of_one_person(block: Clip, layout: str) -> Clip:
    if block.num_persons != 1:
        raise ValueError(
            f"block {block.name!r} shows {block.num_persons} persons; a stream follows one: give"
            " its poses alone, [time, joints, coords]"
        )
    return to_layout(block, layout)


def _after(before: Clip, block: Clip) -> Clip:
    kind, wanted = ((c.layout, c.num_persons, c.poses.shape[-1], c.y_up) for c in (block, before))
    if kind != wanted:
        raise ValueError(
            f"block {block.name!r} has layout, persons, coords and y_up {kind}; the ones before it"
            f" {wanted}: all blocks must be of one recording"
        )
    poses = np.concatenate([before.poses, block.poses], axis=1)
    return dataclasses.replace(
        before, poses=poses, valid=np.concatenate([before.valid, block.valid], axis=1)
    )


def _part(clip: Clip, start: int, end: int) -> Clip:
    rows = slice(start, end)
    return dataclasses.replace(clip, poses=clip.poses[:, rows], valid=clip.valid[:, rows])
