"""Mixamo, 2D, supervised: motion retargeting of Table 6.

  python -m experiments.prepare --dataset=mixamo --source=mixamo_data --out=prepared/mixamo
  python -m experiments.pretrain --config=configs/mixamo.py --workdir=runs/mixamo
  python -m experiments.retarget --checkpoint=runs/mixamo --out=runs/ty_on_andromeda
      --driving=prepared/mixamo/Ty/MOTION --source=prepared/mixamo/Andromeda/OTHER

Paper, K = 32: mean squared error 0.86 over pairs of test characters (K = 2: 1.16, K = 64: 0.89,
without D_c: 2.42); set `model.num_directions`, or `model.learned_directions` = False, for these.
Hardware: one GPU; not tried here. The files may not be passed on: make them from Mixamo as the code
of Aberman et al. (2019) does, whose 11 training and 4 test characters, 15 joints, windows of 64
frames, root-relative standardised poses, scales of 0.5 to 1.5 and Adam are taken.

Not as there: the yaw is drawn from the whole range of its seven angles, all of its cameras being
orthographic; bodies are random ones in place of the other characters' (`paired`), so the true
retargeted sequence is known without the same motion of both; the best step is chosen on held-out
training characters.
"""

from configs import base


def get_config():
    """Full width, K = 32, 15 joints, windows of 64 frames, the true sequence as the target."""
    config = base.get_config()
    config.data.folder = "prepared/mixamo"
    config.data.protocol = "official"
    config.data.window.frames = 64
    config.data.views.normalisation = "root"
    config.data.views.face_front = True
    config.data.views.camera = base.cameras(yaw=(-90.0, 90.0), elevation=(0.0, 0.0))
    config.data.views.camera.orthographic = 1.0
    config.data.views.test_camera = config.data.views.camera
    config.data.views.bone_spread = 0.15
    config.model.num_directions = 32
    config.pretrain.paired = True
    config.pretrain.pairs = 64
    config.pretrain.move.rotation = 0.0
    config.pretrain.move.scale = 0.5
    config.pretrain.optimizer = base.optimizer(steps=100_000, learning_rate=1e-3)
    config.pretrain.optimizer.schedule = "constant"
    config.pretrain.optimizer.weight_decay = 0.0
    return config
