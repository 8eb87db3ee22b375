"""What devices exchange in one pre-training step: the collectives of the compiled program."""

import collections
import math
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

from via_jax import parallel
from via_jax.models.autoencoder import Autoencoder
from via_jax.optimizers import optimizer_of
from via_jax.pretrain import objective_of, window_of
from via_jax.training import create_state, train_step

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64}  # s8, u32 ... say it themselves
_LINE = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(?:-start)?\(")
_SHAPE = re.compile(r"([a-z]+\d*)\[([\d,]*)\]")


class Exchange(NamedTuple):
    """Collectives of one kind in a program.

    Attributes:
      number: how many.
      size: bytes of their results on one device.
    """

    number: int
    size: int


def collectives_of(hlo: str) -> dict[str, Exchange]:
    """The collectives in the text of a compiled program, by kind; none of a kind is left out.

    A loop's body counts once, however often it runs.

    Raises:
      ValueError: a result of a type of unknown size.
    """
    counts: dict[str, int] = collections.Counter()
    sizes: dict[str, int] = collections.Counter()
    for line in hlo.splitlines():
        if (match := _LINE.search(line)) is None:
            continue
        results, kind = match.groups()
        counts[kind] += 1
        for name, shape in _SHAPE.findall(results):
            sizes[kind] += _bytes(name) * math.prod(int(n) for n in shape.split(",") if n)
    return {kind: Exchange(counts[kind], sizes[kind]) for kind in KINDS if counts[kind]}


def _bytes(name: str) -> int:
    if name in BITS:
        return BITS[name] // 8
    if (match := re.fullmatch(r"[su](\d+)", name)) is None:
        raise ValueError(f"a collective of type {name!r}; expected {', '.join(BITS)}, s8 ...")
    return int(match[1]) // 8


def compiled_step(config: Any, joints: int, devices: int) -> Any:
    """The update of a pre-training compiled for the first devices, without data or weights.

    Drawing the batch is left out: every device draws all of it and keeps its own rows.

    Args:
      config: see configs/base.py.
      joints: of the poses.
      devices: at most as many as there are.

    Raises:
      ValueError: the batch does not divide among the devices.
    """
    kinds = (AxisType.Auto,)
    mesh = jax.make_mesh((devices,), (parallel.AXIS,), kinds, devices=jax.devices()[:devices])
    rows, frames = 2 * config.pretrain.pairs, window_of(config.data).padded
    parallel.check_batch(rows, mesh, config.pretrain.accumulate)
    model = Autoencoder(joints=joints, **config.model)
    optimizer = optimizer_of(**config.pretrain.optimizer)
    loss_fn = objective_of(config.pretrain, model)
    shape = (rows, 1, frames, joints, config.model.coords)
    poses = jax.ShapeDtypeStruct(shape, jnp.float32)
    valid = jax.ShapeDtypeStruct(shape[:-1], jnp.bool)
    batch = {"poses": poses, "valid": valid}
    if config.pretrain.two_views:
        batch |= {"other": poses, "other_valid": valid}
    if config.pretrain.paired:
        batch |= {"target": poses, "target_valid": valid}

    def step(state, batch):
        key = jax.random.fold_in(jax.random.key(0), state.step)
        return train_step(
            state,
            batch,
            key,
            loss_fn=loss_fn,
            optimizer=optimizer,
            accumulate=config.pretrain.accumulate,
            groups=2,
        )

    def start():
        return create_state(model.init(jax.random.key(0), np.zeros(shape, np.float32)), optimizer)

    state = jax.eval_shape(start)
    program = parallel.compile_steps(step, mesh, 1, constants=parallel.over_batch(mesh))
    return program.compiled(state, batch)
