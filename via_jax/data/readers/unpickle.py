"""A strict reader of pickles that hold numbers, texts, lists, tuples, dicts and NumPy arrays.

A pickle is a program for a small stack machine, and Python's own reader imports and calls what it
names. This machine has no instruction that does: it builds plain values, and the few functions that
NumPy names to store an array stand for code of this file. A length is checked against the file
before anything of that length is made, so memory stays proportional to the file; arrays are views
of its bytes.

The instructions are those that Python writes in protocols 2 to 5 (documented in `pickletools`). How
arrays are stored: `numpy.ndarray.__reduce_ex__`, which calls `_reconstruct` and sets the state, or
from protocol 5 on `_frombuffer`; protocol 2 has no bytes and stores them as latin-1 text.
"""

import math
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_TYPES = ("b1", *("i1", "i2", "i4", "i8"), *("u1", "u2", "u4", "u8"), *("f2", "f4", "f8"))
_DEEPEST = 10_000  # values open at a time; Python fills lists and dicts by 1000
_LONGEST_NAME = 256  # bytes of a module or of a function
_PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")
_EXPECTED = (
    "expected a pickle of protocol 2 to 5 that holds nothing but numbers, texts, lists, tuples,"
    " dicts and NumPy arrays of numbers"
)


def load_pickle(path: Path) -> Any:
    """Reads a pickle without running anything in it.

    Args:
      path: a file written by `pickle.dump`, protocol 2 to 5.

    Returns:
      What was stored: None, bool, int, float, str, list, tuple, dict (keys str or int), read-only
      np.ndarray (bool, int, uint or float); a NumPy scalar as its Python number, bytes and
      bytearrays as bytes or memoryview. The values may be shared or contain themselves, and a file
      made by hand may leave objects of this module: look at the type of what you use.

    Raises:
      ValueError: the file cannot be opened or is damaged, or names a function or class other than
        those of NumPy's arrays, holds objects in an array, or nests too deeply.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected a file") from error
    try:
        return _Machine(content).run()
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {_EXPECTED}") from error


class _Function:
    """Stands for a function that a pickle names; `call` takes the tuple of the arguments."""

    def __init__(self, call: Callable[[tuple], Any]):
        self.call = call


class _Pending:
    """An array or a type that was made but whose state comes later; then `value` is the result."""

    def __init__(self, finish: Callable[[Any], Any]):
        self.finish = finish
        self.value: Any = None


def _array(data: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    good = isinstance(dtype, np.dtype) and isinstance(data, (bytes, memoryview))
    good = good and isinstance(shape, tuple) and len(shape) <= 8
    good = good and all(type(size) is int and 0 <= size < 2**31 for size in shape)
    if not good:
        raise ValueError("an array without type, shape and bytes")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array {dtype} {shape} with {len(data)} bytes")
    values = np.frombuffer(data, dtype) if len(data) else np.empty(0, dtype)
    return values.reshape(shape, order="F" if order == "F" else "C")


def _array_of_state(state: Any) -> np.ndarray:
    match state:
        case (1, shape, dtype, fortran, data):
            return _array(data, dtype, shape, "F" if fortran is True else "C")
    raise ValueError("an array in another form than NumPy's")


def _reconstruct(arguments: tuple) -> _Pending:
    match arguments:
        case (kind, (0,), _) if kind is _NDARRAY:
            return _Pending(_array_of_state)
    raise ValueError("an array of another class than numpy.ndarray")


def _frombuffer(arguments: tuple) -> np.ndarray:
    match arguments:
        case (data, dtype, shape, ("C" | "F") as order):
            return _array(data, dtype, shape, order)
    raise ValueError("an array in another form than NumPy's")


def _scalar(arguments: tuple) -> bool | int | float:
    match arguments:
        case (dtype, data):
            return _array(data, dtype, (), "C").item()
    raise ValueError("a NumPy number in another form than NumPy's")


def _dtype(arguments: tuple) -> _Pending:
    match arguments:
        case (str() as name, bool() | int(), bool() | int()):
            if name not in _TYPES:
                raise ValueError(f"an array of type {name[:20]!r}")

            def finish(state: Any) -> np.dtype:
                match state:
                    case (3, ("<" | ">" | "|") as order, None, None, None, -1, -1, 0):
                        return np.dtype(order + name)
                raise ValueError("a type of numbers in another form than NumPy's")

            return _Pending(finish)
    raise ValueError("a type of numbers in another form than NumPy's")


def _encode(arguments: tuple) -> bytes:
    match arguments:
        case (str() as text, "latin1"):
            return text.encode("latin1")
    raise ValueError("bytes in another form than Python's")


def _no_bytes(arguments: tuple) -> bytes:
    if arguments:
        raise ValueError("bytes in another form than Python's")
    return b""


def _no_call(arguments: tuple) -> Any:
    raise ValueError("an array that is made by calling numpy.ndarray")


_NDARRAY = _Function(_no_call)
_FUNCTIONS = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(_dtype),
    ("_codecs", "encode"): _Function(_encode),
    ("__builtin__", "bytes"): _Function(_no_bytes),  # protocol 2, an array without elements
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
    _FUNCTIONS[f"{_core}.multiarray", "_reconstruct"] = _Function(_reconstruct)
    _FUNCTIONS[f"{_core}.multiarray", "scalar"] = _Function(_scalar)
    _FUNCTIONS[f"{_core}.numeric", "_frombuffer"] = _Function(_frombuffer)


class _Machine:
    """Runs the instructions of one file."""

    def __init__(self, content: bytes):
        self.content = content
        self.view = memoryview(content)
        self.at = 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the open marks
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        if self.content[:1] != b"\x80" or self.content[1:2] not in _PROTOCOLS:
            raise ValueError(f"{len(self.content)} bytes that begin {self.content[:2]!r}")
        self.at = 2
        while (code := bytes(self.take(1))) != b".":
            if code not in _INSTRUCTIONS:
                unknown = _SPOKEN.get(code, repr(code))
                raise ValueError(f"the instruction {unknown} at byte {self.at - 1}")
            _INSTRUCTIONS[code](self)
            if len(self.stack) + len(self.below) > _DEEPEST:
                raise ValueError(f"values nested too deeply at byte {self.at - 1}")
        left = len(self.content) - self.at
        if len(self.stack) != 1 or self.below or left:
            raise ValueError(
                f"{len(self.stack)} values, {len(self.below)} open and {left} bytes at the end"
            )
        return self.stack[0]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def take(self, size: int) -> memoryview:
        start, self.at = self.at, self.at + size
        if self.at > len(self.content):
            raise ValueError(f"cut off: {size} bytes from byte {start} of {len(self.content)}")
        return self.view[start : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def skip_frame(self) -> None:
        self.take(8)  # only says how far to read ahead

    def line(self) -> str:
        end = self.content.find(b"\n", self.at, self.at + _LONGEST_NAME)
        if end < 0:
            raise ValueError(f"no name of at most {_LONGEST_NAME} bytes at byte {self.at}")
        return str(self.take(end + 1 - self.at)[:-1], "utf-8")

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError(f"too few values at byte {self.at - 1}")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def pop_mark(self) -> list[Any]:
        if not self.below:
            raise ValueError(f"too few marks at byte {self.at - 1}")
        values, self.stack = self.stack, self.below.pop()
        return values

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def top(self, kind: type) -> Any:
        if not self.stack or type(self.stack[-1]) is not kind:
            raise ValueError(f"no {kind.__name__} to fill at byte {self.at - 1}")
        return self.stack[-1]

    def fill_list(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def fill_dict(self, values: list[Any]) -> None:
        keys = values[::2]
        # Anything else may take for ever to hash.
        if len(values) % 2 or not all(type(key) in (str, int) for key in keys):
            raise ValueError(f"a dict whose keys are no texts or whole numbers at {self.at - 1}")
        self.top(dict).update(zip(keys, values[1::2], strict=True))

    def put(self, index: int) -> None:
        (self.memo[index],) = self.stack[-1:] or self.pop(1)

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"value {index}, which is not there, at byte {self.at - 1}")
        value = self.memo[index]
        finished = isinstance(value, _Pending) and value.value is not None
        self.push(value.value if finished else value)

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError(f"the name of a function that is no text at byte {self.at - 1}")
        if (module, name) not in _FUNCTIONS:
            raise ValueError(f"names {module[:80]}.{name[:80]}, which is not run")
        self.push(_FUNCTIONS[module, name])

    def call(self) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, _Function) or not isinstance(arguments, tuple):
            raise ValueError(f"a call of no function at byte {self.at - 1}")
        self.push(function.call(arguments))

    def build(self) -> None:
        pending, state = self.pop(2)
        if not isinstance(pending, _Pending):
            raise ValueError(f"a state of something that has none at byte {self.at - 1}")
        pending.value = pending.finish(state)
        self.push(pending.value)


def _text(machine: _Machine, size: int) -> None:
    machine.push(str(machine.take(size), "utf-8"))


def _bytes(machine: _Machine, size: int) -> None:
    machine.push(machine.take(size))


def _integer(machine: _Machine, size: int) -> None:
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _sized(push: Callable[[_Machine, int], None], width: int) -> Callable[[_Machine], None]:
    """The instruction that is followed by a length of `width` bytes and by that many bytes."""
    return lambda machine: push(machine, machine.number(width))


def _packed(form: str) -> Callable[[_Machine], None]:
    """The instruction that is followed by one number in this form of `struct`."""
    packed = struct.Struct(form)
    return lambda m: m.push(packed.unpack(m.take(packed.size))[0])


def _tuple(count: int) -> Callable[[_Machine], None]:
    return lambda m: m.push(tuple(m.pop(count)))


def _value(make: Callable[[], Any]) -> Callable[[_Machine], None]:
    return lambda m: m.push(make())


_BY_NAME: dict[str, Callable[[_Machine], None]] = {
    "FRAME": _Machine.skip_frame,
    "NONE": _value(lambda: None),
    "NEWTRUE": _value(lambda: True),
    "NEWFALSE": _value(lambda: False),
    "BININT": _packed("<i"),
    "BININT1": _packed("<B"),
    "BININT2": _packed("<H"),
    "LONG1": _sized(_integer, 1),
    "BINFLOAT": _packed(">d"),
    "SHORT_BINUNICODE": _sized(_text, 1),
    "BINUNICODE": _sized(_text, 4),
    "BINUNICODE8": _sized(_text, 8),
    "SHORT_BINBYTES": _sized(_bytes, 1),
    "BINBYTES": _sized(_bytes, 4),
    "BINBYTES8": _sized(_bytes, 8),
    "BYTEARRAY8": _sized(_bytes, 8),
    "EMPTY_LIST": _value(list),
    "EMPTY_TUPLE": _value(tuple),
    "EMPTY_DICT": _value(dict),
    "MARK": _Machine.mark,
    "APPEND": lambda m: m.fill_list(m.pop(1)),
    "APPENDS": lambda m: m.fill_list(m.pop_mark()),
    "SETITEM": lambda m: m.fill_dict(m.pop(2)),
    "SETITEMS": lambda m: m.fill_dict(m.pop_mark()),
    "TUPLE": lambda m: m.push(tuple(m.pop_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "BINPUT": lambda m: m.put(m.number(1)),
    "LONG_BINPUT": lambda m: m.put(m.number(4)),
    "MEMOIZE": lambda m: m.put(len(m.memo)),
    "BINGET": lambda m: m.get(m.number(1)),
    "LONG_BINGET": lambda m: m.get(m.number(4)),
    "GLOBAL": lambda m: m.name(m.line(), m.line()),
    "STACK_GLOBAL": lambda m: m.name(*m.pop(2)),
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
_CODES = {opcode.name: opcode.code.encode("latin1") for opcode in pickletools.opcodes}
_SPOKEN = {code: name for name, code in _CODES.items()}
_INSTRUCTIONS = {_CODES[name]: run for name, run in _BY_NAME.items()}
