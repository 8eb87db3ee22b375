"""What is measured: a case, its weights and inputs, and our program of it."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from via_jax import objectives
from via_jax.benchmark.floor import Cost, cost_of
from via_jax.evaluation.fine_tune import classification_loss
from via_jax.models.autoencoder import Autoencoder
from via_jax.models.classifier import Classifier
from via_jax.models.encoder import FIRST_BLOCK_HEADS, TIME_FACTOR
from via_jax.models.folding import fold_norms
from via_jax.optimizers import optimizer_of
from via_jax.training import LossFn, create_state, train_step
from via_jax.typing import Batch, Tree

KINDS = ("forward", "forward_backward", "pretrain", "fine_tune", "inference", "inference_folded")
TERMS = ("self", "cycle", "triplet_motion", "triplet_character", "velocity")
CLASSES = 60  # of the fine-tuned classifier
MARGIN = 1.0
RATE, DECAY, LARGEST_NORM = 1e-3, 1e-2, 1.0  # of AdamW, and of the gradient it is given


class Case(NamedTuple):
    """One program at one size; both sides read nothing else.

    Attributes:
      kind: of KINDS. "forward" and "forward_backward" are the encoder's, in training mode, without
        an update; "pretrain" is a step of the paper's cycle, "fine_tune" of the classifier, both
        with AdamW; "inference" is the encoder in evaluation, "inference_folded" with the batch
        norms folded into our layers.
      batch: sequences; twice the pairs of "pretrain".
      frames: of a window, a multiple of 8.
      joints, coords, width, num_directions, dtype: as in the autoencoder.
    """

    kind: str
    batch: int
    frames: int
    joints: int
    coords: int
    width: float
    num_directions: int
    dtype: str

    def name(self) -> str:
        """For tables."""
        return f"{self.kind} batch={self.batch} T={self.frames} V={self.joints}"


class Program(NamedTuple):
    """A compiled case.

    Attributes:
      run: runs it once and waits.
      outputs: of its first run, to be compared: "code" of the encoder, otherwise "loss".
      cost: what it does.
      seconds: of tracing and of compiling, or of reading what was compiled from the disk cache.
    """

    run: Callable[[], None]
    outputs: dict[str, np.ndarray]
    cost: Cost
    seconds: tuple[float, float]


def whole_windows(frames: int) -> int:
    """The frames of a padded window: the next multiple of 8."""
    return -(-frames // TIME_FACTOR) * TIME_FACTOR


def network(case: Case, temporal: str) -> Any:
    """The model of a case. temporal: formulation of the convolutions over time."""
    shared: dict[str, Any] = {
        "width": case.width,
        "num_heads": FIRST_BLOCK_HEADS,
        "num_directions": case.num_directions,
        "learned_directions": True,
        "dtype": case.dtype,
        "temporal": temporal,
    }
    if case.kind == "fine_tune":
        return Classifier(num_classes=CLASSES, feature="code", **shared)
    return Autoencoder(
        joints=case.joints,
        coords=case.coords,
        decoder_width=case.width,
        dropout=0.0,
        folded=case.kind == "inference_folded",
        **shared,
    )


def variables_of(case: Case) -> Tree:
    """Weights as NumPy arrays, moved away from the scales near 0 that a fresh batch norm has.

    With these a spatial unit would count for nothing, and a wrong one would pass the comparison.
    """
    case = case._replace(kind="inference") if case.kind == "inference_folded" else case
    model, inputs = network(case, "conv"), inputs_of(case)
    call = (inputs["poses"], False)
    variables = jax.jit(lambda key: model.init(key, *call))(jax.random.key(0))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        if path[-1].key in ("bias", "mean"):
            return rng.normal(0, 0.2, leaf.shape).astype(np.float32)
        return np.array(leaf, np.float32)

    return jax.tree_util.tree_map_with_path(draw, variables)


def inputs_of(case: Case) -> dict[str, np.ndarray]:
    """A batch of a case: "poses", "valid", "label" and "present"."""
    rng = np.random.default_rng(1)
    shape = (case.batch, 1, case.frames, case.joints)
    return {
        "poses": rng.normal(0, 0.7, (*shape, case.coords)).astype(np.float32),
        "valid": rng.random(shape) > 0.1,
        "label": rng.integers(0, CLASSES, case.batch).astype(np.int32),
        "present": np.ones((case.batch, 1), np.float32),
    }


def program_of(case: Case, temporal: str, variables: Tree, inputs: Batch) -> Program:
    """Compiles our program of a case, and runs it once.

    Args:
      case: kind and size.
      temporal: formulation of the convolutions over time, see `models.temporal`.
      variables, inputs: from `variables_of` and `inputs_of`, the same as the rival's.

    Raises:
      ValueError: another kind.
    """
    model = network(case, temporal)
    if case.kind in ("pretrain", "fine_tune"):
        return _steps(_loss_of(case, model), variables, inputs)
    train = case.kind in ("forward", "forward_backward")
    if case.kind == "inference_folded":
        variables = fold_norms(variables)

    def encode(variables, poses):
        found = model.apply(variables, poses, train, method="encode", mutable=["batch_stats"])
        return found[0], found[1]["batch_stats"]

    def objective(params, batch_stats, poses):
        code, stats = encode({"params": params, "batch_stats": batch_stats}, poses)
        return jnp.square(code).mean(), stats

    def forward(variables, poses):
        code, stats = encode(variables, poses)
        return {"code": code}, stats

    def backward(variables, poses):
        compute = jax.value_and_grad(objective, has_aux=True)
        (loss, stats), grads = compute(variables["params"], variables["batch_stats"], poses)
        return {"loss": loss}, stats, grads

    if case.kind not in KINDS:
        raise ValueError(f"kind={case.kind!r}; expected one of {', '.join(KINDS)}")
    function = backward if case.kind == "forward_backward" else forward
    placed = jax.device_put((variables, inputs["poses"]))
    compiled, seconds = _compile(jax.jit(function), placed)
    first = jax.tree.map(np.asarray, compiled(*placed)[0])

    def run() -> None:
        jax.block_until_ready(compiled(*placed))

    return Program(run, first, cost_of(compiled), seconds)


def lowered_flops(case: Case, temporal: str) -> float:
    """Operations of the forward pass, before anything is compiled; see `program_of`."""
    model = network(case, temporal)
    poses = jax.ShapeDtypeStruct(inputs_of(case)["poses"].shape, np.float32)
    variables = jax.eval_shape(lambda p: model.init(jax.random.key(0), p, False), poses)

    def forward(variables, poses):
        return model.apply(variables, poses, False, method="encode")

    found: Any = jax.jit(forward).lower(variables, poses).cost_analysis()
    return float(found["flops"])


def _loss_of(case: Case, model: Any) -> LossFn:
    if case.kind == "fine_tune":
        return classification_loss(model, 0.0)
    return objectives.cycle_loss(
        model,
        weights=dict.fromkeys(TERMS, 1.0),
        margin=MARGIN,
        statistics_from_generated=False,
    )


def _steps(loss_fn: LossFn, variables: Tree, inputs: Batch) -> Program:
    """Training steps, each from the state that the last one left."""
    optimizer = optimizer_of(
        name="adamw",
        steps=1,
        learning_rate=RATE,
        schedule="constant",
        warmup=0,
        drops=(),
        weight_decay=DECAY,
        clip_norm=LARGEST_NORM,
    )

    def step(state, batch):
        rng = jax.random.key(0)
        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=optimizer)

    state, batch = jax.device_put((create_state(variables, optimizer), dict(inputs)))
    compiled, seconds = _compile(jax.jit(step, donate_argnums=0), (state, batch))
    now = [compiled(state, batch)]
    first = {"loss": np.asarray(now[0][1]["loss"])}

    def run() -> None:
        now[0] = jax.block_until_ready(compiled(now[0][0], batch))

    return Program(run, first, cost_of(compiled), seconds)


def _compile(function: Any, args: tuple) -> tuple[Any, tuple[float, float]]:
    begin = time.perf_counter()
    lowered = function.lower(*args)
    middle = time.perf_counter()
    compiled = lowered.compile()
    return compiled, (middle - begin, time.perf_counter() - middle)
