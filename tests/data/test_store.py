import dataclasses
import hashlib
import json

import numpy as np
import pytest

from via_jax.data import store
from via_jax.data.clip import Clip
from via_jax.data.persons import bridge
from via_jax.data.writer import write


def make_clips():
    clips = []
    for i, name in enumerate(("walk_1", "walk_2", "wave_1", "other")):
        rng = np.random.default_rng(i)
        poses = rng.normal(size=(1 + (i == 1), 5 + i, 15, 3)).astype(np.float32)
        valid = rng.random(poses.shape[:3]) < 0.8
        clip = Clip(
            poses=np.where(valid[..., None], poses, 0),
            valid=valid,
            layout="sbu15",
            name=name,
            label=name[:4] if "_" in name else None,
            subject=f"s{i}" if i else None,
            camera="c1" if i else None,
            units="metres",
            y_up=True,
            frame_rate=(25.0, 29.97, None, 30.0)[i],
        )
        clips.append(clip)
    return clips


ROLES = ["train", "train", "test", None]


@pytest.fixture
def folder(tmp_path):
    clips = make_clips()
    roles = {clip.name: role for clip, role in zip(clips, ROLES, strict=True) if role}

    def splits(clip):
        return {"own": roles[clip.name]} if clip.name in roles else {}

    write(tmp_path / "made", clips, dataset="made", splits=splits)
    return tmp_path / "made"


def test_clips_are_read_as_they_were_prepared(folder):
    data = store.load(folder, verify=True)
    for i, clip in enumerate(make_clips()):
        read = data.read(i)
        order = [0] if clip.num_persons == 1 else None
        if order is None:  # the most moving person first
            order = [0, 1] if np.array_equal(read.valid[0], clip.valid[0]) else [1, 0]
        bridged, _ = bridge(clip.poses, clip.valid)
        error = data.manifest["largest_rounding_error"] + 1e-6
        np.testing.assert_allclose(read.poses, bridged[order], atol=error, rtol=0)
        np.testing.assert_array_equal(read.valid, clip.valid[order])
        assert read.poses.dtype == np.float32
        if clip.frame_rate:
            assert read.frame_rate == pytest.approx(clip.frame_rate)
        else:
            assert read.frame_rate is None
        for fact in ("name", "label", "subject", "camera", "layout", "units", "y_up"):
            assert getattr(read, fact) == getattr(clip, fact)


def test_what_a_prepared_data_set_says_of_itself(folder):
    data = store.load(folder)
    assert data.layout.name == "sbu15" and data.coords == 3
    assert data.classes == ["walk", "wave"]
    assert isinstance(data.frames, np.memmap) and isinstance(data.valid, np.memmap)
    assert not data.frames.flags.writeable


def test_clips_of_a_split(folder):
    data = store.load(folder)
    np.testing.assert_array_equal(data.clips_of("own", "train"), [0, 1])
    np.testing.assert_array_equal(data.clips_of("own", "test"), [2])
    with pytest.raises(ValueError, match=r"no protocol 'official'; this data set has \['own'\]"):
        data.clips_of("official", "train")
    with pytest.raises(ValueError, match="protocol 'own' has no clip for 'validation'"):
        data.clips_of("own", "validation")


def test_a_protocol_has_the_classes_of_its_clips(tmp_path):
    clips = [
        dataclasses.replace(make_clips()[0], name=str(i), label=x) for i, x in enumerate("bcad")
    ]
    clips.append(dataclasses.replace(clips[0], name="4", label=None))

    def splits(clip):
        return {"all": "train"} | ({"part": "test"} if clip.label in (None, "b", "d") else {})

    data = write(tmp_path / "made", clips, dataset="made", splits=splits)
    assert data.classes == ["a", "b", "c", "d"] and data.label.tolist() == [1, 2, 0, 3, -1]
    everything = data.of_protocol("all")
    assert everything.classes == data.classes
    np.testing.assert_array_equal(everything.label, data.label)
    part = data.of_protocol("part")
    assert part.classes == ["b", "d"] and part.label.tolist() == [0, -1, -1, 1, -1]
    assert part.label.dtype == data.label.dtype
    assert [part.read(i).label for i in range(5)] == ["b", None, None, "d", None]
    np.testing.assert_array_equal(part.clips_of("part", "test"), data.clips_of("part", "test"))
    assert data.classes == ["a", "b", "c", "d"]  # as it was
    with pytest.raises(
        ValueError, match=r"no protocol 'other'; this data set has \['all', 'part'\]"
    ):
        data.of_protocol("other")


def test_sequences_of_clips(folder):
    data = store.load(folder)  # the second clip has two persons
    np.testing.assert_array_equal(data.sequences_of(np.array([0, 1, 2, 3])), np.arange(5))
    np.testing.assert_array_equal(data.sequences_of(np.array([2, 1])), [3, 1, 2])


def test_checksum(tmp_path):
    content = bytes(range(256)) * 5000  # longer than one read
    (tmp_path / "file").write_bytes(content)
    assert store.sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


# Damage


def spoil(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["frames.bin", "valid.bin", "clips.npz"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_flipped_bit_is_found(folder, name, place):
    spoil(folder / name, place)
    with pytest.raises(ValueError, match=f"{name} is damaged: its SHA-256 differs"):
        store.load(folder, verify=True)


@pytest.mark.parametrize("name", ["frames.bin", "valid.bin"])
@pytest.mark.parametrize("change", [-1, 1])
def test_another_size_is_found_at_once(folder, name, change):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] if change < 0 else content + b"\0")
    with pytest.raises(ValueError, match=f"{name} has {len(content) + change} bytes; manifest"):
        store.load(folder)


def test_a_damaged_table_is_found_at_once(folder):
    (folder / "clips.npz").write_bytes((folder / "clips.npz").read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"clips.npz is damaged"):
        store.load(folder)


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("name", ["frames.bin", "valid.bin", "clips.npz"])
def test_a_file_that_is_gone_is_named(folder, name, verify):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing"):
        store.load(folder, verify)


def test_a_damaged_manifest_is_named(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(ValueError, match=r"manifest.json is damaged"):
        store.load(folder)


def test_a_folder_without_prepared_data(tmp_path):
    with pytest.raises(ValueError, match=r"holds no prepared data.*experiments.prepare"):
        store.load(tmp_path)


@pytest.mark.parametrize("seen", [1, None])
def test_another_format_is_refused(folder, seen):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": seen}))
    with pytest.raises(
        ValueError, match=f"format {seen}; this version reads {store.FORMAT}: prepare"
    ):
        store.load(folder)
