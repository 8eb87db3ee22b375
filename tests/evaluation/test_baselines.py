"""Retargeters without training: loops, exact cases, and scikit-learn's ridge regression."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge

from via_jax.data.transforms import repose
from via_jax.evaluation import baselines
from via_jax.skeletons import get_layout

LAYOUT = get_layout("mixamo15")
ROOT, JOINTS = LAYOUT.index("mid_hip"), LAYOUT.num_joints


def sequences(seed, batch=3, frames=12, coords=2, lengths=None):
    """Random poses whose root lies at 0 on average; in 3D with bones of constant length."""
    rng = np.random.default_rng(seed)
    bones = rng.normal(0, 0.3, (batch, frames, JOINTS, coords))
    if lengths is not None:
        bones *= lengths / np.linalg.norm(bones, axis=-1, keepdims=True)
    path = 0.1 * np.cumsum(rng.normal(size=(batch, frames, coords)), axis=1)
    poses = np.zeros_like(bones)
    for joint in LAYOUT.depth_first():
        parent = LAYOUT.parents[joint]
        poses[:, :, joint] = path if parent < 0 else poses[:, :, parent] + bones[:, :, joint]
    return (poses - path.mean(axis=1)[:, None, None]).astype(np.float32)


def lengths_of(row, joint):
    return [np.linalg.norm(pose[joint] - pose[LAYOUT.parents[joint]]) for pose in row]


def test_the_copied_driver_is_the_driver():
    driving = sequences(0)
    np.testing.assert_array_equal(baselines.copied_driver(driving, sequences(1)), driving)


@pytest.mark.parametrize("percentile", [None, 95.0])
def test_scaled_driver_against_a_walk_from_the_root(percentile):
    driving, source = sequences(0), sequences(1, frames=7)
    result = baselines.scaled_driver(LAYOUT, percentile)(driving, source)
    assert result.shape == driving.shape and result.dtype == np.float32
    for row in range(len(driving)):
        legs, scale = [0.0, 0.0], {}  # before and after
        for joint in LAYOUT.depth_first()[1:]:
            ours, theirs = lengths_of(driving[row], joint), lengths_of(source[row], joint)
            if percentile is None:
                scale[joint] = np.mean(theirs) / np.mean(ours)
            else:
                scale[joint] = np.percentile(theirs, 95) / np.percentile(ours, 95)
            if LAYOUT.joints[joint].endswith(("_hip", "_knee", "_ankle")):
                legs[0] += np.mean(ours)
                legs[1] += np.mean(ours) * scale[joint]
        for frame, pose in enumerate(driving[row]):
            expected = {ROOT: pose[ROOT] * legs[1] / legs[0]}
            for joint in LAYOUT.depth_first()[1:]:
                parent = LAYOUT.parents[joint]
                expected[joint] = expected[parent] + scale[joint] * (pose[joint] - pose[parent])
            for joint, place in expected.items():
                np.testing.assert_allclose(result[row, frame, joint], place, atol=1e-5)


def test_scaled_driver_has_the_sources_mean_bone_lengths():
    driving, source = sequences(0), sequences(1)
    result = baselines.scaled_driver(LAYOUT, None)(driving, source)
    for joint in LAYOUT.depth_first()[1:]:
        np.testing.assert_allclose(
            np.mean(lengths_of(result[1], joint)), np.mean(lengths_of(source[1], joint)), rtol=1e-4
        )


def test_its_own_character_changes_nothing():
    driving = sequences(2)
    result = baselines.scaled_driver(LAYOUT, 95.0)(driving, driving)
    np.testing.assert_allclose(result, driving, atol=1e-6)


@pytest.mark.parametrize("percentile", [None, 95.0])
def test_in_space_scaled_bones_are_the_true_retargeting(percentile):
    """Where bones have a length: the same motion reposed to the source's body."""
    rng = np.random.default_rng(3)
    ours, theirs = rng.uniform(0.1, 0.5, (2, 3, 1, JOINTS, 1))
    driving = sequences(4, coords=3, lengths=ours)
    source = sequences(5, coords=3, frames=9, lengths=theirs)
    truth = repose(driving, (theirs / ours)[:, 0, :, 0].astype(np.float32), LAYOUT)
    result = baselines.scaled_driver(LAYOUT, percentile)(driving, source)
    np.testing.assert_allclose(result, truth, atol=1e-5)


def test_a_bone_without_extent_stays_finite():
    driving, source = sequences(0), sequences(1)
    driving[:, :, LAYOUT.index("head")] = driving[:, :, LAYOUT.index("neck")]
    assert np.isfinite(baselines.scaled_driver(LAYOUT, None)(driving, source)).all()


# Ridge regression


def relative(poses):
    out = poses.astype(np.float64)
    for joint in range(JOINTS):
        if joint != ROOT:
            out[:, :, joint] -= poses[:, :, ROOT].astype(np.float64)
    return out


def rows_of(driving, source):
    """Driver's frame, its mean and deviation over time, and the source's, frame by frame."""
    rows = []
    for a, b in zip(relative(driving), relative(source), strict=True):
        still = [f(x, axis=0).ravel() for x in (a, b) for f in (np.mean, np.std)]
        rows += [np.concatenate([frame.ravel(), *still]) for frame in a]
    return np.stack(rows)


def triple(seed, batch=3, frames=12):
    """The truth is the driver with the mean shape of the source mixed in, not quite linear."""
    driving, source = sequences(seed, batch, frames), sequences(seed + 100, batch, frames + 3)
    mixed = relative(driving) * 0.7 + relative(source).mean(axis=1, keepdims=True)
    mixed += 0.2 * np.sin(5 * mixed)
    mixed -= (
        mixed[:, :, ROOT : ROOT + 1].mean(axis=1, keepdims=True) * np.eye(JOINTS)[ROOT][:, None]
    )
    truth = mixed + np.where(np.arange(JOINTS)[:, None] == ROOT, 0, mixed[:, :, ROOT : ROOT + 1])
    return driving, source, truth.astype(np.float32)


def stacked(triples):
    x = np.concatenate([rows_of(driving, source) for driving, source, _ in triples])
    y = np.concatenate([relative(truth).reshape(-1, JOINTS * 2) for _, _, truth in triples])
    return x, y


def sklearn_ridge(triples, alpha):
    x, y = stacked(triples)
    mean, size = x.mean(axis=0), x.std(axis=0)
    size = np.where(size > 1e-6, size, 1.0)
    model = SklearnRidge(alpha=alpha * len(x)).fit((x - mean) / size, y)
    return lambda rows: model.predict((rows - mean) / size)


def test_ridge_is_that_of_scikit_learn():
    training, held_out = [triple(s) for s in range(4)], [triple(s) for s in (10, 11)]
    alphas = (1e-3, 1e-1, 10.0)
    ridge = baselines.fit_ridge(iter(training), iter(held_out), LAYOUT, alphas)
    x, y = stacked(held_out)
    for alpha in alphas:
        expected = np.square(sklearn_ridge(training, alpha)(x) - y).mean()
        np.testing.assert_allclose(ridge.error[alpha], expected, rtol=1e-6)
    assert ridge.alpha == min(ridge.error, key=ridge.error.get)

    driving, source, _ = triple(20)
    result = ridge(driving, source)
    assert result.shape == driving.shape and result.dtype == np.float32
    rows = sklearn_ridge([*training, *held_out], ridge.alpha)(rows_of(driving, source))
    expected = rows.reshape(driving.shape)
    expected = expected + np.where(
        np.arange(JOINTS)[:, None] == ROOT, 0, expected[:, :, ROOT : ROOT + 1]
    )
    expected -= expected[:, :, ROOT : ROOT + 1].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_allclose(result[:, :, ROOT].mean(axis=1), 0, atol=1e-6)


def test_noise_wants_regularisation_and_a_linear_truth_none():
    def with_truth(truth_of, seeds):
        pairs = [(sequences(s), sequences(s + 100)) for s in seeds]
        return [
            (driving, source, truth_of(driving, s)) for s, (driving, source) in zip(seeds, pairs)
        ]

    def copied(driving, seed):
        return driving

    def noise(driving, seed):
        return sequences(seed + 500)

    alphas, training, held_out = (0.0, 1e-2, 100.0), range(8), (40, 41)
    linear = baselines.fit_ridge(
        with_truth(copied, training), with_truth(copied, held_out), LAYOUT, alphas
    )
    assert linear.alpha == 0.0 and linear.error[0.0] < 1e-10
    driving = sequences(50)
    np.testing.assert_allclose(linear(driving, sequences(51)), driving, atol=1e-4)
    random = baselines.fit_ridge(
        with_truth(noise, training), with_truth(noise, held_out), LAYOUT, alphas
    )
    assert random.alpha == 100.0


def test_moments_do_not_depend_on_the_batches():
    driving, source, truth = triple(0, batch=4)
    whole = baselines.moments_of([(driving, source, truth)], LAYOUT)
    halves = [(driving[i], source[i], truth[i]) for i in (slice(0, 1), slice(1, 4))]
    for a, b in zip(whole, baselines.moments_of(halves, LAYOUT), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_input_that_cannot_be_fitted_is_refused():
    driving, source, truth = triple(0)
    with pytest.raises(ValueError, match="no batch"):
        baselines.moments_of([], LAYOUT)
    with pytest.raises(ValueError, match="differ in shape"):
        baselines.moments_of([(driving, source, truth[:, :-1])], LAYOUT)
    for alphas in ([], [1.0, -1.0]):
        with pytest.raises(ValueError, match="each at least 0"):
            baselines.fit_ridge([triple(0)], [triple(1)], LAYOUT, alphas)
