import tracemalloc

import numpy as np
import pytest

from via_jax.data import splits
from via_jax.data.prepare import prepare
from via_jax.data.readers import ntu

NAME = "S001C002P003R002A013"
ANNA, BEN = "72057594037930243", "72057594037930244"  # the same number as floats
MISSING = "NTU_RGBD_samples_with_missing_skeletons.txt"


def body(x, number=ANNA, joints=25, **rows):
    """A body whose joint j is at (x, j / 8, 4); `rows` replace lines, as j4="0 0 0 ..."."""
    lines = [f"{number} 0 0 0 0 0 0 0.25 -0.5 2", str(joints)]
    for j in range(joints):
        line = f"{x} {j / 8} 4 283.0309 224.2974 1027.245 581.2726 -0.25 0.12 0.95 -0.09 2"
        lines.append(rows.get(f"j{j}", line))
    return lines


def text(*frames, count=None):
    """A file of frames, each a list of bodies."""
    lines = [str(len(frames) if count is None else count)]
    for bodies in frames:
        lines += [str(len(bodies)), *(line for lines_of in bodies for line in lines_of)]
    return "\r\n".join(lines) + "\r\n"


def write(folder, content, name=f"{NAME}.skeleton"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def one(**rows):
    return text([body(0.5, **rows)], [body(0.75)])


def test_read_gives_metres_and_metadata(tmp_path):
    clip = ntu.read(write(tmp_path, one()))
    assert clip.poses.shape == (1, 2, 25, 3) and clip.poses.dtype == np.float32
    np.testing.assert_array_equal(clip.poses[0, 0, 7], [0.5, 0.875, 4.0])
    np.testing.assert_array_equal(clip.poses[0, 1, 24], [0.75, 3.0, 4.0])
    assert clip.valid.all()
    assert (clip.layout, clip.units, clip.y_up) == ("ntu25", "metres", True)
    assert (clip.name, clip.label, clip.subject, clip.camera) == (NAME, "A013", "P003", "C002")
    assert clip.frame_rate == 30.0
    assert clip.extra == {"setup": "S001", "replication": "R002"}
    assert splits.split_of("ntu60", clip) == {"cross_subject": "test", "cross_view": "train"}
    assert splits.split_of("ntu120", clip) == {"cross_subject": "test", "cross_set": "test"}


def test_bodies_are_followed_by_their_number(tmp_path):
    # Ben comes later and is listed first once; Anna leaves and returns; a frame is empty.
    frames = (
        [body(1.0)],
        [body(2.0, BEN), body(1.25)],
        [body(2.25, BEN)],
        [],
        [body(1.5), body(2.5, BEN)],
    )
    clip = ntu.read(write(tmp_path, text(*frames)))
    np.testing.assert_array_equal(clip.poses[0, :, 0, 0], [1.0, 1.25, 0.0, 0.0, 1.5])
    np.testing.assert_array_equal(clip.poses[1, :, 0, 0], [0.0, 2.0, 2.25, 0.0, 2.5])
    np.testing.assert_array_equal(clip.valid.all(axis=2), clip.poses[..., 0, 0] > 0)
    np.testing.assert_array_equal(clip.valid.any(axis=2), clip.poses[..., 0, 0] > 0)


def test_a_number_twice_in_a_frame_is_two_persons(tmp_path):
    frames = [body(1.0), body(2.0)], [body(1.25), body(2.25)]
    clip = ntu.read(write(tmp_path, text(*frames)))
    np.testing.assert_array_equal(clip.poses[:, :, 0, 0], [[1.0, 1.25], [2.0, 2.25]])


@pytest.mark.parametrize("place", ["0 0 0", "0.0 -0.0 0", "NaN NaN NaN", "0.5 nan 4"])
def test_zeros_and_nan_are_missing(tmp_path, place):
    clip = ntu.read(write(tmp_path, one(j4=f"{place} 1 2 3 4 0 0 0 0 0")))
    assert not clip.valid[0, 0, 4] and clip.valid.sum() == 49
    np.testing.assert_array_equal(clip.poses[0, 0, 4], 0.0)


def test_an_inferred_joint_and_one_on_an_axis_are_valid(tmp_path):
    clip = ntu.read(write(tmp_path, one(j4="0 1e-05 -2 1 2 3 4 NaN 0 0 0 1")))
    assert clip.valid.all()
    np.testing.assert_allclose(clip.poses[0, 0, 4], [0.0, 1e-5, -2.0])


def test_spaces_and_line_ends_do_not_matter(tmp_path):
    usual = ntu.read(write(tmp_path, one()))
    for changed in (
        one().replace("\r\n", "\n"),
        one().rstrip(),
        one().replace(" ", "  "),
        one().replace(" ", "\t").replace("\r", " "),
        one() + "\r\n\r\n",
    ):
        clip = ntu.read(write(tmp_path, changed))
        np.testing.assert_array_equal(clip.poses, usual.poses)


def test_parse_agrees_with_a_plain_loop(tmp_path):
    rng = np.random.default_rng(0)
    frames, expected = [], np.zeros((3, 20, 25, 3), np.float32)
    for t in range(20):
        bodies = []
        for person in rng.permutation(3)[: rng.integers(1 if t else 3, 4)]:
            rows = {}
            for j in range(25):
                words = [f"{value:.7g}" for value in rng.normal(size=11)]
                expected[person, t, j] = [float(word) for word in words[:3]]
                rows[f"j{j}"] = " ".join([*words, "2"])
            bodies.append(body(0.0, 7000 + person, **rows))
        frames.append(sorted(bodies) if t == 0 else bodies)
    poses, valid = ntu.parse(write(tmp_path, text(*frames)), 25, 3)
    np.testing.assert_array_equal(poses, expected)
    np.testing.assert_array_equal(valid, (expected != 0).any(axis=-1))


def lines_changed(line, new, content=None):
    lines = (content or one()).split("\r\n")
    lines[line - 1] = new
    return "\r\n".join(lines)


GOOD = "1 2 3 4 5 6 7 8 9 10 11 12"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: ''; expected a number of frames"),
        (b"\xff\xfe2\x00", "line 1: .*; expected a number of frames"),
        (text([body(1.0)]), "1 frame"),
        (lines_changed(1, "two"), "line 1: 'two.*; expected a number of frames"),
        (lines_changed(1, "-2"), "line 1: '-2.*; expected a number of frames"),
        (lines_changed(2, "1.5"), "line 2: '1.5.*; expected a number of frames, bodies"),
        (lines_changed(3, "7 0 0"), "line 3: '7 0 0'; expected 10 values of a body"),
        (lines_changed(3, "x" + " 0" * 9), "line 3: 'x 0 .*; expected 10 values of a body"),
        (lines_changed(3, "1.5" + " 0" * 9), "line 3: '1.5 0 .*, its whole number first"),
        (lines_changed(4, "17"), "line 4: '17.*; expected 25, the number of joints"),
        (lines_changed(4, "26"), "line 4: '26.*; expected 25, the number of joints"),
        (lines_changed(5, GOOD[:-3]), "line 5: '1 2 .*; expected 12 values of a joint"),
        (lines_changed(5, GOOD + " 13"), "line 5: '1 2 .*; expected 12 values of a joint"),
        (lines_changed(5, GOOD.replace("2 ", " ", 1)), "line 5: .*; expected 12 values"),
        (lines_changed(29, GOOD.replace("3", "x", 1)), "line 29: '1 2 x .*; expected 3 coordin"),
        (lines_changed(29, GOOD.replace("3", "1e9", 1)), "line 29: '1 2 1e9.*; expected 3 coordin"),
        (lines_changed(29, GOOD.replace("3", "-inf", 1)), "line 29: .*; expected 3 coordinates"),
        ("\r\n".join(one().split("\r\n")[:29]), "ends after line 29; expected at least 30 lines"),
        ("\r\n".join(one().split("\r\n")[:20]), "ends after line 20; expected at least 30 lines"),
        ("\r\n".join(one().split("\r\n")[:50]), "ends after line 50; expected at least 57 lines"),
        (one()[:-30], r"line 57: '0.75 .*; expected 12 values of a joint"),
        (text([], [], []), "nobody in 3 frames.*put NTU_RGBD120_samples_with_missing_skeletons"),
        (text([], count=0), "nobody in 0 frames"),
        (text([body(0, j0="0 0 0" + " 1" * 9, joints=1)]), "line 4: '1.*; expected 25"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        ntu.read(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


def test_a_body_at_the_origin_only_is_nobody(tmp_path):
    rows = {f"j{j}": "0 0 0 0 0 0 0 0 0 0 0 0" for j in range(25)}
    with pytest.raises(ValueError, match="nobody in 2 frames"):
        ntu.read(write(tmp_path, text([body(0.0, **rows)], [])))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines_changed(1, str(10**12)), "ends after line 57; expected at least 58 lines"),
        (lines_changed(2, str(10**12)), "line 30: '1.*; expected 10 values of a body"),
        (lines_changed(4, str(10**12)), "line 4: '1000000000000.*; expected 25"),
        (lines_changed(1, "9" * 5000), "line 1: '999"),
    ],
)
def test_huge_counts_allocate_nothing(tmp_path, content, message):
    path = write(tmp_path, content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=message):
        ntu.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300_000


def test_many_bodies_in_many_frames_are_refused(tmp_path):
    frames = [[body(1.0, number)] for number in range(40)] + [[]] * 2500
    with pytest.raises(ValueError, match="40 bodies in 2540 frames; expected a product of at most"):
        ntu.read(write(tmp_path, text(*frames)))


@pytest.mark.parametrize(
    "name", ["S001C002P003R002", "S033C001P001R001A001", "S001C001P107R001A001", "S1C2P3R2A13"]
)
def test_bad_names_are_named(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}.skeleton: expected a name SsssCcccPpppRrrrAaaa"):
        ntu.read(write(tmp_path, one(), f"{name}.skeleton"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"{NAME}.skeleton: cannot be read"):
        ntu.read(tmp_path / f"{NAME}.skeleton")


FOUR = ["S017C001P008R001A001", "S018C001P008R001A061", "S002C001P008R001A009", NAME]


def names(paths):
    return [path.stem for path in paths]


def test_find_lists_both_parts_in_order(tmp_path):
    for part, name in zip("abba", FOUR, strict=True):
        write(tmp_path / part, "", f"{name}.skeleton")
    write(tmp_path, "", "._S001C001P001R001A001.skeleton")
    assert names(ntu.find(tmp_path)) == [NAME, FOUR[2], FOUR[0], FOUR[1]]
    assert names(ntu.find_60(tmp_path)) == [NAME, FOUR[2], FOUR[0]]


LIST = (
    '302 of the captured samples in the "NTU RGB+D" dataset have missing skeleton data, such as'
    f" {FOUR[0]}.\r\n\r\n{NAME}\r\n\r\n  {FOUR[2]}.skeleton \r\nS001C001P001R001A001\r\n"
)


@pytest.mark.parametrize(
    "content", [LIST, LIST.replace("\r", ""), LIST.rstrip(), f"\ufeff{NAME}\n{FOUR[2]}"]
)
def test_listed_samples_are_left_out(tmp_path, content):
    for name in FOUR:
        write(tmp_path, "", f"{name}.skeleton")
    write(tmp_path / "lists", content, MISSING)
    assert names(ntu.find(tmp_path)) == [FOUR[0], FOUR[1]]
    write(tmp_path, f"{FOUR[1]}\n", "ntu120_missing_skeletons.txt")
    assert names(ntu.find(tmp_path)) == [FOUR[0]]


def test_find_says_what_it_lacks(tmp_path):
    with pytest.raises(ValueError, match=r"0 SsssCcccPpppRrrrAaaa.skeleton.*expected the skeleton"):
        ntu.find(tmp_path)
    write(tmp_path, "", f"{FOUR[1]}.skeleton")
    with pytest.raises(ValueError, match="no file of setup S001 to S017"):
        ntu.find_60(tmp_path)
    path = write(tmp_path, f"{FOUR[1]}\n", MISSING)
    with pytest.raises(ValueError, match=r"1 SsssCcccPpppRrrrAaaa.skeleton, none but those listed"):
        ntu.find(tmp_path)
    for content in (b"<html>not found</html>", b"\xff\xfeS\x00"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{MISSING}: .*as published"):
            ntu.find(tmp_path)


def test_the_official_list_has_535_names(shared_data):
    path = shared_data.parent / "spec" / "ntu120_missing_skeletons.txt"
    if not path.is_file():
        pytest.skip(f"list of missing samples not found at {path}")
    found = ntu._listed(path)
    assert len(found) == 535 and sum(int(name[1:4]) <= ntu.SETUPS_60 for name in found) == 302


def test_prepare_leaves_out_what_is_listed(tmp_path):
    source = tmp_path / "source"
    for name in FOUR[:3]:
        write(source, one(), f"{name}.skeleton")
    write(source, text([], []), f"{NAME}.skeleton")
    with pytest.raises(
        ValueError, match=r"1 of 3 files are bad.*nobody in 2 frames.*official list"
    ):
        prepare("ntu60", source, tmp_path / "out")
    write(source, LIST.replace(f"  {FOUR[2]}.skeleton", ""), MISSING)
    data = prepare("ntu60", source, tmp_path / "out")
    assert data.names.tolist() == [FOUR[2], FOUR[0]] and data.classes == ["A001", "A009"]
    assert data.manifest["skipped"] == []
    assert data.manifest["splits"]["cross_view"] == {"test": 2}
    assert len(prepare("ntu120", source, tmp_path / "all").names) == 3
