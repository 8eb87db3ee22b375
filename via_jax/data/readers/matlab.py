"""A strict reader of MATLAB v5 files, for the real matrices and the one-line texts in them.

`scipy.io.loadmat` reads far more, but some damaged files crash the whole process in it (SciPy 1.17:
a type code out of range). Here every type, length and size is checked first. The format is
MathWorks' "MAT-File Format", level 5: a header of 128 bytes, then elements of type, length, data.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_TEXTS = {1: "utf-8", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CHAR_CLASS, _NUMERIC_CLASSES = 4, range(6, 16)
_COMPLEX = 0x0800
_LARGEST = 2**26  # bytes of one unpacked variable; a few packed bytes may claim any size


def load_mat(path: Path, names: Collection[str]) -> dict[str, np.ndarray | str]:
    """Reads the named variables: matrices as float64 arrays, texts as strings.

    Args:
      path: a MATLAB file of version 5 (v6 and v7 write it too, v7.3 does not), any byte order.
      names: other variables are left alone; the result lacks those that the file does not hold.

    Raises:
      ValueError: the file cannot be opened or is damaged, or a named variable is complex, a text of
        several lines, a structure, a cell or a sparse matrix.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected a file") from error
    try:
        return dict(_variables(content, names))
    except (ValueError, zlib.error) as error:
        raise ValueError(f"{path}: {error}; expected a MATLAB v5 file") from error


def _variables(content: bytes, names: Collection[str]) -> Iterator[tuple[str, np.ndarray | str]]:
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None or struct.unpack(order + "H", content[124:126])[0] != 0x0100:
        raise ValueError(f"{len(content)} bytes without the header of version 5")
    for kind, data in _elements(content[128:], order):
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(data, _LARGEST)
            if unpacker.unconsumed_tail:
                raise ValueError(f"a packed variable of more than {_LARGEST} bytes")
            inner = list(_elements(unpacked, order))
            if len(inner) != 1:
                raise ValueError(f"{len(inner)} packed elements in place of a variable")
            kind, data = inner[0]
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} in place of a variable")
        variable = _variable(data, order, names)
        if variable is not None:
            yield variable


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yields type and data of each element."""
    at = 0
    while at < len(data):
        if len(data) < at + 8:
            raise ValueError("an element that is cut off")
        kind, size = struct.unpack_from(order + "II", data, at)
        start = at + 8
        if kind >> 16:  # at most four bytes, packed into the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise ValueError(f"a short element of {size} bytes")
        if len(data) < start + size:
            raise ValueError("an element that is cut off")
        yield kind, data[start : start + size]
        at = max(at + 8, start + size)
        if kind != _COMPRESSED:
            at += -at % 8  # elements begin at multiples of eight bytes


def _variable(
    data: bytes, order: str, names: Collection[str]
) -> tuple[str, np.ndarray | str] | None:
    """Returns name and value, None where nobody asked for the variable."""
    parts = list(_elements(data, order))
    kinds = [kind for kind, _ in parts[:3]]
    if kinds != [_UINT32, _INT32, _INT8] or len(parts[0][1]) != 8:
        raise ValueError("a variable without class, dimensions and name")
    (flags, _), name = struct.unpack(order + "II", parts[0][1]), parts[2][1].decode("ascii")
    if name not in names:
        return None
    sizes = tuple(int(size) for size in np.frombuffer(parts[1][1], order + "i4"))
    if len(parts) != 4 or flags & _COMPLEX or flags & 0xFF not in (_CHAR_CLASS, *_NUMERIC_CLASSES):
        raise ValueError(f"{name} that is neither a real matrix nor a text")
    kind, values = parts[3]
    if flags & 0xFF == _CHAR_CLASS:
        if kind not in _TEXTS or len(sizes) != 2 or sizes[0] > 1:
            raise ValueError(f"{name} that is not a text of one line")
        encoding = _TEXTS[kind]
        if encoding != "utf-8":
            encoding += "-le" if order == "<" else "-be"
        return name, values.decode(encoding)
    if kind not in _TYPES:
        raise ValueError(f"{name} with numbers of type {kind}")
    array = np.frombuffer(values, order + _TYPES[kind])
    if min(sizes, default=-1) < 0 or math.prod(sizes) != array.size:
        raise ValueError(f"{name} of shape {sizes} with {array.size} numbers")
    return name, array.reshape(sizes, order="F").astype(np.float64)
