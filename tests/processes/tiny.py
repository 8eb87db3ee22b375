"""What the processes of test_scaling share: a config that compiles in seconds."""

from configs import base
from via_jax.models import encoder


def shorten_the_encoder() -> None:
    """Two blocks instead of ten, which bring time to the same length."""
    encoder.BLOCKS = ((64, 2), (256, 2))


def config_of(folder: str):
    """Views, bodies, noise and dropout are drawn; partners from both halves meet; plain SGD."""
    config = base.get_config()
    config.data.folder = folder
    config.data.held_out = 0.0
    config.data.window.frames = 16
    config.data.window.sampling = "resample"
    config.data.window.shortest_share = 0.7
    config.data.views.camera = base.cameras(yaw=(-60.0, 60.0), elevation=(0.0, 20.0))
    config.data.views.bone_spread = 0.15
    config.data.views.noise = 0.02
    config.data.views.lost_joints = 0.05
    config.model.width = config.model.decoder_width = 1 / 16
    config.model.num_heads = 1
    config.model.num_directions = 4
    assert config.model.dropout > 0
    config.pretrain.two_views = True
    config.pretrain.pairs = 8
    config.pretrain.clusters.count = 3
    config.pretrain.clusters.frames = 8
    config.pretrain.log_every = 1
    config.pretrain.eval_every = 0
    config.pretrain.save_every = 4
    config.pretrain.optimizer = base.optimizer(steps=8, learning_rate=1e-3)
    config.fine_tune.batch = config.linear_probe.batch = 8
    config.fine_tune.optimizer = base.optimizer(steps=4, learning_rate=0.1)
    config.fine_tune.log_every, config.fine_tune.eval_every = 1, 0
    config.linear_probe.rates, config.linear_probe.penalties = (0.1,), (1.0,)
    config.linear_probe.epochs = 5
    for section in (config.pretrain, config.fine_tune):
        section.optimizer.name = "sgd"
        section.optimizer.schedule = "constant"
        section.optimizer.warmup = 0
    return config
