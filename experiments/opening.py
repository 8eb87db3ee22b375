"""Flags of the scripts that read clips of any format: how the files are read."""

from absl import flags

FLAGS = flags.FLAGS
flags.DEFINE_string("file_format", None, "of the files; None recognises it")
flags.DEFINE_string("layout", None, "of the joints, where the files leave it open")
flags.DEFINE_integer("max_persons", 2, "persons kept of a recording", lower_bound=1)
flags.DEFINE_float("min_confidence", 0.0, "joints with this confidence or less are missing")
flags.DEFINE_integer("max_gap", 10, "frames of absence that are bridged", lower_bound=0)


def opening():
    """The flags as a `via_jax.commands.Opening`."""
    from via_jax.commands import Opening

    return Opening(
        FLAGS.file_format,
        FLAGS.layout,
        FLAGS.max_persons,
        FLAGS.min_confidence,
        max_gap=FLAGS.max_gap,
    )
