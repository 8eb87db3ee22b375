"""Table 6: trains a retargeter on drawn characters and judges it on others against the truth."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from via_jax.checkpoints import load_model
from via_jax.data import store
from via_jax.data.characters import characters_of
from via_jax.data.true_pairs import TruePairs, true_pairs, windows_of
from via_jax.evaluation import baselines
from via_jax.evaluation.against_truth import judge_pairs, retargeter_of
from via_jax.evaluation.baselines import Retargeter
from via_jax.networks import network_of
from via_jax.pretrain import pretrain, stage_of, views_of
from via_jax.runs import open_run

TRAINING_WINDOWS = 40  # that the linear map is fitted to, each on all pairs of characters
HELD_OUT_WINDOWS = 10  # that its strength is chosen on
STRENGTHS = (1e-6, 1e-4, 1e-2, 1.0)


def test_pairs_of(config: Any, data: store.Prepared) -> TruePairs:
    """The test pairs that a config describes: test clips on characters that training never saw.

    Raises:
      ValueError: no test characters, or no test clip that is long enough.
    """
    characters = _test_characters(config, data)
    settings = config.paired
    sequences = data.sequences_of(data.clips_of(config.data.protocol, "test"))
    windows = windows_of(data, sequences, settings.frames, settings.hop, settings.windows)
    return _pairs(config, data, windows, characters, settings.seed)


def _test_characters(config: Any, data: store.Prepared) -> np.ndarray:
    characters = characters_of(data, config.data.protocol, config.data.characters.to_dict())
    if characters is None or len(characters.test) < 2:
        raise ValueError(
            f"data.characters.test={config.data.characters.test}; expected at least two test"
            " characters (and data.characters.train above 0), to retarget between them"
        )
    return characters.test


def _pairs(
    config: Any, data: store.Prepared, windows: np.ndarray, characters: np.ndarray, seed: int
) -> TruePairs:
    if not data.manifest["y_up"]:
        windows = windows * np.array([1.0, -1.0, 1.0], np.float32)
    return true_pairs(
        windows,
        characters,
        data.layout,
        yaws=list(config.paired.yaws),
        coords=config.model.coords,
        seed=seed,
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
            _test_characters(config, store.load(config.data.folder))  # refused before training
            pretrain(config, workdir / "pretrain")
            run.results(**judge(config, workdir / "pretrain"))
    return json.loads((workdir / "results.json").read_text())


def judge(config: Any, trained: Path) -> dict[str, float]:
    """The numbers of `judge_pairs` for the last step of a pre-training in the same model."""
    data = store.load(config.data.folder)
    variables, meta = load_model(trained / "checkpoints", "latest")
    retarget = retargeter_of(
        network_of(config, data.layout), variables, views_of(config, data, meta)
    )
    return judge_pairs(retarget, test_pairs_of(config, data), data.layout)


def baseline(config: Any, name: str) -> dict[str, float]:
    """The numbers of `judge_pairs` for a retargeter that is not trained by gradients.

    name: "copied driver"; "scaled driver", each bone by one factor to the source's 95th percentile;
    or "ridge", a linear map fitted to training motions on training characters.

    Raises:
      ValueError: another name.
    """
    data = store.load(config.data.folder)
    retarget: Retargeter
    if name == "copied driver":
        retarget = baselines.copied_driver
    elif name == "scaled driver":
        retarget = baselines.scaled_driver(data.layout, 95.0)
    elif name == "ridge":
        retarget = _ridge(config, data)
    else:
        raise ValueError(f"{name!r}; expected 'copied driver', 'scaled driver' or 'ridge'")
    return judge_pairs(retarget, test_pairs_of(config, data), data.layout)


def _ridge(config: Any, data: store.Prepared) -> Retargeter:
    """The linear map of training windows, as long as those that networks are trained on."""
    window = config.data.window.frames
    sequences = data.sequences_of(data.clips_of(config.data.protocol, "train"))
    count = TRAINING_WINDOWS + HELD_OUT_WINDOWS
    windows = windows_of(data, sequences, window, window // 2, count)
    order = np.random.default_rng(config.seed).permutation(len(windows))
    characters: Any = characters_of(data, config.data.protocol, config.data.characters.to_dict())

    def triples(chosen: np.ndarray):
        pairs = _pairs(config, data, windows[chosen], characters.train, config.seed)
        for part in np.array_split(np.arange(len(pairs.truth)), max(1, len(pairs.truth) // 64)):
            yield pairs.driving[part], pairs.source[part], pairs.truth[part]

    left = max(2, len(windows) * HELD_OUT_WINDOWS // count)
    found = baselines.fit_ridge(
        triples(order[left:]), triples(order[:left]), data.layout, STRENGTHS
    )
    return found.__call__
