"""Embeddings of clips, or of all clips of a prepared data set, with their names.

python -m experiments.features --checkpoint=runs/penn --data=prepared/penn_action --out=penn.npz
python -m experiments.features --checkpoint=runs/penn --clip=PATH --clip=PATH --out=mine.parquet

An .npz holds names, labels and features [clips, channels]; a .parquet, which needs pyarrow, the
columns name, label and feature.
"""

from absl import flags

from experiments import launch
from experiments.opening import opening

FLAGS = flags.FLAGS
flags.DEFINE_string("checkpoint", None, "work directory of a training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("data", None, "prepared data set")
flags.DEFINE_multi_string("clip", [], "file or folder; may be given several times")
flags.DEFINE_enum("feature", None, ["motion", "code"], "None: motion where there is a dictionary")
flags.DEFINE_string("out", None, "file to write, .npz or .parquet", required=True)


def main(_):
    """Computes and writes the embeddings."""
    from via_jax.commands import features

    lines = features(
        FLAGS.checkpoint,
        FLAGS.which,
        FLAGS.data,
        FLAGS.clip,
        FLAGS.out,
        opening(),
        feature=FLAGS.feature,
    )
    print("\n".join(lines))


if __name__ == "__main__":
    launch.run(main)
