"""Pre-trains an autoencoder by motion retargeting, without labels; a rerun continues.

python -m experiments.pretrain --config=configs/penn_action.py --workdir=runs/penn
"""

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", "configs/base.py", "settings", lock_config=True)
flags.DEFINE_string("workdir", None, "folder of this run", required=True)


def main(_):
    """Runs the stage and prints its results."""
    from via_jax.pretrain import pretrain

    print(pretrain(FLAGS.config, FLAGS.workdir))


if __name__ == "__main__":
    launch.run(main)
