import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from via_jax.data import splits, store
from via_jax.data.clip import Clip
from via_jax.data.prepare import SOURCES, prepare, to_layout
from via_jax.data.readers.folder import write_clip
from via_jax.skeletons import convert, get_layout

ROWS = [
    {"name": "wave_1", "label": "wave", "subject": "anna", "split": "train"},
    {"name": "wave_2", "label": "wave", "subject": "ben", "split": "test"},
    {"name": "more/sit_1", "label": "sit", "subject": "anna", "split": "train"},
    {"name": "other", "label": "", "subject": "", "split": ""},
]


def clip_of(name, seed=0, persons=1, frames=6, layout="coco17", coords=2):
    rng = np.random.default_rng([seed, *name.encode()])
    joints = get_layout(layout).num_joints
    poses = (rng.normal(size=(persons, frames, joints, coords)) * 60 + 300).astype(np.float32)
    valid = rng.random(poses.shape[:3]) < 0.9
    return Clip(np.where(valid[..., None], poses, 0), valid, layout=layout, name=name)


@pytest.fixture
def source(tmp_path):
    """A folder of four clips; the first shows three persons."""
    folder = tmp_path / "source"
    (folder / "more").mkdir(parents=True)
    for i, row in enumerate(ROWS):
        clip = clip_of(row["name"], persons=1 if i else 3)
        if not i:
            clip = dataclasses.replace(clip, frame_rate=30.0, image_size=(640, 480))
        write_clip(folder / f"{row['name']}.npz", clip)
    write_table(folder, ROWS)
    return folder


def write_table(folder, rows):
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(ROWS[0]))
        table.writeheader()
        table.writerows(rows)


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_folder_is_prepared(source, tmp_path):
    data = prepare("folder", source, tmp_path / "out")
    assert data.folder == tmp_path / "out"
    again = store.load(tmp_path / "out", verify=True)
    assert again.manifest == data.manifest
    assert data.names.tolist() == ["more/sit_1", "other", "wave_1", "wave_2"]
    assert data.classes == ["sit", "wave"]
    np.testing.assert_array_equal(data.label, [0, -1, 1, 1])
    assert data.subjects.tolist() == ["anna", "", "anna", "ben"]
    assert data.splits["given"].tolist() == ["train", "", "train", "test"]
    assert data.persons.tolist() == [1, 1, 2, 1]  # the two most moving
    assert data.manifest["dataset"] == "folder" and data.manifest["layout"] == "coco17"
    assert data.manifest["skipped"] == []
    np.testing.assert_array_equal(data.size[2], [640, 480])
    clip = clip_of("wave_2")
    read = data.read(3)
    error = data.manifest["largest_rounding_error"] + 1e-4
    assert np.abs(read.poses - clip.poses)[clip.valid].max() <= error
    np.testing.assert_array_equal(read.valid, clip.valid)


def test_more_persons_may_be_kept(source, tmp_path):
    data = prepare("folder", source, tmp_path / "out", max_persons=3)
    assert data.persons.tolist() == [1, 1, 3, 1]


def test_the_same_files_give_the_same_bytes(source, tmp_path):
    for out in ("first", "second"):
        prepare("folder", str(source), str(tmp_path / out), layout="unik17")
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_an_existing_folder_is_kept_unless_told(source, tmp_path):
    prepare("folder", source, tmp_path / "out")
    with pytest.raises(ValueError, match="out exists"):
        prepare("folder", source, tmp_path / "out", layout="unik17")
    data = prepare("folder", source, tmp_path / "out", layout="unik17", overwrite=True)
    assert data.layout.name == "unik17"


# Bad files


def spoil(source, name, content=b"no zip"):
    (source / f"{name}.npz").write_bytes(content)


def test_a_bad_file_is_refused_by_its_path(source, tmp_path):
    spoil(source, "other")
    spoil(source, "wave_2")
    with pytest.raises(
        ValueError, match=r"2 of 4 files are bad, nothing.*source/other.npz: .*skip"
    ):
        prepare("folder", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bad_file_is_left_out_when_told(source, tmp_path, capsys):
    spoil(source, "wave_2")
    data = prepare("folder", source, tmp_path / "out", skip_bad=True)
    assert data.names.tolist() == ["more/sit_1", "other", "wave_1"]
    (skipped,) = data.manifest["skipped"]
    assert skipped["path"] == "wave_2.npz"
    assert "wave_2.npz: " in skipped["reason"] and "expected an .npz" in skipped["reason"]
    assert "bad: " in capsys.readouterr().err


def test_a_single_frame_is_a_bad_file(source, tmp_path):
    still = clip_of("other")
    np.savez(source / "other.npz", poses=still.poses[:, :1], layout="coco17")
    with pytest.raises(ValueError, match="1 of 4 files are bad"):
        prepare("folder", source, tmp_path / "out")
    data = prepare("folder", source, tmp_path / "out", skip_bad=True)
    assert "1 frame(s)" in data.manifest["skipped"][0]["reason"]


def test_a_clip_that_is_empty_in_the_new_layout_is_a_bad_file(source, tmp_path):
    clip = clip_of("other")
    clip.valid[:] = False
    clip.valid[:, :, get_layout("coco17").index("left_eye")] = True
    write_clip(source / "other.npz", clip)
    assert len(prepare("folder", source, tmp_path / "own").names) == 4
    data = prepare("folder", source, tmp_path / "out", layout="unik17", skip_bad=True)
    (skipped,) = data.manifest["skipped"]
    assert "0 valid joints; expected at least 2 frame(s) and one joint" in skipped["reason"]


def test_only_bad_files_leave_nothing_to_write(source, tmp_path):
    for row in ROWS:
        spoil(source, row["name"])
    with pytest.raises(ValueError, match="no clip to write"):
        prepare("folder", source, tmp_path / "out", skip_bad=True)


def test_mixed_layouts_need_one_to_convert_to(source, tmp_path):
    write_clip(source / "other.npz", clip_of("other", layout="penn13"))
    with pytest.raises(ValueError, match="'other': layout 'penn13', but 'coco17' in 'more/sit_1'"):
        prepare("folder", source, tmp_path / "out")
    data = prepare("folder", source, tmp_path / "out", layout="unik17")
    assert data.frames.shape[1:] == (17, 2)


@pytest.mark.parametrize(
    ("dataset", "layout", "message"),
    [
        ("penn", None, r"^unknown data set 'penn'; expected one of \['bandai_namco', 'berkeley"),
        ("folder", "unik18", "^unknown layout: 'unik18' .did you mean unik17"),
    ],
)
def test_unknown_names(source, tmp_path, dataset, layout, message):
    with pytest.raises(ValueError, match=message):
        prepare(dataset, source, tmp_path / "out", layout=layout)


def test_a_source_without_files(tmp_path):
    with pytest.raises(ValueError, match=r"labels.csv: cannot be read"):
        prepare("folder", tmp_path, tmp_path / "out")


def test_every_source_has_its_splits():
    assert set(SOURCES) == set(splits.DATASETS)


def test_reading_processes_need_no_jax():
    code = "import sys, via_jax.data.prepare; sys.exit('jax' in sys.modules)"
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(root)}, check=True
    )


# Layouts


def test_unik17_is_made_of_lcrnet13():
    clip = clip_of("a", layout="kinect20", coords=3)
    names, joints = get_layout("kinect20"), get_layout("unik17")
    made = to_layout(clip, "unik17")
    assert made.layout == "unik17" and made.poses.shape == (1, 6, 17, 3)

    def mean(*parts):
        return clip.poses[:, :, [names.index(part) for part in parts]].mean(axis=2)

    sides = ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")
    for joint, parts in (
        ("left_wrist", ["left_wrist"]),
        ("mid_hip", sides[0]),  # not the sensor's own joint
        ("neck", sides[1]),
        ("chest", sides[0] + sides[1]),
    ):
        seen = clip.valid[:, :, [names.index(part) for part in parts]].all(axis=2)
        index = joints.index(joint)
        np.testing.assert_array_equal(made.valid[:, :, index], seen)
        np.testing.assert_allclose(made.poses[:, :, index][seen], mean(*parts)[seen], rtol=1e-5)


def test_other_layouts_are_converted_directly():
    clip = clip_of("a", layout="kinect20", coords=3)
    poses, valid = convert(clip.poses, clip.valid, get_layout("kinect20"), get_layout("h36m17"))
    made = to_layout(clip, "h36m17")
    np.testing.assert_array_equal(made.poses, poses)
    np.testing.assert_array_equal(made.valid, valid)
    assert to_layout(clip, "kinect20") is clip
