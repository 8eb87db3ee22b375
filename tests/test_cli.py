"""The console command: each of the four on files, with a tiny model; mistakes end in one line."""

import csv
import dataclasses
import json

import jax
import numpy as np
import pytest

from via_jax import cli
from via_jax.checkpoints import Checkpoints, load_model
from via_jax.commands import Opening
from via_jax.data.readers.folder import write_clip


@pytest.fixture(scope="module")
def clips(tiny_data, tmp_path_factory):
    """Two recordings as files."""
    folder = tmp_path_factory.mktemp("clips")
    paths = []
    for index in (0, 9):
        clip = tiny_data.read(index)
        paths.append(folder / f"{index}.npz")
        write_clip(paths[-1], clip)
    return [str(path) for path in paths]


@pytest.fixture(scope="module")
def classifier(pretrained, tmp_path_factory):
    """The pre-trained encoder with a random layer for three classes, as fine-tuning leaves it."""
    variables, meta = load_model(pretrained.workdir / "checkpoints", "latest")
    kernel = np.asarray(jax.random.normal(jax.random.key(0), (16, 3)))
    params = {
        "encoder": variables["params"]["encoder"],
        "head": {"kernel": kernel, "bias": np.zeros(3, np.float32)},
    }
    stats = {"encoder": variables["batch_stats"]["encoder"]}
    folder = tmp_path_factory.mktemp("classifier")
    with Checkpoints(folder / "checkpoints") as checkpoints:
        model = {"params": params, "batch_stats": stats}
        training = {"step": np.ones((), np.int32)}
        states = {"model": model, "training": training}
        checkpoints.save(1, states, meta | {"classes": ["squat", "walk", "wave"]}, {})
    return folder


def run(*words):
    return cli.main([str(word) for word in words])


def test_predict(classifier, clips, tmp_path, capsys):
    assert run("predict", "--checkpoint", classifier, "--out", tmp_path, "--top", 2, *clips) == 0
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert len(rows) == 2 and all(row["label"] in ("squat", "walk", "wave") for row in rows)
    assert 1 >= float(rows[0]["probability1"]) >= float(rows[0]["probability2"]) > 0
    assert capsys.readouterr().out.count("\n") == 2


def test_features_and_neighbours(pretrained, clips, tiny_data, tmp_path, capsys):
    out = tmp_path / "found.npz"
    model = ("--checkpoint", pretrained.workdir)
    assert run("features", *model, "--out", out, *clips) == 0
    found = np.load(out, allow_pickle=False)
    assert found["features"].shape == (2, 16) and len(found["names"]) == 2
    # A clip is its own nearest neighbour.
    words = ("--data", tiny_data.folder, "--count", 3, "--out", tmp_path / "similar", clips[1])
    assert run("neighbours", *model, *words) == 0
    rows = list(csv.DictReader((tmp_path / "similar/neighbours.csv").read_text().splitlines()))
    assert rows[0]["clip"] == tiny_data.names[9] and float(rows[0]["cosine"]) > 0.999
    assert (tmp_path / "similar/neighbours.png").stat().st_size > 2000
    assert "1 " in capsys.readouterr().out
    none = ("--data", tiny_data.folder, "--count", 0, "--out", tmp_path / "none", clips[1])
    assert run("neighbours", *model, *none) == 2
    printed = capsys.readouterr().err
    assert f"count=0; expected 1 to {len(tiny_data.names)}, the clips of" in printed


def test_retarget(pretrained, clips, tmp_path):
    words = ("--checkpoint", pretrained.workdir, "--out", tmp_path, *clips)
    assert run("retarget", *words) == 0
    assert {"retargeted.npz", "retargeted.gif", "retargeted.png"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert "bone_error" in json.loads((tmp_path / "results.json").read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["retarget", "--out", "o", "a", "b"], "no --checkpoint, and none at runs/quickstart"),
        (["features", "--checkpoint", "{run}", "--out", "o.npz"], "either a prepared data set"),
        (["features", "--checkpoint", "{run}", "--out", "o.csv", "a"], "ends in .npz or .parquet"),
        (["predict", "--checkpoint", "{run}", "--out", "o", "{clip}"], "has no classifier"),
        (["retarget", "--checkpoint", "{run}", "--out", "o", "a.json", "b"], "a.json"),
    ],
)
def test_mistakes(words, message, pretrained, clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [word.format(run=pretrained.workdir, clip=clips[0]) for word in words]
    assert run(*words) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and message in printed and printed.count("\n") == 1
    assert not (tmp_path / "o").exists() or not list((tmp_path / "o").iterdir())


def test_the_size_of_the_image_fills_in_for_files_without(tmp_path, tiny_data):
    clip = tiny_data.read(0)
    flat = dataclasses.replace(clip, poses=clip.poses[..., :2] * 100, units="pixels", y_up=False)
    write_clip(tmp_path / "flat.npz", flat)
    write_clip(tmp_path / "sized.npz", dataclasses.replace(flat, image_size=(640, 480)))
    opening = Opening(image_size=(800, 600))
    assert opening.clip(str(tmp_path / "flat.npz")).image_size == (800, 600)
    assert opening.clip(str(tmp_path / "sized.npz")).image_size == (640, 480)
    assert Opening().clip(str(tmp_path / "flat.npz")).image_size is None
