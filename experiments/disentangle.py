"""How far a pre-trained model keeps motion and character apart: numbers and pictures.

  python -m experiments.disentangle --checkpoint=runs/RUN --data=prepared/SET --protocol=P --out=DIR

Writes results.json and disentanglement.md (the model beside random weights), tsne.png,
canonical.png and traversal.png. For 2D recordings write --yaws= with nothing behind it.
"""

import pathlib

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("checkpoint", None, "work directory of a pre-training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("data", None, "folder of a prepared data set", required=True)
flags.DEFINE_string("protocol", None, "whose test clips are taken", required=True)
flags.DEFINE_string("out", None, "folder to write", required=True)
flags.DEFINE_list("yaws", ["-60", "0", "60"], "cameras around 3D recordings, degrees")
flags.DEFINE_integer("clips", 1000, "at most so many, a seeded draw")
flags.DEFINE_list("show", [], "clips in the pictures by name; empty: one of each of 4 actions")
flags.DEFINE_list("directions", [], "to traverse, from 0; empty: the 5 along which clips vary most")
flags.DEFINE_integer("seed", 0, "of draws, folds, random weights and t-SNE")


def main(_):
    """Encodes the test clips in every view, measures, draws."""
    from via_jax.disentangle import disentangle

    text = disentangle(
        pathlib.Path(FLAGS.checkpoint),
        pathlib.Path(FLAGS.data),
        FLAGS.protocol,
        pathlib.Path(FLAGS.out),
        which=FLAGS.which,
        yaws=[float(yaw) for yaw in FLAGS.yaws],
        count=FLAGS.clips,
        show=FLAGS.show,
        directions=[int(direction) for direction in FLAGS.directions],
        seed=FLAGS.seed,
    )
    print(text)


if __name__ == "__main__":
    launch.run(main)
