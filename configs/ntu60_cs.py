"""NTU RGB+D 60, 3D, cross-subject: Table 3, top-1.

  python -m experiments.prepare --dataset=ntu60 --source=DIR --out=prepared/ntu60 --layout=unik17
  python -m experiments.pretrain --config=configs/ntu60_cs.py --workdir=runs/ntu60_cs
  python -m experiments.linear_probe --config=configs/ntu60_cs.py --workdir=runs/ntu60_cs_probe
      --checkpoint=runs/ntu60_cs
  python -m experiments.fine_tune --config=configs/ntu60_cs.py --workdir=runs/ntu60_cs_ft
      --checkpoint=runs/posetics_3d

Paper: linear 78.1; fine-tuned 89.6 (scratch 86.5); linear evaluation
after pre-training on NTU itself, fine-tuning from Posetics in 3D, hence UNIK-17 joints.
Hardware: one or more GPUs; not tried here. Recipe: UNIK.
"""

from configs import base, posetics_3d

TRAIN_CLIPS = 40_091


def get_config():
    """Full width, two persons, windows of 300 frames, bodies turned to face the camera."""
    config = posetics_3d.get_config()
    config.data.folder = "prepared/ntu60"
    config.data.protocol = "cross_subject"
    config.data.window.frames = 300
    config.data.views.face_front = True
    config.fine_tune.batch = 32
    config.fine_tune.optimizer = base.published_sgd(50, TRAIN_CLIPS, 32, 0.1, (30, 40), 1e-4)
    return config
