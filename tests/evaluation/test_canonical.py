"""Decoded motions without and with changed characters, and distances of poses, against loops."""

import numpy as np
import pytest

from via_jax.evaluation import canonical, known_views


@pytest.fixture(scope="module")
def views(tiny_model, tiny_data):
    return known_views.views_of(tiny_model[1], tiny_data)


@pytest.fixture(scope="module")
def seen(tiny_model, tiny_data):
    clips = tiny_data.clips_of("official", "test")
    return known_views.see(tiny_data, clips, tiny_model[1], (-60.0, 0.0, 90.0))


@pytest.fixture(scope="module")
def split(tiny_model, seen):
    return known_views.encode(*tiny_model, seen.inputs, 16)


def decode_by_hand(params, code):
    """One code [2, channels] through three layers: repeated, mirrored at the ends, convolved."""
    x = code
    for layer in ("conv1", "conv2", "conv3"):
        kernel, bias = params[layer]["kernel"], params[layer]["bias"]  # [7, in, out]
        x = np.repeat(x, 2, axis=0)
        x = np.concatenate([x[3:0:-1], x, x[-2:-5:-1]])
        x = np.array([np.einsum("ti,tio->o", x[t : t + 7], kernel) for t in range(len(x) - 6)])
        x = x + bias
        if layer != "conv3":
            x = np.where(x > 0, x, 0.2 * x)
    return x


def test_the_canonical_view_is_the_motion_alone(tiny_model, views, split):
    zeros = np.zeros_like(split.character[:6])
    poses = canonical.decode(*tiny_model, views, split.motion[:6], zeros)
    assert poses.shape == (6, 16, views.layout.num_joints, 2)
    params = tiny_model[0]["params"]["decoder"]
    for row in (0, 5):
        expected = decode_by_hand(params, split.motion[row])
        np.testing.assert_allclose(poses[row].reshape(16, -1), expected, atol=1e-4)
    with_character = canonical.decode(*tiny_model, views, split.motion[:6], split.character[:6])
    assert np.abs(poses - with_character).max() > 1e-3  # the character tells something


def test_padding_is_cut_off(tiny_model, views, split):
    variables, meta = tiny_model
    short = meta | {"window": meta["window"] | {"frames": 12}}
    zeros = np.zeros_like(split.character[:6])
    full = canonical.decode(variables, meta, views, split.motion[:6], zeros)
    cut = canonical.decode(variables, short, views, split.motion[:6], zeros)
    np.testing.assert_array_equal(cut, full[:, :12])
    inputs = np.zeros((2, 16, views.layout.num_joints, 2), np.float32)
    assert canonical.inputs_placed(inputs, short, views).shape[1] == 12


def placed_by_hand(poses, known, hips):
    """One row, centred on its hips and scaled by its extent."""
    middle = poses[:, list(hips)].mean(axis=1)
    size = np.mean(
        [
            np.square(poses[t, j] - middle[t]).sum()
            for t in range(len(poses))
            for j in range(poses.shape[1])
            if known[j]
        ]
    )
    return (poses - middle.mean(axis=0)) / np.sqrt(size)


def test_distances_are_those_of_a_loop(views, seen):
    rng = np.random.default_rng(0)
    poses = rng.normal(size=seen.inputs.shape).astype(np.float32)
    lost = seen._replace(known=seen.known.copy())
    lost.known[4, 3] = lost.known[13, 5] = False  # the same clip, in two views
    found = canonical.distances(poses, lost, views, 0)
    placed = [placed_by_hand(p, k, views.layout.hips) for p, k in zip(poses, lost.known)]

    def apart(one, other):
        squares = [
            np.square(placed[one][t, j] - placed[other][t, j]).sum()
            for t in range(poses.shape[1])
            for j in range(poses.shape[2])
            if lost.known[one, j] and lost.known[other, j]
        ]
        return np.sqrt(np.mean(squares))

    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = [apart(9 * one + c, 9 * other + c) for one, other in pairs for c in range(9)]
    assert found["between_views"] == pytest.approx(np.mean(expected), rel=1e-4)
    every = [apart(9 * v + a, 9 * v + b) for v in range(3) for a in range(9) for b in range(a)]
    assert min(every) < found["between_clips"] < max(every)


def test_poses_equal_in_all_views_lie_at_0(views, seen):
    poses = np.tile(seen.inputs[:9], (3, 1, 1, 1))
    found = canonical.distances(2.0 * poses + 1.0, seen, views, 0)
    assert found["between_views"] == pytest.approx(0.0, abs=1e-6)
    assert found["between_clips"] > 0.01
    one = type(seen)(*(x[:1] for x in seen))
    assert canonical.distances(poses[:1], one, views, 0) == {
        "between_views": None,
        "between_clips": None,
    }


def test_directions_are_the_orthonormal_dictionary(tiny_model):
    variables, meta = tiny_model
    basis = canonical.directions_of(variables, meta)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-5)
    raw = variables["params"]["dictionary"]["directions"]
    np.testing.assert_allclose(basis @ (basis.T @ raw), raw, atol=1e-5)  # the same space


def test_the_widest_directions_come_first():
    magnitudes = np.array([[0.0, 5.0, 1.0], [3.0, 5.0, -1.0]])
    assert canonical.widest(magnitudes, 2).tolist() == [0, 2]
    assert canonical.widest(magnitudes, 9).tolist() == [0, 2, 1]


def test_a_traversal_changes_one_magnitude(tiny_model, views, split):
    """What is decoded has the wanted magnitude along one direction, and its own elsewhere."""
    basis = canonical.directions_of(*tiny_model)
    deviations = np.array([-3.0, 0.0, 2.0])
    poses = canonical.traverse(*tiny_model, views, split, 5, np.array([2, 0]), deviations)
    assert poses.shape == (2, 3, 16, views.layout.num_joints, 2)
    characters = []
    for direction in (2, 0):
        for deviation in deviations:
            along = split.magnitudes[5].copy()
            values = split.magnitudes[:, direction]
            along[direction] = values.mean() + deviation * values.std()
            characters.append(sum(a * d for a, d in zip(along, basis.T)))
    motion = np.repeat(split.motion[5:6], 6, axis=0)
    expected = canonical.decode(*tiny_model, views, motion, np.array(characters, np.float32))
    np.testing.assert_allclose(poses.reshape(expected.shape), expected, atol=1e-4)
    assert np.abs(poses[0, 0] - poses[0, 2]).max() > 1e-4


@pytest.mark.parametrize("directions", [[4], [-1], []])
def test_directions_that_are_not_there_are_refused(tiny_model, views, split, directions):
    with pytest.raises(ValueError, match="expected some of 0 to 3"):
        canonical.traverse(*tiny_model, views, split, 0, np.array(directions, int), np.zeros(1))


def test_the_table_gives_the_ratio():
    def numbers(value):
        found = {"input_between_views": 0.5, "input_between_clips": 1.0}
        return found | {"canonical_between_views": value, "canonical_between_clips": 0.8}

    assert canonical.canonical_table(numbers(0.2), numbers(0.6)).splitlines()[2:] == [
        "| input | 0.500 | 1.000 | 0.50 |",
        "| canonical, trained | 0.200 | 0.800 | 0.25 |",
        "| canonical, random weights | 0.600 | 0.800 | 0.75 |",
    ]
    one_view = numbers(0.2) | {"canonical_between_views": None, "input_between_views": None}
    assert len(canonical.canonical_table(one_view, one_view).splitlines()) == 2
