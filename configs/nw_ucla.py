"""NW-UCLA, cross-view, 3D: pre-training on views 1 and 2 without labels, evaluation on view 3."""

from configs import base


def get_config():
    """A quarter of the paper's width, 32-frame windows, Kinect's 20 joints."""
    config = base.get_config()
    config.data.folder = "prepared/nw_ucla"
    config.data.protocol = "cross_view"
    config.data.window.frames = 32
    config.data.window.sampling = "resample"
    config.data.window.shortest_share = 0.7
    config.data.views.move.rotation = 30.0  # around the vertical axis
    config.pretrain.move.rotation = 30.0
    config.data.views.face_front = True
    config.data.views.bone_spread = 0.15
    config.data.views.mirror = 0.5
    config.model.coords = 3
    config.model.width = 0.25
    config.model.decoder_width = 0.25
    config.model.num_directions = 8
    config.pretrain.paired = True
    config.pretrain.pairs = 24
    config.pretrain.optimizer = base.optimizer(steps=600, learning_rate=2e-3)
    config.pretrain.log_every = 25
    config.pretrain.eval_every = 300
    config.pretrain.save_every = 300
    config.linear_probe.which = "latest"
    config.fine_tune.which = "latest"
    config.fine_tune.batch = 32
    config.fine_tune.optimizer = base.optimizer(steps=400, learning_rate=1e-3)
    return config
