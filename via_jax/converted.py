"""Published weights as a checkpoint that the linear probe, fine-tuning and the API read."""

from pathlib import Path
from typing import Any

import numpy as np

import via_jax
from via_jax import skeletons, weights, weights_three_encoders
from via_jax.checkpoints import Checkpoints
from via_jax.models.three_encoders import LAYOUT
from via_jax.runs import open_run
from via_jax.typing import Tree


def write_checkpoint(
    out: str | Path, state: weights.State, config: Any, layout: str, classes: list[str] | None
) -> weights.Sizes:
    """Converts a state dict and writes it as the only checkpoint of a work directory.

    Args:
      out: work directory; gets config.json and checkpoints/.
      state: see `weights.from_published`.
      config: see configs/base.py; its `model` must be that of the weights.
      layout: name of the joint layout of the weights.
      classes: names of the classes in the order of `fc`; None calls them "0", "1", ...

    Raises:
      ValueError: weights that are not a UNIK's, or not of this config, layout or classes.
    """
    state = weights.without_prefix(state)
    variables = weights.from_published(state)
    sizes = weights.sizes_of(state)
    check_settings(sizes, config, layout)
    _write(out, variables, meta_of_weights(sizes, config, layout, classes), config, layout)
    return sizes


def write_three_encoders(out: str | Path, state: weights.State, config: Any) -> None:
    """As `write_checkpoint`, of the three encoders of Aberman et al., for `pretrain.start_from`.

    Raises:
      ValueError: weights that are not theirs, or a config of another network or normalisation.
    """
    params = weights_three_encoders.from_published(state)
    wrong = []
    if config.pretrain.network != "three_encoders":
        wrong.append("set --config.pretrain.network=three_encoders")
    if config.model.coords != 2:
        wrong.append("set --config.model.coords=2")
    if config.data.views.normalisation == "root":
        wrong.append('normalisation "root" needs statistics, which such weights lack')
    if wrong:
        raise ValueError(f"the weights are of the three encoders: {'; '.join(wrong)}")
    meta = _meta(config, LAYOUT.name, config.model.to_dict())
    _write(out, {"params": params}, meta, config, LAYOUT.name)


def _write(out: str | Path, variables: Tree, meta: dict, config: Any, layout: str) -> None:
    with (
        open_run(out, {"converted": config.to_dict(), "layout": layout}) as run,
        # The only step is the best one too, whichever is asked for.
        Checkpoints(run.checkpoints, keep_best_by="step") as checkpoints,
    ):
        if checkpoints.steps():
            raise ValueError(f"{out} holds a checkpoint already; choose another folder")
        training = {"step": np.int32(0)}
        checkpoints.save(0, {"model": variables, "training": training}, meta, {"step": 0.0})


def check_settings(sizes: weights.Sizes, config: Any, layout: str) -> None:
    """Raises ValueError where weights are not of this config or layout, with what to set."""
    found = {
        "data.persons": (sizes.persons, config.data.persons),
        "model.coords": (sizes.coords, config.model.coords),
        "model.num_heads": (sizes.heads, config.model.num_heads),
        "model.width": (sizes.width, config.model.width),
    }
    if sizes.directions:
        found["model.num_directions"] = (sizes.directions, config.model.num_directions)
    wrong = [
        f"{name}: {there} there, {here} here; set --config.{name}={there}"
        for name, (there, here) in found.items()
        if there != here
    ]
    joints = skeletons.get_layout(layout).num_joints
    if joints != sizes.joints:
        wrong.append(f"{sizes.joints} joints there, {joints} in layout {layout}: name another one")
    if config.data.views.normalisation == "root":
        wrong.append('normalisation "root" needs statistics, which such weights lack')
    if wrong:
        raise ValueError(f"the weights are of another model ({'; '.join(wrong)})")


def meta_of_weights(
    sizes: weights.Sizes, config: Any, layout: str, classes: list[str] | None
) -> dict:
    """What the checkpoint says of itself, as `pretrain.meta_of`.

    The model has "pooling" 1: the published classifier averages over all its steps.
    """
    config = config.copy_and_resolve_references()
    config.data.published_persons = True  # absent persons are averaged as well
    config.fine_tune.feature = "code"
    meta = _meta(config, layout, config.model.to_dict() | {"pooling": 1})
    if not sizes.classes:
        if classes is not None:
            raise ValueError("the weights have no fc layer, so there are no classes to name")
        return meta
    names = classes if classes is not None else [str(i) for i in range(sizes.classes)]
    if len(names) != sizes.classes or len(set(names)) < len(names):
        raise ValueError(
            f"{len(set(names))} different class names; fc has {sizes.classes} rows: one name each"
        )
    return meta | {"classes": names}


def _meta(config: Any, layout: str, model: dict) -> dict:
    return {
        "version": via_jax.__version__,
        "layout": layout,
        "model": model,
        "views": config.data.views.to_dict(),
        "statistics": None,
        "window": config.data.window.to_dict(),
        "dataset": "published weights",
        "data_sha256": "",
        "config": config.to_dict(),
    }
