"""A prepared data set while it is written: files that grow, and go on after an interruption.

The folder holds
  frames.bin, valid.bin  as `store` says, as far as they are
  facts.jsonl            a line per item: the facts of its clip, or why it was left out
  journal.json           the job, how many items are done, size and CRC-32 of the three files then

The journal is written every `EVERY` items, after the files are on the disk, under another name and
renamed. So it is true however a run ends; what the files hold beyond it is cut off.
"""

import contextlib
import json
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

if sys.platform != "win32":
    import fcntl

EVERY = 256  # items that a killed run repeats at most; an entry costs some 30 ms
_FILES = ("frames.bin", "valid.bin", "facts.jsonl")


class Piece(NamedTuple):
    """What one item adds to a prepared data set.

    Attributes:
      facts: of a clip, see `writer.encode`; of an item left out "path" and "reason", which the
        manifest lists, and what else is to be remembered of it. JSON values.
      frames, valid: rows of frames.bin and valid.bin; none for an item left out.
    """

    facts: dict[str, Any]
    frames: bytes = b""
    valid: bytes = b""


class _Entry(NamedTuple):
    """How far the files are: items done, bytes of each file, CRC-32 of these bytes."""

    items: int = 0
    sizes: tuple[int, ...] = (0, 0, 0)
    sums: tuple[int, ...] = (0, 0, 0)


class Journal:
    """The open files of one run; close it after use."""

    def __init__(self, folder: Path, job: str | None):
        """Opens the folder, and continues what an earlier run of the same job left there.

        Args:
          folder: made if absent. What another job left there is dropped, as is damaged data.
          job: equal for runs that write the same bytes; None writes no journal and begins anew.

        Raises:
          ValueError: another process is writing there.
        """
        self._folder, self._job = folder, job
        folder.mkdir(parents=True, exist_ok=True)
        self._opened = contextlib.ExitStack()
        _lock(folder, self._opened)
        try:
            self._files = [open(folder / name, "ab") for name in _FILES]  # noqa: SIM115, see close
            for file in self._files:
                self._opened.enter_context(file)
            self._entry = self._read() or _Entry()
            if not self._entry.items:
                self._path.unlink(missing_ok=True)  # before what it tells of
            for file, size in zip(self._files, self._entry.sizes):
                file.truncate(size)
        except BaseException:
            self.close()
            raise

    @property
    def items(self) -> int:
        """How many items are done."""
        return self._entry.items

    def add(self, piece: Piece) -> None:
        """Appends what one item gave, the next in order."""
        line = json.dumps(piece.facts, separators=(",", ":")).encode() + b"\n"
        parts = (piece.frames, piece.valid, line)
        for file, part in zip(self._files, parts):
            file.write(part)
        # In one go: an interruption before leaves the item undone, whatever was written of it.
        self._entry = _Entry(
            self._entry.items + 1,
            tuple(size + len(part) for size, part in zip(self._entry.sizes, parts)),
            tuple(zlib.crc32(part, before) for before, part in zip(self._entry.sums, parts)),
        )
        if self._entry.items % EVERY == 0:
            self.save()

    def save(self) -> None:
        """Brings everything so far safely to the disk."""
        for file in self._files:
            file.flush()
        if self._job is None:
            return
        for file in self._files:
            os.fsync(file.fileno())
        new = self._path.with_suffix(".new")
        with open(new, "w") as text:
            json.dump({"job": self._job, **self._entry._asdict()}, text)
            text.flush()
            os.fsync(text.fileno())
        new.replace(self._path)

    def facts(self) -> Iterator[dict[str, Any]]:
        """The facts of all items so far, in order, read from the disk."""
        self._files[2].flush()
        with open(self._folder / "facts.jsonl", "rb") as file:
            for _ in range(self._entry.items):
                yield json.loads(file.readline())

    def remove(self) -> None:
        """Closes the files and removes what only a continued run needs, not the rows.

        The folder stays locked, to be renamed.
        """
        for file in self._files:
            file.close()
        for name in ("journal.json", "journal.new", "facts.jsonl"):
            (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the files and gives the folder free for other processes."""
        self._opened.close()

    @property
    def _path(self) -> Path:
        return self._folder / "journal.json"

    def _read(self) -> _Entry | None:
        """The last entry, if it is of this job and the files hold what it says."""
        try:
            found = json.loads(self._path.read_bytes())
            entry = _Entry(found["items"], tuple(found["sizes"]), tuple(found["sums"]))
            if self._job is None or found["job"] != self._job:
                return None
            for file, size, expected in zip(self._files, *entry[1:], strict=True):
                if _sum(Path(file.name), size) != expected:
                    return None
            with open(self._folder / "facts.jsonl", "rb") as facts:
                lines = sum(1 for _ in zip(range(entry.items), facts))
                return entry if lines == entry.items and facts.tell() == entry.sizes[2] else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # no journal, or a damaged one


def _lock(folder: Path, opened: contextlib.ExitStack) -> None:
    """Locks a folder until `opened` is closed or the process ends, however it ends.

    Two runs into one folder would mix their rows.
    """
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    opened.callback(os.close, handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())
    except BlockingIOError:
        free = False
    except OSError:
        free = True  # a file system without locks
    if not free:  # locked, or just finished and renamed
        opened.close()
        raise ValueError(f"{folder} is being written by another process; wait for it or end it")


def _sum(path: Path, size: int) -> int | None:
    """CRC-32 of the first `size` bytes, None where the file is shorter."""
    left, total = size, 0
    with open(path, "rb") as file:
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            total, left = zlib.crc32(chunk, total), left - len(chunk)
    return total if left == 0 else None
