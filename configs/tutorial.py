"""The model of docs/tutorials: small enough to compile and train in about a minute on two cores.

Command: python -m experiments.pretrain --config=configs/tutorial.py --workdir=runs/tutorial, on the
data that docs/tutorials/first_pretraining.md makes. It shows the way, not what can be reached.
"""

from configs import base, quickstart


def get_config():
    """The quickstart with a sixteenth of the width, 16-frame windows and 100 steps."""
    config = quickstart.get_config()
    config.data.folder = "prepared/tutorial"
    config.data.window.frames = 16
    config.model.width = 1 / 16
    config.model.decoder_width = 1 / 16
    config.model.num_heads = 1
    config.model.num_directions = 4
    config.pretrain.pairs = 4
    config.pretrain.clusters.count = 4
    config.pretrain.optimizer = base.optimizer(steps=100, learning_rate=3e-3)
    config.pretrain.log_every = 5
    config.pretrain.eval_every = 50
    config.pretrain.save_every = 50
    config.paired.frames = 32
    config.paired.hop = 32
    config.paired.windows = 12
    config.fine_tune.batch = 8
    config.fine_tune.optimizer = base.optimizer(steps=150, learning_rate=3e-3)
    return config
