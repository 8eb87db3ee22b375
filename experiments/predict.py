"""Names the action of clips: per clip, per person, or for sliding windows.

  python -m experiments.predict --checkpoint=runs/penn_ft --clip=PATH [--clip=PATH ...] --out=DIR
      [--per_person] [--frames=64 --hop=16]

A clip is what experiments.retarget reads. Writes predictions.csv, and with --frames a plot for each
clip and person.
"""

from absl import flags

from experiments import launch
from experiments.opening import opening

FLAGS = flags.FLAGS
flags.DEFINE_string("checkpoint", None, "work directory of a fine-tuning", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_multi_string("clip", None, "file or folder; may be given several times", required=True)
flags.DEFINE_string("out", None, "folder to write", required=True)
flags.DEFINE_bool("per_person", False, "each person alone")
flags.DEFINE_integer("frames", 0, "length of sliding windows; 0: the whole clip", lower_bound=0)
flags.DEFINE_integer("hop", 16, "frames from one window to the next", lower_bound=1)
flags.DEFINE_integer("top", 5, "most probable classes in the table", lower_bound=1)


def main(_):
    """Predicts, prints a line for each piece, and writes the table and the plots."""
    from via_jax.commands import predict

    lines = predict(
        FLAGS.checkpoint,
        FLAGS.which,
        FLAGS.clip,
        FLAGS.out,
        opening(),
        per_person=FLAGS.per_person,
        frames=FLAGS.frames,
        hop=FLAGS.hop,
        top=FLAGS.top,
    )
    print("\n".join(lines))


if __name__ == "__main__":
    launch.run(main)
