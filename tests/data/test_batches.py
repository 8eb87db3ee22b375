import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data import batches
from via_jax.data.clip import Clip
from via_jax.data.sampling import Draw, Window, evaluation_windows, training_windows
from via_jax.data.writer import write


def clip_of(name, persons, frames, size):
    rng = np.random.default_rng(list(name.encode()))
    poses = (rng.normal(size=(persons, frames, 13, 2)) * 60 + 300).astype(np.float32)
    valid = rng.random(poses.shape[:3]) < 0.7
    valid[:, :, 4] = False  # a joint that nobody shows
    return Clip(
        poses=np.where(valid[..., None], poses, 0),
        valid=valid,
        layout="penn13",
        name=name,
        image_size=size,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sequences of 6, 6, 11, 1 and 4 frames."""
    clips = [
        clip_of("a", 2, 6, (640, 480)),
        clip_of("b", 1, 11, None),
        clip_of("c", 1, 1, None),
        clip_of("d", 1, 4, (320, 240)),
    ]
    folder = tmp_path_factory.mktemp("batches") / "made"
    return write(folder, clips, dataset="made", splits=lambda clip: {}, min_frames=1)


@pytest.fixture(scope="module")
def drawn(data):
    """Sixteen random windows of five frames, at fractional positions."""
    sequence = np.arange(16) % 5
    window = Window(5, 8, "crop", 1.0, (0.5, 1.5))
    draw = training_windows(jax.random.key(0), sequence, data.length[sequence], window)
    return Draw(*(np.asarray(x) for x in draw))


def sequence_of(data, index):
    """(poses, valid) of one sequence, as `Prepared.read` gives them."""
    clip = int(data.clip[index])
    read = data.read(clip)
    person = index - data.first_sequence[clip]
    return read.poses[person], read.valid[person]


def test_windows_against_a_loop(data, drawn):
    facts, frames = batches.facts_of(data), batches.frames_of(data)
    low, high = batches.gather(frames, facts.row[drawn.sequence], drawn)
    windows = batches.blend(low, high, drawn, facts)
    assert windows.poses.shape == (16, 8, 13, 2)
    for i, index in enumerate(drawn.sequence):
        poses, valid = sequence_of(data, index)
        for t in range(8):
            before, after, share = drawn.low[i, t], drawn.high[i, t], drawn.fraction[i, t]
            expected = (1 - share) * poses[before] + share * poses[after]
            expected[~data.known[index]] = 0
            np.testing.assert_allclose(windows.poses[i, t], expected, atol=1e-3)
            seen = valid[before] & valid[after] if share > 0 else valid[before]
            np.testing.assert_array_equal(windows.valid[i, t], seen)
    np.testing.assert_array_equal(windows.known, data.known[drawn.sequence])


def test_joints_never_seen_are_zero(data, drawn):
    facts, frames = batches.facts_of(data), batches.frames_of(data)
    assert data.origin.min() > 100  # the body does not stand at 0
    low, high = batches.gather(frames, facts.row[drawn.sequence], drawn)
    windows = batches.blend(low, high, drawn, facts)
    assert not np.asarray(windows.poses)[:, :, 4].any()
    assert (
        not np.asarray(windows.known)[:, 4].any() and not np.asarray(windows.valid)[:, :, 4].any()
    )


def test_device_and_host_give_equal_batches(data, drawn):
    facts, frames = batches.facts_of(data), batches.frames_of(data)
    blend = jax.jit(batches.blend)
    host = blend(*batches.gather(frames, facts.row[drawn.sequence], drawn), drawn, facts)

    def on_device(frames, facts, draw):
        low, high = batches.gather(frames, facts.row[draw.sequence], draw)
        return low, high, batches.blend(low, high, draw, facts)

    placed = jax.tree.map(jnp.asarray, (frames, facts, drawn))
    low, high, device = jax.jit(on_device)(*placed)
    for mine, other in zip((low, high), batches.gather(frames, facts.row[drawn.sequence], drawn)):
        np.testing.assert_array_equal(mine.values, other.values)
        np.testing.assert_array_equal(mine.valid, other.valid)
        assert mine.values.dtype == jnp.int16 and mine.valid.dtype == bool
    for x, y in zip(device, host, strict=True):
        np.testing.assert_array_equal(x, y)


def test_evaluation_reads_the_whole_sequence(data):
    facts, frames = batches.facts_of(data), batches.frames_of(data)
    window = Window(11, 1, "resample", 1.0, (1.0, 1.0))
    windows = batches.read_windows(facts, frames, np.array([2]), window)
    poses, valid = sequence_of(data, 2)
    known = data.known[2]
    np.testing.assert_allclose(windows.poses[0][:, known], poses[:, known], rtol=1e-6)
    np.testing.assert_array_equal(windows.valid[0], valid)


@pytest.mark.parametrize("way", ["resample", "crop"])
def test_read_windows_depend_on_the_sequence_alone(data, way):
    facts, frames = batches.facts_of(data), batches.frames_of(data)
    window = Window(5, 8, way, 1.0, (1.0, 1.0))
    sequences = np.array([4, 0, 3])
    together = batches.read_windows(facts, frames, sequences, window)
    again = batches.read_windows(facts, frames, sequences[::-1], window)
    for x, y in zip(together, again, strict=True):
        np.testing.assert_array_equal(x, y[::-1])
    draw = evaluation_windows(sequences, data.length[sequences], window)
    for i, index in enumerate(sequences):
        poses, _ = sequence_of(data, index)
        expected = poses[draw.low[i]] * np.float32(data.known[index][:, None])
        at_frames = np.asarray(draw.fraction[i] == 0)
        np.testing.assert_allclose(
            together.poses[i][at_frames], expected[at_frames], rtol=1e-5, atol=1e-4
        )


def test_image_sizes_follow_their_sequences(data):
    facts = batches.facts_of(data)
    sizes = [(640, 480), (640, 480), (0, 0), (0, 0), (320, 240)]
    np.testing.assert_array_equal(facts.size, sizes)
    window = Window(2, 1, "crop", 1.0, (1.0, 1.0))
    windows = batches.read_windows(facts, batches.frames_of(data), np.array([4, 2, 1]), window)
    np.testing.assert_array_equal(windows.size, [(320, 240), (0, 0), (640, 480)])


def test_more_rows_than_indices_are_refused():
    data: Any = types.SimpleNamespace(frames=range(2**31))
    with pytest.raises(ValueError, match=r"2147483648 rows; at most .* split the data"):
        batches.facts_of(data)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_persons_of_clips(data, count):
    people = batches.persons_of(data.first_sequence, data.persons, np.array([0, 3, 1]), count)
    assert people.sequence.shape == people.present.shape == (3, count)
    for i, clip in enumerate((0, 3, 1)):
        own = np.flatnonzero(data.clip == clip)
        there = min(count, len(own))
        np.testing.assert_array_equal(people.sequence[i, :there], own[:there])
        np.testing.assert_array_equal(people.present[i], np.arange(count) < there)
        assert np.isin(people.sequence[i], own).all()  # fillers are persons of the same clip


def test_absent_persons_become_zero():
    poses = np.ones((2, 3, 4, 5, 2), np.float32)
    present = np.array([[True, False, True], [True, True, False]])
    seen = np.asarray(batches.without_absent(poses, present))
    np.testing.assert_array_equal(seen[..., 0, 0, 0], present)
    assert set(np.unique(seen)) == {0.0, 1.0}
