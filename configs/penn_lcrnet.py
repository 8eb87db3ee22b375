"""Penn Action with LCR-Net's poses, as the paper uses it: Tables 4 and 5, top-1 of 15 classes.

  python -m experiments.prepare --dataset=penn_lcrnet --source=DIR --out=prepared/penn_lcrnet
      --layout=unik17
  python -m experiments.fine_tune --config=configs/penn_lcrnet.py --workdir=runs/penn_lcrnet
      --checkpoint=runs/posetics

Paper: linear 90.2 (random 29.8), fine-tuned 97.7 (scratch 94.0);
5 %: 65.8 (32.4), 10 %: 85.2 (39.8).
Hardware: one GPU; not tried here, the poses are not public. Recipe: UNIK.
"""

from configs import base, posetics

TRAIN_CLIPS = 1258


def get_config():
    """Full width, windows of 150 frames, batches of 8."""
    config = posetics.get_config()
    config.data.folder = "prepared/penn_lcrnet"
    config.fine_tune.batch = 8
    config.fine_tune.optimizer = base.published_sgd(30, TRAIN_CLIPS, 8, 0.05, (10, 20), 5e-4)
    return config
