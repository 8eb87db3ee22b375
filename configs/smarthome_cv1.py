"""Toyota Smarthome, 2D, cross view 1: Tables 4 and 5, mean per-class accuracy of 19 classes.

  python -m experiments.fine_tune --config=configs/smarthome_cv1.py --workdir=runs/smarthome_cv1
      --checkpoint=runs/posetics

Paper: linear 33.6 (random 17.2), fine-tuned 35.6 (scratch 22.9); 5 %: 16.8 (5.6), 10 %: 22.7 (8.5).
Hardware: one GPU; not tried here. The data are prepared as for configs/smarthome_cs.py.
"""

from configs import base, smarthome_cs

TRAIN_CLIPS = 1_877


def get_config():
    """As cross-subject, with the cameras of the protocol."""
    config = smarthome_cs.get_config()
    config.data.protocol = "cross_view1"
    config.fine_tune.optimizer = base.published_sgd(50, TRAIN_CLIPS, 16, 0.05, (30, 40), 5e-4)
    return config
