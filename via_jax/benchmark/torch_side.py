"""PyTorch's half of the benchmark, for a process of its own: the same cases, run when asked."""

import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from via_jax.benchmark import cases
from via_jax.benchmark.torch_rival import CHANNELS, Unik, Via, objective

INFERENCE = ("inference", "inference_folded")  # the same for PyTorch
COMPILE, AUTOCAST = "compile", "autocast"  # words of a mode; "eager" has neither


def serve(connection: Connection, threads: int) -> None:
    """Answers until the other end closes.

    ("prepare", case, state, inputs, mode) is answered with the outputs of the first run, ("run",)
    with the seconds of one run, ("facts",) with what must be known of this side. An error is
    answered as itself.
    """
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("high")  # as jax does on GPU: TF32; nothing on CPU
    run: Callable[[], dict[str, torch.Tensor]] | None = None
    while True:
        try:
            what, *args = connection.recv()
        except EOFError:
            return
        answer: Any
        try:
            if what == "prepare":
                run = None  # its memory first
                run = prepare(*args)
                answer = {name: x.detach().float().cpu().numpy() for name, x in run().items()}
            elif what == "run":
                assert run is not None
                _wait()
                begin = time.perf_counter()
                run()
                _wait()
                answer = time.perf_counter() - begin
            else:
                answer = facts()
        except Exception as error:  # the other process raises it
            answer = RuntimeError(f"PyTorch: {error!r:.500}")
        connection.send(answer)


def facts() -> dict[str, Any]:
    """Version, threads, device and memory of this side."""
    cuda = torch.cuda.is_available()
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "process_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "device_bytes": torch.cuda.max_memory_allocated() if cuda else None,
    }


def prepare(
    case: cases.Case, state: dict[str, np.ndarray], inputs: dict[str, np.ndarray], mode: str
) -> Callable[[], dict[str, torch.Tensor]]:
    """A function that runs the case once.

    Args:
      case: what to run.
      state: state dict of `Via`, or of `Unik` for "fine_tune".
      inputs: from `cases.inputs_of`.
      mode: "eager", "compile", "autocast" or "compile autocast".
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    narrow, middle, wide = (max(1, round(c * case.width)) for c in CHANNELS)
    channels = (narrow, middle, wide)
    model: Any
    if case.kind == "fine_tune":
        model = Unik(case.joints, case.coords, 1, channels, classes=cases.CLASSES)
    else:
        model = Via(case.joints, case.coords, case.num_directions, channels, dropout=0.0)
    model.load_state_dict({name: torch.tensor(x) for name, x in state.items()}, strict=True)
    model = model.to(device).train(case.kind not in INFERENCE)
    tensors = {name: torch.tensor(x, device=device) for name, x in inputs.items()}
    poses, label = tensors["poses"], tensors["label"].long()
    half = len(poses) // 2

    def code() -> torch.Tensor:
        return model.encode(poses)

    def energy() -> torch.Tensor:
        return model.encode(poses).square().mean()

    def cycle() -> torch.Tensor:
        terms = objective(model, poses[:half], poses[half:], tensors["valid"][:, 0])
        return torch.stack([*terms.values()]).sum()

    def entropy() -> torch.Tensor:
        return functional.cross_entropy(model(poses), label)

    def autocast() -> Any:
        return torch.autocast(device, torch.bfloat16, enabled=AUTOCAST in mode)

    def compiled(function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return torch.compile(function) if COMPILE in mode else function

    if case.kind in ("forward", *INFERENCE):
        forward = compiled(code)

        def encode() -> dict[str, torch.Tensor]:
            with torch.no_grad(), autocast():
                return {"code": forward()}

        return encode
    loss_fn = {"forward_backward": energy, "pretrain": cycle, "fine_tune": entropy}[case.kind]
    loss_of = compiled(loss_fn)
    parameters = list(model.parameters())
    updates = case.kind != "forward_backward"
    optimizer = torch.optim.AdamW(parameters, lr=cases.RATE, weight_decay=cases.DECAY)

    def step() -> dict[str, torch.Tensor]:
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = loss_of()
        loss.backward()
        if updates:
            torch.nn.utils.clip_grad_norm_(parameters, cases.LARGEST_NORM)
            optimizer.step()
        return {"loss": loss.detach()}

    return step


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
