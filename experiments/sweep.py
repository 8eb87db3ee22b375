"""A grid or a random search of config overrides, over local devices or as a SLURM array.

  python -m experiments.sweep --stage=pretrain --config=configs/penn_action.py --plan=plan.json
      --workdir=runs/sweep --jobs=2

The plan is described in via_jax/sweep.py. A rerun goes on. Writes sweep.md, .csv and .json. Flags
of the stage's own script come behind `--`, such as `-- --checkpoint=runs/penn`.
"""

import json
import pathlib
import sys

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
STAGES = ["pretrain", "linear_probe", "fine_tune", "paired"]
CONFIG = config_flags.DEFINE_config_file("config", "configs/base.py", "settings", lock_config=True)
flags.DEFINE_enum("stage", None, STAGES, "which script runs the trials", required=True)
flags.DEFINE_string("plan", None, "JSON file of the fields and values", required=True)
flags.DEFINE_string("workdir", None, "folder of the trials and the table", required=True)
flags.DEFINE_list("seeds", ["0"], "seeds of every trial, separated by commas")
flags.DEFINE_integer("jobs", 1, "processes at once", lower_bound=1)
flags.DEFINE_list("devices", [], "numbers of local accelerators, one process on each")
flags.DEFINE_list("metrics", [], "results in the table; all when empty")
flags.DEFINE_bool("slurm", False, "print a SLURM array script instead of running")
flags.DEFINE_integer("only", None, "run this trial alone, without a table", lower_bound=0)


def main(argv):
    """Runs the trials and prints the table."""
    from via_jax import sweep

    trials = sweep.trials_of(json.loads(pathlib.Path(FLAGS.plan).read_text()))
    sweep.check_trials(trials, FLAGS.config)
    workdir, seeds = pathlib.Path(FLAGS.workdir), [int(seed) for seed in FLAGS.seeds]
    overrides = config_flags.get_override_values(FLAGS["config"])
    shared = [f"--config={config_flags.get_config_filename(FLAGS['config'])}"]
    shared += [*sweep.Trial(overrides).flags(), *argv[1:]]
    pairs = [(trial, seed) for trial in trials for seed in seeds]
    work = [
        (t.folder(workdir, seed), sweep.command_of(t, FLAGS.stage, shared, workdir, seed))
        for t, seed in pairs
    ]
    if FLAGS.slurm:
        words = [word for word in sys.argv[1:] if word not in ("--slurm", "--slurm=True")]
        command = ["python", "-m", "experiments.sweep", *words]
        print(sweep.slurm_script(command, len(work), FLAGS.jobs), end="")
        return
    if FLAGS.only is not None:
        work = work[FLAGS.only : FLAGS.only + 1]
    failed = sweep.run_trials(work, FLAGS.jobs, FLAGS.devices)
    if FLAGS.only is None:
        sweep.collect(trials, workdir, seeds, FLAGS.metrics, failed)
        print((workdir / "sweep.md").read_text())
    if failed:
        raise ValueError("\n".join(f"{folder}: {why}" for folder, why in failed.items()))


if __name__ == "__main__":
    launch.run(main)
