"""Says whether a folder of original files is complete; exits with 1 where it is not.

python -m experiments.check_data DIR
"""

import pathlib
import sys

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", None, "its name, where it is not recognised by the files")
flags.DEFINE_integer("processes", 0, "how many read; 0: one per core where that pays")


def main(argv):
    """Prints the clips of every split beside the official numbers, and what is bad or missing."""
    from via_jax.data.check import check, describe

    if len(argv) != 2:
        raise ValueError(f"{len(argv) - 1} folders given; expected one: check_data DIR")
    report = check(pathlib.Path(argv[1]), FLAGS.dataset, FLAGS.processes)
    print("\n".join(describe(report)))
    sys.exit(0 if report.complete else 1)


if __name__ == "__main__":
    launch.run(main)
