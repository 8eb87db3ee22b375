"""The main job from end to end on synthetic data: pre-train, probe, fine-tune, retarget."""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from via_jax.checkpoints import load_model
from via_jax.data import store, synthetic, writer
from via_jax.data.cameras import project, random_cameras
from via_jax.data.clip import Clip
from via_jax.evaluation import protocols, retargeting
from via_jax.figures.curves import loss_curves
from via_jax.figures.retargeting import film
from via_jax.pretrain import pretrain
from via_jax.runs import open_run, read_metrics

COMPILING = "/jax/core/compile/"  # prefix of the events in which jax reports tracing and compiling


def quickstart(config: Any, workdir: str | Path) -> dict[str, float]:
    """Runs all stages into a work directory; a rerun continues where it stopped.

    Args:
      config: see configs/quickstart.py; config.data.folder is set here.
      workdir: gets data/, one folder for each stage, retargeted.gif, loss.png and results.json.

    Returns:
      The numbers of results.json: accuracies in percent, times in seconds.

    Raises:
      ValueError: a work directory of another config.
    """
    begin = time.perf_counter()
    compiling: list[float] = []

    def note(event: str, duration_secs: float, **_: str | int) -> None:
        if COMPILING in event:
            compiling.append(duration_secs)

    workdir = Path(workdir)
    config = config.copy_and_resolve_references()
    config.data.folder = str(workdir / "data")
    # Opened first, so that data of other settings are never used.
    run = open_run(workdir, config.to_dict(), may_change=("linear_probe", "fine_tune"))
    jax.monitoring.register_event_duration_secs_listener(note)
    if not (workdir / "data").exists():
        make_data(config, workdir / "data")

    print("pre-training: retargeting between random bodies and cameras, no labels", flush=True)
    pretrained = workdir / "pretrain"
    pretrain(config, pretrained)
    results: dict[str, float] = {}
    for name, checkpoint, feature in (
        ("raw_pose", "", "poses"),
        ("random_linear", "", config.linear_probe.feature),
        ("linear", str(pretrained), config.linear_probe.feature),
    ):
        print(f"linear probe: {name}", flush=True)
        config.linear_probe.checkpoint, config.linear_probe.feature = checkpoint, feature
        found = protocols.linear_probe(config, workdir / name)
        results[f"{name}_top1"] = found["top1"]
        results[f"{name}_optimum_top1"] = found["optimum_top1"]
    for name, checkpoint in (("scratch", ""), ("fine_tune", str(pretrained))):
        print(f"classification: {name}", flush=True)
        config.fine_tune.checkpoint = checkpoint
        results[f"{name}_top1"] = protocols.fine_tune(config, workdir / name)["top1"]

    print("retargeting motions of unseen characters onto each other", flush=True)
    results |= show_retargeting(config, pretrained, workdir)
    metrics = read_metrics(pretrained / "metrics.jsonl")
    terms = [k for k in metrics[0] if k not in ("step", "grad_norm", "clips_per_second")]
    loss_curves(metrics, workdir / "loss.png", terms)
    results["seconds_compile"] = sum(compiling)
    results["seconds_total"] = time.perf_counter() - begin
    jax.monitoring.unregister_event_duration_listener(note)
    run.results(**results)
    run.close()
    return results


def make_data(config: Any, folder: Path) -> store.Prepared:
    """Generates the embedded data set: 3D clips; characters and motions of the test are others."""
    clips = synthetic.make_clips(config.seed, **config.synthetic)
    return writer.write(
        folder,
        clips,
        dataset="synthetic",
        splits=lambda clip: {"official": str(clip.split)},
    )


def show_retargeting(
    config: Any, pretrained: Path, workdir: Path, pairs: int = 20
) -> dict[str, float]:
    """Retargets between random pairs of unseen characters, films the first; errors to the truth.

    Every motion is a new one, in front of cameras of the training range. The error is the mean
    squared distance of the joints in the scale of the model's input, where a body's joints lie
    about 1 from its hips.
    """
    rng = np.random.default_rng(config.seed)
    variables, meta = load_model(pretrained / "checkpoints", "latest")
    found = []
    for pair in range(pairs):
        actions = [str(name) for name in rng.choice(list(synthetic.ACTIONS), 2, replace=False)]
        if pair == 0:
            actions = ["jumping_jacks", "walk"]
        first, second = (
            synthetic.random_motions(rng, action, 1, num_frames=config.synthetic.num_frames)[0]
            for action in actions
        )
        bodies = synthetic.random_bodies(rng, 2, config.synthetic.test_spread)
        cameras = random_cameras(
            jax.random.fold_in(jax.random.key(config.seed), pair),
            (2,),
            **config.data.views.camera.to_dict(),
        )

        def clip(name, motion, character, bodies=bodies, cameras=cameras):
            camera = jax.tree.map(lambda x: x[character], cameras)
            seen = np.asarray(project(synthetic.perform(motion, bodies[character]), camera))
            valid = np.ones((1, *seen.shape[:2]), bool)
            return Clip(seen[None].astype(np.float32), valid, "unik17", name, units="normalised")

        driving, source = clip(actions[0], first, 0), clip(actions[1], second, 1)
        truth = clip("truth", first, 1)
        result = retargeting.retarget(variables, meta, driving, source)
        found.append(retargeting.errors(result, truth, driving, source))
        if pair == 0:
            film(driving, source, result, workdir / "retargeted.gif", meta["layout"], truth)
    return {name: float(np.mean([errors[name] for errors in found])) for name in found[0]}
