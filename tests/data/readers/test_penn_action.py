import numpy as np
import pytest
from scipy import io

from via_jax.data.readers import penn_action


def record(**changes):
    """A video of two frames; joint j is at (10 + j, 100 + j), then a pixel on."""
    x = np.array([[10.0 + j for j in range(13)], [11.0 + j for j in range(13)]])
    fields = {
        "action": "bowl",
        "pose": "left",
        "x": x,
        "y": x + 90,
        "visibility": np.ones((2, 13), np.uint8),
        "train": np.array([[1]], np.int32),
        "bbox": np.zeros((2, 4)),
        "dimensions": np.array([[240, 320, 2]], np.uint16),
        "nframes": np.array([[2]], np.uint8),
    }
    return fields | changes


def write(folder, fields, name="0001.mat"):
    folder.mkdir(parents=True, exist_ok=True)
    io.savemat(folder / name, fields)
    return folder / name


def test_read_gives_pixels_and_metadata(tmp_path):
    clip = penn_action.read(write(tmp_path, record()))
    assert clip.poses.shape == (1, 2, 13, 2) and clip.poses.dtype == np.float32
    np.testing.assert_array_equal(clip.poses[0, 1, 3], [14.0, 104.0])
    assert clip.valid.all()
    assert (clip.layout, clip.name, clip.label) == ("penn13", "0001", "bowl")
    assert (clip.camera, clip.split, clip.image_size) == ("left", "train", (320, 240))
    assert (clip.units, clip.y_up, clip.frame_rate) == ("pixels", False, None)


@pytest.mark.parametrize("placeholder", [(0.0, 0.0), (1.0, 1.0), (0.67, 0.67), (1.5, 1.5)])
def test_placeholders_are_missing(tmp_path, placeholder):
    fields = record()
    fields["x"][1, 4], fields["y"][1, 4] = placeholder
    fields["visibility"][1, 4] = 0
    clip = penn_action.read(write(tmp_path, fields))
    assert not clip.valid[0, 1, 4] and clip.valid.sum() == 25
    np.testing.assert_array_equal(clip.poses[0, 1, 4], [0.0, 0.0])


def test_nan_is_missing(tmp_path):
    fields = record()
    fields["y"][0, 2] = np.nan
    clip = penn_action.read(write(tmp_path, fields))
    assert not clip.valid[0, 0, 2] and clip.valid.sum() == 25


def test_hidden_joints_with_a_position_are_kept_or_not(tmp_path):
    fields = record()
    fields["visibility"][0, 5] = 0
    path = write(tmp_path, fields)
    kept, dropped = penn_action.read(path), penn_action.read(path, keep_occluded=False)
    assert kept.valid[0, 0, 5]
    np.testing.assert_array_equal(kept.poses[0, 0, 5], [15.0, 105.0])
    assert not dropped.valid[0, 0, 5] and dropped.valid.sum() == 25
    np.testing.assert_array_equal(dropped.poses[0, 0, 5], [0.0, 0.0])


def test_another_number_of_boxes_does_not_matter(tmp_path):
    clip = penn_action.read(write(tmp_path, record(bbox=np.zeros((5, 4)))))
    assert clip.num_frames == 2


def test_small_integers_do_not_wrap(tmp_path):
    x = np.full((2, 13), 250, np.uint8)
    clip = penn_action.read(write(tmp_path, record(x=x, y=x)))
    np.testing.assert_array_equal(clip.poses, 250.0)


def test_find_lists_the_label_files_in_order(tmp_path):
    for name in ("0010.mat", "0002.mat", "notes.mat"):
        write(tmp_path / "labels", record(), name)
    names = [path.name for path in penn_action.find(tmp_path)]
    assert names == ["0002.mat", "0010.mat"]
    assert penn_action.find(tmp_path / "labels") == penn_action.find(tmp_path)


def test_find_says_what_it_expected(tmp_path):
    with pytest.raises(ValueError, match=r"no NNNN\.mat; expected the folder labels/"):
        penn_action.find(tmp_path)
    with pytest.raises(ValueError, match=r"absent: no NNNN\.mat"):
        penn_action.find(tmp_path / "absent")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": "fencing"}, "action is 'fencing'; expected one of baseball_pitch"),
        ({"action": np.array([[3]])}, r"action is array\(\[\[3\.\]\]\); expected one of"),
        ({"pose": "above"}, "pose is 'above'; expected one of front"),
        ({"train": np.array([[0]])}, "train is 0; expected 1"),
        ({"train": np.array([[0.5]])}, "train is 0.5; expected a whole number"),
        ({"x": np.ones((2, 12))}, r"x has shape \(2, 12\); expected \(2, 13\)"),
        ({"y": np.ones((3, 13))}, r"y has shape \(3, 13\); expected \(2, 13\)"),
        ({"visibility": "none"}, "visibility is a text"),
        ({"x": np.full((2, 13), 1e300)}, "x or y above"),
        ({"y": np.full((2, 13), np.inf)}, "x or y above"),
        ({"x": np.ones((2, 13), complex)}, "x that is neither a real matrix nor a text"),
        ({"x": {"a": 1}}, "x that is neither"),
        ({"pose": np.array(["left", "back"])}, "pose that is not a text of one line"),
        ({"nframes": np.array([[2, 2]])}, "nframes has shape"),
        ({"nframes": np.array([[np.inf]])}, "nframes is inf"),
        ({"dimensions": np.array([[240, 320, 9]])}, "240 x 320 x 9 with nframes 2"),
        ({"dimensions": np.array([[0, 320, 2]])}, "0 x 320 x 2"),
        (
            {"visibility": np.zeros((2, 13)), "x": np.ones((2, 13)), "y": np.ones((2, 13))},
            "missing",
        ),
    ],
)
def test_bad_fields_are_named(tmp_path, changes, message):
    path = write(tmp_path, record(**changes))
    with pytest.raises(ValueError, match=message) as error:
        penn_action.read(path)
    assert str(path) in str(error.value)


def test_one_frame_is_no_clip(tmp_path):
    fields = record(nframes=np.array([[1]]), dimensions=np.array([[240, 320, 1]]))
    fields |= {key: fields[key][:1] for key in ("x", "y", "visibility")}
    with pytest.raises(ValueError, match=r"0001\.mat: .*1 frame"):
        penn_action.read(write(tmp_path, fields))


def test_absent_field_is_named(tmp_path):
    fields = record()
    del fields["train"]
    with pytest.raises(ValueError, match=r"0001\.mat: no field 'train'"):
        penn_action.read(write(tmp_path, fields))


def test_damaged_files_are_named(tmp_path):
    whole = write(tmp_path, record()).read_bytes()
    path = tmp_path / "0002.mat"
    for content in (b"", b"no MATLAB file\n", whole[:50], whole[:200], whole[:700]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"0002\.mat: .*expected"):
            penn_action.read(path)
    with pytest.raises(ValueError, match=r"0003\.mat: cannot be read"):
        penn_action.read(tmp_path / "0003.mat")


def test_flipped_bytes_never_raise_anything_else(tmp_path):
    whole = bytearray(write(tmp_path, record()).read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "0002.mat"
    for place in rng.integers(0, len(whole), size=150):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            penn_action.read(path)
        except ValueError as error:
            assert str(path) in str(error)


def test_all_official_clips(shared_data):
    clips = [penn_action.read(path) for path in penn_action.find(shared_data / "penn_action")]
    assert len(clips) == 2326 and clips[0].name == "0001" and clips[-1].name == "2326"
    assert sum(clip.num_frames for clip in clips) == 163841
    assert sum(clip.split == "train" for clip in clips) == 1258
    assert sum(clip.split == "test" for clip in clips) == 1068
    assert {clip.label for clip in clips} == set(penn_action.LABELS)
    missing = sum(int((~clip.valid).sum()) for clip in clips)
    assert missing == 187352  # 8.8 % of 163841 x 13


def test_odd_joints_lie_on_the_image_left_in_front_views(shared_data):
    # The body's right shoulder (joint 1) is on the left of the image when it faces the camera.
    left_of: dict[str, list[bool]] = {"front": [], "back": []}
    for path in penn_action.find(shared_data / "penn_action")[::8]:
        clip = penn_action.read(path)
        both = clip.valid[0, :, 1] & clip.valid[0, :, 2]
        if clip.camera in left_of and both.any():
            across = clip.poses[0, both, 1, 0] - clip.poses[0, both, 2, 0]
            left_of[clip.camera].append(np.median(across) < 0)
    assert np.mean(left_of["front"]) > 0.75
    assert np.mean(left_of["back"]) < 0.35
