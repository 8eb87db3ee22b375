"""What every run directory holds: config.json, metrics.jsonl, results.json and tensorboard/."""

import contextlib
import json
import math
import numbers
import os
import pathlib
import sys
import time
import weakref
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from via_jax import lock

PLAIN_SECONDS = 30.0  # between two lines of progress where no terminal shows a bar


def open_run(
    workdir: str | pathlib.Path,
    config: Mapping[str, Any] | ml_collections.ConfigDict,
    may_change: Collection[str] = (),
) -> "Run":
    """Opens a work directory and checks that it belongs to this config.

    The first start writes config.json; a restart compares with it and writes what may change anew.
    In a run of several processes only the first one writes, here and in `Run`.

    Args:
      workdir: made when missing; the folder must be seen by all processes.
      config: nested JSON values with string keys; tuples are stored as lists.
      may_change: dotted keys whose value may differ at a restart, such as "log_every"; a key of a
        nested config covers all below it.

    Raises:
      ValueError: a work directory of another config, with every key that differs; a config that
        cannot be written as JSON; a config.json that cannot be read.
      WorkdirInUse: another run works in it.
      OSError: it cannot be written.
    """
    workdir = pathlib.Path(workdir)
    if isinstance(config, ml_collections.ConfigDict):
        config = config.to_dict()
    try:
        given = json.loads(json.dumps(config, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the config cannot be written as JSON: {error}") from error
    path = workdir / "config.json"
    if path.exists():
        before, now = _flat(_read_object(path)), _flat(given)
        differing = [
            f"\n  {key}: stored {_show(before, key)}, given {_show(now, key)}"
            for key in sorted({*before, *now})
            if _show(before, key) != _show(now, key)
            and not any(key == free or key.startswith(f"{free}.") for free in may_change)
        ]
        if differing:
            raise ValueError(
                f"{workdir} is a work directory of another config:{''.join(differing)}\n"
                "Take another work directory, or the config of this one (its config.json)."
            )
    if jax.process_index() == 0:
        workdir.mkdir(parents=True, exist_ok=True)
        run = Run(workdir, lock.take(workdir))
        _write_json(path, given)
        return run
    return Run(workdir, None)


class Run:
    """Writes into a work directory opened by `open_run`; a context manager.

    Args:
      workdir: where to.
      held: its lock from `lock.take`, given back when the run is closed or forgotten.
    """

    def __init__(self, workdir: pathlib.Path, held: int | None):
        self.workdir = workdir
        self.checkpoints = workdir / "checkpoints"
        self._writes = jax.process_index() == 0
        self._board: Any = None  # tensorboardX's SummaryWriter
        self._resumed_at: int | None = None
        self._unlock = weakref.finalize(self, lock.release, held) if held is not None else None

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def close(self) -> None:
        """Ends the TensorBoard file and lets other runs in."""
        self._end_board()
        if self._unlock is not None:
            self._unlock()

    def _end_board(self) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None

    def resume(self, step: int) -> None:
        """Forgets what was logged at `step` and later: the run goes on and logs it again.

        Args:
          step: number of updates in the restored state, so the step that is logged next when the
            update from s to s + 1 is logged as step s.
        """
        self._end_board()  # a later `log` starts another file
        self._resumed_at = step  # TensorBoard hides what the earlier files say from here on
        if self._writes:
            truncate_metrics(self.workdir / "metrics.jsonl", step)

    def log(self, step: int, /, **scalars: Any) -> None:
        """Appends one line to metrics.jsonl, and what is finite to TensorBoard.

        Args:
          step: the step the numbers belong to.
          scalars: numbers or arrays of one number. JSON has no NaN or infinity: they become null,
            and read as None.

        Raises:
          ValueError: a value that is not one number.
        """
        values = {name: _number(name, value) for name, value in scalars.items()}
        if not self._writes:
            return
        line = json.dumps({"step": int(step), **{k: _finite(v) for k, v in values.items()}})
        append(self.workdir / "metrics.jsonl", line + "\n")
        if self._board is None:
            import tensorboardX  # here, as it imports PyTorch where that is installed: a second

            folder = self.workdir / "tensorboard"
            # files are named by the second: a quick restart would write over the one before
            number = len(list(folder.iterdir())) if folder.exists() else 0
            self._board = tensorboardX.SummaryWriter(
                str(folder), purge_step=self._resumed_at, filename_suffix=f".{number}"
            )
        for name, value in values.items():
            if math.isfinite(value):
                self._board.add_scalar(name, value, int(step))

    def results(self, /, **flat: Any) -> None:
        """Merges final results into results.json; a key written before is replaced.

        Args:
          flat: numbers, strings, None, arrays, or lists of these. NaN and infinity become null.

        Raises:
          ValueError: a nested dict or another value; the stored results are not touched.
        """
        plain = {name: _plain(name, value) for name, value in flat.items()}
        if not self._writes:
            return
        path = self.workdir / "results.json"
        _write_json(path, {**(_read_object(path) if path.exists() else {}), **plain})


def read_metrics(path: str | pathlib.Path) -> list[dict[str, Any]]:
    """All lines of a metrics.jsonl as dicts with "step"; without a last line that was cut off.

    Raises:
      ValueError: another line that is no JSON object with a step, with its number.
      FileNotFoundError: no such file.
    """
    rows = []
    for number, line in enumerate(_whole_lines(pathlib.Path(path)), start=1):
        try:
            row = json.loads(line)
            row["step"] += 0
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path}, line {number}: {line.strip()[:80]!r}; expected a JSON object with a step"
            ) from error
        rows.append(row)
    return rows


def append(path: pathlib.Path, text: str) -> None:
    """Adds text to a file and hands it to the system.

    Raises:
      OSError: no room, no permission ...; a line cut off by it is left out when read.
    """
    with _naming(path), path.open("a") as file:  # closing writes the line out
        file.write(text)


def truncate_metrics(path: str | pathlib.Path, step: int) -> None:
    """Cuts the lines of `step` and later steps, and a last line that was cut off in writing.

    Other lines stay byte for byte, so a resumed run's file equals the uninterrupted one. Without a
    file nothing happens.

    Raises:
      ValueError: as `read_metrics`.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return
    rows = zip(read_metrics(path), _whole_lines(path))
    _replace(path, "".join(line for row, line in rows if row["step"] < step))


class Progress:
    """Counts clips on stderr: a bar in a terminal, elsewhere a line now and then."""

    def __init__(self, total: int, initial: int, unit: str):
        self._meter = {"total": total, "initial": initial, "unit": f" {unit}", "unit_scale": True}
        self._count = initial
        self._shown: dict[str, str] = {}
        self._started = self._printed = time.monotonic()
        show = jax.process_index() == 0
        self._bar = tqdm(**self._meter) if show and sys.stderr.isatty() else None
        self._lines = show and self._bar is None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def update(self, count: int, /, **shown: float) -> None:
        """Counts `count` more; `shown` (loss=...) stays beside the bar until it is given anew."""
        self._count += count
        self._shown.update({name: f"{float(value):.4g}" for name, value in shown.items()})
        postfix = ", ".join(f"{name}={value}" for name, value in self._shown.items())
        now = time.monotonic()
        if self._bar is not None:
            self._bar.set_postfix_str(postfix, refresh=False)
            self._bar.update(count)
        elif self._lines and now - self._printed >= PLAIN_SECONDS:
            self._printed = now
            elapsed = now - self._started
            line = tqdm.format_meter(
                self._count, elapsed=elapsed, ncols=0, postfix=postfix, **self._meter
            )
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


def progress(total: int, initial: int = 0, unit: str = "clips") -> Progress:
    """A progress display with the loss, clips per second and the time left.

    Args:
      total: number of units when the run is complete.
      initial: of these, done before this start; they count neither for the speed nor the time left.
      unit: name of what is counted.
    """
    return Progress(total, initial, unit)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}; an empty dict stays a value."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, dict) and value
        flat.update(_flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value})
    return flat


def _show(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "absent"  # 1, 1.0 and true differ


def _number(name: str, value: Any) -> int | float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind in "OUSMmc":
        raise ValueError(f"{name} is {type(value).__name__} {value!r:.80}, expected one number")
    plain = array.astype(np.float32).item() if array.dtype.kind == "V" else array.item()
    return int(plain) if isinstance(plain, bool) else plain


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(name: str, value: Any) -> Any:
    """The value as JSON: text, a finite number, None, or lists of them."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(name, entry) for entry in value]
    if isinstance(value, np.ndarray | jax.Array) and value.ndim:
        return _plain(name, np.asarray(value).tolist())
    if isinstance(value, numbers.Number | np.generic | np.ndarray | jax.Array):
        return _finite(_number(name, value))
    raise ValueError(
        f"result {name} is {type(value).__name__} {value!r:.80}; expected a number, a text or a"
        " list: flatten a dict into keys such as top1_cross_view"
    )


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a {type(value).__name__}, expected a JSON object")
    return value


def _write_json(path: pathlib.Path, value: dict[str, Any]) -> None:
    _replace(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def _replace(path: pathlib.Path, text: str) -> None:
    """Writes a file such that a reader, or a run killed here, sees the old or the new one whole."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with _naming(path):
        beside.write_text(text)
        os.replace(beside, path)


def _whole_lines(path: pathlib.Path) -> list[str]:
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
    """An error of the disk in writing has no name of its file otherwise."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {error.strerror}; what was saved before is untouched: make"
            " room or mend the permissions, then run the same command again"
        ) from error
