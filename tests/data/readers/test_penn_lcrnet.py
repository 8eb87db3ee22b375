import numpy as np
import pytest
from scipy import io

from via_jax.data import splits
from via_jax.data.readers import penn_action, penn_lcrnet

CLIP = b'{"frames": [[{"pose2d": [1,2,3,4,5,6,7,8,9,10,11,12,13, 21,22,23,24,25,26,27,28,29,30,31,32,33]}], [], [{"pose2d": [1,2,3,4,5,6,7,8,9,10,11,12,0, 21,22,23,24,25,26,27,28,29,30,31,32,33]}]]}'  # noqa: E501


def write(folder, number, action="bowl", train=1, name=None):
    """An official label file, and the skeletons of the same video under any name."""
    for part in ("labels", "skeletons"):
        (folder / part).mkdir(exist_ok=True)
    grid = np.arange(26.0).reshape(2, 13) + 10
    fields = {"x": grid, "y": grid, "visibility": np.ones((2, 13)), "action": action}
    fields |= {"pose": "left", "train": train, "dimensions": [[270, 480, 2]], "nframes": 2}
    io.savemat(folder / "labels" / f"{number}.mat", fields)
    (folder / "skeletons" / (name or f"{number}.json")).write_bytes(CLIP)


def test_poses_are_lcrnets_and_labels_official(tmp_path):
    write(tmp_path, "0007", train=-1)
    (item,) = penn_lcrnet.find(tmp_path)
    clip = penn_lcrnet.read(item)
    assert clip.poses.shape == (1, 3, 13, 2) and clip.layout == "lcrnet13"
    np.testing.assert_array_equal(clip.poses[0, 0, [0, 11]], [[1, 21], [12, 32]])
    np.testing.assert_array_equal(clip.valid.sum(axis=2), [[13, 0, 12]])
    assert (clip.name, clip.label, clip.camera) == ("0007", "bowl", "left")
    assert (clip.image_size, clip.units, clip.split) == ((640, 480), "pixels", "test")
    for dataset in ("penn_lcrnet", "penn_lcrnet_published"):
        assert splits.split_of(dataset, clip) == {"official": "test"}


def test_the_published_set_lacks_the_last_video(tmp_path):
    for number in ("0001", "2325", "2326"):
        write(tmp_path, number, name=f"{number}_pose.json")
    (tmp_path / "skeletons" / "S0001.json").write_bytes(CLIP)
    found = penn_lcrnet.find(tmp_path)
    assert [(a.name, b.name) for a, b in found] == [
        ("0001_pose.json", "0001.mat"),
        ("2325_pose.json", "2325.mat"),
        ("2326_pose.json", "2326.mat"),
    ]
    assert penn_lcrnet.find_published(tmp_path) == found[:2]


def test_a_video_without_skeletons_is_refused_and_not_lost(tmp_path):
    for number in ("0001", "0002"):
        write(tmp_path, number)
    (tmp_path / "skeletons" / "0001.json").unlink()
    items = penn_lcrnet.find(tmp_path)
    assert len(items) == 2
    with pytest.raises(ValueError, match=r"skeletons/0001\.json: cannot be read"):
        penn_lcrnet.read(items[0])


def test_find_refuses_what_does_not_match(tmp_path):
    write(tmp_path, "0001")
    (tmp_path / "skeletons" / "0002.json").write_bytes(CLIP)
    with pytest.raises(ValueError, match=r"0002\.json: no labels/0002\.mat"):
        penn_lcrnet.find(tmp_path)
    (tmp_path / "skeletons" / "0002.json").rename(tmp_path / "skeletons" / "0001_b.json")
    with pytest.raises(ValueError, match=r"0001_b\.json: video 0001 a second time, after 0001\.js"):
        penn_lcrnet.find(tmp_path)
    for path in (tmp_path / "skeletons").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"skeletons: no NNNN\*\.json"):
        penn_lcrnet.find(tmp_path)
    with pytest.raises(ValueError, match=r"no NNNN\.mat"):
        penn_lcrnet.find(tmp_path / "skeletons")


def test_bad_labels_are_refused(tmp_path):
    write(tmp_path, "0001", action="fencing")
    with pytest.raises(ValueError, match=r"0001\.mat: action is 'fencing'; expected one of base"):
        penn_lcrnet.read(penn_lcrnet.find(tmp_path)[0])


def test_the_video_that_is_dropped_is_a_test_video(shared_data):
    last = penn_action.read(shared_data / "penn_action" / "labels" / "2326.mat")
    assert last.split == "test"  # 1068 become 1067
