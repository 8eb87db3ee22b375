"""Turns a folder of experiments.export into ONNX; run by `make export-onnx` in its own environment.

jax2onnx needs an older orbax than this package, so nothing of checkpoints is imported here. The
batch is free, time is the training's window. Each file is compared in onnxruntime.
"""

import pathlib

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("folder", None, "folder of experiments.export", required=True)
TOLERANCE = 1e-4  # of the largest value


def main(_):
    """Writes <function>.onnx and prints the largest difference of each."""
    import jax
    import numpy as np
    import onnxruntime
    from jax2onnx import to_onnx

    from via_jax.data.sampling import Window
    from via_jax.export import functions_of, load_exported
    from via_jax.models.encoder import TIME_FACTOR

    folder = pathlib.Path(FLAGS.folder)
    variables, meta = load_exported(folder)
    frames = str(Window(**meta["window"], multiple=TIME_FACTOR).padded)
    rng = np.random.default_rng(0)
    for name, function in functions_of(variables, meta).items():
        shapes = [
            shape.replace("8*s", frames).replace("8*r", frames).split(", ")
            for shape in function.inputs.values()
        ]
        free: list[tuple] = [
            tuple("b" if size == "b" else int(size) for size in shape) for shape in shapes
        ]
        path = folder / f"{name}.onnx"
        to_onnx(
            function.call,
            inputs=free,
            model_name=name,
            return_mode="file",
            output_path=str(path),
            input_names=list(function.inputs),
            output_names=list(function.outputs),
        )
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        worst = 0.0
        for batch in (1, 3):
            inputs = [
                rng.normal(0, 0.7, (batch, *map(int, shape[1:]))).astype(np.float32)
                for shape in free
            ]
            if "present" in function.inputs:
                inputs[1] = np.ones_like(inputs[1])
            expected = jax.jit(function.call)(*inputs)
            found = session.run(None, {i.name: x for i, x in zip(session.get_inputs(), inputs)})
            for ours, theirs in zip(expected, found, strict=True):
                error = np.abs(np.asarray(ours) - theirs).max() / max(1.0, np.abs(ours).max())
                worst = max(worst, float(error))
        print(f"{path}: largest difference {worst:.1e}")
        if not worst <= TOLERANCE:
            raise SystemExit(f"error: {path} differs by more than {TOLERANCE}")


if __name__ == "__main__":
    app.run(main)
