"""Puts the motion of one clip onto the body and camera of another.

  python -m experiments.retarget --driving=PATH --source=PATH --checkpoint=runs/NAME --out=DIR

A clip is what a pose detector wrote (a folder of OpenPose frames, the JSON of AlphaPose, MMPose,
Ultralytics, MediaPipe or COCO results, a .csv), an .npz, .bvh, .mat, .amc or .json recording, or a
prepared data set followed by the name of a clip (prepared/penn_action/0001).
"""

from absl import flags

from experiments import launch
from experiments.opening import opening

FLAGS = flags.FLAGS
flags.DEFINE_string("driving", None, "clip whose motion is taken", required=True)
flags.DEFINE_string("source", None, "clip whose body and camera are taken", required=True)
flags.DEFINE_string("checkpoint", None, "work directory of a pre-training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("out", None, "folder to write", required=True)
flags.DEFINE_enum("format", "gif", ["gif", "mp4"], "of the film")
flags.DEFINE_bool("fit_bones", True, "give each bone the source's length, one factor a clip")


def main(_):
    """Reads, retargets, writes retargeted.{npz,json,gif,png} and results.json."""
    from via_jax.commands import retarget

    lines = retarget(
        FLAGS.checkpoint,
        FLAGS.which,
        FLAGS.driving,
        FLAGS.source,
        FLAGS.out,
        opening(),
        film_format=FLAGS.format,
        fit_bones=FLAGS.fit_bones,
    )
    print("\n".join(lines))


if __name__ == "__main__":
    launch.run(main)
