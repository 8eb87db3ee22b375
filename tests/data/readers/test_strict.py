import dataclasses

import numpy as np
import pytest

from via_jax.data.clip import Clip
from via_jax.data.readers import strict


def test_json_in_other_encodings(tmp_path):
    path = tmp_path / "a.json"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes('{"name": "Jürgen"}'.encode(encoding))
        assert strict.load_json(path) == {"name": "Jürgen"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a complete JSON file"),
        (b"[1, 2", "line 1 column 6"),
        (b'"\xff"', "utf-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"1" * 5000, "expected a complete JSON file"),
    ],
)
def test_json_that_is_none(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        strict.load_json(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


def test_json_of_a_folder(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        strict.load_json(tmp_path)


def test_field_looks_up_values_of_the_right_type():
    record = {"count": 3, "flag": True, "items": []}
    assert strict.field(record, "count", int, "here") == 3
    assert strict.field(record, "items", list, "here") == []
    with pytest.raises(
        ValueError, match="here: holds 'count', 'flag', 'items'; expected the key 'x'"
    ):
        strict.field(record, "x", int, "here")
    with pytest.raises(ValueError, match="here: 'flag' is of type bool; expected int"):
        strict.field(record, "flag", int, "here")
    with pytest.raises(ValueError, match="here: of type list; expected an object with 'x'"):
        strict.field([], "x", int, "here")
    with pytest.raises(ValueError, match="here: holds nothing"):
        strict.field({}, "x", int, "here")


def test_a_long_key_is_shortened_in_the_message():
    """Found by test_hostile."""
    with pytest.raises(ValueError, match="expected the key 'x'") as error:
        strict.field({"[" * 100_000: 1}, "x", int, "here")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("value", "shape", "expected"),
    [
        ([1, 2.5], (2,), [1.0, 2.5]),
        ([[1, 2], [3, None]], (None, 2), [[1.0, 2.0], [3.0, np.nan]]),
        ([float("nan"), 0], (None,), [np.nan, 0.0]),
        ([], (None,), []),
        ([2**62, -(2**70)], (2,), None),
    ],
)
def test_numbers(value, shape, expected):
    if expected is None:
        with pytest.raises(ValueError, match=r"here: .* expected coordinates, none above 1e.09"):
            strict.numbers(value, shape, "here")
    else:
        array = strict.numbers(value, shape, "here")
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        ([1, 2], (3,), r"shape \(2,\); expected numbers of shape \(3,\)"),
        ([1, 2], (None, 2), r"shape \(2,\); expected numbers of shape \('any', 2\)"),
        ([], (3,), r"shape \(0,\)"),
        ([[1], [2, 3]], (None, 2), "unequal length"),
        (["1"], (1,), "not a number"),
        ([1, "x"], (2,), "not a number"),
        ([True, False], (2,), "not a number"),
        ([None, True], (2,), "not a number"),
        ([{}], (1,), "not a number"),
        (None, (1,), r"shape \(\)"),
        ([10**400], (1,), "too large"),
        ([float("inf")], (1,), "inf; expected coordinates"),
    ],
)
def test_what_is_no_array_of_numbers(value, shape, message):
    with pytest.raises(ValueError, match=f"here: .*{message}") as error:
        strict.numbers(value, shape, "here")
    assert type(error.value) is ValueError


def test_checked_names_the_file(tmp_path):
    poses, valid = np.ones((1, 2, 13, 2), np.float32), np.ones((1, 2, 13), bool)
    clip = Clip(poses=poses, valid=valid, layout="penn13", name="c")
    assert strict.checked(clip, tmp_path) is clip
    short = dataclasses.replace(clip, poses=poses[:, :1], valid=valid[:, :1])
    assert strict.checked(short, tmp_path, min_frames=1) is short
    with pytest.raises(ValueError, match=r"1 frame") as error:
        strict.checked(short, tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: clip 'c'")
