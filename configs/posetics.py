"""Posetics, 2D: the paper's pre-training and Table 2.

  python -m experiments.prepare --dataset=posetics --source=DIR --out=prepared/posetics
      --layout=unik17
  python -m experiments.pretrain --config=configs/posetics.py --workdir=runs/posetics
  python -m experiments.linear_probe --config=configs/posetics.py --workdir=runs/posetics_probe
      --checkpoint=runs/posetics
  python -m experiments.fine_tune --config=configs/posetics.py --workdir=runs/posetics_ft
      --checkpoint=runs/posetics

Paper, top-1 / top-5: linear 20.7 / 40.1 (random 8.2 / 21.4), fine-tuned 48.0 / 72.6 (from scratch
47.6 / 71.3). Hardware: one or more GPUs or TPUs; about 142,000 clips, not tried here. The paper
starts from a supervised stage on Mixamo: `pretrain.start_from` takes its work directory, of the
same model and normalisation (configs/mixamo.py has the 15 joints and the normalisation of Table 6).
Classification recipe: UNIK (Yang et al., 2021).
"""

from configs import base

TRAIN_CLIPS = 131_000  # about; the label files tell


def get_config():
    """Full width, K = 32, 17 joints, two persons, windows of 150 frames."""
    config = base.get_config()
    config.data.folder = "prepared/posetics"
    config.data.persons = 2
    config.data.published_persons = True
    config.data.window.frames = 150
    config.data.views.normalisation = "screen"
    config.data.views.move.shift = 0.2
    config.data.views.move.moving = True
    config.pretrain.move = config.data.views.move.copy_and_resolve_references()
    config.fine_tune.batch = 64
    config.fine_tune.optimizer = base.published_sgd(65, TRAIN_CLIPS, 64, 0.1, (45, 55), 1e-4)
    return config
