"""Penn Action, official split: pre-training on its training clips without labels, evaluation."""

from configs import base


def get_config():
    """A quarter of the paper's width, 32-frame windows, the 13 joints of the official labels."""
    config = base.get_config()
    config.data.folder = "prepared/penn_action"
    config.data.window.frames = 32
    config.data.window.sampling = "resample"
    config.data.window.shortest_share = 0.7
    config.data.views.move.rotation = 15.0
    config.data.views.move.scale = 0.1
    config.data.views.move.squeeze = 0.4
    config.data.views.mirror = 0.5
    config.model.width = 0.25
    config.model.num_directions = 8
    config.pretrain.pairs = 24
    config.pretrain.optimizer = base.optimizer(steps=500, learning_rate=2e-3)
    config.pretrain.eval_every = 250
    config.pretrain.save_every = 250
    config.pretrain.log_every = 25
    config.fine_tune.batch = 32
    config.fine_tune.optimizer = base.optimizer(steps=600, learning_rate=1e-3)
    return config
