import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from via_jax.data.readers import unpickle

PROTOCOLS = (2, 3, 4, 5)


def write(folder, content):
    (folder / "a.pkl").write_bytes(content)
    return folder / "a.pkl"


def load(folder, content):
    return unpickle.load_pickle(write(folder, content))


# By hand, after pickletools: {"a": [1, -2, 2.5, "x"]} in protocol 2.
DICT = b"\x80\x02}X\x01\0\0\0a](K\x01J\xfe\xff\xff\xffG\x40\x04\0\0\0\0\0\0X\x01\0\0\0xes."
# The array [[1, 2], [3, 4]] of float16 as NumPy stores it in protocol 3: function, arguments, call;
# then version, shape, type with its own state, order and bytes.
ARRAY = (
    b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n"
    b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    b"(K\x01K\x02K\x02\x86"
    b"cnumpy\ndtype\nX\x02\0\0\0f2\x89\x88\x87R"
    b"(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    b"\x89C\x08\x00\x3c\x00\x40\x00\x42\x00\x44tb."
)


def test_hand_written_pickles(tmp_path):
    assert load(tmp_path, DICT) == {"a": [1, -2, 2.5, "x"]}
    array = load(tmp_path, ARRAY)
    assert array.dtype == np.float16 and not array.flags.writeable
    np.testing.assert_array_equal(array, [[1, 2], [3, 4]])


def arrays():
    rng = np.random.default_rng(0)
    return {
        "half": rng.normal(size=(2, 3, 4)).astype(np.float16),
        "fortran": np.asfortranarray(rng.normal(size=(2, 3))),
        "strided": np.arange(16, dtype=np.float32).reshape(4, 4)[::2],
        "big_endian": np.arange(300, dtype=">i4"),
        "bool": np.array([True, False]),
        "byte": np.arange(255, dtype=np.uint8),
        "empty": np.zeros((0, 3), np.float32),
        "no_axis": np.array(7.5),
        "scalar": np.float32(1.5),
        "whole": np.int64(-7),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_every_kind(tmp_path, protocol):
    stored = arrays()
    found = load(tmp_path, pickle.dumps(stored | {"again": stored["half"]}, protocol))
    assert found.pop("again") is found["half"]
    assert list(found) == list(stored)
    for name, value in stored.items():
        np.testing.assert_array_equal(found[name], value)
        assert np.shape(found[name]) == value.shape
    assert found["half"].dtype == np.float16 and found["big_endian"].dtype == ">i4"
    assert type(found["scalar"]) is float and type(found["whole"]) is int


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values(tmp_path, protocol):
    long = "ä" * 70_000
    value = {
        "numbers": [0, -1, 255, 256, 65_536, -(2**31), 2**40, -(2**100), 1.5, True, False, None],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "long": long,
        "names": [f"S{number:05}" for number in range(5000)],  # more than one batch
        3: {f"k{number}": number for number in range(3000)},
    }
    assert load(tmp_path, pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_of_numpy_1(tmp_path, protocol):
    content = pickle.dumps([np.arange(3.0), np.float64(2)], protocol)
    old = content.replace(b"cnumpy._core.", b"cnumpy.core.")
    for module in (b"multiarray", b"numeric"):
        new, length = b"numpy._core." + module, len(module) + 12
        old = old.replace(
            bytes([0x8C, length]) + new, bytes([0x8C, length - 1, *b"numpy.core."]) + module
        )
    assert old != content and b"_core" not in old
    array, number = load(tmp_path, old)
    np.testing.assert_array_equal(array, [0, 1, 2])
    assert number == 2


# What is refused: nothing is run, and the memory stays small


class Call:
    """Pickled as a call of any function."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Ours:
    """A class of the test's own."""


ran = []


def run_me(*arguments):
    ran.append(arguments)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: Call(os.system, f"touch {path}"), r"names \w+\.system, which is not run"),
        (lambda path: Call(open, str(path), "w"), r"names \w+\.open"),
        (lambda path: Call(eval, f"open({str(path)!r}, 'w')"), r"names \w+\.eval"),
        (lambda path: Call(getattr, "x", "upper"), r"names \w+\.getattr"),
        (lambda path: Call(run_me, 1), r"names \S*test_unpickle\.run_me"),
        (lambda path: Ours(), r"names \S*Ours|names copyreg\._reconstructor|names copy_reg\."),
        (lambda path: Ours, r"names \S*test_unpickle\.Ours"),
        (lambda path: np.array([1, "x"], object), "array of type 'O8'"),
        (lambda path: np.array(["x"]), "array of type 'U1'"),
        (lambda path: np.zeros(2, [("a", "f4")]), "array of type 'V4'"),
        (lambda path: np.zeros(2, "M8[s]"), "array of type 'M8'"),
        (lambda path: np.zeros(2, np.complex64), "array of type 'c8'"),
        (lambda path: np.ma.zeros(2), r"names numpy\.ma\.\w+\._mareconstruct"),
        (lambda path: Call(np.ndarray, (2**50,)), r"calling numpy\.ndarray"),
        (lambda path: Call(np.dtype, "f8"), "type of numbers in another form"),
        (lambda path: {1, 2}, r"EMPTY_SET|names \w+\.set"),
        (lambda path: {(1, 2): 3}, "keys are no texts or whole numbers"),
        (lambda path: 2**3000, "LONG4"),
    ],
)
def test_anything_else_is_refused_and_not_run(tmp_path, protocol, make, message):
    path = write(tmp_path, pickle.dumps([make(tmp_path / "made")], protocol))
    with pytest.raises(ValueError, match=message) as error:
        unpickle.load_pickle(path)
    assert str(path) in str(error.value) and "expected a pickle of protocol 2 to 5" in str(
        error.value
    )
    assert type(error.value) is ValueError
    assert not (tmp_path / "made").exists() and ran == []


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"c_codecs\nencode\n" + text("x") + text("rot13") + b"\x86R.", "bytes in another form"),
        (b"c_codecs\nencode\n" + text("x") + b"\x85R.", "bytes in another form"),
        (b"c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.", "bytes in another form"),
        (b"c_codecs\nencode\n]R.", "a call of no function"),
        (text("os") + b")R.", "a call of no function"),
        (text("os") + text("system") + b"\x93.", "names os.system"),
        (b"]]\x93.", "name of a function that is no text"),
        (b"cos\n" + b"x" * 300 + b"\n.", "no name of at most 256"),
        (b"ios\nsystem\n.", "instruction INST"),
        (b"(cos\nsystem\no.", "names os.system"),
        (b"]]o.", "instruction OBJ"),
        (b"]]\x81.", "instruction NEWOBJ"),
        (b"\x82\x01.", "instruction EXT1"),
        (b"Q.", "instruction BINPERSID"),
        (b"\x97.", "instruction NEXT_BUFFER"),
        (b"\xff.", r"instruction b'\\xff'"),
        (b"]}b.", "a state of something that has none"),
        (b"c_codecs\nencode\n}b.", "a state of something that has none"),
        (
            b"cnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87Rq\0"
            b"(K\3" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tq\1bh\1b.",
            "a state of something that has none",
        ),
        (b"NNa.", "no list to fill"),
        (b"]NNs.", "no dict to fill|keys"),
        (b"}]Ns.", "keys are no texts"),
        (b"}(Nu.", "keys are no texts"),
        (b"a.", "too few values"),
        (b"q\0.", "too few values"),
        (b"e.", "too few marks"),
        (b"h\x05.", "value 5, which is not there"),
        (b"NN.", "2 values"),
        (b"(N.", "1 open"),
        (b".", "0 values"),
        (b"N.more", "4 bytes at the end"),
        (b"X\x01\0\0\0\xff.", "can't decode byte 0xff"),
        (b"", "cut off"),
    ],
)
def test_hostile_programs(tmp_path, body, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, b"\x80\x02" + body)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"K\x02K\x02\x86", b"K\x02K\x03\x86", r"float16 \(2, 3\) with 8 bytes"),
        (b"K\x02K\x02\x86", b"J\0\0\0\x40J\0\0\0\x40\x86", "with 8 bytes"),
        (b"K\x02K\x02\x86", b"J\xfe\xff\xff\xffJ\xfe\xff\xff\xff\x86", "without type, shape"),
        (b"K\x02K\x02\x86", b"N", "without type, shape"),
        (b"K\x02K\x02\x86", b"K\x02\x88\x86", "without type, shape"),
        (b"f2", b"f1", "array of type 'f1'"),
        (b"f2", b"O8", "array of type 'O8'"),
        (b"X\x01\0\0\0<", b"X\x01\0\0\0?", "type of numbers in another form"),
        (b"<NNN", b"<]]]", "type of numbers in another form"),
        (b"K\0tb", b"K\0t0", "instruction POP"),
        (b"(K\x01K\x02", b"(K\x02K\x02", "another form than NumPy's"),
        (b"K\x00\x85C", b"J\xff\xff\xff\x7f\x85C", "another class than numpy.ndarray"),
        (b"cnumpy\nndarray", b"cnumpy\nmatrix", r"names numpy\.matrix"),
        (b"C\x08\x00\x3c\x00\x40\x00\x42\x00\x44", b"]", "without type, shape and bytes"),
    ],
)
def test_a_damaged_array_is_refused(tmp_path, old, new, message):
    assert ARRAY.count(old) == 1
    with pytest.raises(ValueError, match=message):
        load(tmp_path, ARRAY.replace(old, new))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, protocol):
    content = pickle.dumps(arrays(), protocol)
    for end in range(0, len(content) - 1, 7):
        with pytest.raises(ValueError, match=r"a\.pkl: .*expected a pickle"):
            load(tmp_path, content[:end])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"B\xff\xff\xff\x7f.", "cut off: 2147483647 bytes"),
        (b"\x8e" + b"\xff" * 8 + b".", "cut off"),
        (b"\x96" + b"\xff" * 7 + b"\x7f.", "cut off"),
        (b"\x8d" + b"\0\0\0\0\0\1\0\0.", "cut off"),
        (b"X\xff\xff\xff\x7f.", "cut off"),
        (b"\x95" + b"\xff" * 8 + b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.", "value 4294967294"),
        (b"\x8a\xff.", "cut off"),
        (b"]" * 1_000_000, "nested too deeply"),
        (b"(" * 1_000_000, "nested too deeply"),
        (b"N" * 1_000_000, "nested too deeply"),
        (b"(" + b"(N" * 20_000 + b".", "nested too deeply"),
        (b")" + b"\x85" * 200_000 + b"0.", "instruction POP"),
        (b"}" + b")" + b"q\0h\0\x86" * 90 + b"Ns.", "keys are no texts"),  # 2^90 to hash
        (b"]q\0" + b"h\0h\0\x86q\0" * 90 + b"h\0\x93.", "no text"),  # and to print
    ],
    ids=range(14),
)
def test_declared_sizes_and_depth_take_no_memory(tmp_path, body, message):
    path = write(tmp_path, b"\x80\x04" + body)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            unpickle.load_pickle(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**25


def test_a_list_may_contain_itself(tmp_path):
    value = [1]
    value.append(value)
    found = load(tmp_path, pickle.dumps(value, 4))
    assert found[1] is found


@pytest.mark.parametrize("content", [b"", b"\x80", b"(lp0\n.", b"\x80\x01N.", b"\x80\x06N.", b"PK"])
def test_other_files_are_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"a\.pkl: \d bytes that begin b'.*' *; expected a pickle"):
        load(tmp_path, content)


def test_an_absent_file(tmp_path):
    with pytest.raises(ValueError, match=r"a\.pkl: cannot be read \(No such file"):
        unpickle.load_pickle(tmp_path / "a.pkl")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damaged_bytes_never_raise_anything_else(tmp_path, protocol):
    rng = np.random.default_rng(protocol)
    content = pickle.dumps(arrays(), protocol)
    opcodes = np.frombuffer(b"(t}]u)Rb\x94\x93h\x85\x86.q", np.uint8)
    for _ in range(500):
        damaged = np.frombuffer(content, np.uint8).copy()
        where = rng.integers(2, len(damaged), rng.integers(1, 6))
        damaged[where] = rng.choice(opcodes, len(where))
        try:
            load(tmp_path, damaged.tobytes())
        except ValueError as error:
            assert type(error) is ValueError and "a.pkl: " in str(error)
