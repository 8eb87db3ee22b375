"""The main job in minutes on two CPU cores, on synthetic data: pre-train, evaluate, retarget.

Command: make quickstart. The encoder learns without labels: motions are put on random bodies in
front of random cameras, so that the true retargeted sequence is known. It is probed on characters
and cameras that it never saw: training cameras stand in front, test cameras to the sides, higher.
"""

from configs import base


def get_config():
    """An eighth of the arithmetic of the paper's model, 32-frame windows."""
    config = base.get_config()
    config.synthetic = {
        "clips_per_class": 60,
        "test_clips_per_class": 25,
        "num_frames": 64,
        "train_characters": 24,
        "test_characters": 12,
        "train_spread": 1.0,  # how far characters are from the average adult
        "test_spread": 2.0,
    }
    config.data.window.frames = 32
    config.data.window.sampling = "resample"
    config.data.window.shortest_share = 0.7
    config.data.views.camera = base.cameras(yaw=(-60.0, 60.0), elevation=(-5.0, 20.0))
    config.data.views.test_camera = base.cameras(yaw=(60.0, 120.0), elevation=(20.0, 40.0))
    config.data.views.test_camera.mirror_yaw = True
    config.data.views.bone_spread = 0.15
    config.data.views.move.rotation = 5.0
    config.pretrain.move.rotation = 5.0
    config.data.views.move.scale = 0.0
    config.pretrain.move.scale = 0.0
    config.data.views.noise = 0.02
    config.model.width = 0.25
    config.model.decoder_width = 0.25
    config.model.num_directions = 8
    config.pretrain.paired = True
    config.pretrain.pairs = 16
    config.pretrain.optimizer = base.optimizer(steps=300, learning_rate=2e-3)
    config.pretrain.log_every = 10
    config.pretrain.eval_every = 150
    config.pretrain.save_every = 150
    config.linear_probe.which = "latest"
    config.fine_tune.which = "latest"
    config.fine_tune.batch = 32
    config.fine_tune.optimizer = base.optimizer(steps=150, learning_rate=2e-3)
    config.fine_tune.log_every = 10
    config.fine_tune.eval_every = 0
    config.fine_tune.save_every = 0
    return config
