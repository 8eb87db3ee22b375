"""Scores in files, and their fusion by the names of the clips."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from via_jax import metrics
from via_jax.data.sampling import Window
from via_jax.evaluation import fusion, protocols
from via_jax.evaluation.fine_tune import score
from via_jax.evaluation.fusion import Scores, fuse, read_scores, write_scores
from via_jax.models.classifier import Classifier
from via_jax.pretrain import views_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = ["bow", "run", "sit"]
NAMES = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"]


def scores_of(seed=0, names=NAMES, classes=CLASSES):
    """Log-probabilities; the label of a clip depends on its name."""
    logits = 2 * np.random.default_rng(seed).normal(size=(len(names), len(classes)))
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    labels = np.array([int(name[1:]) % len(classes) for name in names])
    return Scores(np.array(names), labels, np.array(classes), logits.astype(np.float32))


def taken(scores, order):
    order = np.asarray(order)
    return scores._replace(
        names=scores.names[order], labels=scores.labels[order], scores=scores.scores[order]
    )


def test_fusion_is_the_loop_over_clips_and_classes():
    runs = {"a": scores_of(0), "b": scores_of(1), "c": scores_of(2)}
    weights = [1.0, 0.5, 2.0]
    found = fuse(runs, weights)
    for clip, label in np.ndindex(8, 3):
        total = 0.0
        for scores, weight in zip(runs.values(), weights):
            total += weight * np.exp(float(scores.scores[clip, label]))
        assert np.exp(found.scores[clip, label]) == pytest.approx(total / 3.5, rel=1e-5)
    np.testing.assert_array_equal(found.names, NAMES)
    np.testing.assert_array_equal(found.labels, runs["a"].labels)


def test_clips_are_matched_by_name_not_by_position():
    a, b = scores_of(0), scores_of(1)
    expected = fuse({"a": a, "b": b}, [1, 1])
    order = np.random.default_rng(0).permutation(8)
    found = fuse({"a": a, "b": taken(b, order)}, [1, 1])
    for here, there in zip(found, expected):
        np.testing.assert_array_equal(here, there)
    other_way = fuse({"b": taken(b, order), "a": a}, [1, 1])
    np.testing.assert_allclose(other_way.scores, expected.scores[order])
    assert other_way.names.tolist() == [NAMES[i] for i in order]


def test_one_run_keeps_its_scores_and_a_weight_of_0_leaves_one_out():
    a, b = scores_of(0), scores_of(1)
    np.testing.assert_allclose(fuse({"a": a}, [0.7]).scores, a.scores, atol=1e-5)
    np.testing.assert_allclose(fuse({"a": a, "b": b}, [0, 3]).scores, b.scores, atol=1e-5)


def test_scores_far_apart_stay_finite():
    a = scores_of(0)
    a.scores[:, 0] = 0
    a.scores[:, 1:] = -2e4
    assert np.isfinite(fuse({"a": a}, [1]).scores).all()
    high = a._replace(scores=a.scores + 5e3)  # logits of another program, not yet normalised
    np.testing.assert_array_equal(fuse({"a": high}, [1]).scores, fuse({"a": a}, [1]).scores)


def test_what_differs_is_named():
    a = scores_of(0)
    cases = {
        "their clips differ: 2 only in a ('c7', 'c8')$": taken(a, range(6)),
        "their clips differ: 4 only in b ('c10', 'c11', 'c12', ...)$": scores_of(
            1, [*NAMES, "c10", "c11", "c12", "c13"]
        ),
        "their clips differ: 1 only in a ('c8'); 1 only in b ('c9')$": scores_of(
            1, [*NAMES[:7], "c9"]
        ),
        "their classes differ: 1 only in a ('sit'); 1 only in b ('eat')$": a._replace(
            classes=np.array(["bow", "run", "eat"])
        ),
        "their classes differ: the same names in another order$": a._replace(
            classes=np.array(["run", "bow", "sit"])
        ),
        "2 clips have other labels, the first is 'c3': 'bow' and 'sit'$": taken(
            a._replace(labels=np.array([1, 2, 2, 1, 2, 1, 1, 2])), range(7, -1, -1)
        ),
    }
    for message, b in cases.items():
        pattern = f"a and b cannot be fused: {message}".replace("(", r"\(").replace(")", r"\)")
        with pytest.raises(ValueError, match=pattern):
            fuse({"a": a, "b": b}, [1, 1])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "1 weights for 2 runs; give one for each run"),
        ([1, 1, 1], "3 weights for 2 runs"),
        ([1, -1], r"weights \[1, -1\]; expected none below 0"),
        ([0, 0], "and one above"),
        ([1, np.nan], "expected none below 0"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        fuse({"a": scores_of(0), "b": scores_of(1)}, weights)
    with pytest.raises(ValueError, match="0 weights for 0 runs"):
        fuse({}, [])


# Files


def test_scores_survive_their_file(tmp_path):
    scores = scores_of(0)._replace(scores=scores_of(0).scores.astype(np.float64))
    write_scores(tmp_path, scores)
    found = read_scores(tmp_path)
    for here, there in zip(found, scores):
        np.testing.assert_array_equal(here, there)
    assert found.scores.dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == ["scores.npz"]


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(fusion.jax, "process_index", lambda: 1)
    write_scores(tmp_path, scores_of(0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"labels": np.array([0, 1])},
            r"shapes \[\(8,\), \(2,\), \(3,\), \(8, 3\)\] of names, lab",
        ),
        ({"scores": np.zeros((8, 2), np.float32)}, r"shapes .*\(8, 2\)"),
        ({"classes": np.array("bow")}, "shapes"),
        ({"names": np.array(["c1", "c2", "c3", "c4", "c5", "c6", "c4", "c8"])}, "'c4' twice"),
        ({"labels": np.full(8, 3)}, "labels from 3 to 3 of 3 classes"),
        ({"labels": np.full(8, -1)}, "labels from -1 to -1"),
        ({"scores": np.full((8, 3), np.nan, np.float32)}, "scores that are not finite"),
    ],
)
def test_scores_that_do_not_fit_each_other_are_refused(changed, message, tmp_path):
    write_scores(tmp_path, scores_of(0)._replace(**changed))
    with pytest.raises(ValueError, match=rf"scores\.npz holds .*{message}.*run the fine-tuning"):
        read_scores(tmp_path)


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"scores\.npz is missing; .*run experiments\.fine_tune"):
        read_scores(tmp_path)
    path = tmp_path / "scores.npz"
    write_scores(tmp_path, scores_of(0))
    whole = path.read_bytes()
    for damage in (whole[: len(whole) // 2], b"nothing", b""):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"scores\.npz is damaged"):
            read_scores(tmp_path)
    with path.open("wb") as file:
        np.savez(file, names=np.array(NAMES))
    with pytest.raises(ValueError, match=r"damaged: .*labels"):
        read_scores(tmp_path)


# Scores of a classifier, and runs


@pytest.fixture(scope="module")
def classifier(tiny_data):
    """An untrained classifier and its variables."""
    model = Classifier(3, 1 / 16, 1, 4, True, "code")
    example = np.zeros((2, 1, 16, 17, 2), np.float32)
    return model, model.init(fusion.jax.random.key(0), example, False)


@pytest.mark.parametrize("published", [False, True])
def test_each_test_clip_counts_once_whatever_the_batch(
    published, tiny_data, tiny_config, classifier
):
    model, variables = classifier
    test = tiny_data.clips_of("official", "test")[[4, 0, 8, 2, 6, 1, 3, 7, 5]]
    found = {}
    for batch in (1, 7, 64):
        found[batch] = score(
            model,
            variables,
            tiny_data,
            test,
            window=Window(16, 8, "resample", 1.0, (1.0, 1.0)),
            views=views_of(tiny_config, tiny_data),
            persons=1,
            published_persons=published,
            batch=batch,
            seed=0,
        )
    assert found[1].shape == (9, 3) and found[1].dtype == np.float32
    np.testing.assert_allclose(np.exp(found[1]).sum(axis=1), 1.0, rtol=1e-5)
    assert np.ptp(found[1], axis=0).max() > 1e-4  # clips differ
    one, *others = (
        metrics.accuracy(x, tiny_data.label[test], tiny_data.classes) for x in found.values()
    )
    assert one["clips"] == 9
    for batch, accuracy in zip((7, 64), others):
        assert accuracy == one
        np.testing.assert_allclose(found[batch], found[1], atol=1e-5)


def run_of(config, folder, stream):
    config.data.views.stream = stream
    protocols.fine_tune(config, folder)
    return folder


def test_fine_tuned_streams_are_fused(tiny_data, tiny_config, tmp_path):
    tiny_config.fine_tune.optimizer.steps = 2
    runs = [run_of(tiny_config, tmp_path / name, name) for name in ("joint", "bone_motion")]
    test = tiny_data.clips_of("official", "test")
    each = []
    for run in runs:
        scores = read_scores(run)
        np.testing.assert_array_equal(scores.names, tiny_data.names[test])
        np.testing.assert_array_equal(scores.labels, tiny_data.label[test])
        assert scores.classes.tolist() == tiny_data.classes
        stored = json.loads((run / "results.json").read_text())
        each.append(metrics.accuracy(scores.scores, scores.labels, tiny_data.classes))
        assert stored["top1"] == each[-1]["top1"]
        assert stored["confusion"] == each[-1]["confusion"]
    joint, bone = (read_scores(run).scores for run in runs)
    assert np.abs(joint - bone).max() > 1e-3

    command = [sys.executable, "-m", "experiments.fuse", f"--runs={runs[0]},{runs[1]}"]
    command += ["--weights=1,0.5", f"--out={tmp_path / 'fused'}"]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    stored = json.loads((tmp_path / "fused" / "results.json").read_text())
    expected = metrics.accuracy(
        np.exp(joint) + 0.5 * np.exp(bone), tiny_data.label[test], tiny_data.classes
    )
    assert stored["top1"] == expected["top1"] and stored["confusion"] == expected["confusion"]
    assert stored["mean_class"] == expected["mean_class"]
    for name in ("top1", "top5", "mean_class"):
        assert stored[f"each_{name}"] == [found[name] for found in each]
    assert str(stored["top1"]) in ended.stdout
    assert json.loads((tmp_path / "fused" / "config.json").read_text())["weights"] == [1, 0.5]


def test_a_run_is_fused_once(tmp_path):
    with pytest.raises(ValueError, match="a run can be fused only once; raise its weight"):
        protocols.fuse([tmp_path / "a", f"{tmp_path}/a/"], [1, 1], tmp_path / "out")
    with pytest.raises(ValueError, match=r"a/scores\.npz is missing"):
        protocols.fuse([tmp_path / "a"], [1], tmp_path / "out")
    assert not (tmp_path / "out").exists()
