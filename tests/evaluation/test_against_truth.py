"""Retargeting judged against the truth: NumPy loops, perfect and copying retargeters."""

import numpy as np
import pytest

from via_jax.data.characters import characters_of
from via_jax.data.true_pairs import true_pairs, windows_of
from via_jax.evaluation.against_truth import judge_pairs


@pytest.fixture(scope="module")
def layout(tiny_data):
    return tiny_data.layout


@pytest.fixture(scope="module")
def pairs(tiny_data, layout):
    settings = {"train": 2, "test": 2, "spread": 1.5, "seed": 0}
    characters = characters_of(tiny_data, "official", settings).test
    windows = windows_of(tiny_data, np.array([0, 9, 18]), 16, 8, 0)
    return true_pairs(windows, characters, layout, yaws=[-45.0, 45.0], coords=2, seed=0)


def oracle(pairs):
    """Looks the truth up by the driver and the source that it is handed."""

    def find(a, b):
        same = (pairs.driving == a).all(axis=(1, 2, 3)) & (pairs.source == b).all(axis=(1, 2, 3))
        return np.flatnonzero(same)[0]

    def retarget(driving, source):
        return pairs.truth[[find(a, b) for a, b in zip(driving, source)]]

    return retarget


def test_the_truth_has_no_error(pairs, layout):
    found = judge_pairs(oracle(pairs), pairs, layout, batch=5)
    assert found["mse"] == found["mae"] == found["bone_error"] == 0
    assert found["not_rigid"] < 1e-3
    assert found["jitter"] == found["true_jitter"] > 0
    assert found["foot_skating"] == found["true_foot_skating"]
    assert found["pairs"] == len(pairs.truth)


def test_numbers_against_loops(pairs, layout):
    found = judge_pairs(lambda driving, source: driving, pairs, layout, batch=7)
    root, (left, right) = (
        layout.index("mid_hip"),
        (
            layout.index("left_ankle"),
            layout.index("right_ankle"),
        ),
    )
    squares, sizes, lengths, longer, skating, thirds = [], [], [], [], [], []
    for made, truth, bones, stands in zip(pairs.driving, pairs.truth, pairs.lengths, pairs.stands):
        for t in range(len(made)):
            for joint, parent in enumerate(layout.parents):
                gap = (made[t, joint] - made[t, root]) - (truth[t, joint] - truth[t, root])
                squares += (gap**2).tolist()
                sizes += np.abs(gap).tolist()
                if parent < 0:
                    continue
                ours, theirs = (np.hypot(*(x[t, joint] - x[t, parent])) for x in (made, truth))
                lengths.append(abs(ours - theirs))
                longer.append(max(ours / bones[joint] - 1, 0))
            if t + 1 < len(made):
                for side, ankle in enumerate((left, right)):
                    if stands[t, side]:
                        skating.append(np.hypot(*(made[t + 1, ankle] - made[t, ankle])))
            if t + 3 < len(made):
                third = made[t + 3] - 3 * made[t + 2] + 3 * made[t + 1] - made[t]
                thirds += np.abs(third).ravel().tolist()
    wanted = {
        "mse": 1e4 * np.mean(squares),
        "mae": 1e2 * np.mean(sizes),
        "bone_error": 1e2 * np.mean(lengths),
        "not_rigid": 1e2 * np.mean(longer),
        "foot_skating": 1e2 * np.mean(skating),
        "jitter": 1e2 * np.mean(thirds),
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-3)
    assert found["mse"] > 1 and found["not_rigid"] > 1


def test_numbers_do_not_depend_on_the_batch(pairs, layout):
    one, other = (
        judge_pairs(lambda driving, source: source, pairs, layout, batch=size) for size in (1, 64)
    )
    assert one == pytest.approx(other, rel=1e-5)


def test_a_body_in_3d_that_stretches_is_not_rigid(pairs, layout, tiny_data):
    settings = {"train": 2, "test": 2, "spread": 1.5, "seed": 0}
    characters = characters_of(tiny_data, "official", settings).test
    windows = windows_of(tiny_data, np.array([0, 9]), 16, 8, 0)
    solid = true_pairs(windows, characters, layout, yaws=[0.0], coords=3, seed=0)
    growing = 1 + 0.1 * np.where(np.arange(16) % 2, 1, -1)[None, :, None, None]
    found = judge_pairs(lambda driving, source: driving * growing, solid, layout)
    assert found["not_rigid"] == pytest.approx(10.0, rel=1e-3)
    assert judge_pairs(lambda driving, source: source, solid, layout)["not_rigid"] < 0.01
