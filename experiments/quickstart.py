"""The main job in minutes on a laptop: pre-train, probe, fine-tune and retarget on synthetic data.

python -m experiments.quickstart --workdir=runs/quickstart
"""

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", "configs/quickstart.py", "settings", lock_config=True)
flags.DEFINE_string("workdir", "runs/quickstart", "folder of this run")

ROWS = (
    ("linear probe, random encoder", "random_linear_top1", "%"),
    ("linear probe, pre-trained encoder", "linear_top1", "%"),
    ("linear probe at its optimum, random encoder", "random_linear_optimum_top1", "%"),
    ("linear probe at its optimum, pre-trained", "linear_optimum_top1", "%"),
    ("linear probe at its optimum, raw poses", "raw_pose_optimum_top1", "%"),
    ("trained with labels from scratch", "scratch_top1", "%"),
    ("fine-tuned from pre-training", "fine_tune_top1", "%"),
    ("retargeting error", "retargeting_error", ""),
    ("error of copying the driver", "copied_driver_error", ""),
    ("time in all", "seconds_total", " s"),
    ("of it compiling", "seconds_compile", " s"),
)


def main(_):
    """Runs all stages and prints the table."""
    from via_jax.quickstart import quickstart

    results = quickstart(FLAGS.config, FLAGS.workdir)
    print("\non characters and cameras that were never seen in training:")
    for title, key, unit in ROWS:
        print(f"  {title:<46}{results[key]:8.2f}{unit}")
    print(f"\n{FLAGS.workdir}: retargeted.gif, loss.png, results.json")


if __name__ == "__main__":
    launch.run(main)
