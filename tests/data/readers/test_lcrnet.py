"""The grammar by hand: all x of the 13 joints, then all y, all z; a list of people a frame."""

import numpy as np
import pytest

from via_jax.data.readers import lcrnet

# A standing body, 22 rows of pixels a head: ankles, knees, hips, wrists, elbows, shoulders, head.
X = "310, 330, 311, 329, 312, 328, 300, 340, 302, 338, 308, 332, 320"
Y = "400, 400, 340, 341, 280, 280, 270, 271, 225, 226, 180, 181, 150"
# The same in metres: x to the left of the image, y up, z away, as LCR-Net draws it.
X3 = "0.1, -0.1, 0.09, -0.09, 0.08, -0.08, 0.2, -0.2, 0.18, -0.18, 0.12, -0.12, 0.01"
Y3 = "-1.2, -1.2, -0.6, -0.61, 0.02, 0.01, 0.1, 0.11, 0.55, 0.56, 1.0, 1.01, 1.3"
Z3 = "0.1, 0.12, 0.02, 0.05, 0.01, 0.03, -0.2, -0.1, 0.05, 0.06, 0.02, 0.03, -0.05"


def person(x=X, y=Y, more=""):
    return f'{{"pose2d": [{x}, {y}]{more}}}'


def solid(x=X, y=Y, x3=X3, y3=Y3, z3=Z3):
    return person(x, y, f', "pose3d": [{x3}, {y3}, {z3}]')


def shifted(numbers, by):
    return ", ".join(str(float(number) + by) for number in numbers.split(","))


def negative(numbers):
    return shifted(", ".join(str(-float(number)) for number in numbers.split(",")), 0.0)


def write(folder, *frames, name="clip.json"):
    text = '{"K": 20, "njts": 13, "frames": [' + ", ".join(frames) + "]}"
    (folder / name).write_bytes(text.encode("ascii"))
    return folder / name


def test_x_stands_before_y(tmp_path):
    clip = lcrnet.read(write(tmp_path, f"[{person()}]", f"[{person(shifted(X, 5))}]"))
    assert clip.poses.shape == (1, 2, 13, 2) and clip.poses.dtype == np.float32
    np.testing.assert_array_equal(
        clip.poses[0, 0, [0, 1, 7, 12]].ravel(), [310, 400, 330, 400, 340, 271, 320, 150]
    )
    np.testing.assert_array_equal(clip.poses[0, 1, 2], [316, 340])
    assert clip.valid.all()
    assert (clip.layout, clip.units, clip.y_up) == ("lcrnet13", "pixels", False)
    assert (clip.name, clip.image_size) == ("clip", (640, 480))
    assert clip.label is clip.subject is clip.camera is clip.split is None


@pytest.mark.parametrize("zero", ["0", "0.0", "-0.0", "null", "NaN"])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_coordinate_of_zero_is_missing(tmp_path, zero, axis):
    x, y = X, Y
    if axis == "x":
        x = X.replace("340", zero)
    else:
        y = Y.replace("271", zero)
    clip = lcrnet.read(write(tmp_path, f"[{person(x, y)}]", f"[{person()}]"))
    np.testing.assert_array_equal(np.argwhere(~clip.valid), [[0, 0, 7]])
    np.testing.assert_array_equal(clip.poses[0, 0, 7], [0, 0])


def test_two_persons_are_followed_whatever_their_order(tmp_path):
    def pair(t):
        still, walking = person(), person(shifted(X, 200 + 4 * t))
        return f"[{walking}, {still}]" if t % 2 else f"[{still}, {walking}]"

    clip = lcrnet.read(write(tmp_path, pair(0), pair(1), "[]", pair(3)))
    np.testing.assert_array_equal(clip.poses[0, :, 0, 0], [510, 514, 0, 522])  # moves more
    np.testing.assert_array_equal(clip.poses[1, :, 0, 0], [310, 310, 0, 310])
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, True, False, True]] * 2)
    assert not clip.valid[:, 2].any()
    one = lcrnet.read(tmp_path / "clip.json", max_persons=1)
    np.testing.assert_array_equal(one.poses, clip.poses[:1])


def test_in_3d_persons_are_followed_by_their_pixels(tmp_path):
    """Both bodies stand around the same origin; only the image tells them apart."""
    small = solid(shifted(X, 200), x3=", ".join(str(float(v) / 2) for v in X3.split(",")))
    clip = lcrnet.read(write(tmp_path, f"[{solid()}, {small}]", f"[{small}, {solid()}]"), coords=3)
    assert clip.poses.shape == (2, 2, 13, 3) and clip.poses.dtype == np.float32
    widths = sorted(abs(clip.poses[p, t, 6, 0]) for p in (0, 1) for t in (0, 1))
    np.testing.assert_allclose(widths, [0.1, 0.1, 0.2, 0.2], rtol=1e-6)
    np.testing.assert_array_equal(clip.poses[:, 0], clip.poses[:, 1])
    np.testing.assert_allclose(clip.poses[0, 0, 12, 1:], [1.3, -0.05], rtol=1e-6)
    assert (clip.units, clip.y_up, clip.image_size) == ("metres", True, None)


def test_in_3d_a_zero_is_a_place_unless_all_three_are(tmp_path):
    x3, y3, z3 = X3.replace("-0.2,", "0,"), Y3.replace("0.11,", "0,"), Z3.replace("-0.1,", "0,")
    frames = (
        f"[{solid(x3=x3)}]",
        f"[{solid(x3=x3, y3=y3, z3=z3)}]",
        f"[{solid(X.replace('340', '0'))}]",
    )
    clip = lcrnet.read(write(tmp_path, *frames), coords=3)
    np.testing.assert_array_equal(np.argwhere(~clip.valid), [[0, 1, 7], [0, 2, 7]])
    np.testing.assert_allclose(clip.poses[0, :, 7], [[0, 0.11, -0.1], [0, 0, 0], [0, 0, 0]])


# What other axes call the triple (x to the left of the image, y up, z away) of LCR-Net.
AXES = {
    "lcrnet": lambda x, y, z: (x, y, z),
    "camera": lambda x, y, z: (negative(x), negative(y), z),
    "world": lambda x, y, z: (x, negative(z), y),
    "world, z down": lambda x, y, z: (x, z, negative(y)),
}


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("lying", [False, True])
def test_the_image_says_where_up_is(tmp_path, axes, lying):
    body, pixels = (X3, Y3, Z3), (X, Y)
    if lying:  # the image's rows are then the body's columns
        body, pixels = (Y3, X3, Z3), (Y, X)
    frame = f"[{solid(*pixels, *AXES[axes](*body))}]"
    clip = lcrnet.read(write(tmp_path, frame, frame), coords=3)
    # Turned, not mirrored: the same axes as LCR-Net's come out.
    expected = np.array([[float(v) for v in axis.split(",")] for axis in body]).T
    np.testing.assert_allclose(clip.poses[0, 0], expected, rtol=1e-6)


def test_other_joints_and_coords_are_refused(tmp_path):
    with pytest.raises(ValueError, match="coords=4; expected 2 or 3"):
        lcrnet.read(write(tmp_path, f"[{person()}]"), coords=4)
    path = write(tmp_path, f"[{person()}]", f"[{person()}]")
    assert lcrnet.read(path).valid.all()  # 2D needs no pose3d
    with pytest.raises(ValueError, match=r"frame 0, person 0: .*expected the key 'pose3d'"):
        lcrnet.read(path, coords=3)


ONE = f"[{person()}]"
NOWHERE = ", ".join(["0"] * 13)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "complete JSON"),
        (f'{{"frames": [{ONE}', "complete JSON"),
        ("[]", "of type list; expected an object with 'frames'"),
        ('{"K": 20}', "holds 'K'; expected the key 'frames'"),
        ('{"frames": {}}', "'frames' is of type dict; expected list"),
        ('{"frames": []}', "nobody in 0 frames"),
        ('{"frames": [[], []]}', "nobody in 2 frames"),
        (f'{{"frames": [{ONE}]}}', "1 frame"),
        (f'{{"frames": [{ONE}, null]}}', "frame 1: of type NoneType; expected a list of people"),
        (f'{{"frames": [{ONE}, [3]]}}', "frame 1, person 0: of type int"),
        (f'{{"frames": [{ONE}, [{{"cumscore": 1}}]]}}', "person 0: .*expected the key 'pose2d'"),
        (f'{{"frames": [[{person(X, "1, 2")}]]}}', "person 0, pose2d: 15 numbers; expected 26"),
        (
            f'{{"frames": [[{person(X, X + ", 1")}]]}}',
            "27 numbers; expected 26, 13 of each of x, y",
        ),
        (f'{{"frames": [[{person(X, Y.replace("150", "[1]"))}]]}}', "lists of unequal length"),
        (f'{{"frames": [[{person(X, Y.replace("150", "1e99"))}]]}}', "pose2d: 1e.99"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "clip.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        lcrnet.read(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


@pytest.mark.parametrize(
    ("people", "message"),
    [
        (solid(z3="1, 2"), "person 0, pose3d: 28 numbers; expected 39, 13 of each of x, y, z"),
        (solid(x3=NOWHERE, y3=NOWHERE, z3=NOWHERE), "all joints are missing"),
    ],
)
def test_bad_files_in_3d_are_named(tmp_path, people, message):
    path = write(tmp_path, f"[{people}]", f"[{people}]")
    with pytest.raises(ValueError, match=message):
        lcrnet.read(path, coords=3)
