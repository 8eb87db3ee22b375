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


def main(_):
    """Computes and writes the embeddings."""
    import via_jax
    from via_jax.data import store
    from via_jax.data.open_clip import open_clip
    from via_jax.embeddings import check_path, embed, write_embeddings

    check_path(FLAGS.out)
    if bool(FLAGS.data) == bool(FLAGS.clip):
        raise ValueError("give either --data or --clip")
    if FLAGS.data:
        data = store.load(FLAGS.data)
        clips = (data.read(clip) for clip in range(len(data.names)))
    else:
        clips = (open_clip(path) for path in FLAGS.clip)
    found = embed(via_jax.load(FLAGS.checkpoint, FLAGS.which), clips, FLAGS.feature)
    write_embeddings(FLAGS.out, found)
    print(f"{FLAGS.out}: {found.features.shape[0]} clips, {found.features.shape[1]} channels")


if __name__ == "__main__":
    launch.run(main)
