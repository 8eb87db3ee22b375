import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data import sampling
from via_jax.data.sampling import Window

KEY = jax.random.key(0)
items_of = jax.jit(sampling.epoch_items, static_argnums=(2, 3))


def window(frames, sampling="crop", multiple=1, shortest_share=1.0, speed=(1.0, 1.0)):
    return Window(frames, multiple, sampling, shortest_share, speed)


# Which sequences


@pytest.mark.parametrize(("batch", "count"), [(3, 7), (7, 7), (1, 4), (5, 6)])
def test_every_epoch_holds_every_item_once(batch, count):
    steps = [items_of(KEY, step, batch, count) for step in range(count)]
    row = np.concatenate(steps).reshape(batch, count)  # `count` steps are `batch` epochs
    np.testing.assert_array_equal(np.sort(row, axis=1), np.tile(np.arange(count), (batch, 1)))
    if batch > 1:
        assert len(np.unique(row, axis=0)) > 1  # each epoch has an order of its own


def test_items_depend_on_key_and_step_alone():
    forwards = [items_of(KEY, step, 3, 7) for step in range(9)]
    backwards = [items_of(KEY, jnp.int32(step), 3, 7) for step in reversed(range(9))]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    np.testing.assert_array_equal(forwards[4], sampling.epoch_items(KEY, np.array(4), 3, 7))
    other = [items_of(jax.random.key(1), step, 3, 7) for step in range(9)]
    assert not np.array_equal(forwards, other)


@functools.cache
def order_of(epoch):
    return np.asarray(jax.random.permutation(jax.random.fold_in(KEY, epoch), 1000))


@pytest.mark.parametrize("step", [0, 41, 2**20 + 5, 2**31 - 1])
def test_items_of_any_step_against_whole_numbers(step):
    places = range(900 * step, 900 * (step + 1))  # the product exceeds 32 bits
    expected = [order_of(place // 1000)[place % 1000] for place in places]
    np.testing.assert_array_equal(items_of(KEY, step, 900, 1000), expected)


@pytest.mark.parametrize("batch", [0, 8])
def test_batches_larger_than_the_data_are_refused(batch):
    with pytest.raises(ValueError, match=f"a batch of {batch} from 7 sequences; expected 1 to 7"):
        sampling.epoch_items(KEY, np.array(0), batch, 7)


# Who is retargeted onto whom


def test_sorted_by_cluster():
    labels = np.array([5, -1, 5, 9, -1, 5])
    clusters = sampling.sort_by_cluster(labels)
    np.testing.assert_array_equal(clusters.order, [1, 4, 0, 2, 5, 3])
    np.testing.assert_array_equal(clusters.start, [2, 0, 2, 5, 0, 2])
    np.testing.assert_array_equal(clusters.size, [3, 2, 3, 1, 2, 3])


@pytest.mark.parametrize("labels", [[5, -1, 5, 9, -1, 5], [0, 1, 2, 3, 4, 5], [1, 1, 1, 1, 1, 0]])
def test_sources_come_evenly_from_all_other_clusters(labels):
    labels = np.array(labels)
    items = np.repeat(np.arange(6), 2000)
    sources = sampling.from_another_cluster(KEY, items, sampling.sort_by_cluster(labels))
    counts = np.zeros((6, 6), int)
    np.add.at(counts, (items, np.asarray(sources)), 1)
    for item in range(6):
        others = labels != labels[item]
        expected = np.where(others, 2000 / others.sum(), 0)
        assert (counts[item, ~others] == 0).all()
        assert np.abs(counts[item] - expected).max() < 5 * np.sqrt(2000 / 4)


def test_one_cluster_leaves_nothing_to_draw():
    with pytest.raises(ValueError, match="one cluster; a source needs at least two"):
        sampling.sort_by_cluster(np.zeros(5, int))


def test_partner_swaps_the_halves():
    pairs = jnp.arange(12).reshape(6, 2)
    swapped = sampling.partner(pairs)
    np.testing.assert_array_equal(swapped, pairs[np.array([3, 4, 5, 0, 1, 2])])
    np.testing.assert_array_equal(sampling.partner(swapped), pairs)


# Which frames


def positions(draw):
    """Where each frame of the windows lies, and that low and high are its neighbours."""
    low, high, fraction = (np.asarray(x) for x in draw[1:])
    assert ((fraction >= 0) & (fraction < 1)).all()
    assert ((high == low + 1) | (high == low)).all()
    return low + np.where(high > low, fraction, 0)


@functools.cache
def training_draws(spec, length, count=300):
    """Windows of `count` sequences, drawn with one key."""
    sequence = np.arange(count, dtype=np.int32)
    return sampling.training_windows(KEY, sequence, np.full(count, length, np.int32), spec)


def test_the_whole_sequence_is_resampled():
    draw = sampling.evaluation_windows(np.array([4, 7]), np.array([9, 3]), window(5, "resample"))
    np.testing.assert_array_equal(draw.sequence, [4, 7])
    expected = np.array([[0, 2, 4, 6, 8], [0, 0.5, 1, 1.5, 2]])
    np.testing.assert_allclose(positions(draw), expected, atol=1e-6)


@pytest.mark.parametrize("sampling_of", [sampling.evaluation_windows, None])
def test_resampling_to_the_same_length_changes_nothing(sampling_of):
    spec = window(7, "resample")
    if sampling_of:
        draw = sampling_of(np.array([0]), np.array([7]), spec)
    else:
        draw = training_draws(spec, 7)  # the shortest share is the whole
    np.testing.assert_array_equal(draw.low, np.broadcast_to(np.arange(7), draw.low.shape))
    np.testing.assert_array_equal(draw.fraction, 0)


@pytest.mark.parametrize(
    ("length", "frames"),
    [(9, [2, 3, 4, 5]), (10, [3, 4, 5, 6]), (4, [0, 1, 2, 3]), (3, [0, 1, 2, 0]), (1, [0] * 4)],
)
def test_evaluation_cuts_the_middle_or_repeats(length, frames):
    draw = sampling.evaluation_windows(np.array([0]), np.array([length]), window(4))
    np.testing.assert_array_equal(positions(draw), [frames])


@pytest.mark.parametrize("length", [1, 2, 9, 40])
def test_training_resamples_a_random_part(length):
    spec = window(5, "resample", shortest_share=0.5)
    where = positions(training_draws(spec, length))
    assert where.min() >= 0 and where.max() <= length - 1 + 1e-4
    steps = np.diff(where, axis=1)
    np.testing.assert_allclose(steps, steps[:, :1] + np.zeros((1, 4)), atol=1e-4)
    if length > 2:
        share = (where[:, -1] - where[:, 0]) / (length - 1)
        assert 0.5 - 1e-4 < share.min() < 0.52 and 0.98 < share.max() < 1 + 1e-4
        assert where[:, 0].max() > 0.4 * (length - 1)  # parts begin anywhere
        assert abs((where[:, 0] + where[:, -1]).mean() / (length - 1) - 1) < 0.1


@pytest.mark.parametrize("length", [4, 5, 9])
def test_training_cuts_every_part_of_the_sequence(length):
    where = positions(training_draws(window(4), length))
    np.testing.assert_array_equal(where, where[:, :1] + np.arange(4))
    starts, counts = np.unique(where[:, 0], return_counts=True)
    np.testing.assert_array_equal(starts, np.arange(length - 3))
    assert counts.min() > 0.5 * 300 / len(starts)


@pytest.mark.parametrize("speed", [(0.4, 0.6), (0.5, 2.0), (1.3, 1.3), (2.0, 2.0)])
@pytest.mark.parametrize("length", [9, 12, 31])
def test_training_goes_at_a_random_speed(speed, length):
    where = positions(training_draws(window(5, speed=speed), length))
    steps = np.diff(where, axis=1)
    assert (steps > 0).all()  # a sequence that is long enough is not repeated
    np.testing.assert_allclose(steps, steps[:, :1] + np.zeros((1, 4)), atol=1e-4)
    assert speed[0] - 1e-4 <= steps.min() < speed[0] + 0.1 * (speed[1] - speed[0]) + 1e-4
    assert speed[1] + 1e-4 >= steps.max() > speed[1] - 0.1 * (speed[1] - speed[0]) - 1e-4
    assert where.min() == 0 and where.max() > length - 1 - speed[1]


@pytest.mark.parametrize("length", [1, 3, 5])
def test_training_repeats_a_short_sequence(length):
    low = training_draws(window(12), length).low
    np.testing.assert_array_equal(low, np.tile(np.arange(12) % length, (300, 1)))


def test_the_end_is_never_blended_with_the_beginning():
    draw = training_draws(window(12, speed=(0.7, 0.7)), 3, 1)
    place = 0.7 * np.arange(12) % 3
    np.testing.assert_array_equal(draw.low[0], np.floor(place))
    np.testing.assert_array_equal(draw.high[0], np.minimum(np.floor(place) + 1, 2))
    np.testing.assert_allclose(draw.fraction[0], place % 1, atol=1e-5)


@pytest.mark.parametrize("way", ["resample", "crop"])
def test_padding_repeats_the_window(way):
    spec = window(5, way, multiple=8)
    assert spec.padded == 8 and window(8, way, multiple=8).padded == 8
    plain = sampling.evaluation_windows(np.array([0, 1]), np.array([9, 4]), window(5, way))
    padded = sampling.evaluation_windows(np.array([0, 1]), np.array([9, 4]), spec)
    again = np.array([0, 1, 2, 3, 4, 0, 1, 2])
    for long, short in zip(padded[1:], plain[1:], strict=True):
        np.testing.assert_array_equal(long, short[:, again])
    long, short = (training_draws(s, 9) for s in (spec, window(5, way)))
    np.testing.assert_array_equal(long.low, short.low[:, again])


@pytest.mark.parametrize("way", ["resample", "crop"])
def test_windows_are_pure_functions(way):
    spec = window(5, way, shortest_share=0.5)
    first, again = training_draws(spec, 20), training_draws.__wrapped__(spec, 20)
    compiled = jax.jit(sampling.training_windows, static_argnums=3)(
        KEY, np.arange(300, dtype=np.int32), np.full(300, 20, np.int32), spec
    )
    for x, y, z in zip(first, again, compiled, strict=True):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_allclose(x, z, atol=1e-5)


def test_real_steps_are_the_share_that_is_not_padding():
    np.testing.assert_array_equal(sampling.real_steps(window(13, multiple=8)), [1, 5 / 8])
    np.testing.assert_array_equal(sampling.real_steps(window(3, multiple=8)), [3 / 8])
    assert sampling.real_steps(window(16, multiple=8)) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": 5, "sampling": "middle"}, "sampling='middle'; expected \"resample\" or"),
        ({"frames": 0}, "frames=0, shortest_share=1.0; expected at least one frame"),
        ({"frames": 5, "shortest_share": 0.0}, r"shortest_share=0.0; .* a share in \(0, 1\]"),
        ({"frames": 5, "shortest_share": 1.5}, "shortest_share=1.5"),
    ],
)
def test_bad_windows_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        window(**settings)
