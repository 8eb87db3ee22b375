"""Prepares a data set from its original files.

python -m experiments.prepare --dataset=penn_action --source=DIR --out=prepared/penn_action
"""

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", None, "which one, see via_jax/data/prepare.py", required=True)
flags.DEFINE_string("source", None, "folder with its original files", required=True)
flags.DEFINE_string("out", None, "folder to write", required=True)
flags.DEFINE_string("layout", None, "joint layout to convert to, for example unik17")
flags.DEFINE_integer("max_persons", 2, "persons kept of a clip, the most moving", lower_bound=1)
flags.DEFINE_bool("skip_bad", False, "leave out bad files instead of failing")
flags.DEFINE_integer("processes", 0, "how many read; 0: one per core if it pays", lower_bound=0)
flags.DEFINE_bool("overwrite", False, "replace an existing folder")
flags.DEFINE_bool("trust_pickle", False, "read pyskl's pickle; nothing in it is run")


def main(_):
    """Reads, writes, and says what was written."""
    from via_jax.data.prepare import prepare

    data = prepare(
        FLAGS.dataset,
        FLAGS.source,
        FLAGS.out,
        layout=FLAGS.layout,
        max_persons=FLAGS.max_persons,
        skip_bad=FLAGS.skip_bad,
        overwrite=FLAGS.overwrite,
        trust_pickle=FLAGS.trust_pickle,
        processes=FLAGS.processes,
    )
    facts = data.manifest
    for protocol, roles in facts["splits"].items():
        without = facts["clips"] - sum(roles.values())
        if without:
            print(f"protocol {protocol}: {without} clips have no role and are never used")
    print(
        f"{FLAGS.out}: {facts['clips']} clips, {facts['sequences']} sequences, {facts['rows']}"
        f" frames, {len(facts['classes'])} classes; layout {facts['layout']}, {facts['coords']}D;"
        f" splits {facts['splits']}; {len(facts['skipped'])} bad files left out; largest rounding"
        f" error {facts['largest_rounding_error']:.2g} {facts['units']}"
    )


if __name__ == "__main__":
    launch.run(main)
