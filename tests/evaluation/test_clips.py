"""Every clip of a split once, in order, whatever the batch size; persons and padding marked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data.batches import facts_of, frames_of, read_windows
from via_jax.data.sampling import Window
from via_jax.data.views import evaluation_batch
from via_jax.evaluation.clips import over_clips
from via_jax.pretrain import views_of

WINDOW = Window(frames=16, multiple=8, sampling="resample", shortest_share=1.0, speed=(1.0, 1.0))
PERSONS = (2, 1, 2, 2, 1, 1, 2)  # of the clips of tiny_groups


@pytest.fixture
def views(tiny_config, tiny_groups):
    return views_of(tiny_config, tiny_groups)


def scaled_poses(variables, batch):
    return batch["poses"] * variables["factor"]


def apply(data, clips, views, *, function=scaled_poses, batch=3, seed=0, window=WINDOW):
    variables = {"factor": np.float32(2.0)}
    return over_clips(
        function,
        variables,
        data,
        np.asarray(clips),
        window=window,
        views=views,
        persons=2,
        batch=batch,
        seed=seed,
    )


def poses_of(data, clip, views, seed=0):
    """One clip on its own: [persons there, time, joints, coords]."""
    first = int(data.first_sequence[clip])
    sequences = np.arange(first, first + int(data.persons[clip]))
    windows = read_windows(facts_of(data), frames_of(data), sequences, WINDOW)
    clips = np.full(len(sequences), clip)  # persons of a clip share its camera
    return np.asarray(evaluation_batch(windows, clips, jax.random.key(seed), views)["poses"])


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_each_clip_counts_once_and_in_order(batch, tiny_groups, views):
    clips = [6, 0, 3, 1, 5, 2, 4]
    found = apply(tiny_groups, clips, views, batch=batch)
    assert found.shape == (7, 2, 16, 17, 2)
    for row, clip in zip(found, clips):
        expected = 2.0 * poses_of(tiny_groups, clip, views)
        np.testing.assert_allclose(row[: PERSONS[clip]], expected, atol=1e-5)
    assert np.isfinite(found).all()


def test_absent_persons_are_marked(tiny_groups, views):
    found = apply(tiny_groups, range(7), views, function=lambda _, batch: batch["present"])
    np.testing.assert_array_equal(found, [[True, persons == 2] for persons in PERSONS])


def test_padding_is_weighted_by_its_share_of_real_frames(tiny_groups, views):
    window = Window(12, 8, "resample", 1.0, (1.0, 1.0))
    found = apply(tiny_groups, range(4), views, function=lambda _, b: b["weight"], window=window)
    np.testing.assert_array_equal(found, 4 * [[1.0, 0.5]])

    def whole(_, batch):
        assert set(batch) == {"poses", "present"}  # nothing to weight
        return batch["poses"].sum(axis=(1, 2, 3, 4))

    assert apply(tiny_groups, range(4), views, function=whole).shape == (4,)


def test_the_seed_chooses_the_cameras(tiny_groups, views):
    first, again, other = (apply(tiny_groups, [2, 3], views, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    fixed = views._replace(test_camera=None)
    one, two = (apply(tiny_groups, [2, 3], fixed, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(one, two)


def test_results_may_have_any_shape(tiny_groups, views):
    found = apply(tiny_groups, [1, 2], views, function=lambda _, b: jnp.ones((3, 4, 5), jnp.int32))
    assert found.shape == (2, 4, 5) and found.dtype == np.int32


def test_no_clips_are_refused(tiny_groups, views):
    with pytest.raises(ValueError, match="no clips to evaluate"):
        apply(tiny_groups, np.zeros(0, int), views)
