"""Table 6: trains a retargeter on drawn characters and judges it on others against the truth."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from via_jax.checkpoints import load_model
from via_jax.data import store
from via_jax.data.characters import characters_of
from via_jax.data.true_pairs import TruePairs, true_pairs, windows_of
from via_jax.evaluation.against_truth import judge_pairs, retargeter_of
from via_jax.models.autoencoder import Autoencoder
from via_jax.pretrain import pretrain, stage_of, views_of
from via_jax.runs import open_run


def test_pairs_of(config: Any, data: store.Prepared) -> TruePairs:
    """The test pairs that a config describes: test clips on characters that training never saw.

    Raises:
      ValueError: no test characters, or no test clip that is long enough.
    """
    characters = characters_of(data, config.data.protocol, config.data.characters.to_dict())
    if characters is None or len(characters.test) < 2:
        raise ValueError(
            f"data.characters.test={config.data.characters.test}; expected at least two test"
            " characters (and data.characters.train above 0), to retarget between them"
        )
    settings = config.paired
    sequences = data.sequences_of(data.clips_of(config.data.protocol, "test"))
    windows = windows_of(data, sequences, settings.frames, settings.hop, settings.windows)
    if not data.manifest["y_up"]:
        windows = windows * np.array([1.0, -1.0, 1.0], np.float32)
    return true_pairs(
        windows,
        characters.test,
        data.layout,
        yaws=list(settings.yaws),
        coords=config.model.coords,
        seed=settings.seed,
    )


def paired(config: Any, workdir: str | Path) -> dict[str, float]:
    """Pre-trains as the config says and judges the last step; a rerun continues.

    Args:
      config: see configs/mocap_characters.py; `pretrain.paired` says whether it may see the truth.
      workdir: gets pretrain/, config.json and results.json.

    Returns:
      The numbers of `judge_pairs`.

    Raises:
      ValueError: data, characters or work directory do not fit the config.
    """
    workdir = Path(workdir)
    settings = stage_of(config, "pretrain") | {"paired": config.paired.to_dict()}
    with open_run(workdir, settings) as run:
        if not (workdir / "results.json").is_file():
            pretrain(config, workdir / "pretrain")
            run.results(**judge(config, workdir / "pretrain"))
    return json.loads((workdir / "results.json").read_text())


def judge(config: Any, trained: Path) -> dict[str, float]:
    """The numbers of `judge_pairs` for the last step of a pre-training in the same model."""
    data = store.load(config.data.folder)
    variables, meta = load_model(trained / "checkpoints", "latest")
    model = Autoencoder(joints=data.layout.num_joints, **config.model)
    retarget = retargeter_of(model, variables, views_of(config, data, meta))
    return judge_pairs(retarget, test_pairs_of(config, data), data.layout)
