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
flags.DEFINE_bool(
    "fill_empty_frames",
    False,
    "leave out the frames in which a person is not seen and repeat the others, as the published"
    " code does for NTU RGB+D, Smarthome and Posetics",
)
flags.DEFINE_bool(
    "centre_hips",
    False,
    "3D: every frame relative to the first person's hips; the published code does so for NTU RGB+D,"
    " with the spine",
)
flags.DEFINE_bool(
    "align_body",
    False,
    "3D: turn every clip so that its first person starts upright and facing the viewer; the"
    " published code does so for NTU RGB+D, with z up",
)
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
        fill_empty_frames=FLAGS.fill_empty_frames,
        centre_hips=FLAGS.centre_hips,
        align_body=FLAGS.align_body,
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
        f" preprocessing {facts['preprocessing']};"
        f" splits {facts['splits']}; {len(facts['skipped'])} bad files left out; largest rounding"
        f" error {facts['largest_rounding_error']:.2g} {facts['units']}"
    )


if __name__ == "__main__":
    launch.run(main)
