"""Writes a web page that retargets clips onto each other and changes characters by sliders.

  python -m experiments.explore --checkpoint=runs/NAME --clips=PATH,PATH --out=page.html

A clip is given as for experiments.retarget. The page is one file that needs no network.
"""

import pathlib

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_list("clips", None, "clips to choose driver and source from", required=True)
flags.DEFINE_string("checkpoint", None, "work directory of a pre-training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("out", None, "page to write, ending in .html", required=True)


def main(_):
    """Reads the clips, encodes them, writes the page."""
    from via_jax.checkpoints import load_model
    from via_jax.data.open_clip import open_clip
    from via_jax.figures.explore import write_page

    clips = [open_clip(path) for path in FLAGS.clips]
    variables, meta = load_model(pathlib.Path(FLAGS.checkpoint) / "checkpoints", FLAGS.which)
    print(write_page(variables, meta, clips, FLAGS.out))


if __name__ == "__main__":
    launch.run(main)
