"""Fine-tuning: its loss, its batches, and the weights that it starts from."""

import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax.data.batches import facts_of, frames_of, gather
from via_jax.data.sampling import Window
from via_jax.evaluation.features import repeat_persons
from via_jax.evaluation.fine_tune import (
    classification_loss,
    clip_feed,
    fine_tune,
    from_pretrained,
)
from via_jax.models.classifier import Classifier
from via_jax.pretrain import views_of

TINY = {"width": 1 / 16, "num_heads": 1, "num_directions": 4, "learned_directions": True}


class HandMade(nn.Module):
    """Logits are the sums of the present persons' poses, weighted over time."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, poses, train, present, weight=None):
        seen = self.variable("batch_stats", "count", lambda: jnp.float32(0))
        if train:
            seen.value = seen.value + 1
        gain = self.param("gain", lambda key: jnp.float32(0))
        logits = (poses * present[:, :, None, None]).sum(axis=1)  # [batch, time, classes]
        weight = jnp.ones(logits.shape[:2]) if weight is None else weight
        return gain * (logits * weight[..., None]).sum(axis=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_the_loop_over_clips(smoothing, weighted):
    rng = np.random.default_rng(0)
    batch = {
        "poses": rng.normal(size=(5, 2, 4, 3)).astype(np.float32),
        "present": np.array([[1, 1], [1, 0], [1, 1], [0, 1], [1, 0]], np.float32),
        "label": np.array([0, 2, 1, 1, 2]),
    }
    if weighted:
        batch["weight"] = rng.random((5, 4)).astype(np.float32)
    loss_fn = classification_loss(HandMade(), smoothing)
    params, stats = {"gain": jnp.float32(0.5)}, {"count": jnp.float32(4)}
    loss, (after, scalars) = loss_fn(params, stats, batch, jax.random.key(0))

    losses, hits = [], 0
    for i in range(5):
        logits = np.zeros(3)
        for person in range(2):
            for t in range(4):
                weight = batch["weight"][i, t] if weighted else 1.0
                logits += 0.5 * weight * batch["present"][i, person] * batch["poses"][i, person, t]
        log_probabilities = logits - np.log(np.exp(logits).sum())
        target = np.full(3, smoothing / 3)
        target[batch["label"][i]] += 1 - smoothing
        losses.append(-(target * log_probabilities).sum())
        hits += logits.argmax() == batch["label"][i]
    assert 0 < hits < 5
    assert float(loss) == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(scalars["loss"]) == float(loss)
    assert float(scalars["train_top1"]) == pytest.approx(100 * hits / 5)
    assert float(after["count"]) == 5  # the statistics come back


def make_feed(data, config, published, frames=16):
    window = Window(frames, 8, "crop", 1.0, (0.8, 1.2))
    return clip_feed(
        data,
        np.array([5, 0, 2, 1]),
        window=window,
        views=views_of(config, data),
        persons=2,
        published_persons=published,
        batch=2,
        seed=0,
    )


def test_every_epoch_holds_each_clip_once_with_one_window_for_its_persons(tiny_groups, tiny_config):
    feed, facts = make_feed(tiny_groups, tiny_config, False), facts_of(tiny_groups)
    draw_step = jax.jit(feed.draw)
    epochs, starts = [], set()
    for step in range(8):  # four epochs of two steps
        draw = jax.tree.map(np.asarray, draw_step(step, facts, feed.given))
        clips = tiny_groups.clip[draw.sequence].reshape(2, 2)
        np.testing.assert_array_equal(clips[:, 0], clips[:, 1])
        for row in range(2):
            clip, first = clips[row, 0], tiny_groups.first_sequence[clips[row, 0]]
            second = min(1, tiny_groups.persons[clip] - 1)  # or the only one again
            assert draw.sequence.reshape(2, 2)[row].tolist() == [first, first + second]
            for part in (draw.low, draw.high, draw.fraction):
                np.testing.assert_array_equal(part[2 * row], part[2 * row + 1])
            starts.add(float(draw.low[2 * row, 0] + draw.fraction[2 * row, 0]))
        epochs += clips[:, 0].tolist()
    for epoch in range(4):
        assert sorted(epochs[4 * epoch : 4 * epoch + 4]) == [0, 1, 2, 5]
    assert len({tuple(epochs[4 * e : 4 * e + 4]) for e in range(4)}) > 1 and len(starts) > 1


def test_a_batch_holds_clips_with_their_labels_and_persons(tiny_groups, tiny_config):
    """Windows of 12 frames are padded to 16; absent persons count where the paper's code says."""
    feeds = [make_feed(tiny_groups, tiny_config, published, 12) for published in (False, True)]

    @jax.jit
    def batch_of(step, facts, frames):
        draw = feeds[0].draw(step, facts, feeds[0].given)
        low, high = gather(frames, facts.row[draw.sequence], draw)
        return draw, *(feed.finish(low, high, draw, facts, step, feed.given) for feed in feeds)

    facts, frames = jax.tree.map(np.asarray, (facts_of(tiny_groups), frames_of(tiny_groups)))
    for step in range(2):
        draw, batch, published = batch_of(step, facts, frames)
        clips = tiny_groups.clip[np.asarray(draw.sequence)[::2]]
        assert batch["poses"].shape == (2, 2, 16, 17, 2)
        np.testing.assert_array_equal(batch["label"], tiny_groups.label[clips])
        there = [[True, count == 2] for count in tiny_groups.persons[clips]]
        np.testing.assert_array_equal(batch["present"], there)
        np.testing.assert_array_equal(published["present"], np.ones((2, 2), bool))
        np.testing.assert_array_equal(batch["weight"], [[1.0, 0.5], [1.0, 0.5]])
        zeroed = np.where(batch["present"][..., None, None, None], batch["poses"], 0)
        np.testing.assert_array_equal(published["poses"], zeroed)


def shapes(feature, persons, **changed):
    """A new classifier's variables, shapes only."""
    model = Classifier(5, feature=feature, **(TINY | changed))
    poses = jax.ShapeDtypeStruct((2, persons, 16, 17, 2), jnp.float32)
    return jax.eval_shape(lambda p: model.init(jax.random.key(0), p, False), poses)


@pytest.mark.parametrize(("feature", "persons"), [("code", 1), ("motion", 2)])
def test_pretrained_weights_are_copied_exactly(feature, persons, pretrained):
    state = pretrained.state
    weights = {"params": state.params, "batch_stats": state.batch_stats}
    fresh = shapes(feature, persons)
    found = from_pretrained(fresh, weights, persons)
    expected = repeat_persons(weights, persons)
    modules = ["dictionary", "encoder"] if feature == "motion" else ["encoder"]
    assert sorted(found["params"]) == [*modules, "head"]
    for module in modules:
        jax.tree.map(
            np.testing.assert_array_equal, found["params"][module], expected["params"][module]
        )
    jax.tree.map(
        np.testing.assert_array_equal,
        found["batch_stats"]["encoder"],
        expected["batch_stats"]["encoder"],
    )
    assert found["params"]["head"] is fresh["params"]["head"]
    norm = found["params"]["encoder"]["input_norm"]["scale"]
    np.testing.assert_array_equal(
        np.asarray(norm).reshape(persons, 34),
        np.tile(state.params["encoder"]["input_norm"]["scale"], (persons, 1)),
    )


def test_weights_of_another_model_are_refused_by_name(pretrained):
    weights = {"params": pretrained.state.params, "batch_stats": pretrained.state.batch_stats}
    with pytest.raises(ValueError, match=r"params/encoder\['block1'\].*\(3, 4\) in the checkpoint"):
        from_pretrained(shapes("code", 1, width=1 / 8), weights, 1)
    with pytest.raises(ValueError, match=r"dictionary\['directions'\]: \(16, 4\) .*\(16, 5\) exp"):
        from_pretrained(shapes("motion", 1, num_directions=5), weights, 1)
    without = {**weights, "params": {**weights["params"], "encoder": {}}}
    with pytest.raises(ValueError, match=r"None in the checkpoint, .* of another model"):
        from_pretrained(shapes("code", 1), without, 1)


@pytest.mark.parametrize("part", ["train", "test", "held_out"])
def test_clips_of_unknown_class_are_refused_before_training(part, tiny_groups):
    parts = {"train": [0, 1, 2], "test": [3], "held_out": [4]}
    parts[part] = [*parts[part], 6]
    nothing = types.SimpleNamespace()
    with pytest.raises(ValueError, match=r"1 (training|test|held-out) clips have no known class"):
        fine_tune(
            None,
            tiny_groups,
            **{name: np.array(clips) for name, clips in parts.items()},
            model=TINY,
            feature="code",
            window=nothing,
            views=nothing,
            persons=1,
            published_persons=False,
            batch=2,
            accumulate=1,
            label_smoothing=0.0,
            optimizer={},
            rhythm=nothing,
            placement="device",
            kind="jit",
            seed=0,
            run=nothing,
            checkpoints=nothing,
            meta={},
        )
