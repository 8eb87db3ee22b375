"""Trains a retargeter on drawn characters and judges it where the truth is known (Table 6).

  python -m experiments.paired --config=configs/mocap_characters.py --workdir=runs/k32

A rerun continues. --config.pretrain.paired=False trains without the truth.
"""

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file(
    "config", "configs/mocap_characters.py", "settings", lock_config=True
)
flags.DEFINE_string("workdir", None, "folder of this run", required=True)


def main(_):
    """Runs the row and prints its numbers."""
    from via_jax.evaluation.paired_protocol import paired

    print(paired(FLAGS.config, FLAGS.workdir))


if __name__ == "__main__":
    launch.run(main)
