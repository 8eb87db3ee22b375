"""Strict settings for every test: rank promotion is an error, two CPU devices."""

import dataclasses
import os
import pathlib
import signal
import sys
from typing import Any, NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most programs run once or twice: unoptimised they compile in half the time.
os.environ.setdefault(
    "JAX_DISABLE_MOST_OPTIMIZATIONS", "0" if "VIA_JAX_SOAK" in os.environ else "1"
)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))  # configs, experiments

import jax
import ml_collections
import numpy as np
import optax
import pytest

from configs import base
from tests.processes.running import Runs, reports
from via_jax import loop, objectives, parallel
from via_jax.data import store, synthetic, writer
from via_jax.models.autoencoder import Autoencoder
from via_jax.pretrain import pretrain
from via_jax.training import TrainState, create_state, train_step

# A process started in the background may ignore it, and its children would; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(".cache/jax").absolute()))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Folder of real recordings beside the checkout; tests that need it skip where it is absent."""
    default = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("VIA_JAX_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real recordings not found at {folder}; set VIA_JAX_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> store.Prepared:
    """Three actions in 3D: 24 training clips of five people, 9 test clips of two others."""
    clips = synthetic.make_clips(
        0,
        clips_per_class=8,
        test_clips_per_class=3,
        num_frames=24,
        train_characters=5,
        test_characters=2,
        actions=("squat", "walk", "wave"),
    )
    return writer.write(
        tmp_path_factory.mktemp("prepared") / "tiny",
        clips,
        dataset="tiny",
        splits=lambda clip: {"official": str(clip.split)},
    )


@pytest.fixture(scope="session")
def tiny_groups(tiny_data, tmp_path_factory) -> store.Prepared:
    """Seven clips of one or two persons, each shorter than the last; one has no label."""
    clips = []
    for index, persons in enumerate((2, 1, 2, 2, 1, 1, 2)):
        people = [tiny_data.read(3 * index + person) for person in range(persons)]
        frames = slice(0, 24 - index)
        clip = dataclasses.replace(
            people[0],
            poses=np.concatenate([person.poses[:, frames] for person in people]),
            valid=np.concatenate([person.valid[:, frames] for person in people]),
            name=f"group_{index}",
            label=None if index == 6 else people[0].label,
        )
        clips.append(clip)
    return writer.write(
        tmp_path_factory.mktemp("prepared") / "groups",
        clips,
        dataset="groups",
        splits=lambda clip: {"official": "train"},
    )


@pytest.fixture(scope="session")
def runs(tiny_data) -> Runs:
    """Starts runs on `tiny_data` in processes of their own."""
    return Runs(tiny_data.folder)


@pytest.fixture(scope="session")
def whole(runs, tmp_path_factory) -> tuple[pathlib.Path, dict]:
    """The uninterrupted pre-training of one process of `runs`: (work directory, report)."""
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, reports(*runs.start(workdir))[0]


def tiny_config_of(folder: pathlib.Path) -> ml_collections.ConfigDict:
    config = base.get_config()
    config.data.folder = str(folder)
    config.data.held_out = 0.3
    config.data.window.frames = 16
    config.data.window.sampling = "resample"
    config.data.window.shortest_share = 0.7
    config.data.views.camera = base.cameras(yaw=(-60.0, 60.0), elevation=(0.0, 20.0))
    config.data.views.test_camera = base.cameras(yaw=(60.0, 120.0), elevation=(20.0, 40.0))
    config.data.views.bone_spread = 0.15
    config.model.width = 1 / 16
    config.model.decoder_width = 1 / 16
    config.model.num_heads = 1
    config.model.num_directions = 4
    config.pretrain.pairs = 4
    config.pretrain.clusters.count = 3
    config.pretrain.clusters.frames = 8
    config.pretrain.optimizer = base.optimizer(steps=6, learning_rate=1e-3)
    config.fine_tune.batch = 8
    config.fine_tune.optimizer = base.optimizer(steps=4, learning_rate=1e-3)
    for section in (config.pretrain, config.fine_tune):
        section.log_every, section.eval_every, section.save_every = 1, 4, 2
    return config


@pytest.fixture
def tiny_config(tiny_data) -> ml_collections.ConfigDict:
    """A config that trains in seconds on `tiny_data`: width 1/16, one head, 16 frames."""
    return tiny_config_of(tiny_data.folder)


class Pretrained(NamedTuple):
    """A finished pre-training with `tiny_config`: its work directory, what it returned, its end."""

    workdir: pathlib.Path
    results: dict[str, float]
    state: TrainState


@pytest.fixture(scope="session")
def pretrained(tiny_data, tmp_path_factory) -> Pretrained:
    """Compiled and run once for all tests; only to be read."""
    workdir = tmp_path_factory.mktemp("pretrained")
    last = []
    run_steps = loop.run_steps

    def remember(*args, **kwargs):
        last.append(run_steps(*args, **kwargs))
        return last[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "run_steps", remember)
        results = pretrain(tiny_config_of(tiny_data.folder), workdir)
    return Pretrained(workdir, results, jax.tree.map(np.asarray, last[0]))


class Steps(NamedTuple):
    """Some training steps: the state after each, and the scalars of each."""

    states: list[TrainState]
    scalars: list[dict[str, float]]


class CycleTraining(NamedTuple):
    """The cycle loss of the tiny model minimised on one fixed batch.

    Attributes:
      model: without dropout.
      variables: before the first step.
      batch: eight sequences.
      on_two, on_one: 20 steps on two devices, and the first three of them on one.
    """

    model: Autoencoder
    variables: Any
    batch: dict[str, np.ndarray]
    on_two: Steps
    on_one: Steps


def waving_batch(count: int, frames: int, joints: int) -> dict[str, np.ndarray]:
    """Sequences whose joints swing around random places, a tenth of them missing."""
    rng = np.random.default_rng(0)
    place, size = rng.normal(0, 0.7, (2, count, 1, 1, joints, 2))
    pace, phase = rng.uniform(0.5, 3, (2, count, 1, 1, joints, 1))
    turns = np.linspace(0, 1, frames)[None, None, :, None, None]
    poses = place + 0.5 * size * np.sin(2 * np.pi * (pace * turns + phase))
    valid = rng.random(poses.shape[:-1]) > 0.1
    return {"poses": np.where(valid[..., None], poses, 0).astype(np.float32), "valid": valid}


@pytest.fixture(scope="session")
def cycle_training() -> CycleTraining:
    """Compiled and run once for all tests; only to be read."""
    model = Autoencoder(17, 2, 1 / 16, 1 / 16, 1, 4, True, 0.0)
    batch = waving_batch(8, 16, 17)
    init = jax.jit(lambda k: model.init(k, np.zeros((2, 1, 16, 17, 2), np.float32)))
    variables = jax.tree.map(np.asarray, init(jax.random.key(0)))
    weights = {
        "self": 1.0,
        "cycle": 1.0,
        "triplet_motion": 1.0,
        "triplet_character": 1.0,
        "velocity": 0.5,
    }
    loss_fn = objectives.cycle_loss(
        model, weights=weights, margin=1.0, statistics_from_generated=False
    )
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.03, momentum=0.9))

    def run(devices: int, count: int) -> Steps:
        kind = jax.sharding.AxisType.Auto
        mesh = jax.make_mesh((devices,), ("data",), (kind,), devices=jax.devices()[:devices])

        def step(state, constants):
            divided = jax.lax.with_sharding_constraint(constants, parallel.over_batch(mesh))
            key = jax.random.key(state.step)
            return train_step(state, divided, key, loss_fn=loss_fn, optimizer=optimizer)

        compiled = parallel.compile_steps(step, mesh, 1)
        state = parallel.put(create_state(variables, optimizer), mesh)
        steps = Steps([], [])
        for _ in range(count):
            state, scalars = compiled(state, batch)
            steps.states.append(jax.tree.map(np.asarray, state))
            steps.scalars.append(parallel.fetch(scalars))
        return steps

    return CycleTraining(model, variables, batch, run(2, 20), run(1, 3))


@pytest.fixture(scope="session")
def tiny_model(tiny_data):
    """(variables, meta) of a model of 16 frames that sees `tiny_data` in 2D; only to be read."""
    config = base.get_config()
    meta = {
        "layout": tiny_data.manifest["layout"],
        "model": {
            "coords": 2,
            "width": 1 / 16,
            "decoder_width": 1 / 16,
            "num_heads": 1,
            "num_directions": 4,
            "learned_directions": True,
            "dropout": 0.0,
            "dtype": "float32",
        },
        "views": config.data.views.to_dict(),
        "window": {
            "frames": 16,
            "sampling": "resample",
            "shortest_share": 1.0,
            "speed": (1.0, 1.0),
        },
        "statistics": None,
    }
    from via_jax.evaluation.known_views import random_variables

    variables = random_variables(meta, 0)
    rng = np.random.default_rng(0)

    def disturbed(tree):  # biases and running averages that are not 0 and 1
        if isinstance(tree, dict):
            return {name: disturbed(entry) for name, entry in tree.items()}
        return tree + rng.uniform(-0.05, 0.05, tree.shape).astype(np.float32)

    return disturbed(variables), meta
