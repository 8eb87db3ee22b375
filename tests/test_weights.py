"""Published PyTorch weights: names and shapes, conversion both ways, equal logits."""

import functools
import os

import jax
import numpy as np
import pytest
from reference.published import random_state

from via_jax.models.classifier import Classifier
from via_jax.models.encoder import Encoder
from via_jax.weights import Sizes, from_published, shapes_of, sizes_of, to_published

PUBLISHED = Sizes(17, 2, persons=2, heads=3, width=1.0, classes=320, directions=0)
SMALL = Sizes(5, 2, persons=2, heads=3, width=1 / 8, classes=7, directions=0)
NTU = Sizes(25, 3, persons=2, heads=4, width=1 / 8, classes=4, directions=0)
ALONE = Sizes(6, 2, persons=1, heads=2, width=1 / 8, classes=0, directions=5)
ALL = [SMALL, NTU, ALONE]


def test_the_published_model_has_362_entries_and_its_parameter_count():
    shapes = shapes_of(PUBLISHED)
    assert len(shapes) == 362
    assert shapes["l5.s_unit.conv_a.2.weight"] == (32, 64, 1, 1)
    assert shapes["l5.residual.conv.weight"] == (128, 64, 1, 1)
    assert shapes["l8.t_unit.conv.weight"] == (256, 256, 9, 1)
    assert shapes["data_bn.running_var"] == (68,) and shapes["fc.weight"] == (320, 256)
    state = {"running_mean", "running_var", "num_batches_tracked"}
    learned = {n: s for n, s in shapes.items() if n.rsplit(".", 1)[1] not in state}
    count = sum(int(np.prod(s)) for n, s in learned.items() if not n.startswith("fc."))
    assert count == 3_443_664


@pytest.mark.parametrize("sizes", ALL)
def test_sizes_are_read_off_the_shapes(sizes):
    assert sizes_of(random_state(sizes)) == sizes


@pytest.mark.parametrize("sizes", ALL)
def test_there_and_back_is_equal_but_for_unused_entries(sizes):
    state = random_state(sizes)
    again = to_published(from_published(state))
    assert list(again) == list(state)
    for name, value in state.items():
        unused = name.endswith(("s_unit.bias", "num_batches_tracked"))
        np.testing.assert_array_equal(again[name], np.zeros_like(value) if unused else value)
        assert again[name].dtype == value.dtype and again[name].shape == value.shape


@pytest.mark.parametrize("sizes", [SMALL, NTU])
def test_variables_are_those_of_the_classifier(sizes):
    model = Classifier(sizes.classes, sizes.width, sizes.heads, 4, True, "code")
    poses = jax.ShapeDtypeStruct((1, sizes.persons, 8, sizes.joints, sizes.coords), np.float32)
    wanted = jax.eval_shape(lambda p: model.init(jax.random.key(0), p, False), poses)
    found = from_published(random_state(sizes))
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    assert all(
        a.shape == b.shape and a.dtype == b.dtype
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted))
    )


def test_of_a_dictionary_without_head():
    state = random_state(ALONE)
    found = from_published(state)
    assert sorted(found["params"]) == ["dictionary", "encoder"]
    np.testing.assert_array_equal(found["params"]["dictionary"]["directions"], state["v"])


@pytest.mark.parametrize(
    "prefix", ["module.", "model_action.", "module.model_action.", "model_action.module."]
)
def test_prefixes_and_missing_unused_entries_change_nothing(prefix):
    state = random_state(SMALL)
    unused = ("s_unit.bias", "num_batches_tracked")
    named = {prefix + n: v for n, v in state.items() if not n.endswith(unused)}
    assert len(named) < len(state)
    jax.tree.map(np.testing.assert_array_equal, from_published(named), from_published(state))


def changed(change):
    state = random_state(SMALL)
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("l3.t_unit.bn.running_mean"), "1 missing: l3.t_unit.bn.running_mean"),
        (lambda s: s.update(extra=s["fc.bias"]), "1 surplus: extra"),
        (
            lambda s: s.update({"l4.t_unit.conv.bias": np.zeros(9, np.float32)}),
            r"1 of another shape: l4.t_unit.conv.bias \(9,\) instead of \(8,\)",
        ),
        (lambda s: s.pop("l10.s_unit.DepM"), "l10.s_unit.DepM: no such entry; expected an array"),
        (lambda s: s.update({"module.fc.bias": s["fc.bias"]}), "a second entry called 'fc.bias'"),
        (
            lambda s: s.update({"data_bn.weight": np.zeros(19, np.float32)}),
            "19 features; expected a multiple of 5 joints x 2 coords",
        ),
        (lambda s: s.clear(), r"\(0 entries: nothing ...\)"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        from_published(changed(change))


def test_variables_without_an_encoder_are_refused():
    with pytest.raises(ValueError, match="params/encoder/input_norm/scale: no such array"):
        to_published({"params": {"head": {"kernel": np.zeros((2, 3))}}, "batch_stats": {}})


# Against PyTorch


@functools.cache
def reference_of(sizes):
    """The PyTorch model with random weights: (module, state dict as arrays)."""
    torch = pytest.importorskip("torch", reason="PyTorch is an optional extra")
    from via_jax.benchmark import torch_rival as torch_via

    channels = tuple(round(c * sizes.width) for c in torch_via.CHANNELS)
    model = torch_via.Unik(
        sizes.joints, sizes.coords, sizes.persons, channels, sizes.heads, sizes.classes
    )
    state = random_state(sizes)
    model.load_state_dict({n: torch.tensor(v) for n, v in state.items()}, strict=True)
    return model.eval(), {n: v.numpy() for n, v in model.state_dict().items()}


@pytest.mark.parametrize(
    ("sizes", "frames"),
    [
        (SMALL, 20),
        (SMALL, 15),
        (NTU, 15),
        pytest.param(
            PUBLISHED._replace(classes=31),
            30,
            marks=pytest.mark.skipif("VIA_JAX_SOAK" not in os.environ, reason="long; make soak"),
        ),
    ],
)
def test_logits_equal_pytorch_for_any_number_of_frames(sizes, frames):
    import torch

    reference, state = reference_of(sizes)
    shape = (3, sizes.persons, frames, sizes.joints, sizes.coords)
    poses = np.random.default_rng(1).normal(0, 0.7, shape).astype(np.float32)
    model = Classifier(sizes.classes, sizes.width, sizes.heads, 4, True, "code", pooling=1)
    logits = jax.jit(lambda v, p: model.apply(v, p, False))(from_published(state), poses)
    with torch.no_grad():
        expected = reference(torch.tensor(poses)).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-3
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())


def test_pooling_by_two_does_not_change_the_mean_of_whole_windows():
    variables = from_published(random_state(ALONE))
    own = {part: variables[part]["encoder"] for part in ("params", "batch_stats")}
    poses = np.random.default_rng(1).normal(0, 0.7, (2, 1, 24, 6, 2)).astype(np.float32)
    plain, pooled = (
        jax.jit(lambda v, p, n=n: Encoder(1 / 8, 2, pooling=n).apply(v, p, False))(own, poses)
        for n in (1, 2)
    )
    assert plain.shape == (2, 1, 6, 32) and pooled.shape == (2, 1, 3, 32)
    np.testing.assert_allclose(plain.mean(axis=2), pooled.mean(axis=2), rtol=1e-6)
