"""Embeddings of clips, or of all clips of a prepared data set, with their names.

python -m experiments.features --checkpoint=runs/penn --data=prepared/penn_action --out=penn.npz
python -m experiments.features --checkpoint=runs/penn --clip=PATH --clip=PATH --out=mine.parquet

An .npz holds names, labels and features [clips, channels]; a .parquet, which needs pyarrow, the
columns name, label and feature.
"""

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("checkpoint", None, "work directory of a training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("data", None, "prepared data set")
flags.DEFINE_multi_string("clip", [], "file or folder; may be given several times")
flags.DEFINE_enum("feature", None, ["motion", "code"], "None: motion where there is a dictionary")
flags.DEFINE_string("out", None, "file to write, .npz or .parquet", required=True)
flags.DEFINE_string("file_format", None, "of the files; None recognises it")
flags.DEFINE_string("layout", None, "of the joints, where the files leave it open")
flags.DEFINE_integer("max_persons", 2, "persons kept of a recording", lower_bound=1)
flags.DEFINE_float("min_confidence", 0.0, "joints with this confidence or less are missing")
flags.DEFINE_integer("max_gap", 10, "frames of absence that are bridged", lower_bound=0)


def main(_):
    """Computes and writes the embeddings."""
    from via_jax.commands import Opening, features

    lines = features(
        FLAGS.checkpoint,
        FLAGS.which,
        FLAGS.data,
        FLAGS.clip,
        FLAGS.out,
        Opening(
            FLAGS.file_format,
            FLAGS.layout,
            FLAGS.max_persons,
            FLAGS.min_confidence,
            max_gap=FLAGS.max_gap,
        ),
        feature=FLAGS.feature,
    )
    print("\n".join(lines))


if __name__ == "__main__":
    launch.run(main)
