"""Retargeting of 2D poses, learned from 3D motion capture on random bodies and cameras.

Data: HDM05, Berkeley MHAD and Bandai-Namco, converted to UNIK-17 and merged:
  python -m experiments.prepare --dataset=hdm05 --source=DIR --out=parts/hdm05 --layout=unik17
  (likewise berkeley_mhad and bandai_namco)
  python -m experiments.prepare --dataset=prepared --source=parts --out=prepared/mocap
"""

from configs import base


def get_config():
    """A quarter of the paper's encoder, windows of 32 frames, the true sequence as the target."""
    config = base.get_config()
    config.data.folder = "prepared/mocap"
    config.data.protocol = "given"
    config.data.window.frames = 32
    config.data.window.speed = (0.8, 1.25)
    config.data.views.normalisation = "root"
    config.data.views.face_front = True
    config.data.views.camera = base.cameras(yaw=(-90.0, 90.0), elevation=(-10.0, 30.0))
    config.data.views.test_camera = config.data.views.camera
    config.data.views.bone_spread = 0.15
    config.data.views.mirror = 0.5
    config.data.views.noise = 0.02
    config.model.width = 0.25
    config.model.num_directions = 16
    config.model.dropout = 0.0
    config.pretrain.paired = True
    config.pretrain.move.rotation = 5.0
    config.pretrain.move.scale = 0.0
    config.pretrain.pairs = 16
    config.pretrain.weights.triplet_motion = 0.1
    config.pretrain.weights.triplet_character = 0.1
    config.pretrain.weights.velocity = 2.0
    config.pretrain.optimizer = base.optimizer(steps=2800, learning_rate=3e-3)
    config.pretrain.log_every = 25
    config.pretrain.eval_every = 400
    config.pretrain.save_every = 400
    return config
