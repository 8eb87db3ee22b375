import struct
import zlib
from typing import Any

import numpy as np
import pytest
from scipy import io

from via_jax.data.readers import matlab

# Written by hand after the format's description: a 1 x 3 matrix "ab" of uint8 stored as double
# class, and a text "t"; little end first. Each line is one element: type, length, data, padding.
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
MATRIX = (
    b"\x0e\0\0\0" + b"\x38\0\0\0"
    b"\x06\0\0\0" + b"\x08\0\0\0" + b"\x06\0\0\0\0\0\0\0"  # class 6, double
    b"\x05\0\0\0" + b"\x08\0\0\0" + b"\x01\0\0\0\x03\0\0\0"  # 1 x 3
    b"\x01\0\0\0" + b"\x02\0\0\0" + b"ab\0\0\0\0\0\0"
    b"\x02\0\x03\0" + b"\x07\x08\xff\0"  # short: uint8, 3 bytes
)
TEXT = (
    b"\x0e\0\0\0" + b"\x30\0\0\0"
    b"\x06\0\0\0" + b"\x08\0\0\0" + b"\x04\0\0\0\0\0\0\0"  # class 4, char
    b"\x05\0\0\0" + b"\x08\0\0\0" + b"\x01\0\0\0\x02\0\0\0"
    b"\x01\0\x01\0" + b"t\0\0\0"
    b"\x04\0\x04\0" + b"h\0i\0"  # UTF-16
)


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_hand_written_file(tmp_path, packed):
    content = HEADER
    for element in (MATRIX, TEXT):
        data = zlib.compress(element)
        content += struct.pack("<II", 15, len(data)) + data if packed else element
    found = matlab.load_mat(write(tmp_path / "a.mat", content), ("ab", "t", "absent"))
    assert list(found) == ["ab", "t"] and found["t"] == "hi"
    np.testing.assert_array_equal(found["ab"], [[7.0, 8.0, 255.0]])
    assert np.asarray(found["ab"]).dtype == np.float64


def test_big_endian(tmp_path):
    element = struct.pack(">IIIIIIIIii", 14, 56, 6, 8, 6, 0, 5, 8, 2, 1)
    element += struct.pack(">HH4sIIhhxxxx", 1, 1, b"x", 3, 4, -2, 300)
    content = HEADER[:124] + b"\x01\x00MI" + element
    found = matlab.load_mat(write(tmp_path / "a.mat", content), ("x",))
    np.testing.assert_array_equal(found["x"], [[-2.0], [300.0]])


@pytest.mark.parametrize("compress", [False, True])
def test_agrees_with_scipy(tmp_path, compress):
    rng = np.random.default_rng(0)
    fields: dict[str, Any] = {
        name: (100 * rng.random((4, 3))).astype(kind)
        for name, kind in zip(
            "abcdefghij", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
        )
    }
    fields |= {"text": "walk ä", "empty": np.zeros((0, 13)), "cell": np.array([1, "x"], object)}
    io.savemat(tmp_path / "a.mat", fields, do_compression=compress)
    found = matlab.load_mat(tmp_path / "a.mat", [name for name in fields if name != "cell"])
    assert found.pop("text") == "walk ä"
    assert len(found) == 11
    for name, value in found.items():
        np.testing.assert_array_equal(value, fields[name])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes without the header"),
        (HEADER[:124] + b"\x00\x02IM" + MATRIX, "without the header of version 5"),
        (HEADER + MATRIX[:30], "cut off"),
        (HEADER + MATRIX + b"\x0e\0\0", "cut off"),
        (
            HEADER + b"\x09\0\0\0\x08\0\0\0" + b"\0" * 8,
            "an element of type 9 in place of a variable",
        ),
        (HEADER + b"\x0e\0\0\0\0\0\0\0", "a variable without class"),
        (
            HEADER + MATRIX.replace(b"\x02\0\x03\0\x07", b"\xdb\0\x03\0\x07"),
            "ab with numbers of type",
        ),
        (HEADER + MATRIX.replace(b"\x02\0\x03\0\x07", b"\x02\0\x05\0\x07"), "a short element of 5"),
        (
            HEADER + MATRIX.replace(b"\x03\0\0\0\x01", b"\x04\0\0\0\x01"),
            r"ab of shape \(1, 4\) with 3",
        ),
        (
            HEADER + MATRIX.replace(b"\x01\0\0\0\x03", b"\xff\xff\xff\xff\x03"),
            r"ab of shape \(-1, 3\)",
        ),
        (HEADER + MATRIX.replace(b"ab", b"\xffb"), "ascii"),
        (HEADER + TEXT.replace(b"h\0i\0", b"h\0\0\xd8"), "utf-16"),
        (HEADER + b"\x0f\0\0\0\x08\0\0\0" + zlib.compress(b""), "0 packed elements"),
        (HEADER + b"\x0f\0\0\0\x04\0\0\0abcd", "incorrect header check"),
    ],
)
def test_damage_is_named(tmp_path, content, message):
    path = write(tmp_path / "a.mat", content)
    with pytest.raises(ValueError, match=message) as error:
        matlab.load_mat(path, ("ab", "t"))
    assert str(path) in str(error.value) and type(error.value) is ValueError


def test_a_variable_that_unpacks_to_too_much_is_refused(tmp_path):
    data = zlib.compress(b"\x0e\0\0\0" + struct.pack("<I", 2**27) + bytes(2**27))
    content = HEADER + struct.pack("<II", 15, len(data)) + data
    assert len(content) < 200_000
    with pytest.raises(ValueError, match=r"a\.mat: a packed variable of more than 67108864"):
        matlab.load_mat(write(tmp_path / "a.mat", content), ("ab",))


def test_official_files_agree_with_scipy(shared_data):
    names = ("action", "pose", "x", "y", "visibility", "train", "dimensions", "nframes")
    paths = sorted((shared_data / "penn_action" / "labels").glob("*.mat"))
    for path in [*paths[::40], paths[1832]]:  # 1833 lacks the end of a packed stream
        found = matlab.load_mat(path, names)
        expected = io.loadmat(path, variable_names=names)
        assert set(found) == set(names)
        for name, value in found.items():
            if isinstance(value, str):
                assert value == expected[name][0]
            else:
                np.testing.assert_array_equal(value, expected[name])
