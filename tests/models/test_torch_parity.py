"""The models and losses against an independent PyTorch implementation with the same weights.

Scales, biases and running statistics are randomised first: fresh batch norms of scale 1e-6 would
hide whatever the spatial units compute.
"""

import math
from typing import Any

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from via_jax import losses
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.classifier import Classifier
from via_jax.models.decoder import Decoder
from via_jax.models.encoder import Encoder, mean_over_persons
from via_jax.objectives import cycle_loss

torch = pytest.importorskip("torch", reason="PyTorch is an optional extra: pip install .[torch]")

from via_jax.benchmark import torch_rival as torch_via  # noqa: E402

WIDTH, CHANNELS = 1 / 8, (8, 16, 32)
BATCH, FRAMES, JOINTS, COORDS, DIRECTIONS = 3, 16, 5, 2, 4
NAMES = {  # parts of linen names and what PyTorch calls them, replaced in this order
    "dictionary/directions": "v",
    "input_norm": "data_bn",
    "block": "l",
    "spatial/dependency": "s_unit.DepM",
    "spatial/down_norm": "s_unit.down.1",
    "spatial/down/": "s_unit.down.0/",
    "spatial/norm": "s_unit.bn",
    "spatial": "s_unit",
    "temporal/conv": "t_unit.conv",
    "temporal/norm": "t_unit.bn",
    "residual_norm": "residual.bn",
    "residual/": "residual.conv/",
    "decoder/conv1": "decoder/model.2",
    "decoder/conv2": "decoder/model.7",
    "decoder/conv3": "decoder/model.12",
    "/kernel": "/weight",
    "/scale": "/weight",
    "/mean": "/running_mean",
    "/var": "/running_var",
    "/": ".",
}


def unstack_heads(flat):
    """Gives each head of the spatial units its own layers, as PyTorch has them."""
    for unit in [path.removesuffix("dependency") for path in flat if path.endswith("dependency")]:
        heads = len(flat[f"{unit}dependency"])
        for leaf in ("kernel", "bias"):
            embeddings, outputs = flat.pop(f"{unit}embeddings/{leaf}"), flat.pop(f"{unit}{leaf}")
            embeddings = embeddings.reshape(*embeddings.shape[:-1], 2, heads, -1)
            for head in range(heads):
                flat[f"{unit}conv_a.{head}/{leaf}"] = embeddings[..., 0, head, :]
                flat[f"{unit}conv_b.{head}/{leaf}"] = embeddings[..., 1, head, :]
                flat[f"{unit}conv_d.{head}/{leaf}"] = outputs[head]


def entries(tree, module):
    """Linen parameters, gradients or statistics under the names and in the shapes of a module."""
    shapes = {name: tuple(x.shape) for name, x in module.state_dict().items()}
    flat = {path: np.asarray(x) for path, x in flatten_dict(tree, sep="/").items()}
    unstack_heads(flat)
    named = {}
    for name, x in flat.items():
        if name.endswith("kernel"):  # [..., in, out] -> [out, in, ...]
            x = np.moveaxis(x, (-1, -2), (0, 1))
        for linen, torch_name in NAMES.items():
            name = name.replace(linen, torch_name)
        padding = (1,) * (len(shapes[name]) - x.ndim)  # 1D kernels are k x 1 in PyTorch
        named[name] = np.ascontiguousarray(x.reshape(x.shape + padding))
    return named


def load(module, variables):
    """Copies linen variables into the module; only what the method never uses may be left out."""
    parts = [entries(tree, module) for tree in variables.values()]
    tensors = {name: torch.tensor(x) for part in parts for name, x in part.items()}
    module.to(next(iter(tensors.values())).dtype)
    missing = module.load_state_dict(tensors, strict=False).missing_keys
    assert all(name.endswith(("s_unit.bias", "num_batches_tracked")) for name in missing), missing
    return module


def fresh(model, *args, dtype=np.float32):
    """Variables of a linen module as NumPy arrays, moved away from their special first values."""
    variables = jax.jit(lambda key: model.init(key, *args))(jax.random.key(0))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(dtype)
        if path[-1].key in ("bias", "mean"):
            return rng.normal(0, 0.2, leaf.shape).astype(dtype)
        return np.asarray(leaf, dtype)

    return jax.tree_util.tree_map_with_path(draw, variables)


def random_poses(seed, batch=BATCH, persons=1, joints=JOINTS, coords=COORDS):
    """[batch, persons, time, joints, coords], neither centred nor scaled."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 0.7, (batch, persons, FRAMES, joints, coords)).astype(np.float32)


def small_autoencoder(dtype=np.float32):
    """A linen autoencoder without dropout, its variables, and the same one in PyTorch."""
    name = np.dtype(dtype).name
    model = Autoencoder(JOINTS, COORDS, WIDTH, WIDTH, 3, DIRECTIONS, True, 0.0, name)
    variables = fresh(model, random_poses(0), dtype=dtype)
    reference = torch_via.Via(JOINTS, COORDS, DIRECTIONS, CHANNELS, dropout=0.0)
    return model, variables, load(reference, variables)


def assert_close(actual, expected):
    """Compares with a tolerance relative to the largest value, as float32 sums deserve."""
    expected = expected.detach().numpy()
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * scale)


def count_samples(module):
    """Lets each batch norm of a module remember over how many values it averages a channel."""

    def remember(layer, inputs):
        layer.samples = inputs[0].numel() // inputs[0].shape[1]

    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.register_forward_pre_hook(remember)


def assert_same_statistics(module, start, updated, updates):
    """Compares running statistics after some updates, given linen's from before and after them.

    PyTorch averages the unbiased variance of a batch and flax the biased one: each is known from
    the other, n / (n - 1) apart.
    """
    kept = 0.9**updates
    found, start, updated = module.state_dict(), entries(start, module), entries(updated, module)
    assert updated.keys() == {name for name in found if ".running_" in name}
    for name, actual in updated.items():
        expected = found[name].numpy() - kept * start[name]
        if name.endswith("running_var"):
            samples = module.get_submodule(name.removesuffix(".running_var")).samples
            expected = expected * (samples - 1) / samples
        assert np.abs(expected).max() > 1e-3, f"{name} was not updated"
        np.testing.assert_allclose(
            actual - kept * start[name], expected, rtol=1e-4, atol=1e-4, err_msg=name
        )


@pytest.mark.parametrize("train", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("persons, coords, heads", [(1, 2, 3), (2, 3, 4)])
def test_encoder(persons, coords, heads, train):
    model, poses = Encoder(WIDTH, heads), random_poses(1, persons=persons, coords=coords)
    variables = fresh(model, poses, False)
    reference = torch_via.Unik(JOINTS, coords, persons, CHANNELS, heads)
    load(reference, variables).train(train)
    count_samples(reference)
    present = np.array([[1, 1], [1, 0], [1, 1]], np.float32)[:, :persons]

    apply = jax.jit(lambda v, x: model.apply(v, x, train, mutable=["batch_stats"]))
    code, updated = apply(variables, poses)
    with torch.no_grad():
        features = reference.features(torch.tensor(poses), torch.tensor(present))

    assert code.shape == (BATCH, persons, FRAMES // 8, CHANNELS[-1])
    pooled = torch.nn.functional.avg_pool1d(features.mT, 2).mT
    assert_close(mean_over_persons(code, present), pooled)
    if train:
        start = variables["batch_stats"]
        assert_same_statistics(reference, start, updated["batch_stats"], updates=1)


def test_published_classifier():
    model, poses = Classifier(7, WIDTH, 3, DIRECTIONS, True, "code"), random_poses(1, persons=2)
    variables = fresh(model, poses, False)
    params, batch_stats = variables["params"], variables["batch_stats"]["encoder"]
    params = {**params["encoder"], "fc": params["head"]}
    reference = torch_via.Unik(JOINTS, COORDS, 2, CHANNELS, classes=7).eval()
    load(reference, {"params": params, "batch_stats": batch_stats})
    logits = jax.jit(lambda v, x: model.apply(v, x, False))(variables, poses)
    assert_close(logits, reference(torch.tensor(poses)))


def test_decoder_drops_and_decodes():
    model = Decoder(JOINTS, COORDS, WIDTH, dropout=0.2)
    code = np.random.default_rng(2).normal(size=(BATCH, 3, CHANNELS[-1])).astype(np.float32)
    variables = fresh(model, code, False)
    reference = torch.nn.ModuleDict({"decoder": torch_via.Decoder(JOINTS, COORDS, CHANNELS)})
    load(reference, {"params": {"decoder": variables["params"]}}).eval()
    decoder, tensor = reference["decoder"], torch.tensor(code)
    assert_close(model.apply(variables, code, False), decoder(tensor))

    # In training both must drop the same values: the reference takes the masks that linen drew.
    poses, seen = model.apply(
        variables,
        code,
        True,
        rngs={"dropout": jax.random.key(3)},
        capture_intermediates=lambda module, _: str(module.name).startswith("Dropout"),
        mutable=["intermediates"],
    )
    for i, layer in enumerate((decoder.model[3], decoder.model[8])):
        output = np.array(seen["intermediates"][f"Dropout_{i}"]["__call__"][0])
        assert 0.05 < (output == 0).mean() < 0.4
        mask = torch.tensor(output != 0).mT / 0.8
        layer.register_forward_hook(lambda *args, mask=mask: args[-1] * mask)
    assert_close(poses, decoder(tensor))


@pytest.mark.parametrize("train", [False, True], ids=["evaluation", "training"])
def test_autoencoder(train):
    model, variables, reference = small_autoencoder()
    driver, source = random_poses(1), random_poses(2)
    count_samples(reference.train(train))

    def retarget(model, driver, source):
        motion = model.split(model.encode(driver, train)).motion
        return model.decode(motion, model.split(model.encode(source, train)).character, train)

    apply = jax.jit(lambda *args: model.apply(*args, method=retarget, mutable=["batch_stats"]))
    poses, updated = apply(variables, driver, source)
    assert poses.shape == (BATCH, FRAMES, JOINTS, COORDS)
    with torch.no_grad():
        assert_close(poses, reference.retarget(torch.tensor(driver), torch.tensor(source)))
    if train:
        start = variables["batch_stats"]
        assert_same_statistics(reference, start, updated["batch_stats"], updates=2)


def test_split_of_padded_windows():
    model, variables, reference = small_autoencoder()
    rng = np.random.default_rng(4)
    code = rng.normal(size=(BATCH, 5, CHANNELS[-1])).astype(np.float32)
    weight = rng.uniform(0.1, 1, (BATCH, 5)).astype(np.float32)
    split = model.apply(variables, code, weight, method="split")
    motion, character = reference.split(torch.tensor(code), torch.tensor(weight))
    assert_close(split.motion, motion)
    assert_close(split.character, character)


def test_full_width():
    model, poses = (
        Autoencoder(17, COORDS, 1.0, 1.0, 3, 32, True, 0.2),
        random_poses(1, 2, joints=17),
    )
    variables = fresh(model, poses)
    reference = load(torch_via.Via(17, COORDS), variables).eval()
    with torch.no_grad():
        expected = reference.retarget(torch.tensor(poses), torch.tensor(poses))
    assert_close(jax.jit(model.apply)(variables, poses), expected)


def test_reference_has_the_published_entries():
    reference = torch_via.Unik(17, 2, persons=2, classes=320)
    assert len(reference.state_dict()) == 362
    sizes = {name: p.numel() for name, p in reference.named_parameters()}
    encoder = sum(size for name, size in sizes.items() if not name.startswith("fc."))
    assert encoder == 3_443_664
    assert encoder - sum(sizes[name] for name in sizes if name.endswith("s_unit.bias")) == 3_443_494
    linear = torch_via.Unik(17, 2, persons=2, classes=31).fc
    assert sum(p.numel() for p in linear.parameters()) == 7_967


def test_initial_spread():
    """A fresh encoder and dictionary are drawn from the same distributions."""
    torch.manual_seed(0)
    reference = torch_via.Via(17, COORDS)
    model = Autoencoder(17, COORDS, 1.0, 1.0, 3, 32, True, 0.2)
    params = jax.jit(model.init)(jax.random.key(0), random_poses(1, joints=17))["params"]
    del params["decoder"]  # the description leaves its start open
    for name, actual in entries(params, reference).items():
        expected = reference.get_parameter(name).detach().numpy()
        if np.ptp(expected) == 0:
            np.testing.assert_array_equal(actual, expected, err_msg=name)
        else:
            spread = math.log(np.std(actual) / np.std(expected))
            assert abs(spread) < 5 / math.sqrt(actual.size), name
        if name.endswith("DepM"):
            assert np.abs(actual).max() <= 1 / 17, name


def random_valid(batch):
    """A mask with a third of the joints missing, and one sequence wholly valid."""
    valid = np.random.default_rng(7).random((batch, FRAMES, JOINTS)) > 0.35
    valid[0] = True
    return valid


@pytest.mark.parametrize("name", ["joint_error", "velocity_error"])
def test_squared_errors(name):
    predicted, target = random_poses(1, coords=3)[:, 0], random_poses(2, coords=3)[:, 0]
    valid = random_valid(BATCH)
    expected = getattr(torch_via, name)(*map(torch.tensor, (predicted, target, valid)))
    np.testing.assert_allclose(getattr(losses, name)(predicted, target, valid), expected, rtol=1e-5)


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(6, 8), (6, 2, 8)], ids=["character", "motion"])
def test_triplet(shape, margin):
    features = np.random.default_rng(6).normal(0, 0.8, (3, *shape)).astype(np.float32)
    tensors = [torch.tensor(x) for x in features]
    expected = torch_via.triplet(tensors[0], tensors[1], tensors[2], margin)
    actual = losses.triplet(features[0], features[1], features[2], margin)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_objective_and_gradients():
    driver, source = random_poses(1).astype(np.float64), random_poses(2).astype(np.float64)
    valid = random_valid(2 * BATCH)
    batch = {"poses": np.concatenate([driver, source]), "valid": valid[:, None]}
    terms = ("self", "cycle", "triplet_motion", "triplet_character", "velocity")
    with jax.enable_x64(True):
        model, variables, reference = small_autoencoder(np.float64)
        loss = cycle_loss(
            model, weights=dict.fromkeys(terms, 1.0), margin=1.0, statistics_from_generated=False
        )
        compute = jax.jit(jax.grad(loss, has_aux=True))
        args = variables["params"], variables["batch_stats"], batch, jax.random.key(0)
        grads, (_, scalars) = jax.tree.map(np.asarray, compute(*args))

    expected = torch_via.objective(reference.train(), *map(torch.tensor, (driver, source, valid)))
    total = torch.stack([*expected.values()]).sum()
    total.backward()
    for name, term in {**expected, "loss": total}.items():
        assert term > 1e-3, f"{name} is too small to compare"
        np.testing.assert_allclose(scalars[name], term.item(), rtol=1e-6, err_msg=name)

    wanted = {n: p.grad.numpy() for n, p in reference.named_parameters() if p.grad is not None}
    norms: dict[str, Any] = {name: np.linalg.norm(gradient) for name, gradient in wanted.items()}
    actual = entries(grads, reference)
    assert actual.keys() == wanted.keys()
    for name, gradient in actual.items():
        # A bias in front of a batch norm has no effect: its gradient is rounding noise around 0.
        scale = max(norms[name], 1e-8 * max(norms.values()))
        error = np.linalg.norm(gradient - wanted[name]) / scale
        assert error < 1e-6, f"{name}: relative error {error:.1e}"
