"""Makes the golden checkpoint of a release, and the numbers that it must give ever after.

  PYTHONPATH=tests:. python tests/golden_run.py tests/golden/0.1.0.tar.gz

A release keeps the files of those before it and adds its own. The model is a small one of random
weights, saved by the code that saves a pre-training.
"""

import json
import pathlib
import sys
import tarfile
import tempfile

from conftest import tiny_config_of  # first: it settles how jax compiles

# isort: split
import jax
import numpy as np

from via_jax import loop, pretrain
from via_jax.checkpoints import load_model
from via_jax.data import synthetic, writer
from via_jax.models.autoencoder import Autoencoder


def inputs():
    """Two sequences that swing, [2, 1, 16, 17, 2], from a formula."""
    index = np.arange(2 * 16 * 17 * 2, dtype=np.float64).reshape(2, 1, 16, 17, 2)
    return np.sin(0.37 * index + 0.01 * np.square(index % 29)).astype(np.float32)


def numbers(variables, meta):
    """Motion codes of the two sequences, and each retargeted onto the other."""
    model = Autoencoder(joints=17, **meta["model"])

    def run(variables, poses):
        code = model.apply(variables, poses, False, method="encode")
        split = model.apply(variables, code, None, method="split")
        other = split.character[::-1]
        return split.motion, model.apply(variables, split.motion, other, False, method="decode")

    motion, crossed = jax.jit(run)(variables, inputs())
    return {"motion": np.asarray(motion), "crossed": np.asarray(crossed)[:, ::5, ::4]}


def save_at_3(state, step, rhythm, *, run, checkpoints, meta, **rest):
    """In the place of training: weights off their start, saved as step 3."""
    rng = np.random.default_rng(0)

    def move(x):
        moved = np.asarray(x) + rng.uniform(-0.05, 0.05, x.shape)
        return (np.round(64 * moved) / 64).astype(np.float32)  # few bits, a small file

    params, batch_stats = (jax.tree.map(move, t) for t in (state.params, state.batch_stats))
    state = state.replace(step=np.int32(3), params=params, batch_stats=batch_stats)
    loop.save(state, checkpoints, meta, {})
    return state


def main(out: str) -> None:
    """Writes the archive: run/ as pre-training leaves it, and numbers.json."""
    loop.run_steps = save_at_3
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        clips = synthetic.make_clips(
            0,
            clips_per_class=8,
            test_clips_per_class=3,
            num_frames=24,
            train_characters=5,
            test_characters=2,
            actions=("squat", "walk", "wave"),
        )
        writer.write(
            place / "data", clips, dataset="tiny", splits=lambda clip: {"official": str(clip.split)}
        )
        config = tiny_config_of(place / "data")
        config.model.width = config.model.decoder_width = 1 / 32
        config.pretrain.optimizer.name = "sgd"
        config.data.held_out = 0.0
        pretrain.pretrain(config, place / "run")
        expected = numbers(*load_model(place / "run" / "checkpoints", "latest"))
        (place / "numbers.json").write_text(
            json.dumps({k: np.round(v, 6).tolist() for k, v in expected.items()})
        )
        with tarfile.open(out, "w:gz") as archive:
            archive.add(place / "run" / "checkpoints", "run/checkpoints")
            archive.add(place / "numbers.json", "numbers.json")


if __name__ == "__main__":
    main(sys.argv[1])
