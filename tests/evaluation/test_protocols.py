"""Probing and fine-tuning from a config: splits, frozen weights, results, and what is refused."""

import hashlib
import json

import jax
import numpy as np
import pytest

from via_jax.data import writer
from via_jax.evaluation import protocols
from via_jax.runs import read_metrics


def digest(tree):
    return hashlib.sha256(b"".join(np.asarray(x).tobytes() for x in jax.tree.leaves(tree)))


def files_of(workdir):
    return {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}


def test_splits_are_disjoint_and_few_labels_leave_the_rest_alone(tiny_data, tiny_config):
    train, left, test = protocols.split_clips(tiny_config, tiny_data, 1.0)
    assert sorted([*train, *left]) == tiny_data.clips_of("official", "train").tolist()
    assert test.tolist() == tiny_data.clips_of("official", "test").tolist()
    assert set(tiny_data.subjects[train]).isdisjoint(tiny_data.subjects[left])

    few, same_left, same_test = protocols.split_clips(tiny_config, tiny_data, 0.25)
    assert len(few) == round(0.25 * len(train)) and set(few) < set(train)
    np.testing.assert_array_equal(same_left, left)
    np.testing.assert_array_equal(same_test, test)
    again, _, _ = protocols.split_clips(tiny_config, tiny_data, 0.25)
    np.testing.assert_array_equal(again, few)
    for fraction in (0.0, -0.5, 1.5):
        with pytest.raises(ValueError, match=rf"label_fraction={fraction} must lie in \(0, 1\]"):
            protocols.split_clips(tiny_config, tiny_data, fraction)


def test_weights_come_from_the_checkpoint_that_is_named(pretrained, tiny_data, tiny_config):
    found, _ = protocols.autoencoder_of(tiny_config, tiny_data, str(pretrained.workdir), "latest")
    jax.tree.map(np.testing.assert_array_equal, found["params"], pretrained.state.params)
    jax.tree.map(np.testing.assert_array_equal, found["batch_stats"], pretrained.state.batch_stats)

    tiny_config.model.num_directions = 5
    with pytest.raises(ValueError, match=r"model\.num_directions: 4 there, 5 here"):
        protocols.autoencoder_of(tiny_config, tiny_data, str(pretrained.workdir), "best")
    with pytest.raises(FileNotFoundError, match="nowhere/checkpoints does not exist"):
        protocols.autoencoder_of(tiny_config, tiny_data, "nowhere", "best")


@pytest.fixture
def probe_config(tiny_config, pretrained):
    tiny_config.linear_probe.checkpoint = str(pretrained.workdir)
    tiny_config.linear_probe.which = "latest"
    tiny_config.linear_probe.batch = 7
    tiny_config.linear_probe.epochs = 5
    tiny_config.linear_probe.rates = (0.1,)
    return tiny_config


def test_the_probe_leaves_the_backbone_frozen(probe_config, pretrained, tmp_path, monkeypatch):
    loaded = []
    load = protocols.autoencoder_of
    monkeypatch.setattr(
        protocols, "autoencoder_of", lambda *args: loaded.append(load(*args)) or loaded[-1]
    )
    before = files_of(pretrained.workdir)
    found = protocols.linear_probe(probe_config, tmp_path)
    state = pretrained.state
    expected = {"params": state.params, "batch_stats": state.batch_stats}
    assert digest(loaded[0][0]).hexdigest() == digest(expected).hexdigest()
    assert files_of(pretrained.workdir) == before

    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["clips"] == 9 and stored["parameters"] == 17 * 3
    assert all(stored[name] == value for name, value in found.items())
    assert {"class_squat", "class_walk", "class_wave", "confusion", "penalty"} <= set(stored)
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0
    assert protocols.linear_probe(probe_config, tmp_path) == found  # the same numbers again


@pytest.fixture
def narrow(tiny_data, tmp_path):
    """The tiny data with a protocol of two of its three classes, whose test has one of them."""

    def roles(clip):
        role = str(tiny_data.splits["official"][tiny_data.names.tolist().index(clip.name)])
        used = ("walk", "wave") if role == "train" else ("wave",)
        return {"official": role} | ({"narrow": role} if clip.label in used else {})

    clips = [tiny_data.read(i) for i in range(len(tiny_data.names))]
    return writer.write(tmp_path / "narrow", clips, dataset="tiny", splits=roles)


def test_a_protocol_is_probed_and_tuned_with_its_own_classes(
    narrow, probe_config, tune_config, tmp_path
):
    assert narrow.classes == ["squat", "walk", "wave"]
    for config in (probe_config, tune_config):
        config.data.folder, config.data.protocol = str(narrow.folder), "narrow"
    tune_config.fine_tune.checkpoint = ""
    probe, tuned = tmp_path / "probe", tmp_path / "tuned"
    protocols.linear_probe(probe_config, probe)
    protocols.fine_tune(tune_config, tuned)
    for workdir in (probe, tuned):
        stored = json.loads((workdir / "results.json").read_text())
        assert np.shape(stored["confusion"]) == (2, 2) and stored["clips"] == 3
        assert {name for name in stored if name.startswith("class_")} == {
            "class_walk",
            "class_wave",
        }
        # No test clip walks, so walking does not count.
        assert stored["class_walk"] is None and stored["mean_class"] == stored["class_wave"]
    assert json.loads((probe / "results.json").read_text())["parameters"] == 17 * 2


@pytest.fixture
def validated(tiny_data, tmp_path):
    """The tiny data; "official" keeps one of the five training people for validation."""
    somebody = np.unique(tiny_data.subjects[tiny_data.clips_of("official", "train")])[2]

    def roles(clip):
        role = str(tiny_data.splits["official"][tiny_data.names.tolist().index(clip.name)])
        part = "validation" if clip.subject == somebody else role
        return {"official": part, "whole": role}

    clips = [tiny_data.read(i) for i in range(len(tiny_data.names))]
    return writer.write(tmp_path / "validated", clips, dataset="tiny", splits=roles)


def test_validation_clips_choose_and_are_never_learned_from(
    validated, tiny_config, tmp_path, monkeypatch
):
    tiny_config.data.folder = str(validated.folder)
    train, validation = (validated.clips_of("official", r) for r in ("train", "validation"))
    for fraction in (0.0, 0.3):
        tiny_config.data.held_out = fraction
        kept, left, _ = protocols.split_clips(tiny_config, validated, 1.0)
        np.testing.assert_array_equal(kept, train)
        np.testing.assert_array_equal(left, validation)

    given = {}

    def probe(*parts, refit, **how):
        given["probe"], given["refit"] = parts, refit
        return {"top1": 50.0, "per_class": {}}

    def neighbours(*parts, **how):
        given["neighbours"] = parts
        return {}

    views = protocols.views_of(tiny_config, validated)
    empty = {"params": {"encoder": {}}}
    monkeypatch.setattr(protocols, "autoencoder_of", lambda *args: (empty, views))
    # A clip's only feature is its number.
    monkeypatch.setattr(protocols.features, "extract", lambda _, data, clips, **how: clips[:, None])
    monkeypatch.setattr(protocols.probing, "linear_probe", probe)
    monkeypatch.setattr(protocols, "knn_probe", neighbours)

    def learned_from(config, workdir):
        protocols.linear_probe(config, workdir)
        return given["refit"], given["probe"][0][:, 0], given["neighbours"][0][:, 0]

    refit, learned, near = learned_from(tiny_config, tmp_path / "validated")
    assert not refit and learned.tolist() == near.tolist() == train.tolist()
    np.testing.assert_array_equal(given["probe"][2][:, 0], validation)
    np.testing.assert_array_equal(given["probe"][3], validated.label[validation])
    np.testing.assert_array_equal(given["neighbours"][1], validated.label[train])

    tiny_config.data.protocol = "whole"
    refit, learned, near = learned_from(tiny_config, tmp_path / "whole")
    left = given["probe"][2][:, 0]
    assert refit and len(left) and near.tolist() == [*learned, *left]
    assert sorted(near) == sorted([*train, *validation])


def test_adapting_the_statistics_changes_only_them(probe_config, tmp_path, monkeypatch):
    """What features are taken with: the weights as they were, statistics of the training clips."""
    used, adapted_on = [], []
    extract, adapt = protocols.features.extract, protocols.features.adapt

    def remember(variables, *args, **kwargs):
        used.append(variables)
        return extract(variables, *args, **kwargs)

    def watch(variables, data, clips, **kwargs):
        adapted_on.append((variables, clips))
        return adapt(variables, data, clips, **kwargs)

    monkeypatch.setattr(protocols.features, "extract", remember)
    monkeypatch.setattr(protocols.features, "adapt", watch)
    probe_config.linear_probe.statistics = "adapted"
    protocols.linear_probe(probe_config, tmp_path)
    ((before, clips),) = adapted_on
    assert len(used) == 2 and used[0] is used[1]
    jax.tree.map(np.testing.assert_array_equal, used[0]["params"], before["params"])
    stats = [jax.tree.leaves(v["batch_stats"]["encoder"]) for v in (before, used[0])]
    assert all((old != new).any() for old, new in zip(*stats))
    assert len(clips) and max(clips) < 24  # no test clip


def test_unknown_statistics_are_refused(probe_config, tmp_path):
    probe_config.linear_probe.statistics = "running"
    with pytest.raises(ValueError, match='statistics=\'running\'; expected "frozen" or "adapted"'):
        protocols.linear_probe(probe_config, tmp_path)


@pytest.fixture
def tune_config(tiny_config, pretrained):
    tiny_config.fine_tune.checkpoint = str(pretrained.workdir)
    tiny_config.fine_tune.which = "latest"
    return tiny_config


def test_fine_tuning_starts_from_the_pretrained_encoder_and_learns_all_of_it(
    tune_config, pretrained, tmp_path, monkeypatch
):
    states = []
    run_steps = protocols.loop.run_steps

    def remember(state, *args, **kwargs):
        states.append(jax.tree.map(np.asarray, state))
        states.append(jax.tree.map(np.asarray, run_steps(state, *args, **kwargs)))
        return states[-1]

    monkeypatch.setattr(protocols.loop, "run_steps", remember)
    found = protocols.fine_tune(tune_config, tmp_path)
    start, end = states
    jax.tree.map(
        np.testing.assert_array_equal, start.params["encoder"], pretrained.state.params["encoder"]
    )
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), start.params, end.params)
    assert all(jax.tree.leaves(changed)) and set(changed) == {"encoder", "head"}

    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows if "train_top1" in row] == [1, 2, 3, 4]
    assert [row["step"] for row in rows if "held_out_top1" in row] == [4]
    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["clips"] == 9 and stored["train_clips"] == 16
    assert stored["held_out_top1"] == rows[-1]["held_out_top1"]
    assert all(stored[name] == value for name, value in found.items())
    assert sum(sum(row) for row in stored["confusion"]) == 9


def test_results_are_flat_and_their_headline_short():
    result = {"top1": 50.0, "clips": 2, "held_out_top1": None, "per_class": {"a": 50.0, "b": None}}
    assert protocols.flat(result) == {
        "top1": 50.0,
        "clips": 2,
        "held_out_top1": None,
        "class_a": 50.0,
        "class_b": None,
    }
    assert protocols.headline(result) == {"top1": 50.0, "clips": 2}
