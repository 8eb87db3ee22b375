"""How fast it trains and encodes here, beside PyTorch and beside what the machine can do.

  python -m experiments.benchmark --out=runs/benchmark
  python -m experiments.benchmark --out=runs/benchmark --what=training,floor --batches=8,32
      --frames=64,128,300 --joints=17,25 --formulations=conv,dft,auto

Writes benchmark.json and benchmark.md. PyTorch takes part where it is installed (extra "torch").
The loader is measured with --config, on generated motion where that names no prepared data set.
"""

import os
import pathlib

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file(
    "config", "configs/quickstart.py", "whose loader is measured", lock_config=True
)
flags.DEFINE_string("out", None, "folder to write", required=True)
flags.DEFINE_list("what", [], "groups to measure; empty: all")
flags.DEFINE_enum("size", "full", ["full", "small"], "full width, or seconds for a test")
flags.DEFINE_bool("rivals", True, "run PyTorch where it is installed")
flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "compute type of both sides")
flags.DEFINE_list("formulations", [], "of the convolution over time: conv, dft, auto")
flags.DEFINE_list("batches", [], "of the encoder's cases")
flags.DEFINE_list("frames", [], "of a window; the first is that of the training steps")
flags.DEFINE_list("joints", [], "of a skeleton; the first is that of the training steps")
flags.DEFINE_integer("pairs", None, "of a pre-training step", lower_bound=1)
flags.DEFINE_integer("rounds", None, "of alternated runs", lower_bound=1)


def main(_):
    """Measures and prints the tables."""
    # Two processes share a GPU: neither may take most of its memory at its start.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from via_jax import blas
    from via_jax.benchmark import suite
    from via_jax.benchmark.settings import GROUPS, SIZES

    settings = SIZES[FLAGS.size]._replace(rivals=FLAGS.rivals, dtype=FLAGS.dtype)
    numbers = {
        name: tuple(int(x) for x in FLAGS[name].value or ())
        for name in ("batches", "frames", "joints")
    }
    given = numbers | {"formulations": tuple(FLAGS.formulations)}
    given |= {"pairs": FLAGS.pairs, "rounds": FLAGS.rounds}
    settings = settings._replace(**{name: value for name, value in given.items() if value})
    what = FLAGS.what or GROUPS
    with blas.one_thread():  # as in the loop of a training
        print(suite.run(what, settings, FLAGS.config, pathlib.Path(FLAGS.out)))


if __name__ == "__main__":
    launch.run(main)
