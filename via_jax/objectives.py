"""What pre-training minimises: the paper's cycle (Eq. 3 to 7), or the truth where it is known.

A batch holds drivers in its first half and their sources in its second; every term is computed for
both, symmetrically, so "the other" of a row is its partner in the other half. Drivers and sources
are normalised together, in one batch; so are the generated sequences, in a batch of their own.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from via_jax import losses
from via_jax.data.sampling import partner
from via_jax.models.autoencoder import Autoencoder
from via_jax.training import LossFn
from via_jax.typing import Array, Batch


def _encoder(model: Autoencoder, params, batch_stats, weight) -> Callable:
    """poses -> (split, updated batch statistics), in training mode.

    weight: [rows, time / 8], share of real frames behind each code of padded windows, or None; the
    rows repeat for batches that hold several views of them.
    """

    def encode(poses):
        code, updated = model.apply(
            {"params": params, "batch_stats": batch_stats},
            poses,
            True,
            method="encode",
            mutable=["batch_stats"],
        )
        weights = None if weight is None else jnp.tile(weight, (len(poses) // len(weight), 1))
        split = model.apply({"params": params}, code, weights, method="split")
        return split, updated["batch_stats"]

    return encode


def _real(motion, weight):
    """A motion whose steps that only fill up the window are 0, so that no distance counts them."""
    return motion if weight is None else jnp.where(weight[..., None] > 0, motion, 0.0)


def _decoder(model: Autoencoder, params) -> Callable:
    def decode(motion, character, key):
        return model.apply(
            {"params": params}, motion, character, True, method="decode", rngs={"dropout": key}
        )

    return decode


def weighted(terms: Batch, weights: dict[str, float], batch: Batch) -> Array:
    """The weighted sum of the terms of a loss.

    A batch may bring its own "term_weights", as arrays, so that runs which differ in them share a
    compiled step; `weights` then only say which terms there are.
    """
    values = batch.get("term_weights", weights)
    return sum((values[term] * value for term, value in terms.items()), jnp.zeros(()))


def cycle_loss(
    model: Autoencoder,
    *,
    weights: dict[str, float],
    margin: float,
    statistics_from_generated: bool,
) -> LossFn:
    """The self-supervised loss, L = L_rec + L_trip + L_vel (Eq. 3).

    Args:
      model: the autoencoder.
      weights: of "self", "cycle", "triplet_motion", "triplet_character" and "velocity" (lambda); a
        weight of 0 switches a term off, and the cycle is not run where no term needs it.
      margin: alpha of the triplets.
      statistics_from_generated: let generated sequences move the running averages too.

    The batch holds "poses" [2 pairs, 1, time, joints, coords] and "valid" [2 pairs, 1, time,
    joints]. The scalars are the unweighted terms, and "loss".
    """
    needs_cycle = any(
        weights[term] for term in ("cycle", "triplet_motion", "triplet_character", "velocity")
    )

    def loss_fn(params, batch_stats, batch, rng):
        encode = _encoder(model, params, batch_stats, batch.get("weight"))
        decode = _decoder(model, params)
        real = functools.partial(_real, weight=batch.get("weight"))
        poses, valid = batch["poses"][:, 0], batch["valid"][:, 0]
        first_key, second_key = jax.random.split(rng)

        split, new_stats = encode(batch["poses"])
        motion, character = split.motion, split.character
        rebuilt = decode(motion, character, first_key)
        terms = {"self": losses.joint_error(rebuilt, poses, valid)}
        if needs_cycle:
            # p_{m,c'}: row i moves as i on the character of its partner.
            crossed = decode(motion, partner(character), second_key)
            again, stats = encode(crossed[:, None])
            if statistics_from_generated:
                new_stats = jax.tree.map(lambda a, b: (a + b) / 2, new_stats, stats)
            motion_hat = again.motion  # of row i's motion, seen on the other character
            character_hat = partner(again.character)  # of row i, seen in the other motion
            cycled = decode(motion_hat, character_hat, jax.random.fold_in(second_key, 1))
            terms |= {
                "cycle": losses.joint_error(cycled, poses, valid),
                "triplet_motion": losses.triplet(
                    real(motion_hat), real(motion), real(partner(motion)), margin
                ),
                "triplet_character": losses.triplet(
                    character_hat, character, partner(character), margin
                ),
                "velocity": losses.velocity_error(cycled, poses, valid),
            }
        loss = weighted(terms, weights, batch)
        return loss, (new_stats, {**terms, "loss": loss})

    return loss_fn


def paired_loss(model: Autoencoder, *, weights: dict[str, float], margin: float) -> LossFn:
    """The supervised loss, where the true retargeted sequence is known (the paper's baseline L0).

    The decoder's p_{m,c'} is compared with the truth, and the triplets take the code of the truth
    as the anchor. The paper's Mixamo training has this role.

    Args:
      model: the autoencoder.
      weights: of "cross", "self", "triplet_motion", "triplet_character" and "velocity".
      margin: alpha of the triplets.

    The batch is that of `cycle_loss` with "target" and "target_valid": row i is the motion of row i
    on the character of its partner.
    """

    def loss_fn(params, batch_stats, batch, rng):
        encode = _encoder(model, params, batch_stats, batch.get("weight"))
        decode = _decoder(model, params)
        real = functools.partial(_real, weight=batch.get("weight"))
        poses, valid = batch["poses"][:, 0], batch["valid"][:, 0]
        target, target_valid = batch["target"][:, 0], batch["target_valid"][:, 0]
        first_key, second_key = jax.random.split(rng)

        count = poses.shape[0]
        split, new_stats = encode(jnp.concatenate([batch["poses"], batch["target"]]))
        motion, true_motion = split.motion[:count], split.motion[count:]
        character, true_character = split.character[:count], split.character[count:]
        rebuilt = decode(motion, character, first_key)
        crossed = decode(motion, partner(character), second_key)
        terms = {
            "cross": losses.joint_error(crossed, target, target_valid),
            "self": losses.joint_error(rebuilt, poses, valid),
            "triplet_motion": losses.triplet(
                real(true_motion), real(motion), real(partner(motion)), margin
            ),
            "triplet_character": losses.triplet(
                true_character, partner(character), character, margin
            ),
            "velocity": losses.velocity_error(crossed, target, target_valid),
        }
        loss = weighted(terms, weights, batch)
        return loss, (new_stats, {**terms, "loss": loss})

    return loss_fn


def two_view_loss(model: Autoencoder, *, weights: dict[str, float], margin: float) -> LossFn:
    """Retargeting between two views of every window, where only the views are known to differ.

    A view is a random body or camera, or a random turn, squeeze, scale and shift in the image; so
    the motion of one view on the character of the other is the other view, p_{m,c'} is known
    without a label or a second recording. The triplet takes the motion of the other view as the
    positive and that of the partner, a sequence of another cluster, as the negative.

    Args:
      model: the autoencoder.
      weights: of "cross", "self", "triplet_motion" and "velocity".
      margin: alpha of the triplet.

    The batch is that of `cycle_loss` with the second view, "other" and "other_valid".
    """

    def loss_fn(params, batch_stats, batch, rng):
        encode = _encoder(model, params, batch_stats, batch.get("weight"))
        decode = _decoder(model, params)
        real = functools.partial(_real, weight=batch.get("weight"))
        poses = jnp.concatenate([batch["poses"], batch["other"]])
        valid = jnp.concatenate([batch["valid"], batch["other_valid"]])[:, 0]
        first_key, second_key = jax.random.split(rng)

        split, new_stats = encode(poses)
        # Halves of this batch are the two views, so here `partner` swaps the views of a window.
        rebuilt = decode(split.motion, split.character, first_key)
        crossed = decode(partner(split.motion), split.character, second_key)
        one, two = jnp.split(split.motion, 2)
        terms = {
            "cross": losses.joint_error(crossed, poses[:, 0], valid),
            "self": losses.joint_error(rebuilt, poses[:, 0], valid),
            "triplet_motion": losses.triplet(real(two), real(one), real(partner(one)), margin),
            "velocity": losses.velocity_error(crossed, poses[:, 0], valid),
        }
        loss = weighted(terms, weights, batch)
        return loss, (new_stats, {**terms, "loss": loss})

    return loss_fn
