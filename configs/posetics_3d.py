"""Posetics, 3D: pre-training for the 3D benchmarks (Table 3, bottom); linear evaluation 19.3.

  python -m experiments.prepare --dataset=posetics_3d --source=DIR --out=prepared/posetics_3d
      --layout=unik17
  python -m experiments.pretrain --config=configs/posetics_3d.py --workdir=runs/posetics_3d

Hardware: one or more GPUs or TPUs; not tried here.
"""

from configs import posetics


def get_config():
    """As configs/posetics.py, on 3D joints centred and scaled by the body."""
    config = posetics.get_config()
    config.data.folder = "prepared/posetics_3d"
    config.data.views.normalisation = "body"
    config.model.coords = 3
    return config
