"""UAV-Human, 2D, cross-subject 1: Tables 4 and 5, top-1 of 155 classes.

  python -m experiments.prepare --dataset=uav_human --source=DIR --out=prepared/uav_human
      --layout=unik17
  python -m experiments.fine_tune --config=configs/uav_human_cs1.py --workdir=runs/uav_human_cs1
      --checkpoint=runs/posetics

Paper: linear 29.5 (random 3.8), fine-tuned 41.3 (scratch 39.2);
5 %: 21.7 (10.9), 10 %: 31.0 (17.8).
Hardware: one GPU; not tried here. No recipe was published for this data set: it is Smarthome's.
"""

from configs import base, posetics

TRAIN_CLIPS = 16_600  # about


def get_config():
    """Full width, windows of 300 frames, the official cap."""
    config = posetics.get_config()
    config.data.folder = "prepared/uav_human"
    config.data.protocol = "csv1"
    config.data.window.frames = 300
    config.fine_tune.batch = 16
    config.fine_tune.optimizer = base.published_sgd(50, TRAIN_CLIPS, 16, 0.05, (30, 40), 5e-4)
    return config
