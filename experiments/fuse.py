"""Fuses the scores of fine-tuned classifiers, such as one of joints and one of bones.

python -m experiments.fuse --runs=runs/joint,runs/bone --weights=1,1 --out=runs/two_streams
"""

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_list("runs", None, "work directories of fine-tuning", required=True)
flags.DEFINE_list("weights", None, "of their probabilities, in the same order", required=True)
flags.DEFINE_string("out", None, "folder to write", required=True)


def main(_):
    """Adds the scores by the names of the clips and prints the accuracies."""
    from via_jax.evaluation import protocols

    weights = [float(weight) for weight in FLAGS.weights]
    print(protocols.fuse(FLAGS.runs, weights, FLAGS.out))


if __name__ == "__main__":
    launch.run(main)
