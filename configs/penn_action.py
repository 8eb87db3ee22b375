"""Penn Action, official split: pre-training on its training clips without labels, evaluation.

Commands (2 CPU cores, about 10 minutes for the first):
  python -m experiments.prepare --dataset=penn_action --source=DIR/labels --out=prepared/penn_action
  python -m experiments.pretrain --config=configs/penn_action.py --workdir=runs/penn
  python -m experiments.linear_probe --config=configs/penn_action.py --workdir=runs/penn_probe
      --checkpoint=runs/penn

Not the paper's setting: it pre-trains on Posetics, at full width, on poses of another estimator.
"""

from configs import base


def get_config():
    """A quarter of the paper's width, 32-frame windows, the 13 joints of the official labels."""
    config = base.get_config()
    config.data.folder = "prepared/penn_action"
    config.data.window.frames = 32
    config.data.window.sampling = "resample"
    config.data.window.shortest_share = 0.7
    config.data.views.normalisation = "screen"  # as the published classifiers
    config.data.views.move.shift = 0.2
    config.data.views.move.moving = True
    config.data.views.mirror = 0.5
    config.model.width = 0.25
    config.model.decoder_width = 0.25
    config.model.num_directions = 8
    config.pretrain.two_views = True
    config.pretrain.move.rotation = 15.0
    config.pretrain.move.scale = 0.3
    config.pretrain.move.squeeze = 0.4
    config.pretrain.move.shift = 0.3
    config.pretrain.pairs = 24
    # On the screen a body covers a tenth of the unit: squared errors are small beside the triplet.
    config.pretrain.weights.cross = 10.0
    config.pretrain.weights.self = 10.0
    config.pretrain.weights.velocity = 10.0
    config.pretrain.optimizer = base.optimizer(steps=800, learning_rate=2e-3)
    config.pretrain.log_every = 25
    config.pretrain.eval_every = 400
    config.pretrain.save_every = 400
    config.linear_probe.which = "latest"
    config.fine_tune.which = "latest"
    config.fine_tune.batch = 32
    config.fine_tune.optimizer = base.optimizer(steps=400, learning_rate=1e-3)
    config.fine_tune.eval_every = 200
    config.fine_tune.save_every = 200
    return config
