"""Published PyTorch weights as a checkpoint, or a checkpoint as such weights.

  python -m experiments.convert --config=configs/posetics.py --weights=unik.pt --layout=unik17
      --out=runs/unik
  python -m experiments.convert --checkpoint=runs/unik --weights=unik.npz
  python -m experiments.convert --config=configs/mocap_characters.py --weights=aberman.pth
      --config.pretrain.network=three_encoders --out=runs/aberman

They are those of UNIK, or of the full system of Aberman et al. (2019), whose layout is known: a .pt
or .pth (which needs PyTorch) or an .npz. The config says what the model saw: normalisation, window,
width and heads; later commands on the checkpoint take the same one.
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from experiments import launch

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", "configs/base.py", "settings", lock_config=True)
flags.DEFINE_string("weights", None, "file to read, or with --checkpoint to write", required=True)
flags.DEFINE_string("layout", None, "joint layout of the weights")
flags.DEFINE_string("classes", None, "text file with the classes' names, one a line, in order")
flags.DEFINE_string("out", None, "work directory to write")
flags.DEFINE_string("checkpoint", None, "work directory to write the weights of")
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")


def main(_):
    """Converts in the direction that the flags say."""
    from via_jax import state_files, weights, weights_three_encoders
    from via_jax.checkpoints import load_model
    from via_jax.converted import write_checkpoint, write_three_encoders

    if FLAGS.checkpoint is not None:
        variables, _ = load_model(pathlib.Path(FLAGS.checkpoint) / "checkpoints", FLAGS.which)
        if "motion_encoder" in variables["params"]:
            state = weights_three_encoders.to_published(variables["params"])
        else:
            state = weights.to_published(variables)
        state_files.write_state(FLAGS.weights, state)
        print(f"{FLAGS.weights}: {len(state)} arrays of {FLAGS.checkpoint}")
        return
    if FLAGS.out is None:
        raise ValueError("--out is needed to write a checkpoint")
    state = state_files.read_state(FLAGS.weights)
    if any("mot_encoder" in name for name in state):
        write_three_encoders(FLAGS.out, state, FLAGS.config)
        print(f"{FLAGS.out}: the three encoders")
        return
    if FLAGS.layout is None:
        raise ValueError("--layout is needed: the joints of the weights are not named in them")
    names = None
    if FLAGS.classes is not None:
        names = pathlib.Path(FLAGS.classes).read_text(encoding="utf-8").splitlines()
    print(write_checkpoint(FLAGS.out, state, FLAGS.config, FLAGS.layout, names))


if __name__ == "__main__":
    launch.run(main)
