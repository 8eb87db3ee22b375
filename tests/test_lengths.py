"""Clips of every length and of no motion, files in any order: no surprise.

The window has 16 frames. What a training, a probe and features see are batches of windows; they
are checked without a model, which sees nothing else.
"""

import csv
import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from via_jax import objectives
from via_jax.checkpoints import load_model
from via_jax.data import writer
from via_jax.data.batches import blend, facts_of, frames_of, gather
from via_jax.data.clip import check_clip
from via_jax.data.prepare import prepare
from via_jax.data.readers.folder import write_clip
from via_jax.data.sampling import Window, evaluation_windows, training_windows
from via_jax.evaluation import retargeting

SOAK = "VIA_JAX_SOAK" in os.environ
LENGTHS = (1, 2, 15, 16, 17, 100_000)
CROP = Window(16, 8, "crop", 1.0, (0.7, 1.3))
RESAMPLE = Window(16, 8, "resample", 0.7, (1.0, 1.0))


def of_length(clip, frames, **changes):
    """The clip repeated or cut to a number of frames."""
    index = np.arange(frames) % clip.num_frames
    return dataclasses.replace(
        clip,
        poses=clip.poses[:, index],
        valid=clip.valid[:, index],
        name=f"frames_{frames}",
        **changes,
    )


@pytest.fixture(scope="module")
def lengths(tiny_data, tmp_path_factory):
    """A prepared data set of one clip of every length."""
    clip = tiny_data.read(0)
    return writer.write(
        tmp_path_factory.mktemp("lengths") / "data",
        [of_length(clip, frames) for frames in LENGTHS],
        dataset="lengths",
        splits=lambda clip: {"official": "train"},
        min_frames=1,
    )


@pytest.mark.parametrize("window", [CROP, RESAMPLE], ids=["crop", "resample"])
def test_windows_of_every_length(window, lengths):
    """Every drawn frame lies in its clip, and its poses are the clip's own."""
    facts, sequences = facts_of(lengths), np.arange(len(LENGTHS))
    draws = [evaluation_windows(sequences, facts.length, window)]
    draws += [
        training_windows(jax.random.key(seed), sequences, jnp.asarray(facts.length), window)
        for seed in range(20)
    ]
    low, high = (
        facts.origin - facts.scale[:, None] * 32768,
        facts.origin + facts.scale[:, None] * 32768,
    )
    for draw in draws:
        draw = type(draw)(*map(np.asarray, draw))
        assert (draw.low >= 0).all() and (draw.low <= draw.high).all()
        assert (draw.high < np.asarray(LENGTHS)[:, None]).all()
        found = blend(*gather(frames_of(lengths), facts.row[sequences], draw), draw, facts)
        poses = np.asarray(found.poses)
        assert poses.shape == (6, 16, 17, 3)
        assert (poses >= low[:, None, None]).all() and (poses <= high[:, None, None]).all()
        assert np.asarray(found.valid).any(axis=(1, 2)).all()
    still = np.asarray(
        blend(*gather(frames_of(lengths), facts.row[:1], one(draws[0])), one(draws[0]), facts).poses
    )
    np.testing.assert_array_equal(still[0], np.repeat(still[0, :1], 16, axis=0))  # of one frame


def one(draw):
    """The draw of the first sequence alone."""
    return type(draw)(*(np.asarray(x)[:1] for x in draw))


@pytest.mark.parametrize(
    ("frames", "persons", "message"),
    [(0, 1, r"0 frame\(s\); expected at least 2"), (1, 1, "1 frame"), (16, 0, "no person")],
)
def test_too_short_and_empty_clips_are_refused(frames, persons, message, tiny_data, pretrained):
    clip = of_length(tiny_data.read(0), frames)
    clip = dataclasses.replace(clip, poses=clip.poses[:persons], valid=clip.valid[:persons])
    with pytest.raises(ValueError, match=message):
        check_clip(clip)
    variables, meta = load_model(pretrained.workdir / "checkpoints", "latest")
    for driving, source in ((clip, tiny_data.read(0)), (tiny_data.read(0), clip)):
        with pytest.raises(ValueError, match=message):
            retargeting.retarget(variables, meta, driving, source)


@pytest.mark.parametrize("sampling", ["crop", "resample"])
def test_retargeting_of_every_length(sampling, pretrained, tiny_data):
    variables, meta = load_model(pretrained.workdir / "checkpoints", "latest")
    meta = meta | {"window": meta["window"] | {"sampling": sampling}}
    source = tiny_data.read(5)
    for frames in LENGTHS[1:] if SOAK else LENGTHS[1:-1]:
        driving = of_length(tiny_data.read(0), frames)
        result = retargeting.retarget(variables, meta, driving, source)
        assert result.num_frames == frames and np.isfinite(result.poses).all()


@pytest.fixture(scope="module")
def gradients(cycle_training):
    """(params, poses) -> (loss, gradient) of the cycle, compiled once."""
    weights = {
        "self": 1.0,
        "cycle": 1.0,
        "triplet_motion": 1.0,
        "triplet_character": 1.0,
        "velocity": 0.5,
    }
    loss_fn = objectives.cycle_loss(
        cycle_training.model, weights=weights, margin=1.0, statistics_from_generated=False
    )

    @jax.jit
    def run(params, poses):
        batch = {"poses": poses, "valid": jnp.ones(poses.shape[:-1], bool)}
        value = jax.value_and_grad(loss_fn, has_aux=True)
        stats = cycle_training.variables["batch_stats"]
        (loss, _), gradient = value(params, stats, batch, jax.random.key(0))
        return loss, gradient

    return run


@pytest.mark.parametrize("kind", ["constant", "in one point", "zero-length bone", "dependent"])
def test_degenerate_clips_and_dictionaries_have_finite_gradients(kind, gradients, cycle_training):
    params = jax.tree.map(np.array, cycle_training.variables["params"])
    poses = np.array(cycle_training.batch["poses"])
    if kind == "constant":
        poses[:] = poses[:, :, :1]
    elif kind == "in one point":  # no motion, no extent, all clips alike
        poses[:] = 0.0
    elif kind == "zero-length bone":
        poses[..., 3, :] = poses[..., 2, :]
    else:
        raw = params["dictionary"]["directions"]
        raw[:, 1] = raw[:, 0]
    loss, gradient = gradients(params, poses)
    assert np.isfinite(loss)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)


def test_the_order_of_files_changes_no_byte(tmp_path, tiny_data):
    """The same clips written in another order, as a file system may list them."""
    files = {}
    for order in (1, -1):
        folder = tmp_path / f"source{order}"
        folder.mkdir()
        for index in range(6)[::order]:
            clip = dataclasses.replace(tiny_data.read(index), name=f"clip{index}")
            write_clip(folder / f"clip{index}.npz", clip)
        with (folder / "labels.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["name", "label", "split"])
            table.writerows([f"clip{index}", "walk", "train"] for index in range(6))
        prepare("folder", folder, tmp_path / f"out{order}")
        out = sorted((tmp_path / f"out{order}").iterdir())
        files[order] = {path.name: path.read_bytes() for path in out}
    assert files[1] == files[-1]
