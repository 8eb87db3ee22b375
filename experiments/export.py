"""Writes a checkpoint as StableHLO that runs on CPU, GPU and TPU with jax alone.

python -m experiments.export --checkpoint=runs/NAME --out=exported/NAME

model.json beside the files says what goes in and comes out; `make export-onnx CHECKPOINT=runs/NAME`
turns the same folder into ONNX.
"""

import pathlib

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("checkpoint", None, "work directory of a training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("out", None, "folder to write", required=True)


def main(_):
    """Exports and prints what each function takes and gives."""
    from via_jax.checkpoints import load_model
    from via_jax.export import export_model

    variables, meta = load_model(pathlib.Path(FLAGS.checkpoint) / "checkpoints", FLAGS.which)
    description = export_model(variables, meta, FLAGS.out)
    for name, function in description["functions"].items():
        size = description["files"][f"{name}.stablehlo"]["bytes"]
        print(f"{name}: {function['inputs']} -> {function['outputs']}, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    launch.run(main)
