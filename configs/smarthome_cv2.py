"""Toyota Smarthome, 2D, cross view 2: Tables 4 and 5, mean per-class accuracy of 19 classes.

  python -m experiments.fine_tune --config=configs/smarthome_cv2.py --workdir=runs/smarthome_cv2
      --checkpoint=runs/posetics

Paper: linear 52.6 (random 20.7), fine-tuned 65.4 (scratch 61.2);
5 %: 42.6 (33.7), 10 %: 46.6 (39.5).
Hardware: one GPU; not tried here. The data are prepared as for configs/smarthome_cs.py.
"""

from configs import base, smarthome_cs

TRAIN_CLIPS = 7_685


def get_config():
    """As cross-subject, with the cameras of the protocol."""
    config = smarthome_cs.get_config()
    config.data.protocol = "cross_view2"
    config.fine_tune.optimizer = base.published_sgd(50, TRAIN_CLIPS, 16, 0.05, (30, 40), 5e-4)
    return config
