"""Toyota Smarthome, 2D, cross-subject: Tables 4 and 5, mean per-class accuracy of 31 classes.

  python -m experiments.prepare --dataset=smarthome --source=DIR --out=prepared/smarthome
      --layout=unik17
  python -m experiments.fine_tune --config=configs/smarthome_cs.py --workdir=runs/smarthome_cs
      --checkpoint=runs/posetics

Paper: linear 49.5 (random 24.6), fine-tuned 64.0 (scratch 63.1);
5 %: 38.6 (22.9), 10 %: 45.3 (33.8).
Hardware: one GPU; not tried here. Recipe: UNIK. The published test takes a random window of 400
frames; here it is the middle one.
"""

from configs import base, posetics

TRAIN_CLIPS = 10_682


def get_config():
    """Full width, windows of 400 frames, batches of 16."""
    config = posetics.get_config()
    config.data.folder = "prepared/smarthome"
    config.data.protocol = "cross_subject"
    config.data.window.frames = 400
    config.fine_tune.batch = 16
    config.fine_tune.optimizer = base.published_sgd(50, TRAIN_CLIPS, 16, 0.05, (30, 40), 5e-4)
    return config
