"""Clips cut into persons and sliding windows, and predictions as a table."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from via_jax.api import Prediction
from via_jax.data.clip import Clip
from via_jax.evaluation.streaming import check_sliding


class Piece(NamedTuple):
    """A part of a recording.

    Attributes:
      clip: its poses, as a clip of its own.
      person: which one of the recording; None for all of them together.
      start, end: frames of the recording, the end not included.
    """

    clip: Clip
    person: int | None
    start: int
    end: int


def persons_of(clip: Clip) -> list[Piece]:
    """One piece for each person who is seen at all."""
    return [
        Piece(
            dataclasses.replace(
                clip, poses=clip.poses[person][None], valid=clip.valid[person][None]
            ),
            person,
            0,
            clip.num_frames,
        )
        for person in range(clip.num_persons)
        if clip.valid[person].any()
    ]


def windows_of(piece: Piece, frames: int, hop: int) -> list[Piece]:
    """Windows of so many frames, each a hop after the one before; the last ends with the piece.

    A shorter piece is one window. Windows that show nobody are left out.

    Raises:
      ValueError: fewer than 2 frames, or a hop below 1.
    """
    check_sliding(frames, hop)
    clip, length = piece.clip, piece.clip.num_frames
    starts = [*range(0, max(length - frames, 0), hop), max(length - frames, 0)]
    found = []
    for start in starts:
        rows = slice(start, start + frames)
        if clip.valid[:, rows].any():
            part = dataclasses.replace(clip, poses=clip.poses[:, rows], valid=clip.valid[:, rows])
            end = piece.start + min(start + frames, length)
            found.append(Piece(part, piece.person, piece.start + start, end))
    return found


def pieces_of(clip: Clip, per_person: bool, frames: int, hop: int) -> list[Piece]:
    """The pieces of a recording that get a prediction each.

    Args:
      clip: the recording.
      per_person: each person alone, instead of all of them together.
      frames, hop: of sliding windows; frames 0 takes the recording as a whole.
    """
    pieces = persons_of(clip) if per_person else [Piece(clip, None, 0, clip.num_frames)]
    if frames == 0:
        return pieces
    return [window for piece in pieces for window in windows_of(piece, frames, hop)]


def write_table(
    path: str | Path, pieces: Sequence[Piece], predictions: Sequence[Prediction], top: int
) -> None:
    """Writes a CSV with a row for each piece.

    Columns: clip, person (empty: all together), start and end in frames, start_seconds and
    end_seconds (empty where the frame rate is not known), label, probability, and label and
    probability of the `top` most probable classes.
    """
    header = ["clip", "person", "start", "end", "start_seconds", "end_seconds"]
    header += ["label", "probability"]
    header += [f"{word}{i + 1}" for i in range(top) for word in ("label", "probability")]
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for piece, prediction in zip(pieces, predictions, strict=True):
            rate = piece.clip.frame_rate
            times = [f"{x / rate:.3f}" if rate else "" for x in (piece.start, piece.end)]
            best = [(name, f"{value:.4f}") for name, value in prediction.top(top)]
            best += [("", "")] * (top - len(best))  # fewer classes than columns
            person = "" if piece.person is None else piece.person
            writer.writerow(
                [piece.clip.name, person, piece.start, piece.end, *times]
                + [prediction.label, f"{prediction.probabilities.max():.4f}"]
                + [cell for pair in best for cell in pair]
            )
