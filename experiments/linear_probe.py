"""Linear probe: one linear layer on frozen features; without --checkpoint, of random weights.

python -m experiments.linear_probe --config=configs/penn_action.py --workdir=runs/NAME
    --checkpoint=runs/penn
"""

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", "configs/base.py", "settings", lock_config=True)
flags.DEFINE_string("workdir", None, "folder of this run", required=True)
flags.DEFINE_string("checkpoint", None, "work directory of a pre-training")


def main(_):
    """Runs the evaluation and prints its results."""
    from via_jax.evaluation import protocols

    config = FLAGS.config
    if FLAGS.checkpoint is not None:
        config.linear_probe.checkpoint = FLAGS.checkpoint
    print(protocols.linear_probe(config, FLAGS.workdir))


if __name__ == "__main__":
    launch.run(main)
