"""The network and the loss that a config describes."""

from typing import Any

from via_jax import objectives
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.three_encoders import ThreeEncoders
from via_jax.objectives_three import three_encoder_loss
from via_jax.skeletons import Layout
from via_jax.training import LossFn


def network_of(config: Any, layout: Layout) -> Autoencoder | ThreeEncoders:
    """The network that is pre-trained: ViA's autoencoder, or the one it is compared with.

    Raises:
      ValueError: another name, or joints and coords that the three encoders do not read.
    """
    name = config.pretrain.network
    if name == "via":
        return Autoencoder(joints=layout.num_joints, **config.model)
    if name != "three_encoders":
        raise ValueError(f'pretrain.network={name!r}; expected "via" or "three_encoders"')
    if config.parallel.kind != "jit":
        raise ValueError('the three encoders run by jit only; set parallel.kind = "jit"')
    if (layout.name, config.model.coords) != ("mixamo15", 2) or config.data.held_out:
        raise ValueError(
            f"the three encoders read mixamo15 in 2D and choose nothing, not {layout.name} in"
            f" {config.model.coords}D with data.held_out={config.data.held_out}; prepare with"
            " --layout=mixamo15, and set data.held_out = 0"
        )
    return ThreeEncoders(1.0, config.model.dropout, config.model.dtype)


def objective_of(settings: Any, model: Autoencoder | ThreeEncoders) -> LossFn:
    """The loss that the pre-training section of a config describes.

    Raises:
      ValueError: two objectives at once, or one that a network does not have.
    """
    if isinstance(model, ThreeEncoders):
        if settings.two_views:
            raise ValueError("the three encoders learn from pairs; set pretrain.two_views = False")
        return three_encoder_loss(
            model,
            weights=settings.weights.to_dict(),
            margin=settings.margin,
            supervised=settings.paired,
        )
    if settings.paired and settings.two_views:
        raise ValueError("pretrain.paired and pretrain.two_views exclude each other; unset one")
    weights, margin = settings.weights.to_dict(), settings.margin
    if settings.two_views:
        return objectives.two_view_loss(model, weights=weights, margin=margin)
    if settings.paired:
        return objectives.paired_loss(model, weights=weights, margin=margin)
    return objectives.cycle_loss(
        model,
        weights=weights,
        margin=margin,
        statistics_from_generated=settings.statistics_from_generated,
    )
