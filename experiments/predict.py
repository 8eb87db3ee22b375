"""Names the action of clips: per clip, per person, or for sliding windows.

  python -m experiments.predict --checkpoint=runs/penn_ft --clip=PATH [--clip=PATH ...] --out=DIR
      [--per_person] [--frames=64 --hop=16]

A clip is what experiments.retarget reads. Writes predictions.csv, and with --frames a plot for each
clip and person.
"""

import pathlib

from absl import flags

from experiments import launch

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
    import via_jax
    from via_jax.data.open_clip import open_clip
    from via_jax.predictions import pieces_of, write_table

    model, out = via_jax.load(FLAGS.checkpoint, FLAGS.which), pathlib.Path(FLAGS.out)
    clips = [open_clip(path) for path in FLAGS.clip]
    out.mkdir(parents=True, exist_ok=True)
    pieces: list = []
    predictions: list = []
    for number, clip in enumerate(clips):
        group = pieces_of(clip, FLAGS.per_person, FLAGS.frames, FLAGS.hop)
        found = model.predict([piece.clip for piece in group])
        pieces, predictions = pieces + group, predictions + found
        for piece, prediction in zip(group, found):
            who = "" if piece.person is None else f" person {piece.person}"
            best = ", ".join(f"{name} {value:.2f}" for name, value in prediction.top(FLAGS.top))
            print(f"{piece.clip.name}{who} {piece.start}-{piece.end}: {best}")
        if FLAGS.frames:
            from via_jax.figures.timeline import draw_pieces

            draw_pieces(group, found, out / f"timeline{number}")
    write_table(out / "predictions.csv", pieces, predictions, FLAGS.top)


if __name__ == "__main__":
    launch.run(main)
