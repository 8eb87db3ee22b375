"""Which network and loss a config asks for, and what does not go together."""

import pytest

from via_jax.models.autoencoder import Autoencoder
from via_jax.models.three_encoders import ThreeEncoders
from via_jax.networks import network_of, objective_of
from via_jax.skeletons import get_layout


def test_networks(tiny_config):
    tiny_config.data.held_out = 0.0
    assert isinstance(network_of(tiny_config, get_layout("unik17")), Autoencoder)
    tiny_config.pretrain.network = "three_encoders"
    assert isinstance(network_of(tiny_config, get_layout("mixamo15")), ThreeEncoders)


@pytest.mark.parametrize(
    ("layout", "network", "held_out", "message"),
    [
        ("unik17", "lstm", 0.0, '\'lstm\'; expected "via" or "three_encoders"'),
        ("unik17", "three_encoders", 0.0, "not unik17 in 2D"),
        ("mixamo15", "three_encoders", 0.2, "held_out=0.2; prepare with --layout=mixamo15"),
    ],
)
def test_networks_that_do_not_fit(layout, network, held_out, message, tiny_config):
    tiny_config.pretrain.network, tiny_config.data.held_out = network, held_out
    with pytest.raises(ValueError, match=message):
        network_of(tiny_config, get_layout(layout))


def test_three_encoders_have_no_two_views(tiny_config):
    tiny_config.pretrain.two_views = True
    with pytest.raises(ValueError, match=r"set pretrain\.two_views = False"):
        objective_of(tiny_config.pretrain, ThreeEncoders(1.0, 0.2))
