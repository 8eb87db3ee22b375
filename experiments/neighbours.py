"""The clips of a prepared data set that are most similar to a query, whatever its camera.

python -m experiments.neighbours --checkpoint=runs/penn --data=prepared/penn_action --query=PATH
    --out=DIR

Writes neighbours.csv (rank, clip, label, cosine) and neighbours.png, the query in the first row.
"""

from absl import flags

from experiments import launch
from experiments.opening import opening

FLAGS = flags.FLAGS
flags.DEFINE_string("checkpoint", None, "work directory of a training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("data", None, "prepared data set to search", required=True)
flags.DEFINE_string("query", None, "clip, as experiments.retarget reads it", required=True)
flags.DEFINE_integer("count", 5, "neighbours", lower_bound=1)
flags.DEFINE_string("out", None, "folder to write", required=True)


def main(_):
    """Embeds, searches, writes the table and the picture."""
    from via_jax.commands import neighbours

    lines = neighbours(
        FLAGS.checkpoint,
        FLAGS.which,
        FLAGS.data,
        FLAGS.query,
        FLAGS.out,
        opening(),
        count=FLAGS.count,
    )
    print("\n".join(lines))


if __name__ == "__main__":
    launch.run(main)
