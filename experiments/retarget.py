"""Puts the motion of one clip onto the body and camera of another.

  python -m experiments.retarget --driving=PATH --source=PATH --checkpoint=runs/NAME --out=DIR

A clip is what a pose detector wrote (a folder of OpenPose frames, the JSON of AlphaPose, MMPose,
Ultralytics, MediaPipe or COCO results, a .csv), an .npz, .bvh, .mat, .amc or .json recording, or a
prepared data set followed by the name of a clip (prepared/penn_action/0001).
"""

import pathlib

from absl import flags

from experiments import launch

FLAGS = flags.FLAGS
flags.DEFINE_string("driving", None, "clip whose motion is taken", required=True)
flags.DEFINE_string("source", None, "clip whose body and camera are taken", required=True)
flags.DEFINE_string("checkpoint", None, "work directory of a pre-training", required=True)
flags.DEFINE_enum("which", "latest", ["best", "latest"], "which of its checkpoints")
flags.DEFINE_string("out", None, "folder to write", required=True)
flags.DEFINE_enum("format", "gif", ["gif", "mp4"], "of the film")
flags.DEFINE_bool("fit_bones", True, "give each bone the source's length, one factor a clip")


def main(_):
    """Reads, retargets, writes retargeted.{npz,json,gif,png} and results.json."""
    from via_jax.checkpoints import load_model
    from via_jax.data.open_clip import open_clip
    from via_jax.data.readers.folder import write_clip
    from via_jax.evaluation import retargeting
    from via_jax.figures.retargeting import film, sheet
    from via_jax.runs import open_run

    driving, source = open_clip(FLAGS.driving), open_clip(FLAGS.source)
    variables, meta = load_model(pathlib.Path(FLAGS.checkpoint) / "checkpoints", FLAGS.which)
    settings = {name: FLAGS[name].value for name in ("driving", "source", "which", "fit_bones")}
    out = pathlib.Path(FLAGS.out)
    with open_run(out, settings | {"checkpoint": FLAGS.checkpoint}) as run:
        made = retargeting.generate(variables, meta, driving, source, fit_bones=FLAGS.fit_bones)
        result = retargeting.in_layout_of(made, source)
        numbers = retargeting.judge(result, driving, source, meta["layout"])
        write_clip(out / "retargeted.npz", result)
        retargeting.write_json(out / "retargeted.json", result)
        film(driving, source, made, out / f"retargeted.{FLAGS.format}", meta["layout"])
        count = min(8, made.num_frames)
        sheet(driving, source, made, out / "retargeted.png", meta["layout"], count)
        run.results(**numbers)
    print(numbers)


if __name__ == "__main__":
    launch.run(main)
