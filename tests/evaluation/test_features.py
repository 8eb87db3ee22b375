"""Features of frozen encoders: what they are, and that taking them changes nothing."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference.published import random_state

from via_jax.evaluation import features
from via_jax.evaluation.clips import over_clips
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.encoder import Encoder
from via_jax.pretrain import views_of, window_of
from via_jax.weights import Sizes, from_published


def copy_of(pretrained):
    """Variables as NumPy arrays of their own, as they come from a checkpoint."""
    state = pretrained.state
    return jax.tree.map(np.array, {"params": state.params, "batch_stats": state.batch_stats})


def digest(tree):
    return hashlib.sha256(b"".join(np.asarray(x).tobytes() for x in jax.tree.leaves(tree)))


@pytest.fixture
def how(tiny_config, tiny_data):
    return {
        "model": tiny_config.model.to_dict(),
        "feature": "motion",
        "published_persons": False,
        "window": window_of(tiny_config.data),
        "views": views_of(tiny_config, tiny_data),
        "persons": 1,
        "batch": 7,
        "seed": 0,
    }


def inputs_of(data, clips, how):
    """[clips, time, joints, coords], what the encoder sees."""
    names = ("window", "views", "persons", "batch", "seed")
    settings = {name: how[name] for name in names}
    return over_clips(lambda _, batch: batch["poses"], {}, data, clips, **settings)[:, 0]


def test_features_are_the_mean_motion_of_each_clip_whatever_the_batch(
    pretrained, tiny_data, how, tiny_config
):
    variables, clips = copy_of(pretrained), np.arange(9)
    before = digest(variables).hexdigest()
    found = {
        size: features.extract(variables, tiny_data, clips, **{**how, "batch": size})
        for size in (1, 7, 64)
    }
    assert digest(variables).hexdigest() == before  # frozen
    assert found[7].shape == (9, 16) and found[7].dtype == np.float32
    np.testing.assert_allclose(found[1], found[7], atol=1e-5)
    np.testing.assert_allclose(found[64], found[7], atol=1e-5)

    model = Autoencoder(joints=17, **tiny_config.model)

    def mean_motion(model, poses):
        return model.split(model.encode(poses, False)).motion.mean(axis=1)

    poses = inputs_of(tiny_data, clips, how)
    expected = jax.jit(lambda v, p: model.apply(v, p, method=mean_motion))(
        variables, poses[:, None]
    )
    np.testing.assert_allclose(found[7], expected, atol=1e-5)
    assert np.ptp(found[7], axis=0).max() > 1e-3


def test_the_input_itself_as_features(tiny_data, how):
    clips = np.array([5, 2])
    found = features.extract({}, tiny_data, clips, **{**how, "feature": "poses"})
    np.testing.assert_array_equal(found, inputs_of(tiny_data, clips, how).reshape(2, -1))


def test_an_unknown_feature_is_refused(how):
    with pytest.raises(ValueError, match='feature=\'character\'; expected "motion", "code"'):
        features.features_of(
            {},
            {"poses": np.zeros((1, 1, 8, 17, 2))},
            model=how["model"],
            feature="character",
            published_persons=False,
        )


@pytest.fixture(scope="module")
def groups(pretrained):
    """Features of three clips of two persons with padded windows, each person also on its own."""
    variables = copy_of(pretrained)
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 0.5, (3, 2, 16, 17, 2)).astype(np.float32)
    batch = {
        "poses": poses,
        "present": np.array([[1, 1], [1, 0], [0, 1]], bool),
        "weight": np.array([[1.0, 0.5]] * 3, np.float32),
    }
    model = {"width": 1 / 16, "num_heads": 1, "dtype": "float32"}
    model |= {"num_directions": 4, "learned_directions": True}

    @jax.jit
    def compute(variables, two, batch):
        found = {
            (feature, published): features.features_of(
                two, batch, model=model, feature=feature, published_persons=published
            )
            for feature, published in (("code", False), ("code", True), ("motion", False))
        }
        own = {name: variables[name]["encoder"] for name in ("params", "batch_stats")}
        there = batch["present"][..., None, None, None]
        alone = jnp.stack([batch["poses"], jnp.where(there, batch["poses"], 0.0)])
        return found, Encoder(1 / 16, 1).apply(own, alone.reshape(12, 1, 16, 17, 2), False)

    found, codes = compute(variables, features.repeat_persons(variables, 2), batch)
    # [as they are or absent ones zero, clips, persons, time, channels]
    return variables, batch, found, np.asarray(codes).reshape(2, 3, 2, 2, 16)


def test_persons_are_averaged_where_they_are_present(groups):
    _, batch, found, codes = groups
    for clip in range(3):
        for published in (False, True):
            steps = codes[int(published), clip].transpose(1, 0, 2)  # [time, persons, channels]
            people = [0, 1] if published else np.flatnonzero(batch["present"][clip])
            mean = steps[:, people].mean(axis=1)
            expected = (1.0 * mean[0] + 0.5 * mean[1]) / 1.5
            np.testing.assert_allclose(found["code", published][clip], expected, atol=1e-5)


def test_motion_is_the_code_without_its_character(groups):
    variables, _, found, _ = groups
    directions, _ = np.linalg.qr(variables["params"]["dictionary"]["directions"])
    code, motion = found["code", False], found["motion", False]
    np.testing.assert_allclose(motion, code - code @ directions @ directions.T, atol=1e-4)
    assert np.abs(motion - code).max() > 1e-2


def test_repeating_persons_changes_only_the_input_norm(pretrained):
    variables = copy_of(pretrained)
    before = digest(variables).hexdigest()
    repeated = features.repeat_persons(variables, 3)
    assert digest(variables).hexdigest() == before

    def check(path, old, new):
        name = jax.tree_util.keystr(path)
        expected = np.concatenate([old, old, old]) if "input_norm" in name else old
        np.testing.assert_array_equal(new, expected, err_msg=name)

    for part in ("params", "batch_stats"):
        flat, structure = jax.tree_util.tree_flatten_with_path(variables[part])
        assert structure == jax.tree.structure(repeated[part])
        for (path, old), new in zip(flat, jax.tree.leaves(repeated[part])):
            check(path, old, new)


def test_an_encoder_of_two_persons_keeps_the_first_for_one():
    sizes = Sizes(17, 2, persons=2, heads=1, width=1 / 16, classes=0, directions=0)
    variables = from_published(random_state(sizes))
    for part, leaf in (("params", "scale"), ("batch_stats", "var")):
        both = variables[part]["encoder"]["input_norm"][leaf]
        for persons, wanted in ((1, both[:34]), (2, both), (3, [*both, *both[:34]])):
            found = features.repeat_persons(variables, persons)[part]["encoder"]["input_norm"]
            np.testing.assert_array_equal(found[leaf], wanted)


def test_motion_of_weights_without_a_dictionary_is_refused(how):
    poses = {"poses": np.zeros((1, 1, 8, 17, 2))}
    how = {name: how[name] for name in ("model", "feature", "published_persons")}
    with pytest.raises(ValueError, match='"motion" of weights without a dictionary'):
        features.features_of({"params": {"encoder": {}}}, poses, **how)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_adapting_replaces_only_the_statistics_of_the_encoder(scale, pretrained, tiny_data, how):
    """Nothing of the old ones stays, however large they were."""
    variables = copy_of(pretrained)
    variables["batch_stats"] = jax.tree.map(
        lambda x: np.float32(scale) * x, variables["batch_stats"]
    )
    before = digest(variables).hexdigest()
    how |= {"batch": 8}
    adapted = features.adapt(variables, tiny_data, np.arange(24), **how)
    assert digest(variables).hexdigest() == before
    jax.tree.map(np.testing.assert_array_equal, adapted["params"], variables["params"])
    old, new = variables["batch_stats"]["encoder"], adapted["batch_stats"]["encoder"]
    assert jax.tree.structure(new) == jax.tree.structure(old)
    assert all((a != b).any() for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new)))

    poses = inputs_of(tiny_data, np.arange(24), how).reshape(3, 8 * 16, 34)  # batches of 8 clips
    np.testing.assert_allclose(new["input_norm"]["mean"], poses.mean(axis=(0, 1)), atol=1e-5)
    np.testing.assert_allclose(new["input_norm"]["var"], poses.var(axis=1).mean(axis=0), atol=1e-5)
