"""Fine-tunes the whole encoder with labels; without --checkpoint it starts from scratch.

python -m experiments.fine_tune --config=configs/penn_action.py --workdir=runs/NAME
    --checkpoint=runs/penn
"""

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", "configs/base.py", "settings", lock_config=True)
flags.DEFINE_string("workdir", None, "folder of this run", required=True)
flags.DEFINE_string("checkpoint", None, "work directory of a pre-training")
flags.DEFINE_float("label_fraction", None, "share of the training labels, in (0, 1]")


def main(_):
    """Runs the evaluation and prints its results."""
    from via_jax.evaluation import protocols

    config = FLAGS.config
    if FLAGS.checkpoint is not None:
        config.fine_tune.checkpoint = FLAGS.checkpoint
    if FLAGS.label_fraction is not None:
        config.fine_tune.label_fraction = FLAGS.label_fraction
    print(protocols.fine_tune(config, FLAGS.workdir))


if __name__ == "__main__":
    launch.run(main)
