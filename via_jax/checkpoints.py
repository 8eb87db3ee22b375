"""Checkpoints of a run: the latest few and the best, checksummed, restored into the same model.

On disk, written by orbax: `<folder>/<step>/model` (params and batch statistics), `training`
(optimizer state, step, whatever else a resume needs) and `meta` (JSON: what the caller wants to
know later, the metrics, and shape, dtype and sha256 of every array). Arrays are written and read
as host arrays, so a checkpoint does not depend on the number of devices. A step appears under its
name only when it is complete.
"""

import hashlib
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any, Literal

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

ITEMS = ("model", "training")
Restored = tuple[dict[str, Any], dict[str, Any]]  # (state or model, meta)
Which = Literal["best", "latest"] | int


class DamagedCheckpoint(ValueError):
    """A checkpoint whose files are incomplete or not those that were written."""


class Checkpoints:
    """The checkpoints of one run; a context manager that ends when the last one is on disk.

    Saving is asynchronous: `save` returns when the arrays are copied and hashed. In a run of
    several processes all of them call every method; each array must be whole on each process.

    Args:
      folder: where the steps lie; made when missing, unless `read_only`.
      keep_latest: how many of the newest steps stay, at least 1.
      keep_best_by: metric whose best step stays as well; None keeps the latest ones only.
      higher_is_better: False for losses and errors.
      read_only: refuse to save; the rule for the best step is the one the run was saved with.

    Raises:
      FileNotFoundError: `read_only` and no such folder.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        keep_latest: int = 2,
        keep_best_by: str | None = None,
        higher_is_better: bool = True,
        read_only: bool = False,
    ):
        if keep_latest < 1:
            raise ValueError(f"keep_latest={keep_latest} must be at least 1, or no run can resume")
        self.folder = pathlib.Path(folder).absolute()
        self._read_only, self._keep_latest = read_only, keep_latest
        if read_only and not self.folder.is_dir():
            raise FileNotFoundError(f"no checkpoints: the folder {self.folder} does not exist")
        self._manager = ocp.CheckpointManager(
            self.folder,
            item_names=(*ITEMS, "meta"),
            options=ocp.CheckpointManagerOptions(preservation_policy=self),
        )
        # orbax writes no metrics to disk without its own best_fn (which in turn deletes the latest
        # step), so after a resume its BestN would no longer know the best: we keep the scores.
        records = {step: self._record(step) for step in self.steps()}
        if read_only and records:
            keep_best_by, higher_is_better = records[max(records)]["best_by"]
        self._best_by = (keep_best_by, higher_is_better)
        self._metrics = {step: record["metrics"] for step, record in records.items()}

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def wait(self) -> None:
        """Returns when everything saved so far is on disk; raises what went wrong in writing it."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the writer, then lets go of it."""
        self._manager.close()

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        """Which steps stay (orbax PreservationPolicy): the latest ones and the best one."""
        steps = [checkpoint.step for checkpoint in checkpoints]
        keep = {*sorted(steps)[-self._keep_latest :], self._best(steps)}
        return [step in keep for step in steps]

    def steps(self) -> list[int]:
        """Steps held, ascending."""
        return sorted(self._manager.all_steps())

    def latest_step(self) -> int | None:
        """Newest step held, None in a new run."""
        return max(self.steps(), default=None)

    def best_step(self) -> int | None:
        """Step with the best `keep_best_by`; the earliest of equals; None if no step has it."""
        return self._best(self.steps())

    def _best(self, steps: list[int]) -> int | None:
        name, higher_is_better = self._best_by
        scored = [step for step in sorted(steps) if name in self._metrics.get(step, {})]
        best_first = sorted(scored, key=lambda s: self._metrics[s][name], reverse=higher_is_better)
        return best_first[0] if best_first else None

    def save(
        self,
        step: int,
        state: Mapping[str, Any],
        meta: Mapping[str, Any],
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Copies the state and writes it in the background.

        Args:
          step: above every step saved before.
          state: {"model": {"params": ..., "batch_stats": ...}, "training": ...}, pytrees of arrays;
            "model" is nested dicts.
          meta: JSON values: config, layout, coords, classes, version ... Tuples come back as lists.
          metrics: finite numbers; a step saved without them is never the best.

        Raises:
          ValueError: a step that does not follow, another structure, metrics that are not finite
            or lack `keep_best_by`, meta that is not JSON.
        """
        if self._read_only:
            raise ValueError(f"checkpoints in {self.folder} were opened with read_only=True")
        latest = self.latest_step()
        if latest is not None and step <= latest:
            raise ValueError(
                f"step {step} does not follow step {latest}, the latest in {self.folder};"
                " restore that one first, or take an empty work directory"
            )
        if set(state) != set(ITEMS):
            raise ValueError(f"state has the keys {sorted(state)}, expected {sorted(ITEMS)}")
        host = {item: _host_arrays(item, state[item]) for item in ITEMS}
        record = {
            **_checked(meta, metrics or {}, self._best_by[0]),
            "best_by": list(self._best_by),
            "model_parts": sorted(state["model"]),  # an empty batch_stats holds no array
            "arrays": {
                item: {
                    path: {"shape": list(a.shape), "dtype": str(a.dtype), "sha256": _sha256(a)}
                    for path, a in arrays.items()
                }
                for item, arrays in host.items()
            },
        }
        self._metrics[step] = record[
            "metrics"
        ]  # before the call, in which orbax asks `should_preserve`
        items = {
            item: ocp.args.StandardSave(traverse_util.unflatten_dict(arrays, sep="/"))
            for item, arrays in host.items()
        }
        sealed = ocp.args.JsonSave({**record, "sha256": _sha256(record)})
        self._manager.save(step, args=ocp.args.Composite(**items, meta=sealed))

    def restore(self, step: int, like_model: Any, like_training: Any) -> Restored:
        """The state saved at a step, bit for bit, in the form of a freshly made one.

        Args:
          step: one of `steps()`.
          like_model, like_training: trees with the wanted structure, shapes and dtypes. A jax.Array
            or a ShapeDtypeStruct with a sharding comes back as an array placed like it; one without
            sharding, or a NumPy array, as NumPy.

        Returns:
          ({"model": ..., "training": ...}, meta).

        Raises:
          FileNotFoundError: no such step.
          ValueError: a checkpoint of another model: paths, shapes or dtypes differ.
          DamagedCheckpoint: files missing, cut or changed since they were written.
        """
        return self._restore(step, {"model": like_model, "training": like_training})

    def restore_model(self, step: int | None = None, like: Any = None) -> Restored:
        """Only the model of a step, without reading the optimizer state; else as `restore`.

        Args:
          step: one of `steps()`; None is the latest.
          like: as like_model there; None returns nested dicts of NumPy arrays.

        Returns:
          (model, meta).
        """
        state, meta = self._restore(self.latest_step() if step is None else step, {"model": like})
        return state["model"], meta

    def _restore(self, step: int | None, likes: dict[str, Any]) -> Restored:
        self.wait()
        if step not in self.steps():
            inner = self.folder / "checkpoints"
            hint = f"; did you mean {inner}?" if inner.is_dir() else ""
            wanted = "no checkpoint" if step is None else f"no step {step}"
            raise FileNotFoundError(f"{wanted} in {self.folder}, only {self.steps()}{hint}")
        record = self._record(step)
        _check_same(self.folder / str(step), record["arrays"], likes)
        state = {}
        for item, like in likes.items():
            entries = record["arrays"][item]
            target = {path: np.empty(e["shape"], e["dtype"]) for path, e in entries.items()}
            restore = ocp.args.StandardRestore(traverse_util.unflatten_dict(target, sep="/"))
            arrays = traverse_util.flatten_dict(self._read(step, item, restore), sep="/")
            for path, entry in entries.items():
                if _sha256(arrays[path]) != entry["sha256"]:
                    raise self._damaged(step, item, f"the array {path} changed (sha256 differs)")
            if like is None:
                nested = traverse_util.unflatten_dict(arrays, sep="/")
                state[item] = {part: nested.get(part, {}) for part in record["model_parts"]}
            else:
                state[item] = jax.tree_util.tree_map_with_path(
                    lambda path, leaf, arrays=arrays: _place(arrays[_name(path)], leaf), like
                )
        return state, record["meta"]

    def _record(self, step: int) -> dict[str, Any]:
        """The JSON written beside the arrays of a step."""
        record = dict(self._read(step, "meta", ocp.args.JsonRestore()))
        if record.pop("sha256", None) != _sha256(record):
            raise self._damaged(step, "meta", "its sha256 is not the one it was written with")
        return record

    def _read(self, step: int, item: str, args: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**{item: args}))[item]
        except Exception as error:  # cut files raise bare Exception, KeyError, JSONDecodeError ...
            raise self._damaged(step, item, f"cannot be read: {str(error)[:300]}") from error

    def _damaged(self, step: int, item: str, seen: str) -> DamagedCheckpoint:
        where = self.folder / str(step) / item
        return DamagedCheckpoint(f"{where}: {seen}; move this step away and restore another one")


def load_model(folder: str | pathlib.Path, which: Which = "best") -> Restored:
    """A trained model for evaluation, on any number of devices, without building it first.

    Args:
      folder: the checkpoints of a run.
      which: "best" by the metric that the run kept its best by, "latest", or a step.

    Returns:
      (model, meta): {"params": ..., "batch_stats": ...} of NumPy arrays, and what the run stored.

    Raises:
      FileNotFoundError: the folder is missing or empty, or lacks the step.
      ValueError: "best" of a run that recorded no metric to choose by.
      DamagedCheckpoint: files missing, cut or changed since they were written.
    """
    with Checkpoints(folder, read_only=True) as checkpoints:
        named = {"best": checkpoints.best_step(), "latest": checkpoints.latest_step()}
        step: Any = named.get(which, which) if isinstance(which, str) else which
        if which == "best" and step is None and checkpoints.steps():
            raise ValueError(
                f"{checkpoints.folder} holds no metric to choose the best step by; ask for"
                f" 'latest' or one of the steps {checkpoints.steps()}"
            )
        return checkpoints.restore_model(step)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _host_arrays(item: str, tree: Any) -> dict[str, np.ndarray]:
    """Copies of all leaves by path."""
    arrays: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = _name(path)
        if any("/" in _name((key,)) for key in path) or name in ("", *arrays):
            raise ValueError(f"{item}: array path {name!r} is empty, doubled or a key holds '/'")
        if not hasattr(leaf, "dtype") or jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            raise ValueError(
                f"{item}/{name} is {_describe(leaf)}, expected an array; wrap a Python number in"
                " NumPy, save jax.random.key_data(key) of a random key"
            )
        array = np.array(leaf)  # a copy: the step after may reuse the buffer
        if array.dtype.kind in "OUS" or array.size == 0:
            raise ValueError(f"{item}/{name} is {_describe(array)}, expected numbers, at least one")
        arrays[name] = array
    return arrays


def _checked(meta: Mapping[str, Any], metrics: Mapping[str, Any], needed: str | None) -> dict:
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


def _sha256(value: np.ndarray | dict[str, Any]) -> str:
    """Of an array's values, or of a JSON tree."""
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest()
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _describe(leaf: Any) -> str:
    """Dtype and shape, as float32[3, 4]."""
    if not hasattr(leaf, "dtype"):
        return f"a Python {type(leaf).__name__}"
    return f"{leaf.dtype}{list(leaf.shape)}"


def _check_same(where: pathlib.Path, stored: dict[str, dict], likes: dict[str, Any]) -> None:
    """Raises ValueError naming the first five arrays that differ from the wanted ones."""
    lines = []
    for item, like in likes.items():
        leaves = {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(like)}
        paths = sorted({*stored[item], *leaves}) if like is not None else []
        for path in paths:
            entry = stored[item].get(path)
            seen = f"{entry['dtype']}{entry['shape']}" if entry else "absent"
            wanted = _describe(leaves[path]) if path in leaves else "absent"
            if seen != wanted:
                lines.append(f"\n  {item}/{path}: stored {seen}, expected {wanted}")
    if lines:
        more = f"\n  and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise ValueError(
            f"{where} is a checkpoint of another model; arrays differ:{''.join(lines[:5])}{more}\n"
            "Build the model and optimizer from the config this run was trained with."
        )


def _place(array: np.ndarray, like: Any) -> Any:
    """The array as NumPy or on the devices of `like`."""
    sharding = getattr(like, "sharding", None)
    if sharding is None:
        return array
    if isinstance(like, jax.Array) and not like.committed:
        return jax.numpy.array(array)  # stays free to move, as in a fresh start
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
