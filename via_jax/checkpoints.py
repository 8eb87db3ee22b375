"""Checkpoints of a run: the latest few and the best, checksummed, restored into the same model.

On disk, written by orbax: `<folder>/<step>/model` (params and batch statistics), `training`
(optimizer state, step, whatever else a resume needs) and `meta` (JSON: what the caller wants to
know later, the metrics, and shape, dtype and sha256 of every array). Arrays are written and read
as host arrays, so a checkpoint does not depend on the number of devices. A step appears under its
name only when it is complete.
"""

import contextlib
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util
from jax.experimental import multihost_utils

from via_jax import records

ITEMS = ("model", "training")
Restored = tuple[dict[str, Any], dict[str, Any]]  # (state or model, meta)
Which = Literal["best", "latest"] | int


class DamagedCheckpoint(ValueError):
    """A checkpoint whose files are incomplete or not those that were written."""


class UnwrittenCheckpoint(OSError):
    """A checkpoint that could not be written; those before it are whole."""


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
            raise FileNotFoundError(records.absent_folder(self.folder))
        self._manager = ocp.CheckpointManager(
            self.folder,
            item_names=(*ITEMS, "meta"),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=self,
                # otherwise threads wait minutes for a folder that could not be made
                async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
            ),
        )
        # orbax writes no metrics to disk without its own best_fn (which in turn deletes the latest
        # step), so after a resume its BestN would no longer know the best: we keep the scores.
        found: dict[int, dict[str, Any]] = {}
        self.unreadable: list[int] = []
        for step in self.steps():
            try:
                found[step] = self._record(step)
            except DamagedCheckpoint:  # said when that step is asked for
                self.unreadable.append(step)
        if read_only and found:
            keep_best_by, higher_is_better = found[max(found)]["best_by"]
        self._best_by = (keep_best_by, higher_is_better)
        self._metrics = {step: record["metrics"] for step, record in found.items()}
        self._saving: int | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def wait(self) -> None:
        """Returns when everything saved so far is on disk.

        Raises:
          UnwrittenCheckpoint: no room, no permission ...; the steps before are untouched.
        """
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the writer, then lets go of it."""
        with self._writing():
            self._manager.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            reason = records.reason_of(error)
            raise UnwrittenCheckpoint(
                f"{self.folder}: step {self._saving} could not be written ({reason}); the steps"
                f" held are {self.steps()}, untouched: make room or mend the permissions, then run"
                " the same command again"
            ) from error

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        """Which steps stay (orbax PreservationPolicy): the latest, the best, the unreadable."""
        steps = [checkpoint.step for checkpoint in checkpoints]
        keep = {*sorted(steps)[-self._keep_latest :], self._best(steps), *self.unreadable}
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
          UnwrittenCheckpoint: this step, or the one saved before it, could not be written.
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
        host = {item: records.host_arrays(item, state[item]) for item in ITEMS}
        record = {
            **records.checked(meta, metrics or {}, self._best_by[0]),
            "best_by": list(self._best_by),
            "model_parts": sorted(state["model"]),  # an empty batch_stats holds no array
            "arrays": {
                item: {path: records.entry_of(array) for path, array in arrays.items()}
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
        sealed = ocp.args.JsonSave({**record, "sha256": records.sha256_of(record)})
        with self._writing():
            self._manager.wait_until_finished()  # names the step before, if it failed
            self._saving = step
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

    def restore_newest(
        self, like_model: Any, like_training: Any
    ) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
        """(step, state, meta) of the newest whole step, None without any step; see `restore`.

        Damaged newer steps are named on stderr and put aside as `<step>.damaged`, so that the run
        can reach their numbers again.

        Raises:
          ValueError: a checkpoint of another model.
          DamagedCheckpoint: there are steps, and none is whole; nothing is moved.
        """
        damaged: dict[int, DamagedCheckpoint] = {}
        for step in reversed(self.steps()):
            try:
                state, meta = self.restore(step, like_model, like_training)
            except DamagedCheckpoint as error:
                damaged[step] = error
                continue
            self._put_aside(damaged, step)
            return step, state, meta
        if damaged:
            reasons = "".join(f"\n  {error}" for error in damaged.values())
            raise DamagedCheckpoint(
                f"no step in {self.folder} is whole:{reasons}\nTake another work directory, or put"
                " a copy of a step back."
            )
        return None

    def _put_aside(self, damaged: dict[int, DamagedCheckpoint], instead: int) -> None:
        if not damaged:
            return
        if jax.process_index() == 0:
            for step, error in damaged.items():
                count = len(list(self.folder.glob(f"{step}.damaged*")))
                aside = self.folder / f"{step}.damaged{count or ''}"
                (self.folder / str(step)).rename(aside)
                print(f"damaged checkpoint, now {aside.name}: {error}", file=sys.stderr)
            print(f"going on from step {instead} instead", file=sys.stderr, flush=True)
        multihost_utils.sync_global_devices("damaged checkpoints were put aside")
        self._manager.reload()
        self.unreadable = [step for step in self.unreadable if step not in damaged]

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
            raise FileNotFoundError(records.absent_step(self.folder, step, self.steps()))
        record = self._record(step)
        records.check_same(self.folder / str(step), record["arrays"], likes)
        state = {}
        for item, like in likes.items():
            entries = record["arrays"][item]
            target = {path: np.empty(e["shape"], e["dtype"]) for path, e in entries.items()}
            restore = ocp.args.StandardRestore(traverse_util.unflatten_dict(target, sep="/"))
            arrays = traverse_util.flatten_dict(self._read(step, item, restore), sep="/")
            for path, entry in entries.items():
                if records.sha256_of(arrays[path]) != entry["sha256"]:
                    raise self._damaged(step, item, f"the array {path} changed (sha256 differs)")
            if like is None:
                nested = traverse_util.unflatten_dict(arrays, sep="/")
                state[item] = {part: nested.get(part, {}) for part in record["model_parts"]}
            else:
                state[item] = jax.tree_util.tree_map_with_path(
                    lambda path, leaf, arrays=arrays: records.place(
                        arrays[records.name_of(path)], leaf
                    ),
                    like,
                )
        return state, record["meta"]

    def _record(self, step: int) -> dict[str, Any]:
        """The JSON written beside the arrays of a step."""
        record = dict(self._read(step, "meta", ocp.args.JsonRestore()))
        if record.pop("sha256", None) != records.sha256_of(record):
            raise self._damaged(step, "meta", "its sha256 is not the one it was written with")
        return record

    def _read(self, step: int, item: str, args: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**{item: args}))[item]
        except MemoryError:
            raise
        except Exception as error:  # cut files raise bare Exception, KeyError, JSONDecodeError ...
            seen = f"cannot be read: {records.reason_of(error)}"
            denied = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
            if denied or "PERMISSION_DENIED" in str(error):  # the files may well be whole
                raise OSError(f"{self.folder / str(step) / item} {seen}") from error
            raise self._damaged(step, item, seen) from error

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
        if which == "best" and checkpoints.unreadable:  # one of these may be the best
            checkpoints.restore_model(checkpoints.unreadable[0])
        if which == "best" and step is None and checkpoints.steps():
            raise ValueError(
                f"{checkpoints.folder} holds no metric to choose the best step by; ask for"
                f" 'latest' or one of the steps {checkpoints.steps()}"
            )
        return checkpoints.restore_model(step)
