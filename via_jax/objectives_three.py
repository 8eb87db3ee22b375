"""What the three encoders minimise (Aberman et al. 2019), with the truth and without it.

With the truth, from the authors' published code: squared errors of the reconstruction and of the
crossed outputs, weight 1 each; triplets of margin 1 and weight 1 on every code, whose anchor is the
code of the truth; the velocity of the feet, weight 0.1 and off unless asked for. They sum over the
two members of a pair where we average, which divides all terms alike; trained by Adam from 1e-3,
times 0.99 an epoch.

What differs: they also cross body and view one at a time (six crossed outputs, and triplets where
only the body or only the view changes). Our batches know the truth of both together, which is the
retargeting that is judged, so nothing here tells body from view: the two codes are one character.

Without the truth, only the reconstruction is theirs: by memory of the paper, not checked, videos
without partners take part through it alone. The rest is ours, term by term ViA's cycle (see
`objectives.cycle_loss`), so that the two networks can be compared without labels.
"""

from typing import Any

import jax
import jax.numpy as jnp

from via_jax import losses
from via_jax.data.sampling import partner
from via_jax.models.three_encoders import LAYOUT, ROOT, Codes, ThreeEncoders
from via_jax.objectives import weighted
from via_jax.training import LossFn
from via_jax.typing import Array

# The published code takes the two ankles; by memory the paper speaks of hands and feet.
FEET = (LAYOUT.index("right_ankle"), LAYOUT.index("left_ankle"))


def foot_velocity_error(predicted: Array, target: Array, valid: Array) -> Array:
    """Mean squared error of the feet's moves in the image, in squared input units.

    A foot's move is its move relative to the root plus the root's own, as published: both in
    standardised units, though these differ between joints.

    Args:
      predicted, target: [batch, time, 15, 2], joints relative to the root, whose row is its move.
      valid: [batch, time, 15]; a move counts where foot and root are valid in both frames.
    """
    feet = jnp.array(FEET)

    def moves(poses):
        return jnp.diff(poses[:, :, feet], axis=1) + poses[:, 1:, ROOT : ROOT + 1]

    seen = valid[:, :, feet] * valid[:, :, ROOT : ROOT + 1]
    both = seen[:, 1:] * seen[:, :-1]
    return losses.mean_over_valid(jnp.square(moves(predicted) - moves(target)).mean(axis=-1), both)


def three_encoder_loss(
    model: ThreeEncoders, *, weights: dict[str, float], margin: float, supervised: bool
) -> LossFn:
    """The loss of the three encoders; batch statistics go in and out as they are, {}.

    Args:
      model: the network.
      weights: of "self", "triplet_motion", "triplet_body", "triplet_view" and "velocity", the
        feet's; and of "cross" when supervised, otherwise of "cycle".
      margin: of the triplets.
      supervised: compare with the true retargeted sequences; otherwise encode the crossed outputs
        again, swap back and decode.

    The batch holds "poses" [2 pairs, 1, time, 15, 2], drivers and then their sources, and "valid"
    [2 pairs, 1, time, 15]; when supervised also "target" and "target_valid", of the same shapes:
    row i is the motion of row i on the body and in the view of its partner. "weight" [2 pairs,
    time / 8], the share of real frames behind each step of a padded window's motion, is optional;
    the filling repeats the window, so it shows body and view nothing new. The scalars are the
    unweighted terms, and "loss".
    """

    def loss_fn(params, batch_stats, batch, rng):
        def encode(poses) -> Codes:
            codes: Any = model.apply({"params": params}, poses, method="encode")
            return codes

        def decode(codes: Codes, key):
            return model.apply(
                {"params": params}, codes, True, method="decode", rngs={"dropout": key}
            )

        def real(motion):  # steps that only fill up the window are 0: no distance counts them
            weight = batch.get("weight")
            return motion if weight is None else jnp.where(weight[..., None] > 0, motion, 0.0)

        keys = jax.random.split(rng, 3)
        poses, valid = batch["poses"][:, 0], batch["valid"][:, 0]
        codes = encode(poses)
        rebuilt = decode(codes, keys[0])
        # Row i moves as i, with the body and in the view of its partner.
        crossed = decode(Codes(codes.motion, *map(partner, codes[1:])), keys[1])
        if supervised:
            truth, seen = batch["target"][:, 0], batch["target_valid"][:, 0]
            again, second, name = encode(truth), crossed, "cross"
        else:
            truth, seen, name = poses, valid, "cycle"
            again = encode(crossed)
            second = decode(Codes(again.motion, *map(partner, again[1:])), keys[2])
        terms = {
            "self": losses.joint_error(rebuilt, poses, valid),
            name: losses.joint_error(second, truth, seen),
            "triplet_motion": losses.triplet(
                real(again.motion), real(codes.motion), real(partner(codes.motion)), margin
            ),
            "triplet_body": losses.triplet(again.body, partner(codes.body), codes.body, margin),
            "triplet_view": losses.triplet(again.view, partner(codes.view), codes.view, margin),
            "velocity": foot_velocity_error(rebuilt, poses, valid)
            + foot_velocity_error(second, truth, seen),
        }
        loss = weighted(terms, weights, batch)
        return loss, (batch_stats, {**terms, "loss": loss})

    return loss_fn
