"""What a checkpoint writes down of its arrays, and how arrays are told apart from wrong ones."""

import hashlib
import json
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np


def name_of(path: tuple) -> str:
    """The path of a leaf, its keys with slashes between."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def host_arrays(item: str, tree: Any) -> dict[str, np.ndarray]:
    """Copies of all leaves by path.

    Raises:
      ValueError: a leaf that is no array of numbers, or a path that could not be told from others.
    """
    arrays: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = name_of(path)
        if any("/" in name_of((key,)) for key in path) or name in ("", *arrays):
            raise ValueError(f"{item}: array path {name!r} is empty, doubled or a key holds '/'")
        if not hasattr(leaf, "dtype") or jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raise ValueError(
                f"{item}/{name} is {describe(leaf)}, expected an array; wrap a Python number in"
                " NumPy, save jax.random.key_data(key) of a random key"
            )
        array = np.array(leaf)  # a copy: the step after may reuse the buffer
        if array.dtype.kind in "OUS" or array.size == 0:
            raise ValueError(f"{item}/{name} is {describe(array)}, expected numbers, at least one")
        arrays[name] = array
    return arrays


def checked(meta: Mapping[str, Any], metrics: Mapping[str, Any], needed: str | None) -> dict:
    """{"meta", "metrics"} as plain JSON values; raises ValueError where they cannot be that."""
    values = {name: float(value) for name, value in metrics.items()}
    if bad := [f"{name}={value}" for name, value in values.items() if not math.isfinite(value)]:
        raise ValueError(f"metrics {', '.join(bad)}: expected finite numbers")
    if values and needed is not None and needed not in values:
        raise ValueError(f"metrics {list(values)} lack {needed!r}, by which the best step is kept")
    try:
        plain = json.loads(json.dumps(dict(meta), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"meta cannot be written as JSON: {error}") from error
    return {"meta": plain, "metrics": values}


def sha256_of(value: np.ndarray | dict[str, Any]) -> str:
    """Of an array's values, or of a JSON tree."""
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest()
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def describe(leaf: Any) -> str:
    """Dtype and shape, as float32[3, 4]."""
    if not hasattr(leaf, "dtype"):
        return f"a Python {type(leaf).__name__}"
    return f"{leaf.dtype}{list(leaf.shape)}"


def entry_of(array: np.ndarray) -> dict[str, Any]:
    """Shape, dtype and checksum of an array."""
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": sha256_of(array)}


def check_same(where: pathlib.Path, stored: dict[str, dict], likes: dict[str, Any]) -> None:
    """Raises ValueError naming the first five arrays that differ from the wanted ones."""
    lines = []
    for item, like in likes.items():
        leaves = {name_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(like)}
        paths = sorted({*stored[item], *leaves}) if like is not None else []
        for path in paths:
            entry = stored[item].get(path)
            seen = f"{entry['dtype']}{entry['shape']}" if entry else "absent"
            wanted = describe(leaves[path]) if path in leaves else "absent"
            if seen != wanted:
                lines.append(f"\n  {item}/{path}: stored {seen}, expected {wanted}")
    if lines:
        more = f"\n  and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise ValueError(
            f"{where} is a checkpoint of another model; arrays differ:{''.join(lines[:5])}{more}\n"
            "Build the model and optimizer from the config this run was trained with."
        )


def place(array: np.ndarray, like: Any) -> Any:
    """The array as NumPy or on the devices of `like`."""
    sharding = getattr(like, "sharding", None)
    if sharding is None:
        return array
    if isinstance(like, jax.Array) and not like.committed:
        return jax.numpy.array(array)  # stays free to move, as in a fresh start
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def reason_of(error: Exception) -> str:
    """What went wrong, without the long paths around the words of the system."""
    of_system = re.search(r": ([^:]+) \[os_error_code", str(error))
    return of_system[1] if of_system else str(error)[:300]


def absent_folder(folder: pathlib.Path) -> str:
    """What to say where the checkpoints of a work directory should be and are not."""
    inside = sorted(found.parent.name for found in folder.parent.glob("*/checkpoints"))
    hint = f"; in {folder.parent} these have some: {', '.join(inside[:8])}" if inside else ""
    return (
        f"no checkpoints: the folder {folder} does not exist; expected the work directory of a"
        f" training{hint}"
    )


def absent_step(folder: pathlib.Path, step: int | None, held: list[int]) -> str:
    """What to say of a step (None: of any) that is not among those held."""
    inner = folder / "checkpoints"
    hint = f"; did you mean {inner}?" if inner.is_dir() else ""
    wanted = "no checkpoint" if step is None else f"no step {step}"
    seen = f"only {held}" if held else "the training saved none so far"
    return f"{wanted} in {folder}, {seen}{hint}"
