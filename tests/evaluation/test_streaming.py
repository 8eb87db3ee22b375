"""Recordings in blocks: the same windows and results for any blocks, in bounded memory."""

import dataclasses
import os
import pathlib
import tracemalloc

import numpy as np
import pytest
from figures.explore_cases import model_of, walking

from via_jax.data.clip import Clip
from via_jax.data.persons import bridge
from via_jax.data.sampling import Window
from via_jax.evaluation import codes, retargeting
from via_jax.evaluation.codes import parts_of
from via_jax.evaluation.sliding import cover, join
from via_jax.evaluation.streaming import _bridged, _Seen, retarget_blocks, sliding_windows
from via_jax.predictions import pieces_of

SOAK = "VIA_JAX_SOAK" in os.environ
WINDOW = 24  # frames of the models


@pytest.fixture(scope="module")
def rooted():
    return model_of(2, "root", "crop")


@pytest.fixture(scope="module")
def source():
    return walking(40, 1, 2, name="ben")


def cut(clip, sizes):
    """The clip in blocks of these sizes, over and over."""
    start, number = 0, 0
    while start < clip.num_frames:
        rows = slice(start, start + sizes[number % len(sizes)])
        yield dataclasses.replace(clip, poses=clip.poses[:, rows], valid=clip.valid[:, rows])
        start, number = rows.stop, number + 1


def whole_of(chunks):
    chunks = list(chunks)
    return (np.concatenate([getattr(c, name)[0] for c in chunks]) for name in ("poses", "valid"))


# Windows


@pytest.mark.parametrize("sizes", [[1], [3, 7], [50], [1000]])
@pytest.mark.parametrize(("frames", "hop"), [(8, 4), (8, 3), (8, 8), (5, 11), (200, 7)])
@pytest.mark.parametrize("length", [2, 8, 9, 100])
def test_windows_are_those_of_the_whole(length, frames, hop, sizes):
    clip = walking(length, 0, 2, name="ann")
    found = list(sliding_windows(cut(clip, sizes), frames, hop))
    wanted = pieces_of(clip, False, frames, hop)
    assert [(start, start + part.num_frames) for start, part in found] == [
        (piece.start, piece.end) for piece in wanted
    ]
    for (_, part), piece in zip(found, wanted):
        np.testing.assert_array_equal(part.poses, piece.clip.poses)


def test_a_window_comes_with_its_last_frame():
    given = []

    def camera():
        for block in cut(walking(30, 0, 2, name="ann"), [1]):
            given.append(block)
            yield block

    windows = sliding_windows(camera(), 8, 5)
    for start in (0, 5, 10):
        assert next(windows)[0] == start and len(given) == start + 8


def test_blocks_of_several_recordings_and_no_windows_are_refused():
    clip = walking(10, 0, 2, name="ann")
    other = dataclasses.replace(clip, poses=clip.poses.repeat(2, 0), valid=clip.valid.repeat(2, 0))
    with pytest.raises(ValueError, match=r"'unik17', 2, 2, False\); the ones before .*17', 1, 2"):
        list(sliding_windows([clip, other], 8, 4))
    with pytest.raises(ValueError, match="windows of 1 frames, 4 apart"):
        list(sliding_windows([clip], 1, 4))
    assert list(sliding_windows([], 8, 4)) == []


# Retargeting


@pytest.mark.parametrize("kind", ["root", "screen"])
@pytest.mark.parametrize("length", [5, 24, 61, 100])
def test_it_is_the_whole_recordings_but_for_one_shift(kind, length, source):
    variables, meta = model_of(2, kind, "crop")
    driving = walking(length, 0, 2, name="ann", label="walk")
    whole = retargeting.retarget(variables, meta, driving, source, fit_bones=False)
    chunks = list(
        retarget_blocks(variables, meta, cut(driving, [7, 1, 40]), source, fit_bones=False)
    )
    poses, valid = whole_of(chunks)
    assert {(c.name, c.label, c.layout, c.frame_rate) for c in chunks} == {
        ("ann-on-ben", "walk", "unik17", 25.0)
    }
    assert poses.shape == (length, 17, 2) and valid.all()
    shift = poses - whole.poses[0]
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:1, :1], shift.shape), atol=2e-3)
    if length > WINDOW:
        assert len(chunks) > 1
        # "screen" stays where it is; otherwise the walk begins in the middle, in pixels.
        assert bool(abs(shift).max() > 1.0) is (kind == "root")


@pytest.mark.parametrize("coords", [2, 3])
def test_the_blocks_do_not_matter(coords, source):
    variables, meta = model_of(coords, "body", "resample")
    driving = walking(90, 0, coords, name="ann", y_up=coords == 3)
    source = walking(40, 1, coords, name="ben", y_up=coords == 3)
    rng = np.random.default_rng(0)
    driving.valid[0] = rng.random((90, 17)) > 0.2
    driving.valid[0, :45, 3] = False  # a joint that comes late
    driving.valid[0, 42:80, 7] = False  # one that is away for more than a window
    driving.valid[0, :30] = False  # nobody
    driving.poses[~driving.valid] = np.nan
    found = [
        whole_of(retarget_blocks(variables, meta, cut(driving, sizes), source, fit_bones=True))
        for sizes in ([1], [13, 2, 60], [90])
    ]
    (first, valid), *others = (tuple(pair) for pair in found)
    for poses, again in others:
        np.testing.assert_array_equal(again, valid)
        np.testing.assert_allclose(poses, first, atol=1e-6 * np.abs(first).max())
    assert not valid[:24].any() and valid[60:, 7].all() and valid[40:, 0].all()
    # Valid with the frames that are new in the window that first shows the joint.
    assert not valid[:36, 3].any() and valid[60:, 3].all()
    assert np.isfinite(first).all() and np.abs(first[60:] - first[60]).max() > 1


def test_frames_come_within_one_and_a_half_windows(rooted, source):
    given = []

    def camera():
        for block in cut(walking(200, 0, 2, name="ann"), [1]):
            given.append(block)
            yield block

    done = 0
    for chunk in retarget_blocks(*rooted, camera(), source, fit_bones=True):
        done += chunk.num_frames
        assert done == 200 or len(given) - done <= 1.5 * WINDOW
    assert done == 200


def test_a_chunk_has_the_sources_layout_and_bones(rooted):
    variables, meta = rooted
    rng = np.random.default_rng(0)
    place = rng.normal(300, 60, (1, 1, 17, 2))
    poses = place + 20 * np.sin(np.linspace(0, 9, 60)[None, :, None, None] + 6 * place)
    looks = Clip(poses.astype(np.float32), np.ones((1, 60, 17), bool), "coco17", "ben")
    driving = walking(80, 0, 2, name="ann")
    chunks = list(retarget_blocks(variables, meta, cut(driving, [20]), looks, fit_bones=True))
    whole = retargeting.retarget(variables, meta, driving, looks)
    poses, valid = whole_of(chunks)
    assert chunks[0].layout == "coco17"
    np.testing.assert_array_equal(valid, whole.valid[0])
    joined = dataclasses.replace(whole, poses=poses[None])
    raw = retargeting.retarget(variables, meta, driving, looks, fit_bones=False)
    fitted, unfitted = (
        retargeting.judge(c, driving, looks, "unik17")["bone_error_median"] for c in (joined, raw)
    )
    assert fitted < 0.5 * unfitted


def test_several_persons_are_refused(rooted, source):
    clip = walking(30, 0, 2, name="ann")
    two = dataclasses.replace(clip, poses=clip.poses.repeat(2, 0), valid=clip.valid.repeat(2, 0))
    with pytest.raises(ValueError, match="'ann' shows 2 persons; a stream follows one"):
        list(retarget_blocks(*rooted, [two], source, fit_bones=True))


def test_gaps_are_bridged_as_in_the_whole_where_both_ends_are_seen():
    rng = np.random.default_rng(0)
    poses = rng.normal(size=(40, 3, 2)).astype(np.float32)
    valid = rng.random((40, 3)) > 0.3
    valid[[19, 39]] = True  # frame 19 is the last one before the window, 39 its end
    valid[20:25, 0] = False
    wanted, _ = bridge(poses[None], valid[None])
    seen = _Seen(poses[19].astype(float), np.full(3, 19.0))
    found, known = _bridged(poses[20:], valid[20:], 20, seen)
    np.testing.assert_allclose(found, wanted[0, 20:], atol=1e-6)
    assert known.all()
    # Away until the end: it stays; never seen: 0.
    seen = _Seen(poses[19].astype(float), np.array([19.0, 19.0, np.nan]))
    found, known = _bridged(poses[20:], np.zeros((20, 3), bool), 20, seen)
    np.testing.assert_array_equal(found[:, :2], np.tile(poses[19, :2], (20, 1, 1)))
    assert known.tolist() == [True, True, False] and not found[:, 2].any()


# No seams


def jerk(poses, borders):
    """Mean norm of the third difference around borders, and in all other places."""
    third = np.linalg.norm(np.diff(poses, 3, axis=0), axis=-1).mean(axis=1)
    # a difference of frames t ... t + 3 spans the border between b - 1 and b
    near = np.zeros(len(third), bool)
    for border in borders:
        near[max(border - 3, 0) : border] = True
    return third[near].mean(), third[~near].mean()


def borders_of(length):
    """Where windows begin and where they end, the recording's own ends left out."""
    starts = [*range(0, length - WINDOW, WINDOW // 2), length - WINDOW]
    return sorted({*starts, *(s + WINDOW for s in starts)} - {0, length})


@pytest.mark.parametrize("length", [120, 121, 130, 240])
def test_smooth_windows_that_disagree_are_joined_without_a_seam(length):
    """Third differences around borders are not above those elsewhere."""
    window = Window(WINDOW, 8, "crop", 1.0, (1.0, 1.0))
    rng = np.random.default_rng(0)
    positions = cover(length, window)
    offset = rng.normal(size=(len(positions), 1, 17, 2))
    phase = rng.uniform(0, 6, (len(positions), 1, 17, 2))
    parts = offset + np.sin(0.3 * positions[..., None, None] + phase)
    at, inside = jerk(join(parts, length, window), borders_of(length))
    assert at <= inside


def test_no_border_shows_in_what_a_model_makes(rooted, source):
    """Third differences around borders are those of the middle of the windows, which count there.

    The decoder's own ones differ from row to row, since it doubles its steps three times.
    """
    variables, meta = rooted
    driving = walking(240, 0, 2, name="ann")
    driver, body = (codes.encode_clip(variables, meta, clip) for clip in (driving, source))
    character = body.windows.character.mean(axis=0)
    alone = codes.decode_windows(variables, meta, driver.windows.motion, character)
    alone = codes.redefined(alone, parts_of(meta)[2].layout)
    half = WINDOW // 2
    middle = np.mean([jerk(part, [half])[0] for part in alone])
    chunks = list(retarget_blocks(variables, meta, cut(driving, [10]), source, fit_bones=False))
    scale = body.stood.scale.mean()
    whole = retargeting.retarget(variables, meta, driving, source, fit_bones=False).poses[0]
    for poses in (whole, next(whole_of(chunks))):
        at, _ = jerk(poses / scale, borders_of(240))
        assert at <= 1.02 * middle
    assert set(np.cumsum([c.num_frames for c in chunks])[:-1]) <= set(borders_of(240))


def test_a_body_far_away_moves_on_evenly(rooted):
    """The way adds up moves: a scale that changes does not move what is far from the middle."""
    centre = np.linspace(0, 10000, 50)[:, None] * np.ones(2)
    scale = 100 + 10 * np.random.default_rng(0).random(50)
    coded = codes.Coded(None, None, None, None, None, codes.Frame(centre, scale))
    step = np.diff(coded.way, axis=0)
    assert step.max() <= 10000 / 49 / 100 and step.min() >= 10000 / 49 / 110
    assert abs(coded.way.mean(axis=0)).max() < 1e-9


# Memory


def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_whole_recordings_are_seen_in_batches_of_one_shape(rooted, source):
    variables, meta = rooted
    before = codes._encode._cache_size(), codes._decode._cache_size()
    for length in (300, 600, 1200):  # 24, 49 and 99 windows
        retargeting.retarget(variables, meta, walking(length, 0, 2, name="ann"), source)
    after = codes._encode._cache_size(), codes._decode._cache_size()
    assert [b - a for a, b in zip(before, after)] <= [2, 1]  # the source's two windows, 16 windows


def test_a_stream_keeps_one_window_and_one_block(rooted, source):
    long, frames = walking(400, 0, 2, name="ann"), 100_000 if SOAK else 4_000

    def camera():
        for number in range(frames // 100):
            yield next(cut(dataclasses.replace(long, poses=long.poses + number), [100]))

    chunks = retarget_blocks(*rooted, camera(), source, fit_bones=True)
    done = sum(next(chunks).num_frames for _ in range(40))  # compiled, caches filled
    tracemalloc.start()
    try:
        first, at_rest = resident(), tracemalloc.get_traced_memory()[0]
        peak = 0
        for chunk in chunks:
            done += chunk.num_frames
            peak = max(peak, resident() - first)
        grown = tracemalloc.get_traced_memory()[1] - at_rest
    finally:
        tracemalloc.stop()
    assert done == frames
    assert grown < 2e6 and peak < 64e6


@pytest.mark.skipif(not SOAK, reason="takes long; make soak")
def test_100_000_frames_at_once(rooted, source):
    """Whole recordings grow by their own arrays alone, 27 MB in float64, a few times over."""
    variables, meta = rooted
    long = walking(100_000, 0, 2, name="ann")
    retargeting.retarget(variables, meta, walking(1000, 0, 2, name="ann"), source)
    tracemalloc.start()
    try:
        first, at_rest = resident(), tracemalloc.get_traced_memory()[0]
        result = retargeting.retarget(variables, meta, long, source)
        grown, after = tracemalloc.get_traced_memory()[1] - at_rest, resident() - first
    finally:
        tracemalloc.stop()
    assert result.num_frames == 100_000
    size = 100_000 * 17 * 2 * 8
    assert grown < 12 * size and after < 12 * size
