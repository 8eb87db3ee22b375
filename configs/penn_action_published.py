"""Penn Action with the published fine-tuning recipe: SGD, 30 epochs in batches of 8 (Table 5).

  python -m experiments.fine_tune --config=configs/penn_action_published.py
      --workdir=runs/penn_10 --checkpoint=runs/penn --label_fraction=0.1

The number of steps fits a tenth of the labels (107 clips, 15 % being held out): 30 x 107 / 8. For
all labels set --config.fine_tune.optimizer.steps=4000. Paper, 10 %: 85.2 against 39.8 from scratch,
with Posetics pre-training and other poses.
"""

from configs import penn_action


def get_config():
    """Learning rate 0.05, a tenth of it after 10 and after 20 epochs, weight decay 5e-4."""
    config = penn_action.get_config()
    config.fine_tune.batch = 8
    optimizer = config.fine_tune.optimizer
    optimizer.name = "sgd"
    optimizer.steps = 400
    optimizer.learning_rate = 0.05
    optimizer.schedule = "drops"
    optimizer.drops = (1 / 3, 2 / 3)
    optimizer.warmup = 0
    optimizer.weight_decay = 5e-4
    optimizer.clip_norm = 0.0
    return config
