"""Grids of config overrides: networks and baselines, the dictionary, the losses, the pairing.

  python -m experiments.ablate --what=dictionary --workdir=runs/ablation --seeds=0,1

A rerun continues. Writes <what>.md, .csv, .json and .png.
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file(
    "config", "configs/mocap_characters.py", "settings", lock_config=True
)
flags.DEFINE_enum(
    "what", None, ["retargeting", "dictionary", "losses", "pairing"], "which grid", required=True
)
flags.DEFINE_string("data", "prepared", "folder of the prepared data sets")
flags.DEFINE_string("workdir", None, "folder of the runs and tables", required=True)
flags.DEFINE_list("seeds", ["0"], "seeds, separated by commas")


def main(_):
    """Runs the grid, prints the table and draws it."""
    from via_jax.ablation import ablate, metrics_of
    from via_jax.figures.ablation import draw_grid

    config, workdir = FLAGS.config, pathlib.Path(FLAGS.workdir)
    with config.unlocked():
        for section, field in ((config.data, "folder"), (config.ablation, "views")):
            section[field] = str(pathlib.Path(FLAGS.data) / pathlib.Path(section[field]).name)
    rows = ablate(FLAGS.what, config, workdir, [int(seed) for seed in FLAGS.seeds])
    draw_grid(rows, metrics_of(FLAGS.what), workdir / f"{FLAGS.what}.png")
    print((workdir / f"{FLAGS.what}.md").read_text())


if __name__ == "__main__":
    launch.run(main)
