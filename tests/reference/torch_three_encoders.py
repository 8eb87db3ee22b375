"""The three encoders in plain eager PyTorch, written from their description: for parity tests.

The state dict has the published keys and shapes. Sequences are [batch, features, time].
"""

import torch
from torch import nn


def motion_encoder() -> nn.Sequential:
    """[n, 30, time] -> [n, 128, time / 8]."""
    layers: list[nn.Module] = []
    for wide, out in ((30, 64), (64, 96), (96, 128)):
        layers += [nn.ReflectionPad1d(3), nn.Conv1d(wide, out, 8, 2), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


class Static(nn.Module):
    """[n, 28, time] -> [n, channels, 1], with max or average pooling."""

    def __init__(self, pool: type[nn.Module], over_time: nn.Module, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for wide, out in ((28, 32), (32, 48), (48, 64)):
            layers += [nn.ReflectionPad1d(3), nn.Conv1d(wide, out, 7), nn.LeakyReLU(0.2), pool(2)]
        self.model = nn.Sequential(*layers)
        self.over_time = over_time
        self.conv1x1 = nn.Conv1d(64, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv1x1(self.over_time(self.model(x)))


def decoder() -> nn.Sequential:
    """[n, 152, time / 8] -> [n, 30, time]."""
    layers: list[nn.Module] = []
    for wide, out in ((152, 128), (128, 64), (64, 30)):
        layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad1d(3), nn.Conv1d(wide, out, 7)]
        layers += [nn.Dropout(0.2), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-2])  # nothing follows the last convolution


class ThreeEncoders(nn.Module):
    """The whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.mot_encoder = nn.ModuleDict({"model": motion_encoder()})
        self.body_encoder = Static(nn.MaxPool1d, nn.AdaptiveMaxPool1d(1), 16)
        self.view_encoder = Static(nn.AvgPool1d, nn.AdaptiveAvgPool1d(1), 8)
        self.decoder = nn.ModuleDict({"model": decoder()})

    def retarget(self, driving: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        """Motion of the one, body and view of the other; both [n, 30, time]."""
        motion = self.mot_encoder["model"](driving)
        still = [encode(source[:, :28]) for encode in (self.body_encoder, self.view_encoder)]
        still = [code.expand(-1, -1, motion.shape[-1]) for code in still]
        return self.decoder["model"](torch.cat([motion, *still], dim=1))
