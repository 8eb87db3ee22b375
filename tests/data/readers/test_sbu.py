import collections

import numpy as np
import pytest

from via_jax.data.readers import sbu

# Two frames; joint j of the first person is at j + (0.1, 0.2, 0.3), the second's at minus that.
FIRST = ",".join(f"{j}.1,{j}.2,{j}.3" for j in range(15))
SECOND = ",".join(f"-{j}.1,-{j}.2,-{j}.3" for j in range(15))
LINES = f"55,{FIRST},{SECOND}\r\n56,{SECOND},{FIRST}\r\n"


def write(folder, text=LINES, place="s03s05/05/002"):
    path = folder / place / "skeleton_pos.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_read_gives_two_persons_and_metadata(tmp_path):
    clip = sbu.read(write(tmp_path))
    assert clip.poses.shape == (2, 2, 15, 3) and clip.poses.dtype == np.float32
    np.testing.assert_allclose(clip.poses[0, 0, 4], [10.496, -8.064, 5.504], rtol=1e-6)
    np.testing.assert_allclose(clip.poses[1, 0, 4], [-10.496, 8.064, -5.504], rtol=1e-6)
    np.testing.assert_array_equal(clip.poses[0, 1], clip.poses[1, 0])
    assert clip.valid.all()
    assert (clip.layout, clip.units, clip.y_up) == ("sbu15", "metres", True)
    assert (clip.name, clip.label, clip.subject) == ("s03s05_05_002", "shake hands", "s03s05")
    assert clip.extra == {"take": "002"}


@pytest.mark.parametrize("missing", ["0,0,0", "0.0,-0.0,0", "nan,4.2,4.3"])
def test_zeros_and_nan_are_missing(tmp_path, missing):
    clip = sbu.read(write(tmp_path, LINES.replace("4.1,4.2,4.3", missing, 1)))
    assert not clip.valid[0, 0, 4] and clip.valid.sum() == 59
    np.testing.assert_array_equal(clip.poses[0, 0, 4], 0.0)


def test_find_lists_the_clips_in_order(tmp_path):
    for place in ("s02s01/01/001", "s01s02/08/002", "s01s02/08/001", "s01s02/09/001", "s1/01/001"):
        write(tmp_path, place=place)
    names = [path.parent.relative_to(tmp_path).as_posix() for path in sbu.find(tmp_path)]
    assert names == ["s01s02/08/001", "s01s02/08/002", "s02s01/01/001"]
    with pytest.raises(ValueError, match="expected the SBU folder"):
        sbu.find(tmp_path / "s01s02")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 frame"),
        (LINES.splitlines()[0], "1 frame"),
        (LINES.replace("55,", "", 1), "line 1: 90 numbers; expected 91"),
        (LINES.replace("56,", "56,1,"), "line 2: 92 numbers"),
        (LINES.replace("3.3", "x", 1), "line 1: 'x'; expected a number"),
        (LINES.replace("3.3", "", 1), "line 1: ''; expected a number"),
        (LINES.replace("3.3", "inf", 1), "line 1: 'inf'; expected coordinates"),
        (LINES.replace("3.3", "1e30", 1), "line 1: '1e30'; expected coordinates"),
        (LINES.replace("56,", "58,"), r"frame 58 after frame 55 \(row 2\)"),
        (LINES.replace("56,", "56.5,"), "line 2: frame number '56.5'"),
        (LINES.replace("56,", "nan,"), "line 2: frame number 'nan'"),
        (LINES.replace("56,", "inf,"), "line 2: frame number 'inf'"),
        (b"\xff\xfe5\x006\x00", "expected lines of numbers"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        sbu.read(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


def test_bad_paths_are_named(tmp_path):
    for place in ("s01s02/09/001", "s01/01/001", "s01s02/01/1"):
        with pytest.raises(ValueError, match=f"{place}/skeleton_pos.txt: expected a path"):
            sbu.read(write(tmp_path, place=place))
    with pytest.raises(ValueError, match="cannot be read"):
        sbu.read(tmp_path / "s01s02" / "01" / "001" / "skeleton_pos.txt")


def test_all_official_clips(shared_data):
    clips = [sbu.read(path) for path in sbu.find(shared_data / "sbu")]
    assert len(clips) == 282 and sum(clip.num_frames for clip in clips) == 6822
    assert all(clip.valid.all() for clip in clips)
    counts = collections.Counter(clip.label for clip in clips)
    assert [counts[label] for label in sbu.LABELS] == [42, 43, 40, 41, 18, 21, 39, 38]
    assert len({clip.subject for clip in clips}) == 21
    # y grows upwards: the heads (0) above the left feet (11) in nearly every frame.
    upright = [(clip.poses[:, :, 0, 1] > clip.poses[:, :, 11, 1]).mean() for clip in clips]
    assert np.mean(upright) > 0.98


def test_metres_make_bones_rigid(shared_data):
    lengths: list[float] = []
    spread: dict[str, list[float]] = {"raw": [], "metres": []}
    for path in sbu.find(shared_data / "sbu")[::10]:
        poses = sbu.read(path).poses
        for unit, scale in (("raw", 1 / np.array(sbu.METRES_PER_UNIT)), ("metres", 1.0)):
            thigh = np.linalg.norm((poses[:, :, 10] - poses[:, :, 9]) * scale, axis=-1)
            spread[unit].append((thigh.std(axis=1) / thigh.mean(axis=1)).mean())
        lengths.append(thigh.mean())
    assert 0.38 < np.mean(lengths) < 0.46
    assert np.mean(spread["metres"]) < 0.6 * np.mean(spread["raw"])
