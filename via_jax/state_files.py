"""Files of PyTorch weights: .npz with NumPy alone, .pt and .pth where PyTorch is installed."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from via_jax import archives
from via_jax.weights import State


def read_state(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a state dict as {name: array}.

    Args:
      path: an .npz of arrays, or a file of `torch.save(model.state_dict(), path)`, which is read
        with weights_only=True, so that it cannot run programs.

    Raises:
      ValueError: no such file, no PyTorch for it, or a file of anything but named arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected an .npz, .pt or .pth of weights")
    if path.suffix == ".npz":
        try:
            with path.open("rb") as file:  # np.load leaves a bad file open
                if zipfile.is_zipfile(file):
                    archives.check_arrays(file)
                file.seek(0)
                arrays = np.load(file, allow_pickle=False)
                if isinstance(arrays, np.ndarray):
                    raise ValueError("one array without a name, as in an .npy")
                return dict(arrays)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: cannot be read as .npz of arrays: {error}") from error
    torch = _torch(path)
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):  # the older format is a pickle, which shrinks nothing
                archives.check_unpacked_size(file)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise ValueError(f"{path}: holds more than weights, or is damaged: {error}") from error
    if not isinstance(found, dict) or not all(torch.is_tensor(v) for v in found.values()):
        seen = f"a dict of {', '.join(map(str, found))}" if isinstance(found, dict) else type(found)
        raise ValueError(
            f"{path}: {seen}; expected {{name: tensor}}: save model.state_dict() alone"
        )
    return {str(name): tensor.float().numpy() for name, tensor in found.items()}


def write_state(path: str | Path, state: State) -> None:
    """Writes a state dict: .npz, or what `torch.load(path, weights_only=True)` reads.

    Raises:
      ValueError: another suffix, or no PyTorch for .pt and .pth.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".pt", ".pth"):
        raise ValueError(f"{path}: expected a name that ends in .npz, .pt or .pth")
    torch = None if path.suffix == ".npz" else _torch(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if torch is None:
        np.savez(path, allow_pickle=False, **state)
    else:
        torch.save({name: torch.from_numpy(value.copy()) for name, value in state.items()}, path)


def _torch(path: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            f'{path}: needs PyTorch; pip install "via_jax[torch]", or convert it elsewhere with'
            " np.savez(path, **{name: x.numpy() for name, x in model.state_dict().items()})"
        ) from error
    return torch
