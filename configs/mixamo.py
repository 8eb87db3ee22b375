"""Mixamo, 2D, supervised: motion retargeting of Table 6.

  python -m experiments.prepare --dataset=mixamo --source=mixamo_data --out=prepared/mixamo
  python -m experiments.prepare --dataset=projected --source=prepared/mixamo \
    --out=prepared/mixamo_views
  python -m experiments.paired --config=configs/mixamo.py --workdir=runs/mixamo

Paper, K = 32: mean squared error 0.86 over pairs of test characters (K = 2: 1.16, K = 64: 0.89,
without D_c: 2.42), in units that it does not state; ours are cm^2. Hardware: one GPU; not tried
here, since Mixamo may not be passed on: make the files as the code of Aberman et al. (2019) does.
Taken from there: the 11 training and 4 test characters, the motions, 15 joints, windows, seven yaw
angles, root-relative standardised poses, scales of 0.5 to 1.5, Adam at 1e-3. The number of steps is
a guess, the paper gives none.

Not as there: every motion is put on characters drawn from the proportions of the training
characters, in place of these themselves, see via_jax/data/characters.py.
"""

from configs import mocap_characters


def get_config():
    """Full width, the settings of mocap_characters otherwise."""
    config = mocap_characters.get_config()
    config.data.folder = "prepared/mixamo"
    config.data.protocol = "official"
    config.data.characters.spread = 1.0  # they differ widely as they are
    config.model.width = 1.0
    config.model.dropout = 0.2
    config.pretrain.pairs = 64
    config.pretrain.optimizer.learning_rate = 1e-3
    config.pretrain.optimizer.schedule = "constant"
    config.pretrain.optimizer.steps = 100_000
    config.pretrain.optimizer.warmup = 0
    config.pretrain.optimizer.weight_decay = 0.0
    config.pretrain.save_every = 1000
    config.ablation.views = "prepared/mixamo_views"
    return config
