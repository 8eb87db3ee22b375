"""Puts the motion of one clip onto the body and camera of another.

  python -m experiments.retarget --driving=PATH --source=PATH --checkpoint=runs/NAME --out=DIR

A clip is what a pose detector wrote (a folder of OpenPose frames, the JSON of AlphaPose, MMPose,
Ultralytics, MediaPipe or COCO results, a .csv), an .npz, .bvh, .mat, .amc or .json recording, or a
prepared data set followed by the name of a clip (prepared/penn_action/0001).
"""

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("driving", None, "clip whose motion is taken", required=True)
flags.DEFINE_string("source", None, "clip whose body and camera are taken", required=True)
flags.DEFINE_string("checkpoint", None, "work directory of a pre-training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("out", None, "folder to write", required=True)
flags.DEFINE_enum("format", "gif", ["gif", "mp4"], "of the film")
flags.DEFINE_bool("fit_bones", True, "give each bone the source's length, one factor a clip")
flags.DEFINE_string("file_format", None, "of the files; None recognises it")
flags.DEFINE_string("layout", None, "of the joints, where the files leave it open")
flags.DEFINE_integer("max_persons", 2, "persons kept of a recording", lower_bound=1)
flags.DEFINE_float("min_confidence", 0.0, "joints with this confidence or less are missing")
flags.DEFINE_integer("max_gap", 10, "frames of absence that are bridged", lower_bound=0)


def main(_):
    """Reads, retargets, writes retargeted.{npz,json,gif,png} and results.json."""
    from via_jax.commands import Opening, retarget

    lines = retarget(
        FLAGS.checkpoint,
        FLAGS.which,
        FLAGS.driving,
        FLAGS.source,
        FLAGS.out,
        Opening(
            FLAGS.file_format,
            FLAGS.layout,
            FLAGS.max_persons,
            FLAGS.min_confidence,
            max_gap=FLAGS.max_gap,
        ),
        film_format=FLAGS.format,
        fit_bones=FLAGS.fit_bones,
    )
    print("\n".join(lines))


if __name__ == "__main__":
    launch.run(main)
