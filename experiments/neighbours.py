"""The clips of a prepared data set that are most similar to a query, whatever its camera.

python -m experiments.neighbours --checkpoint=runs/penn --data=prepared/penn_action --query=PATH
    --out=DIR

Writes neighbours.csv (rank, clip, label, cosine) and neighbours.png, the query in the first row.
"""

import csv
import pathlib

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("checkpoint", None, "work directory of a training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("data", None, "prepared data set to search", required=True)
flags.DEFINE_string("query", None, "clip, as experiments.retarget reads it", required=True)
flags.DEFINE_integer("count", 5, "neighbours", lower_bound=1)
flags.DEFINE_string("out", None, "folder to write", required=True)


def main(_):
    """Embeds, searches, writes the table and the picture."""
    import via_jax
    from via_jax.data import store
    from via_jax.data.open_clip import open_clip
    from via_jax.embeddings import embed, nearest
    from via_jax.figures.neighbours import sheet

    model, data = via_jax.load(FLAGS.checkpoint, FLAGS.which), store.load(FLAGS.data)
    query, out = open_clip(FLAGS.query), pathlib.Path(FLAGS.out)
    known = embed(model, (data.read(clip) for clip in range(len(data.names))))
    found = nearest(known, model.features(query), FLAGS.count)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "neighbours.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rank", "clip", "label", "cosine"])
        for rank, (index, cosine) in enumerate(found, start=1):
            row = [rank, known.names[index], known.labels[index], f"{cosine:.4f}"]
            writer.writerow(row)
            print(*row)
    rows = [data.read(index) for index, _ in found]
    sheet([query, *rows], out / "neighbours.png", model.layout.name)


if __name__ == "__main__":
    launch.run(main)
