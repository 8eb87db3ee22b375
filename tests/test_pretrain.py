"""Pre-training from a config: its work directory, a resumed run, pairs, and what is refused."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from via_jax import pretrain as pretraining
from via_jax.checkpoints import Checkpoints, load_model
from via_jax.data.batches import facts_of, frames_of, gather
from via_jax.data.clusters import clusters_of
from via_jax.data.held_out import held_out
from via_jax.data.sampling import Window
from via_jax.models.encoder import TIME_FACTOR
from via_jax.pairs import pair_feed
from via_jax.pretrain import (
    check_same_model,
    long_enough,
    pretrain,
    self_error,
    stage_of,
    views_of,
    window_of,
)
from via_jax.runs import read_metrics
from via_jax.training import TrainState

TERMS = {"self", "cycle", "triplet_motion", "triplet_character", "velocity"}


def without_speed(workdir):
    rows = read_metrics(workdir / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "clips_per_second"} for row in rows]


def test_the_work_directory_of_a_finished_run(pretrained, tiny_config, tiny_data):
    rows = read_metrics(pretrained.workdir / "metrics.jsonl")
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4, 5, 6]
    assert all(TERMS | {"loss", "grad_norm"} <= set(row) for row in rows if "loss" in row)
    errors = {row["step"]: row["held_out_self"] for row in rows if "held_out_self" in row}
    assert sorted(errors) == [4, 6]
    assert pretrained.results == {"steps": 6, "held_out_self": errors[6]}
    stored = json.loads((pretrained.workdir / "results.json").read_text())
    assert stored == pretrained.results

    model, meta = load_model(pretrained.workdir / "checkpoints", "latest")
    jax.tree.map(np.testing.assert_array_equal, model["params"], pretrained.state.params)
    jax.tree.map(np.testing.assert_array_equal, model["batch_stats"], pretrained.state.batch_stats)
    assert meta["model"] == tiny_config.model.to_dict()
    assert (meta["layout"], meta["window"]["frames"], meta["dataset"]) == ("unik17", 16, "tiny")
    assert meta["data_sha256"] == tiny_data.manifest["sha256"]
    with Checkpoints(pretrained.workdir / "checkpoints", read_only=True) as checkpoints:
        assert checkpoints.best_step() == min(errors, key=errors.__getitem__)


def test_a_resumed_run_ends_as_the_uninterrupted_one(pretrained, tiny_config, tmp_path):
    """The copy has lost its last checkpoint: it goes on from step 4."""
    workdir = tmp_path / "run"
    shutil.copytree(pretrained.workdir, workdir)
    shutil.rmtree(workdir / "checkpoints" / "6")
    results = pretrain(tiny_config, workdir)
    assert results == pretrained.results
    assert without_speed(workdir) == without_speed(pretrained.workdir)
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        state = pretrained.state
        restored, _ = checkpoints.restore(
            6,
            {"params": state.params, "batch_stats": state.batch_stats},
            {"step": state.step, "opt_state": state.opt_state},
        )
    found = TrainState(**restored["model"], **restored["training"])
    jax.tree.map(np.testing.assert_array_equal, found, state)


def test_the_work_directory_of_another_config_is_refused(pretrained, tiny_config):
    tiny_config.pretrain.margin = 2.0
    with pytest.raises(ValueError, match=r"another config:\n  pretrain.margin: stored 1.0, given"):
        pretrain(tiny_config, pretrained.workdir)


@pytest.mark.parametrize("kind", ["paired", "two_views"])
def test_other_objectives_are_a_setting(kind, tiny_config, tmp_path, monkeypatch):
    """The step is traced, not run; and nothing is held out, so nothing is evaluated."""
    traced = []

    def trace(state, step, rhythm, *, evaluate, **kwargs):
        assert evaluate is None
        traced.append(jax.eval_shape(step, state))
        return state

    monkeypatch.setattr(pretraining.loop, "run_steps", trace)
    monkeypatch.setattr(pretraining.loop.memory, "reporting", lambda program: program)
    tiny_config.pretrain[kind] = True
    tiny_config.data.held_out = 0.0
    assert pretrain(tiny_config, tmp_path) == {"steps": 0}
    ((state, scalars),) = traced
    terms = TERMS - {"cycle"} if kind == "paired" else {"self", "triplet_motion", "velocity"}
    assert set(scalars) == terms | {"cross", "loss", "grad_norm"}
    assert "decoder" in state.params and state.step.shape == ()


def test_objectives_exclude_each_other(tiny_config, tmp_path):
    tiny_config.pretrain.paired = tiny_config.pretrain.two_views = True
    with pytest.raises(ValueError, match="exclude each other"):
        pretrain(tiny_config, tmp_path)


def test_a_stage_starts_from_the_weights_of_another(pretrained, tiny_config, tmp_path, monkeypatch):
    """The loop is handed the earlier weights, but a new optimiser and step 0."""
    seen = []

    def stop(state, *args, skip_nonfinite, clips_of, **kwargs):
        seen.append(state)
        assert skip_nonfinite == 3 and 1 <= len(clips_of(0)) <= 8
        raise InterruptedError

    monkeypatch.setattr(pretraining.loop, "run_steps", stop)
    tiny_config.pretrain.start_from = str(pretrained.workdir)
    tiny_config.pretrain.skip_nonfinite = 3
    with pytest.raises(InterruptedError):
        pretrain(tiny_config, tmp_path)
    jax.tree.map(np.testing.assert_array_equal, seen[0].params, pretrained.state.params)
    jax.tree.map(np.testing.assert_array_equal, seen[0].batch_stats, pretrained.state.batch_stats)
    assert int(seen[0].step) == 0


def test_the_weights_of_another_model_are_refused(pretrained, tiny_config, tmp_path):
    tiny_config.pretrain.start_from = str(pretrained.workdir)
    tiny_config.model.num_directions = 8
    tiny_config.model.width = 0.25
    with pytest.raises(ValueError, match="holds another model") as caught:
        pretrain(tiny_config, tmp_path)
    assert "model.num_directions: 4 there, 8 here" in str(caught.value)
    assert "model.width: 0.0625 there, 0.25 here" in str(caught.value)
    assert "model.coords" not in str(caught.value)


def test_another_layout_or_normalisation_is_refused():
    here = {"layout": "unik17", "views": {"normalisation": "body"}, "model": {"width": 1.0}}
    check_same_model(here, here, "run")
    there = {"layout": "penn13", "views": {"normalisation": "screen"}, "model": {}}
    with pytest.raises(ValueError, match="run holds another model") as caught:
        check_same_model(there, here, "run")
    assert "layout: 'penn13' there, 'unik17' here" in str(caught.value)
    assert "normalisation: 'screen' there, 'body' here" in str(caught.value)
    assert "model.width: None there, 1.0 here" in str(caught.value)


def test_what_changes_no_number_may_change_in_a_run(tiny_config):
    before = stage_of(tiny_config, "pretrain")
    tiny_config.model.remat = True
    tiny_config.parallel.kind = "pmap"
    assert stage_of(tiny_config, "pretrain") == before  # also of directories of older releases
    tiny_config.pretrain.accumulate = 2
    assert stage_of(tiny_config, "pretrain")["pretrain"]["accumulate"] == 2
    here, there = (
        {"layout": "unik17", "views": {"normalisation": "body"}, "model": {"remat": remat}}
        for remat in (True, False)
    )
    check_same_model(there, here, "run")


def test_the_formulation_of_a_convolution_makes_no_other_model():
    """Older checkpoints do not name it."""
    here = {"layout": "unik17", "views": {"normalisation": "body"}}
    check_same_model({**here, "model": {}}, {**here, "model": {"temporal": "dft"}}, "run")


def test_an_unknown_protocol_is_refused(tiny_config, tmp_path):
    tiny_config.data.protocol = "cross_view"
    with pytest.raises(ValueError, match=r"no protocol 'cross_view'; .* has \['official'\]"):
        pretrain(tiny_config, tmp_path)


def test_the_screen_needs_the_size_of_the_image(tiny_config, tiny_data):
    tiny_config.data.views.normalisation = "screen"
    with pytest.raises(ValueError, match=r"33 clips have no image size, .* \"screen\" needs; set"):
        views_of(tiny_config, tiny_data)


def test_a_size_in_metres_needs_metres(tiny_config, tiny_data):
    tiny_config.data.views.normalisation = "metric"
    views_of(tiny_config, tiny_data)
    manifest = tiny_data.manifest | {"units": "normalised"}
    with pytest.raises(ValueError, match=r"recorded in normalised, and .* needs metres; set"):
        views_of(tiny_config, dataclasses.replace(tiny_data, manifest=manifest))


def test_sequences_shorter_than_a_window_can_be_left_out(tiny_data):
    length = tiny_data.length.copy()
    length[[1, 4]] = 15
    data = dataclasses.replace(tiny_data, length=length)
    window = Window(16, TIME_FACTOR, "crop", 1.0, (1.0, 1.0))
    chosen = np.array([0, 1, 4, 7])
    np.testing.assert_array_equal(long_enough(data, chosen, window), chosen)
    dropping = dataclasses.replace(window, drop_shorter=True)
    np.testing.assert_array_equal(long_enough(data, chosen, dropping), [0, 7])
    with pytest.raises(ValueError, match=r"no training sequence has 16 frames, the longest has 15"):
        long_enough(data, chosen[1:3], dropping)


@pytest.fixture
def sequences(tiny_data, tiny_config):
    train = tiny_data.clips_of("official", "train")
    kept, left = held_out(tiny_data, train, tiny_config.data.held_out, tiny_config.seed)
    assert len(left) >= 4 and len(kept) >= 12
    return tiny_data.sequences_of(kept)


def feed_of(config, data, sequences):
    return pair_feed(config, data, sequences, window_of(config.data), views_of(config, data))


def test_sources_lie_in_other_clusters_and_drivers_in_epochs(tiny_config, tiny_data, sequences):
    feed = feed_of(tiny_config, tiny_data, sequences)
    window = Window(8, TIME_FACTOR, "resample", 1.0, (1.0, 1.0))
    views = views_of(tiny_config, tiny_data)
    labels = clusters_of(tiny_data, sequences, count=3, window=window, views=views, seed=0)
    cluster = dict(zip(sequences.tolist(), labels.tolist()))
    draw, facts = jax.jit(feed.draw), facts_of(tiny_data)
    drivers, sources = [], []
    for step in range(len(sequences)):  # four epochs, four pairs a step
        chosen = np.asarray(draw(step, facts, feed.given).sequence).tolist()
        assert len(chosen) == feed.clips == 8
        for driver, source in zip(chosen[:4], chosen[4:]):
            assert cluster[driver] != cluster[source]
        drivers += chosen[:4]
        sources += chosen[4:]
    count = len(sequences)
    for epoch in range(4):
        assert sorted(drivers[epoch * count : (epoch + 1) * count]) == sorted(sequences)
    assert drivers[:count] != drivers[count : 2 * count]
    assert set(sources) <= set(sequences.tolist()) and len(set(sources)) > count / 2


@pytest.mark.parametrize("second", [None, "target", "other"])
def test_a_batch_holds_one_person_a_sequence(second, tiny_config, tiny_data, sequences):
    tiny_config.pretrain.paired = second == "target"
    tiny_config.pretrain.two_views = second == "other"
    feed = feed_of(tiny_config, tiny_data, sequences)

    def batch_of(step, facts, frames):
        draw = feed.draw(step, facts, feed.given)
        low, high = gather(frames, facts.row[draw.sequence], draw)
        return feed.finish(low, high, draw, facts, step, feed.given)

    batch = jax.eval_shape(batch_of, np.int32(0), facts_of(tiny_data), frames_of(tiny_data))
    names = {"poses": (8, 1, 16, 17, 2), "valid": (8, 1, 16, 17)}
    if second:
        names |= {second: names["poses"], f"{second}_valid": names["valid"]}
    assert {name: value.shape for name, value in batch.items()} == names


class Scaled:
    """Stands in for an autoencoder: returns the poses times a factor."""

    @staticmethod
    def apply(variables, poses, train, weight):
        assert not train and weight is None
        return poses[:, 0] * variables["params"]["factor"]


def test_the_held_out_error_counts_every_sequence_once(tiny_config, tiny_data):
    """The last batch is filled up; what fills it must not count."""
    window, views = window_of(tiny_config.data), views_of(tiny_config, tiny_data)
    state = TrainState(step=0, params={"factor": 3.0}, batch_stats={}, opt_state=())

    def error(sequences):
        measure = self_error(tiny_config, Scaled, tiny_data, np.asarray(sequences), window, views)
        return measure(state)["held_out_self"]

    counts = {0: 64, 30: 2}
    one_by_one = {sequence: error([sequence]) for sequence in counts}
    assert np.ptp([*one_by_one.values()]) > 0.1
    together = error(np.repeat([*counts], [*counts.values()]))  # in batches of 64 and 2
    expected = sum(count * one_by_one[sequence] for sequence, count in counts.items()) / 66
    np.testing.assert_allclose(together, expected, rtol=1e-5)


def test_runs_of_equal_shapes_share_one_compilation(tiny_config, tmp_path, monkeypatch):
    """Seed, pairing and weights are arguments: the compiled program's text does not change."""
    texts = []

    def lower(step, *rest):
        def run(state, constants):
            texts.append(jax.jit(step).lower(state, constants).as_text())
            raise InterruptedError

        return run

    monkeypatch.setattr(pretraining.parallel, "compile_steps", lower)
    monkeypatch.setattr(pretraining.loop.memory, "reporting", lambda program: program)

    def trace(**settings):
        config = tiny_config.copy_and_resolve_references()
        config.update_from_flattened_dict(settings)
        with pytest.raises(InterruptedError):
            pretrain(config, tmp_path / str(len(texts)))

    trace()
    trace(**{"seed": 3, "pretrain.clusters.count": 4, "pretrain.weights.velocity": 0.3})
    assert texts[0] == texts[1]
