"""Flags of the scripts that read clips of any format: how the files are read."""

from absl import flags

FLAGS = flags.FLAGS
flags.DEFINE_string("file_format", None, "of the files; None recognises it")
flags.DEFINE_string("layout", None, "of the joints, where the files leave it open")
flags.DEFINE_integer("max_persons", 2, "persons kept of a recording", lower_bound=1)
flags.DEFINE_float("min_confidence", 0.0, "joints with this confidence or less are missing")
flags.DEFINE_integer("max_gap", 10, "frames of absence that are bridged", lower_bound=0)
flags.DEFINE_list("image_size", None, "WIDTH,HEIGHT in pixels, where the files do not tell it")
flags.register_validator(
    "image_size",
    lambda words: words is None or (len(words) == 2 and all(word.isdigit() for word in words)),
    message="expected WIDTH,HEIGHT in whole pixels, such as 1920,1080",
)


def opening():
    """The flags as a `via_jax.commands.Opening`."""
    from via_jax.commands import Opening

    size = FLAGS.image_size and (int(FLAGS.image_size[0]), int(FLAGS.image_size[1]))
    return Opening(
        FLAGS.file_format,
        FLAGS.layout,
        FLAGS.max_persons,
        FLAGS.min_confidence,
        max_gap=FLAGS.max_gap,
        image_size=size or None,
    )
