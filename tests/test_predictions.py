"""Recordings cut into persons and windows, and their predictions as a table."""

import csv

import numpy as np
import pytest

from via_jax.api import Prediction
from via_jax.data.clip import Clip
from via_jax.predictions import Piece, pieces_of, windows_of, write_table

COLUMNS = ["clip", "person", "start", "end", "start_seconds", "end_seconds"]


def recording(frames=10, rate=25.0):
    """Three people; the second is never seen, the third from frame 8 on. x is the frame."""
    poses = np.zeros((3, frames, 17, 2), np.float32)
    poses[..., 0] = np.arange(frames)[:, None]
    valid = np.ones((3, frames, 17), bool)
    valid[1] = False
    valid[2, :8] = False
    return Clip(poses, valid, "unik17", "walk", frame_rate=rate)


def spans(pieces):
    return [(piece.person, piece.start, piece.end) for piece in pieces]


def test_a_recording_as_a_whole_or_each_person_seen():
    clip = recording()
    (whole,) = pieces_of(clip, False, 0, 1)
    assert whole == Piece(clip, None, 0, 10)
    pieces = pieces_of(clip, True, 0, 1)
    assert spans(pieces) == [(0, 0, 10), (2, 0, 10)]
    assert pieces[1].clip.poses.shape == (1, 10, 17, 2)
    assert not pieces[1].clip.valid[0, :8].any() and pieces[1].clip.valid[0, 8:].all()


@pytest.mark.parametrize(
    ("frames", "hop", "wanted"),
    [
        (4, 3, [(0, 4), (3, 7), (6, 10)]),
        (4, 4, [(0, 4), (4, 8), (6, 10)]),
        (10, 3, [(0, 10)]),
        (64, 3, [(0, 10)]),
    ],
)
def test_windows_cover_the_recording(frames, hop, wanted):
    pieces = pieces_of(recording(), False, frames, hop)
    assert [(piece.start, piece.end) for piece in pieces] == wanted
    for piece in pieces:
        x = piece.clip.poses[0, :, 0, 0]
        np.testing.assert_array_equal(x, np.arange(piece.start, piece.end))


def test_windows_that_show_nobody_are_left_out():
    pieces = pieces_of(recording(), True, 4, 2)
    assert spans(pieces)[-2:] == [(0, 6, 10), (2, 6, 10)]


@pytest.mark.parametrize(("frames", "hop"), [(1, 1), (4, 0)])
def test_no_window_is_refused(frames, hop):
    with pytest.raises(ValueError, match=f"windows of {frames} frames, {hop} apart"):
        windows_of(Piece(recording(), None, 0, 10), frames, hop)


@pytest.mark.parametrize(("rate", "seconds"), [(25.0, ["0.240", "0.400"]), (None, ["", ""])])
def test_the_table_has_a_row_for_each_piece(rate, seconds, tmp_path):
    piece = windows_of(pieces_of(recording(rate=rate), True, 0, 1)[0], 4, 6)[1]
    prediction = Prediction(("sit", "go, fast"), np.array([0.25, 0.75], np.float32))
    write_table(tmp_path / "p.csv", [piece], [prediction], top=3)
    with (tmp_path / "p.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert header[:8] == [*COLUMNS, "label", "probability"]
    assert header[8:] == [f"{word}{i}" for i in (1, 2, 3) for word in ("label", "probability")]
    assert row[:8] == ["walk", "0", "6", "10", *seconds, "go, fast", "0.7500"]
    assert row[8:] == ["go, fast", "0.7500", "sit", "0.2500", "", ""]
