"""Reproduces a table of the paper with the prepared data that are there.

  python -m experiments.reproduce --table=4 --data=prepared --workdir=runs/paper --seeds=0,1,2

Writes table4.md and table4.json: the paper's number, ours, or why it was not run. Exits with 1
where a row failed.
"""

import importlib
import pathlib
import sys

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_integer("table", None, "number of the table, 2 to 7", required=True)
flags.DEFINE_string("data", "prepared", "folder of the prepared data sets")
flags.DEFINE_string("workdir", None, "folder of the runs and tables", required=True)
flags.DEFINE_list("seeds", ["0"], "seeds, separated by commas")


def main(_):
    """Runs the rows and prints the table."""
    from via_jax.reproduce import reproduce

    workdir = pathlib.Path(FLAGS.workdir)
    rows = reproduce(
        FLAGS.table,
        pathlib.Path(FLAGS.data),
        workdir,
        lambda name: importlib.import_module(f"configs.{name}").get_config(),
        [int(seed) for seed in FLAGS.seeds],
    )
    print((workdir / f"table{FLAGS.table}.md").read_text())
    if any(row["failed"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    launch.run(main)
