"""UAV-Human, 2D, cross-subject 2: Tables 4 and 5, top-1 of 155 classes.

  python -m experiments.fine_tune --config=configs/uav_human_cs2.py --workdir=runs/uav_human_cs2
      --checkpoint=runs/posetics

Paper: linear 46.7 (random 4.1), fine-tuned 68.5 (scratch 67.3);
5 %: 33.3 (10.4), 10 %: 43.7 (25.6).
Hardware: one GPU; not tried here. The data are prepared as for configs/uav_human_cs1.py.
"""

from configs import uav_human_cs1


def get_config():
    """As cross-subject 1, with the other table of subjects."""
    config = uav_human_cs1.get_config()
    config.data.protocol = "csv2"
    return config
