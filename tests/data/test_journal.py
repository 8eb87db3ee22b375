import contextlib
import sys

import numpy as np
import pytest

from via_jax.data import writer
from via_jax.data.clip import Clip
from via_jax.data.journal import Journal, Piece


def test_facts_come_back_as_they_were(tmp_path):
    poses = np.random.default_rng(0).normal(size=(2, 4, 17, 3)).astype(np.float32)
    clip = Clip(poses, np.ones((2, 4, 17), bool), "coco17", "\udcff é", label=None, units="metres")
    pieces = [writer.encode(clip, {"one": "train"}), Piece({"path": "a", "reason": "\n"})]
    with contextlib.closing(Journal(tmp_path / "made", "job")) as made:
        for piece in pieces:
            made.add(piece)
        assert list(made.facts()) == [piece.facts for piece in pieces]
        made.save()
    with contextlib.closing(Journal(tmp_path / "made", "job")) as made:
        assert made.items == 2
        assert list(made.facts()) == [piece.facts for piece in pieces]
    assert (tmp_path / "made/frames.bin").read_bytes() == pieces[0].frames
    assert (tmp_path / "made/valid.bin").read_bytes() == pieces[0].valid


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("a", None), (None, None), (None, "a")])
def test_another_job_is_not_continued(tmp_path, first, second):
    for job in (first, second):
        with contextlib.closing(Journal(tmp_path / "made", job)) as made:
            assert made.items == 0
            made.add(Piece({"path": "a", "reason": "b"}, b"frames", b"valid"))
            made.save()
    assert (tmp_path / "made/frames.bin").read_bytes() == b"frames"


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_runs_into_one_folder_are_refused(tmp_path):
    first = Journal(tmp_path / "made", "job")
    first.add(Piece({"path": "a", "reason": "b"}, b"frames"))
    for job in ("job", "other", None):
        with pytest.raises(ValueError, match=r"made is being written by another process; wait"):
            Journal(tmp_path / "made", job)
    first.save()
    first.close()
    assert (tmp_path / "made/frames.bin").read_bytes() == b"frames"
    Journal(tmp_path / "made", "job").close()
