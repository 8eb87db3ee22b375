import collections
import json

import numpy as np
import pytest

from via_jax.data.readers import nw_ucla

NAME = "a08_s03_e02_v01.json"  # the eighth action of the names is the seventh class


def frame(offset=0.0):
    return [[joint + offset, joint + offset + 0.5, 2.0] for joint in range(20)]


def write(folder, record, name=NAME):
    folder.mkdir(parents=True, exist_ok=True)
    text = record if isinstance(record, str) else json.dumps(record)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_read_gives_metres_and_metadata(tmp_path):
    record = {"file_name": NAME[:-5], "skeletons": [frame(), frame(1.0)], "label": 7}
    clip = nw_ucla.read(write(tmp_path, record))
    assert clip.poses.shape == (1, 2, 20, 3) and clip.poses.dtype == np.float32
    np.testing.assert_array_equal(clip.poses[0, 1, 4], [5.0, 5.5, 2.0])
    assert clip.valid.all()
    assert (clip.layout, clip.units, clip.y_up) == ("kinect20", "metres", True)
    assert (clip.name, clip.label) == ("a08_s03_e02_v01", "donning")
    assert (clip.subject, clip.camera, clip.extra) == ("s03", "v01", {"repetition": "e02"})


@pytest.mark.parametrize(
    ("action", "label", "word"),
    [(1, 1, "pick up with one hand"), (6, 6, "stand up"), (9, 8, "doffing"), (12, 10, "carry")],
)
def test_actions_map_to_labels_in_order(tmp_path, action, label, word):
    record = {"skeletons": [frame()], "label": label}
    assert nw_ucla.read(write(tmp_path, record, f"a{action:02}_s01_e00_v03.json")).label == word


@pytest.mark.parametrize(
    "absent", ["null", "[]", "[NaN, 1, 1]", "[1, null, 1]", "[0, 0, 0]", "[0.0, -0.0, 0]"]
)
def test_absent_joints_are_missing(tmp_path, absent):
    joints = ", ".join(["[1, 2, 3]"] * 5 + [absent] + ["[1, 2, 3]"] * 14)
    clip = nw_ucla.read(write(tmp_path, f'{{"skeletons": [[{joints}]], "label": 7}}'))
    assert not clip.valid[0, 0, 5] and clip.valid.sum() == 19
    np.testing.assert_array_equal(clip.poses[0, 0, 5], 0.0)


@pytest.mark.parametrize("absent", [None, []])
def test_absent_frames_are_missing(tmp_path, absent):
    clip = nw_ucla.read(write(tmp_path, {"skeletons": [frame(), absent], "label": 7}))
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False]])
    np.testing.assert_array_equal(clip.poses[0, 1], 0.0)


def test_find_lists_the_clips_in_order(tmp_path):
    for name in ("a02_s01_e00_v01.json", "a01_s02_e00_v03.json", "index.json"):
        write(tmp_path / "all_sqe", "{}", name)
    names = [path.name for path in nw_ucla.find(tmp_path)]
    assert names == ["a01_s02_e00_v03.json", "a02_s01_e00_v01.json"]
    assert nw_ucla.find(tmp_path / "all_sqe") == nw_ucla.find(tmp_path)


def test_find_says_what_it_expected(tmp_path):
    with pytest.raises(ValueError, match="no aAA_sSS_eEE_vVV"):
        nw_ucla.find(tmp_path)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("", "complete JSON"),
        ('{"skeletons": [', "complete JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "of type list; expected an object with 'label'"),
        ({"skeletons": [frame()]}, "holds 'skeletons'; expected the key 'label'"),
        ({"skeletons": [frame()], "label": "7"}, "'label' is of type str; expected int"),
        ({"skeletons": [frame()], "label": True}, "'label' is of type bool"),
        ({"skeletons": [frame()], "label": 8}, "label 8; expected 7"),
        ({"skeletons": {}, "label": 7}, "'skeletons' is of type dict"),
        ({"skeletons": [], "label": 7}, "no frame"),
        ({"skeletons": [frame(), frame()[:19]], "label": 7}, r"frame 1: .*\(19, 3\)"),
        ({"skeletons": [[[1, 2]] * 20], "label": 7}, r"frame 0: .*\(20, 2\)"),
        ({"skeletons": [[[1, 2, 3]] * 19 + [[1, 2]]], "label": 7}, "frame 0: lists of unequal"),
        ({"skeletons": [[[1, 2, "3"]] * 20], "label": 7}, "frame 0: something that is not a num"),
        ({"skeletons": [["left"] * 20], "label": 7}, "frame 0: something that is not a number"),
        ({"skeletons": [{"0": 1}], "label": 7}, "frame 0: of type dict; expected a list of 20"),
        ({"skeletons": [[[1, 2, 10**400]] * 20], "label": 7}, "frame 0: a number too large"),
        ({"skeletons": [[[1, 2, 1e300]] * 20], "label": 7}, "frame 0: 1e.300"),
        ('{"skeletons": [[' + "[1, 2, 1e999]," * 19 + "[1, 2, 3]]]" + ', "label": 7}', "inf"),
        ({"skeletons": [[[0, 0, 0]] * 20], "label": 7}, "missing in all frames"),
        ({"skeletons": [None], "label": 7}, "missing in all frames"),
    ],
)
def test_bad_files_are_named(tmp_path, record, message):
    path = write(tmp_path, record)
    with pytest.raises(ValueError, match=message) as error:
        nw_ucla.read(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


def test_text_that_is_not_unicode_is_named(tmp_path):
    (tmp_path / NAME).write_bytes(b'{"label": "\xff\xfe\xfa"}')
    with pytest.raises(ValueError, match=NAME) as error:
        nw_ucla.read(tmp_path / NAME)
    assert type(error.value) is ValueError


def test_bad_names_and_absent_files_are_named(tmp_path):
    for name in ("walk.json", "a07_s01_e00_v01.json", "a00_s01_e00_v01.json"):
        with pytest.raises(ValueError, match=f"{name}: expected a name aAA_sSS_eEE_vVV"):
            nw_ucla.read(write(tmp_path, {"skeletons": [frame()], "label": 7}, name))
    with pytest.raises(ValueError, match=r"v02\.json: cannot be read"):
        nw_ucla.read(tmp_path / "a01_s01_e00_v02.json")


def test_all_official_clips(shared_data):
    clips = [nw_ucla.read(path) for path in nw_ucla.find(shared_data / "nw_ucla")]
    assert len(clips) == 1484 and sum(clip.num_frames for clip in clips) == 58534
    views = collections.Counter(clip.camera for clip in clips)
    assert views == {"v01": 516, "v02": 504, "v03": 464}
    assert {clip.label for clip in clips} == set(nw_ucla.LABELS)
    assert len({clip.subject for clip in clips}) == 10
    assert sum(int((~clip.valid).sum()) for clip in clips) == 12
    single = [clip.name for clip in clips if clip.num_frames == 1]
    assert single == ["a02_s09_e04_v02", "a02_s09_e04_v03"]
    # y grows upwards: the head (3) above the left foot (15) in nearly every frame.
    upright = np.concatenate([clip.poses[0, :, 3, 1] > clip.poses[0, :, 15, 1] for clip in clips])
    assert upright.mean() > 0.99
