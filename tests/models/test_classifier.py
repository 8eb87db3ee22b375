"""The classifier: sizes of its layer, who is averaged, what is pooled, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.models.classifier import Classifier, mean_over_time
from via_jax.models.dictionary import DirectionDictionary
from via_jax.models.encoder import Encoder

TINY = {"width": 1 / 16, "num_heads": 1, "num_directions": 4, "learned_directions": True}


@pytest.mark.parametrize(("classes", "size"), [(31, 7_967), (15, 3_855), (155, 39_835)])
def test_the_linear_layer_has_the_papers_size(classes, size):
    """Table 4: 7.97 K, 3.85 K and 39.85 K."""
    model = Classifier(classes, 1.0, 3, 32, True, "code")
    poses = jax.ShapeDtypeStruct((2, 2, 8, 17, 2), jnp.float32)
    params = jax.eval_shape(lambda p: model.init(jax.random.key(0), p, False), poses)["params"]
    assert sorted(params) == ["encoder", "head"]
    assert sum(int(np.prod(x.shape)) for x in params["head"].values()) == size


@pytest.fixture(scope="module")
def two_persons(cycle_training):
    """Variables of a tiny classifier of two persons, its encoder trained; and four clips."""
    state = cycle_training.on_two.states[-1]
    params, stats = dict(state.params), dict(state.batch_stats)
    for tree in (params, stats):
        norm = {name: np.tile(x, 2) for name, x in tree["encoder"]["input_norm"].items()}
        tree["encoder"] = {**tree["encoder"], "input_norm": norm}
    rng = np.random.default_rng(0)
    head = {"kernel": rng.normal(size=(16, 3)).astype(np.float32), "bias": np.ones(3, np.float32)}
    variables = {"params": {**params, "head": head}, "batch_stats": stats}
    del params["decoder"]
    poses = cycle_training.batch["poses"].reshape(4, 2, 16, 17, 2)
    return variables, poses


@pytest.fixture(scope="module")
def outputs(two_persons):
    """All that the tests look at, compiled once: (variables, poses, present, weight) -> dict."""

    @jax.jit
    def compute(variables, poses, present, weight):
        params, stats = variables["params"], variables["batch_stats"]
        found = {}
        for feature in ("code", "motion"):
            model = Classifier(3, feature=feature, **TINY)
            own = {"params": params, "batch_stats": stats}
            found[feature] = model.apply(own, poses, False, present, weight)
            found[f"{feature} of all"] = model.apply(own, poses, False)
        encoder = {"params": params["encoder"], "batch_stats": stats["encoder"]}
        found["codes"] = Encoder(1 / 16, 1).apply(encoder, poses, False)
        return found

    return compute


PRESENT = np.array([[1, 1], [1, 0], [1, 1], [0, 1]], bool)
WEIGHT = np.array([[1.0, 0.5]] * 4, np.float32)


def test_logits_are_the_layer_on_the_pooled_code(two_persons, outputs):
    variables, poses = two_persons
    found = outputs(variables, poses, PRESENT, WEIGHT)
    head = variables["params"]["head"]
    dictionary = DirectionDictionary(4)
    directions = {"params": variables["params"]["dictionary"]}
    for clip in range(4):
        people = [np.asarray(found["codes"][clip, p]) for p in range(2) if PRESENT[clip, p]]
        code = sum(people) / len(people)  # [time, channels]
        motion = dictionary.apply(directions, code[None], WEIGHT[clip, None]).motion[0]
        for name, steps in (("code", code), ("motion", motion)):
            pooled = (1.0 * steps[0] + 0.5 * steps[1]) / 1.5
            expected = pooled @ head["kernel"] + head["bias"]
            np.testing.assert_allclose(found[name][clip], expected, atol=1e-4)
        everybody = np.asarray(found["codes"][clip]).mean(axis=(0, 1))
        np.testing.assert_allclose(
            found["code of all"][clip], everybody @ head["kernel"] + head["bias"], atol=1e-4
        )


def test_garbage_of_an_absent_person_does_not_matter(two_persons, outputs):
    variables, poses = two_persons
    garbage = np.where(PRESENT[:, :, None, None, None], poses, 1e3).astype(np.float32)
    clean = outputs(variables, poses, PRESENT, WEIGHT)
    spoilt = outputs(variables, garbage, PRESENT, WEIGHT)
    for feature in ("code", "motion"):
        np.testing.assert_allclose(spoilt[feature], clean[feature], atol=1e-4)
        absent = ~PRESENT.all(axis=1)
        of_all = np.abs(spoilt[f"{feature} of all"] - clean[f"{feature} of all"]).max(axis=1)
        assert (of_all[absent] > 1e-2).all() and (of_all[~absent] < 1e-4).all()


def test_mean_over_time_is_the_weighted_loop():
    code = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    weight = np.array([[1, 1, 0.25], [0.5, 0, 0]], np.float32)
    for clip in range(2):
        total = sum(weight[clip, t] * code[clip, t] for t in range(3))
        np.testing.assert_allclose(
            mean_over_time(code, weight)[clip], total / weight[clip].sum(), rtol=1e-5
        )
    np.testing.assert_allclose(mean_over_time(code, None), code.mean(axis=1), rtol=1e-5)
    assert np.isfinite(mean_over_time(code, 0 * weight)).all()


def test_an_unknown_feature_is_refused():
    model = Classifier(3, feature="character", **TINY)
    with pytest.raises(ValueError, match='feature=\'character\'; expected "code" or "motion"'):
        model.init(jax.random.key(0), np.zeros((2, 1, 8, 17, 2), np.float32), False)
