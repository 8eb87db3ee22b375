"""Prepared data sets as a source: merged, converted, and their splits."""

import dataclasses

import numpy as np
import pytest

from via_jax.data import writer
from via_jax.data.clip import Clip
from via_jax.data.prepare import prepare, to_layout
from via_jax.data.readers import prepared
from via_jax.skeletons import get_layout


def moving(name, layout="coco17", persons=1, frames=6, **facts):
    rng = np.random.default_rng([*name.encode()])
    joints = get_layout(layout).num_joints
    poses = rng.normal(300, 60, (persons, frames, joints, 2)).astype(np.float32)
    valid = np.ones((persons, frames, joints), bool)
    valid[:, 2:3, 7] = False  # bridged in time
    valid[:, :, 9] = False  # never seen
    poses = np.where(valid[..., None], poses, 0)
    return Clip(poses, valid, layout, name, frame_rate=30.0, **facts)


GYM = (
    moving("1", label="run", subject="ann", image_size=(640, 480)),
    moving("more/2", label="sit", persons=2, frames=4),
    moving("3"),
    moving("4", label="sit", frames=1),  # official counts may hold single frames
)
GYM_ROLES = {  # "any" comes first in the alphabet, but does not know all
    "1": {"of_camera": "train", "any": "test"},
    "more/2": {"of_camera": "train"},
    "3": {"any": "validation"},
    "4": {},
}
PARK = (moving("1", layout="penn13", label="run"), moving("2", layout="penn13", label="wave"))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder of two prepared data sets, park before gym in the alphabet of their folders."""
    folder = tmp_path_factory.mktemp("sets")
    writer.write(
        folder / "deep" / "b",
        GYM,
        dataset="gym",
        splits=lambda clip: GYM_ROLES[clip.name],
        min_frames=1,
    )
    writer.write(folder / "a", PARK, dataset="park", splits=lambda clip: {"official": "train"})
    return folder


def test_clips_keep_what_they_are(source):
    items = prepared.find(source)
    assert items == [
        *((source / "a", i) for i in (0, 1)),
        *((source / "deep" / "b", i) for i in range(4)),
    ]
    expected = [("park", clip, "train") for clip in PARK]
    expected += [
        ("gym", clip, split) for clip, split in zip(GYM, ("test", "train", "validation", None))
    ]
    for item, (dataset, clip, split) in zip(items, expected, strict=True):
        found = prepared.read(item)
        for field in ("layout", "label", "subject", "camera", "units", "y_up", "frame_rate"):
            assert getattr(found, field) == getattr(clip, field), field
        assert found.image_size == clip.image_size
        assert (found.name, found.split) == (f"{dataset}/{clip.name}", split)
        order = np.argsort(-clip.poses.var(axis=1).sum(axis=(1, 2)))  # the most moving first
        np.testing.assert_array_equal(found.valid, clip.valid[order])
        np.testing.assert_allclose(
            found.poses[found.valid], clip.poses[order][clip.valid[order]], atol=0.01
        )


def test_bridged_joints_are_missing_again(tmp_path):
    """Found by test_hostile: they kept their coordinates."""
    valid = PARK[0].valid.copy()
    valid[0, 1, 0] = False
    poses = np.where(valid[..., None], PARK[0].poses, 0)
    gap = dataclasses.replace(PARK[0], poses=poses, valid=valid)
    data = writer.write(tmp_path / "a", [gap], dataset="park", splits=lambda clip: {})
    found = prepared.read((tmp_path / "a", 0))
    assert data.read(0).poses[0, 1, 0].all() and not found.poses[0, 1, 0].any()
    np.testing.assert_array_equal(found.valid, valid)


def test_two_data_sets_become_one(source, tmp_path):
    data = prepare("prepared", source, tmp_path / "out", layout="unik17")
    names = ["park/1", "park/2", "gym/1", "gym/more/2", "gym/3", "gym/4"]
    assert data.names.tolist() == names
    assert data.classes == ["run", "sit", "wave"]
    np.testing.assert_array_equal(data.label, [0, 2, 0, 1, -1, 1])
    assert data.splits["given"].tolist() == ["train", "train", "test", "train", "validation", ""]
    assert data.persons.tolist() == [1, 1, 1, 2, 1, 1]
    assert data.manifest["dataset"] == "prepared" and data.manifest["layout"] == "unik17"
    for index, clip in ((1, PARK[1]), (2, GYM[0])):
        expected, found = to_layout(clip, "unik17"), data.read(index)
        np.testing.assert_array_equal(found.valid, expected.valid)
        np.testing.assert_allclose(
            found.poses[found.valid], expected.poses[expected.valid], atol=0.02
        )
    again = prepare("prepared", tmp_path / "out", tmp_path / "again")  # and so on
    assert again.names.tolist() == [f"prepared/{name}" for name in names]
    np.testing.assert_array_equal(again.splits["given"], data.splits["given"])
    np.testing.assert_array_equal(again.valid, data.valid)


def test_one_data_set_is_a_source_too(source):
    assert prepared.find(source / "a") == [(source / "a", 0), (source / "a", 1)]


def test_data_sets_of_other_layouts_need_one_to_convert_to(source, tmp_path):
    with pytest.raises(ValueError, match="'gym/1': layout 'coco17', but 'penn13' in 'park/1'"):
        prepare("prepared", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_units_do_not_mix(tmp_path):
    for name, units in (("a", "pixels"), ("b", "metres")):
        clip = dataclasses.replace(PARK[0], units=units)
        writer.write(tmp_path / "sets" / name, [clip], dataset=name, splits=lambda clip: {})
    with pytest.raises(ValueError, match="'b/1': unit 'metres', but 'pixels' in 'a/1'"):
        prepare("prepared", tmp_path / "sets", tmp_path / "out")


def test_one_data_set_twice(tmp_path):
    for name in ("a", "b"):
        writer.write(tmp_path / "sets" / name, PARK, dataset="park", splits=lambda clip: {})
    with pytest.raises(ValueError, match="two clips are named 'park/1'"):
        prepare("prepared", tmp_path / "sets", tmp_path / "out")


def test_a_source_without_prepared_data(tmp_path):
    message = r"no prepared data set \(manifest.json\) in it or below"
    for source in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match=f"{source.name}: {message}"):
            prepared.find(source)


def test_a_damaged_data_set_is_named(tmp_path):
    writer.write(tmp_path / "a", PARK, dataset="park", splits=lambda clip: {})
    manifest = tmp_path / "a" / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace("penn13", "penn1NaN"))  # found by test_hostile
    with pytest.raises(
        ValueError, match=r"a/manifest.json is damaged: .*unknown layout: 'penn1NaN"
    ):
        prepared.find(tmp_path)
    manifest.write_text(whole)
    (tmp_path / "a" / "frames.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a/frames.bin has 0 bytes; manifest.json says"):
        prepared.find(tmp_path)
