import io
import os
import zipfile

import numpy as np
import pytest

from via_jax import skeletons
from via_jax.data.readers import berkeley_mhad


def arrays():
    """Three clips of 2, 3 and 2 frames; frame f has all coords f."""
    return {
        "coords": np.tile(np.arange(7, dtype=np.int16)[:, None, None], (1, 35, 3)),
        "lengths": np.array([2, 3, 2], np.int32),
        "action": np.array([1, 11, 5], np.int16),
        "subject": np.array([1, 12, 7], np.int16),
        "repetition": np.array([1, 5, 2], np.int16),
    }


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_read_gives_a_clip(tmp_path):
    np.savez_compressed(tmp_path / "mocap.npz", **arrays())
    items = berkeley_mhad.find(tmp_path)
    assert items == [(tmp_path / "mocap.npz", index) for index in range(3)]
    assert berkeley_mhad.find(tmp_path / "mocap.npz") == items
    clip = berkeley_mhad.read(items[1])
    assert (clip.name, clip.label, clip.subject) == ("s12_a11_r05", "stand up", "12")
    assert (clip.layout, clip.extra) == ("mhad35", {"repetition": "5"})
    assert (clip.units, clip.y_up, clip.frame_rate) == ("metres", True, 24.0)
    assert clip.valid.all()
    expected = np.tile(np.float32([2e-4, 3e-4, 4e-4])[:, None, None], (1, 1, 35, 3))
    np.testing.assert_allclose(clip.poses, np.broadcast_to(expected, (1, 3, 35, 3)), rtol=1e-6)
    assert berkeley_mhad.read(items[2]).label == "wave two hands"


def test_the_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "mocap.npz"
    np.savez(path, **arrays())
    berkeley_mhad.find(path)
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", None)  # any further opening would fail
        assert berkeley_mhad.read((path, 0)).subject == "1"
    np.savez(path, **{**arrays(), "subject": np.array([3, 2, 7])})
    os.utime(path, ns=(1, 1))
    assert berkeley_mhad.read((path, 0)).subject == "3"


def test_find_expects_one_file(tmp_path):
    with pytest.raises(ValueError, match=r"saw the \.npz files \[\]; expected one"):
        berkeley_mhad.find(tmp_path)
    np.savez(tmp_path / "a.npz", **arrays())
    np.savez(tmp_path / "b.npz", **arrays())
    with pytest.raises(ValueError, match=r"a\.npz.*b\.npz.*expected one"):
        berkeley_mhad.find(tmp_path)


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_out_of_range_is_refused(tmp_path, index):
    np.savez(tmp_path / "mocap.npz", **arrays())
    with pytest.raises(ValueError, match=rf"mocap\.npz: saw clip index {index}; expected 0 to 2"):
        berkeley_mhad.read((tmp_path / "mocap.npz", index))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"coords": arrays()["coords"].astype(np.float32)}, "coords as float32"),
        ({"coords": arrays()["coords"].astype(np.int32)}, "coords int32.*expected int16"),
        ({"coords": arrays()["coords"][:, :34]}, r"\(7, 34, 3\).*\[frames, 35, 3\]"),
        ({"coords": arrays()["coords"][:-1]}, "add up to 7 frames and coords of 6"),
        ({"coords": np.asfortranarray(arrays()["coords"])}, "C order"),
        ({"lengths": np.array([2, 3, 1])}, "add up to 6 frames and coords of 7"),
        ({"lengths": np.array([2, 3, 2**62])}, "lengths 4611686018427387904 at clip 2"),
        ({"lengths": np.array([7, 3, -3])}, "lengths -3 at clip 2; expected 1 to 7"),
        ({"lengths": np.array([[2, 3, 2]])}, r"lengths of shape \(1, 3\)"),
        ({"action": np.array([1, 12, 5])}, "action 12 at clip 1; expected 1 to 11"),
        ({"subject": np.array([0, 12, 5])}, "subject 0 at clip 0; expected 1 to 12"),
        ({"repetition": np.array([1, 5])}, r"repetition of shape \(2,\) and lengths of \(3,\)"),
        ({"subject": np.array(["a", "b", "c"])}, "subject as <U1"),
        ({"subject": np.array([1, None, 2])}, "subject as object"),
        (
            {name: array[:0] for name, array in arrays().items()},
            "add up to 0 frames and coords of 0; expected the same number, above 0",
        ),
    ],
)
def test_damaged_arrays_are_refused(tmp_path, changed, message):
    np.savez(tmp_path / "bad.npz", **{**arrays(), **changed})
    with pytest.raises(ValueError, match=r"bad\.npz: .*" + message):
        berkeley_mhad.find(tmp_path)


def test_a_missing_array_is_refused(tmp_path):
    np.savez(tmp_path / "bad.npz", **{k: v for k, v in arrays().items() if k != "subject"})
    with pytest.raises(ValueError, match=r"bad\.npz: .*expected subject\.npy"):
        berkeley_mhad.find(tmp_path)


def test_a_clip_of_one_frame_is_refused(tmp_path):
    np.savez(tmp_path / "bad.npz", **{**arrays(), "lengths": np.array([1, 4, 2])})
    with pytest.raises(ValueError, match=r"bad\.npz: .*1 frame"):
        berkeley_mhad.read((tmp_path / "bad.npz", 0))


@pytest.mark.parametrize(
    ("huge", "message"),
    [
        (b"(70000000000000, 35, 3), }", "14700000000000000 bytes declared and 1470 there"),
        (b"(-7, -35, 3), }", "negative|unknown dimension"),
    ],
)
def test_a_declared_size_takes_no_memory(tmp_path, huge, message):
    parts = {name: npy(array) for name, array in arrays().items()}
    shape = b"(7, 35, 3), }"
    assert shape in parts["coords"]
    padded = shape + b" " * (len(huge) - len(shape))
    parts["coords"] = parts["coords"].replace(padded, huge)
    assert huge in parts["coords"]
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        for name, data in parts.items():
            archive.writestr(f"{name}.npy", data)
    with pytest.raises(ValueError, match=r"bad\.npz: .*" + message):
        berkeley_mhad.find(tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_refused(tmp_path, compressed):
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "good.npz", **arrays())
    data = (tmp_path / "good.npz").read_bytes()
    bad = tmp_path / "bad.npz"
    for damaged in (b"", b"\x89PNG", data[:400], data[: len(data) // 2], data[200:]):
        bad.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"bad\.npz: "):
            berkeley_mhad.find(bad)
    refused = 0
    for start in range(0, len(data) - 8, 23):  # eight bytes inverted, all over the file
        part = bytes(255 - byte for byte in data[start : start + 8])
        bad.write_bytes(data[:start] + part + data[start + 8 :])
        os.utime(bad, ns=(start, start))
        try:
            berkeley_mhad.find(bad)
        except ValueError as error:
            assert "bad.npz" in str(error)
            refused += 1
    assert refused > 10


def test_berkeley_mhad(shared_data):
    items = berkeley_mhad.find(shared_data / "berkeley_mhad")
    assert len(items) == 659
    clips = [berkeley_mhad.read(item) for item in items]
    assert len({clip.name for clip in clips}) == 659
    assert sum(clip.num_frames for clip in clips) == 119_058
    assert {clip.label for clip in clips} == set(berkeley_mhad.ACTIONS)
    assert sum(int(clip.subject) <= 7 for clip in clips) == 384
    assert sum(int(clip.subject) > 7 for clip in clips) == 275


def test_berkeley_mhad_bodies(shared_data):
    layout = skeletons.get_layout("mhad35")
    parents, children = np.array(layout.bones).T
    for item in berkeley_mhad.find(shared_data / "berkeley_mhad")[::13]:
        clip = berkeley_mhad.read(item)
        poses = clip.poses[0]
        bones = np.linalg.norm(poses[:, parents] - poses[:, children], axis=-1)  # [time, bones]
        assert np.ptp(bones, axis=0).max() < 4e-4  # coords are rounded to 0.1 mm
        joint = dict(zip(layout.joints, poses.swapaxes(0, 1)))  # each [time, coords]
        if clip.label in ("clap", "wave one hand", "jump in place"):
            height = joint["head"] - np.minimum(joint["left_foot"], joint["right_foot"])
            assert 1.4 < np.median(height[:, 1]) < 1.85
            # The subject faces +z, so the left side is at +x.
            assert np.median((joint["left_hip"] - joint["right_hip"])[:, 0]) > 0.05
            assert np.median((joint["left_foot"] - joint["left_ankle"])[:, 2]) > 0.05
