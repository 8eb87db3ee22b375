"""Every setting there is, with the paper's values where it gives them; other configs change a few.

The paper's size: width 1, K = 32, 17 joints, windows of 64 frames. What a machine without an
accelerator can train in minutes is in the other files of this folder.
"""

import ml_collections


def optimizer(steps: int, learning_rate: float) -> ml_collections.ConfigDict:
    """An AdamW schedule; the fields are the arguments of via_jax.optimizers.optimizer_of."""
    return ml_collections.ConfigDict(
        {
            "name": "adamw",  # or "sgd", with Nesterov momentum 0.9
            "steps": steps,
            "learning_rate": learning_rate,
            "schedule": "cosine",  # or "drops", "constant"
            "warmup": min(100, steps // 10),  # steps
            "drops": (0.7, 0.85),  # shares of the run after which the rate falls to a tenth
            "weight_decay": 1e-2,
            "clip_norm": 1.0,  # 0: gradients are not clipped
        }
    )


def published_sgd(
    epochs: int, clips: int, batch: int, learning_rate: float, drops: tuple, weight_decay: float
) -> ml_collections.ConfigDict:
    """SGD as the published classifiers are trained: so many epochs, tenfold drops after some.

    clips: of the training split, to turn epochs into steps. drops: epochs.
    """
    steps = 8 * round(epochs * clips / batch / 8)  # a multiple for several steps a dispatch
    recipe = optimizer(steps, learning_rate)
    recipe.name = "sgd"
    recipe.schedule = "drops"
    recipe.drops = tuple(drop / epochs for drop in drops)
    recipe.warmup = 0
    recipe.weight_decay = weight_decay
    recipe.clip_norm = 0.0
    return recipe


def cameras(yaw: tuple[float, float], elevation: tuple[float, float]) -> ml_collections.ConfigDict:
    """Random cameras around 3D bodies; the arguments of via_jax.data.cameras.random_cameras."""
    return ml_collections.ConfigDict(
        {
            "yaw": yaw,  # degrees, 0 faces a body that looks along +z
            "elevation": elevation,  # degrees above the horizon
            "distance": (3.0, 8.0),  # metres
            "orthographic": 0.5,  # share of cameras without perspective, in [0, 1]
            "mirror_yaw": False,  # also the same range on the other side
            "yaw_step": 0.0,  # degrees between the angles that are drawn; 0 draws any
        }
    )


def move() -> ml_collections.ConfigDict:
    """Random moves of windows; the arguments of via_jax.data.augment.random_move."""
    return ml_collections.ConfigDict(
        {
            "rotation": 10.0,  # degrees, to both sides
            "scale": 0.1,  # relative, in [0, 1)
            "squeeze": 0.0,  # largest loss of width, in [0, 1)
            "shift": 0.0,  # in units of the scaled poses
            "moving": False,  # drift over the window, as the published classifiers do
        }
    )


def get_config() -> ml_collections.ConfigDict:
    """The paper's self-supervised pre-training and both evaluations."""
    config = ml_collections.ConfigDict()
    config.seed = 0
    # How a step runs on several devices: "jit" over a mesh, or "pmap"; the results are the same.
    config.parallel = ml_collections.ConfigDict({"kind": "jit"})

    config.data = ml_collections.ConfigDict(
        {
            "folder": "",  # a prepared data set, see experiments.prepare
            "protocol": "official",  # which of its splits
            "placement": "device",  # or "host" for data that do not fit
            # Share of the training clips that choices are made on, in [0, 1); the probe and
            # fine-tuning take a protocol's own validation clips where it names some.
            "held_out": 0.15,
            "persons": 1,  # persons of a clip that classification sees
            "published_persons": False,  # average absent persons too, as the published code does
            "window": {
                "frames": 64,
                "sampling": "crop",  # or "resample": the whole sequence brought to `frames`
                "shortest_share": 1.0,  # of a sequence, in training, for "resample"; in (0, 1]
                "speed": (1.0, 1.0),  # frames a step, in training, for "crop"
                "drop_shorter": False,  # pre-training leaves out sequences of fewer frames
            },
            # Of the paired protocol, see via_jax.data.characters; 0 keeps the recorded bodies.
            "characters": {"train": 0, "test": 0, "spread": 2.0, "seed": 0},
            "views": {
                # "body", "root", "metric" or "screen", see via_jax.data.views.Views
                "normalisation": "body",
                "stream": "joint",  # or "bone", "joint_motion", "bone_motion"; in classification
                "face_front": False,  # turn 3D bodies to face the camera of yaw 0 first
                "camera": None,  # cameras(...) for 3D recordings, see above
                "test_camera": None,
                "bone_spread": 0.0,  # of random bodies, standard deviation of log length
                "move": move(),  # in classification; pretrain.move in pre-training
                "mirror": 0.0,  # probability
                "noise": 0.0,  # standard deviation, in units of the scaled poses
                "lost_joints": 0.0,  # probability for each joint
            },
        }
    )
    config.model = ml_collections.ConfigDict(
        {
            "coords": 2,  # 2 or 3
            "width": 1.0,  # multiplies the encoder's channels
            "decoder_width": 1.0,  # multiplies the decoder's hidden channels
            "num_heads": 3,
            "num_directions": 32,  # K
            "learned_directions": True,  # False: the paper's row "without D_c"
            "dropout": 0.2,  # in the decoder
            "dtype": "float32",  # compute type, or "bfloat16"
            "remat": False,  # True: less memory, a third more arithmetic, the same numbers
            # Formulation of the convolutions over time: "conv", "dft", or "auto" by measurement
            "temporal": "auto",
        }
    )
    config.pretrain = ml_collections.ConfigDict(
        {
            "start_from": "",  # work directory of an earlier stage
            "network": "via",  # or "three_encoders" of Aberman et al., which reads mixamo15 in 2D
            "paired": False,  # True: learn from the true retargeted sequence (3D recordings)
            "two_views": False,  # True: learn from two random views of every window
            "pairs": 64,  # in a batch
            "accumulate": 1,  # micro-batches of a batch, one behind the other to save memory
            "move": move(),
            "weights": {
                "cross": 1.0,  # only where paired or two_views
                "self": 1.0,
                "cycle": 1.0,  # only in the cycle
                "triplet_motion": 1.0,
                "triplet_character": 1.0,  # not with two_views
                "triplet_body": 1.0,  # of the three encoders
                "triplet_view": 1.0,  # of the three encoders
                "velocity": 1.0,  # lambda
            },
            "margin": 1.0,  # alpha of the triplets
            "statistics_from_generated": False,
            "clusters": {"count": 20, "frames": 16, "seed": 0},  # count 0 pairs at random
            "optimizer": optimizer(steps=20_000, learning_rate=1e-3),
            "log_every": 50,  # steps
            "eval_every": 1000,
            "save_every": 1000,
            "steps_per_dispatch": 0,  # 0: 1 on CPU, 8 elsewhere
            "skip_nonfinite": 0,  # steps in a row whose loss may be NaN or infinite; 0: stop
        }
    )
    config.paired = ml_collections.ConfigDict(
        {  # the test of retargeting against the truth, see via_jax.data.true_pairs
            "frames": 120,  # of a test window; a multiple of 8
            "hop": 60,  # frames between windows
            "windows": 100,  # at most; 0: all
            "yaws": (-90.0, -60.0, -30.0, 0.0, 30.0, 60.0, 90.0),  # degrees
            "seed": 123,
        }
    )
    config.ablation = ml_collections.ConfigDict(
        {  # of losses and pairing, see via_jax.ablation
            "continued": optimizer(steps=300, learning_rate=1e-3),
            "views": "",  # a data set prepared as "projected"
            "protocol": "cross_view",
            "held_out": 0.15,
        }
    )
    config.linear_probe = ml_collections.ConfigDict(
        {
            "checkpoint": "",  # work directory of a pre-training; empty: random weights
            "which": "best",  # or "latest"
            "feature": "motion",  # or "code", or "poses": the input itself, without an encoder
            "statistics": "frozen",  # or "adapted": batch statistics re-estimated on this data
            "rates": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),  # of SGD, chosen on the held-out part
            "penalties": (0.1, 1.0, 10.0, 100.0),  # C of the optimum, chosen on the held-out part
            "epochs": 100,
            "weight_decay": 0.0,
            "batch": 64,
        }
    )
    config.fine_tune = ml_collections.ConfigDict(
        {
            "checkpoint": "",  # work directory of a pre-training; empty: from scratch
            "which": "best",
            "feature": "code",  # or "motion"
            "label_fraction": 1.0,  # of the training labels, a seeded draw
            "batch": 64,
            "accumulate": 1,
            "label_smoothing": 0.0,
            "optimizer": optimizer(steps=3000, learning_rate=1e-3),
            "log_every": 50,
            "eval_every": 250,
            "save_every": 250,
            "steps_per_dispatch": 0,
        }
    )
    return config
