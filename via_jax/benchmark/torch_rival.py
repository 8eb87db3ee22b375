"""ViA in plain eager PyTorch, written from the description alone: the rival of the benchmark.

The parity tests compare the library with it too. Attribute names are chosen so that the state dict
of `Unik` has the keys and shapes of the published weights. Inside the encoder sequences are
[batch, channels, time, joints], PyTorch's order.
"""

import math

import torch
from torch import nn
from torch.nn import functional

CHANNELS = (64, 128, 256)
BLOCK_STAGES = (0, 0, 0, 0, 1, 1, 1, 2, 2, 2)  # which of the three widths each block has
STRIDED_BLOCKS = (5, 8)  # counted from 1; these halve the time axis


class SpatialUnit(nn.Module):
    """Mixes the joints by learned dependency matrices plus attention, one pair per head."""

    def __init__(self, in_channels: int, out_channels: int, joints: int, heads: int) -> None:
        super().__init__()
        embedded = out_channels // 4
        self.DepM = nn.Parameter(torch.empty(heads, joints, joints))  # head, source, target
        self.bias = nn.Parameter(torch.zeros(joints))  # in the published weights, never used
        self.conv_a = nn.ModuleList(nn.Conv2d(in_channels, embedded, 1) for _ in range(heads))
        self.conv_b = nn.ModuleList(nn.Conv2d(in_channels, embedded, 1) for _ in range(heads))
        self.conv_d = nn.ModuleList(nn.Conv2d(in_channels, out_channels, 1) for _ in range(heads))
        self.bn = nn.BatchNorm2d(out_channels)
        self.down: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.down = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels)
            )
        self.apply(initialise)
        nn.init.kaiming_uniform_(self.DepM, a=math.sqrt(5))  # uniform in +-1/joints
        for conv in self.conv_d:
            variance = 2 / (out_channels * in_channels * heads)
            nn.init.normal_(conv.get_parameter("weight"), 0, math.sqrt(variance))
        nn.init.constant_(self.bn.weight, 1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, in_channels, time, joints] -> [n, out_channels, time, joints]."""
        n, channels, time, joints = x.shape
        total = torch.zeros(())
        for dependency, conv_a, conv_b, conv_d in zip(
            self.DepM, self.conv_a, self.conv_b, self.conv_d
        ):
            source = conv_a(x).permute(0, 3, 1, 2).reshape(n, joints, -1)
            target = conv_b(x).reshape(n, -1, joints)
            attention = torch.softmax(source @ target / target.shape[1], dim=1)
            mixed = x.reshape(n, channels * time, joints) @ (dependency + attention)
            total = total + conv_d(mixed.reshape(n, channels, time, joints))
        return functional.relu(self.bn(total) + self.down(x))


class TemporalUnit(nn.Module):
    """A kernel x 1 convolution over time and its batch norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        padding = (kernel // 2, 0)
        self.conv = nn.Conv2d(in_channels, out_channels, (kernel, 1), (stride, 1), padding)
        self.bn = nn.BatchNorm2d(out_channels)
        self.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, in_channels, time, joints] -> [n, out_channels, time / stride, joints]."""
        return self.bn(self.conv(x))


class Block(nn.Module):
    """relu(temporal(spatial(x)) + residual(x))."""

    def __init__(
        self, in_channels: int, out_channels: int, joints: int, heads: int, stride: int, first: bool
    ) -> None:
        super().__init__()
        self.s_unit = SpatialUnit(in_channels, out_channels, joints, heads)
        self.t_unit = TemporalUnit(out_channels, out_channels, 9, stride)
        self.first = first
        self.residual: nn.Module = nn.Identity()
        if not first and (in_channels != out_channels or stride != 1):
            self.residual = TemporalUnit(in_channels, out_channels, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, in_channels, time, joints] -> [n, out_channels, time / stride, joints]."""
        y = self.t_unit(self.s_unit(x))
        return functional.relu(y if self.first else y + self.residual(x))


class Unik(nn.Module):
    """The pose encoder and, where `classes` is given, the published classifier's last layer."""

    def __init__(
        self,
        joints: int,
        coords: int,
        persons: int = 1,
        channels: tuple[int, int, int] = CHANNELS,
        heads: int = 3,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.data_bn = nn.BatchNorm1d(persons * joints * coords)
        widths = (coords, *(channels[stage] for stage in BLOCK_STAGES))
        for i in range(1, len(widths)):
            stride = 2 if i in STRIDED_BLOCKS else 1
            block_heads = 3 if i == 1 else heads
            block = Block(widths[i - 1], widths[i], joints, block_heads, stride, first=i == 1)
            self.add_module(f"l{i}", block)
        if classes:
            self.fc = nn.Linear(channels[-1], classes)
            nn.init.normal_(self.fc.weight, 0, math.sqrt(2 / classes))
            nn.init.zeros_(self.fc.bias)

    def features(self, poses: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        """Means over joints and persons after block 10.

        Args:
          poses: [batch, persons, time, joints, coords].
          present: [batch, persons], 1 for the persons to average; None averages all of them.
        Returns:
          [batch, time / 4, channels].
        """
        batch, persons, time, joints, coords = poses.shape
        x = poses.permute(0, 1, 3, 4, 2).reshape(batch, persons * joints * coords, time)
        x = self.data_bn(x).reshape(batch * persons, joints, coords, time).permute(0, 2, 3, 1)
        for i in range(1, 1 + len(BLOCK_STAGES)):
            x = self.get_submodule(f"l{i}")(x)
        x = x.mean(3).transpose(1, 2).reshape(batch, persons, -1, x.shape[1])
        if present is None:
            return x.mean(1)
        weights = present / present.sum(1, keepdim=True)
        return (x * weights[:, :, None, None]).sum(1)

    def forward(self, poses: torch.Tensor, present: torch.Tensor | None = None) -> torch.Tensor:
        """Scores of the published classifier, [batch, classes]: no pooling before the time mean."""
        return self.fc(self.features(poses, present).mean(1))


class Decoder(nn.Module):
    """Three upsamplings and convolutions from the code back to poses (Aberman et al. 2019)."""

    def __init__(
        self,
        joints: int,
        coords: int,
        channels: tuple[int, int, int] = CHANNELS,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        narrow, middle, wide = channels
        layers: list[nn.Module] = []
        for width, out in ((wide, middle), (middle, narrow), (narrow, joints * coords)):
            layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad1d(3), nn.Conv1d(width, out, 7)]
            layers += [nn.Dropout(dropout), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*layers[:-2])  # nothing follows the last convolution
        self.joints, self.coords = joints, coords

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        """[batch, steps, channels] -> [batch, 8 * steps, joints, coords]."""
        poses = self.model(code.transpose(1, 2)).transpose(1, 2)
        return poses.reshape(*poses.shape[:2], self.joints, self.coords)


class Via(nn.Module):
    """The autoencoder: encode, split by the dictionary, recombine, decode one-person sequences."""

    def __init__(
        self,
        joints: int,
        coords: int,
        directions: int = 32,
        channels: tuple[int, int, int] = CHANNELS,
        heads: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.encoder = Unik(joints, coords, 1, channels, heads)
        self.decoder = Decoder(joints, coords, channels, dropout)
        self.v = nn.Parameter(torch.empty(channels[-1], directions))
        nn.init.orthogonal_(self.v)

    def encode(self, poses: torch.Tensor) -> torch.Tensor:
        """Code [batch, time / 8, channels] of [batch, 1, time, joints, coords]."""
        features = self.encoder.features(poses)
        return functional.avg_pool1d(features.transpose(1, 2), 2).transpose(1, 2)

    def split(
        self, code: torch.Tensor, weight: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Equations 1 and 2.

        Args:
          code: [batch, steps, channels].
          weight: [batch, steps], how much each step counts in the time mean; None for alike.
        Returns:
          motion [batch, steps, channels] and character [batch, channels].
        """
        directions = torch.linalg.qr(self.v).Q
        weight = torch.ones_like(code[..., 0]) if weight is None else weight
        mean = (code * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)
        character = mean @ directions @ directions.T
        return code - character[:, None], character

    def decode(self, motion: torch.Tensor, character: torch.Tensor) -> torch.Tensor:
        """Poses [batch, time, joints, coords] of a motion performed by a character."""
        return self.decoder(motion + character[:, None])

    def retarget(self, driver: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        """The driver's motion, the source's character; both [batch, 1, time, joints, coords]."""
        return self.decode(self.split(self.encode(driver))[0], self.split(self.encode(source))[1])


def joint_error(predicted: torch.Tensor, target: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Equation 4: squared error, averaged over the coordinates of all valid joints.

    predicted and target are [batch, time, joints, coords], valid is [batch, time, joints].
    """
    return functional.mse_loss(predicted[valid], target[valid])


def velocity_error(
    predicted: torch.Tensor, target: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Equation 7 without lambda: `joint_error` of the moves between frames valid at both ends."""
    valid_moves = valid[:, 1:] & valid[:, :-1]
    return joint_error(predicted.diff(dim=1), target.diff(dim=1), valid_moves)


def triplet(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float = 1.0
) -> torch.Tensor:
    """Equation 6 for features [batch, ...], one distance for each sequence."""
    near = torch.linalg.vector_norm((anchor - positive).flatten(1), dim=1)
    far = torch.linalg.vector_norm((anchor - negative).flatten(1), dim=1)
    return functional.relu(near - far + margin).mean()


def objective(
    model: Via, driver: torch.Tensor, source: torch.Tensor, valid: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The terms of equation 3, all of weight 1, each over the drivers and the sources alike.

    Args:
      model: in training mode it normalises the drivers and the sources as one batch.
      driver, source: [batch, 1, time, joints, coords].
      valid: [2 * batch, time, joints], of the drivers, then of the sources.
    """

    def partner(x: torch.Tensor) -> torch.Tensor:
        return x.roll(len(driver), dims=0)  # drivers and sources trade places

    poses = torch.cat([driver, source])
    motion, character = model.split(model.encode(poses))
    swapped = model.decode(motion, partner(character))
    motion_again, partner_again = model.split(model.encode(swapped[:, None]))
    character_again = partner(partner_again)
    cycle = model.decode(motion_again, character_again)
    poses = poses[:, 0]
    return {
        "self": joint_error(model.decode(motion, character), poses, valid),
        "cycle": joint_error(cycle, poses, valid),
        "triplet_motion": triplet(motion_again, motion, partner(motion)),
        "triplet_character": triplet(character_again, character, partner(character)),
        "velocity": velocity_error(cycle, poses, valid),
    }


def initialise(module: nn.Module) -> None:
    """Kaiming-normal, fan-out convolutions with zero bias."""
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
