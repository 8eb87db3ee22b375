import json

import numpy as np
import pytest

from via_jax.data.readers import openpose


def person(x, y, joints=25, confidence=0.5, missing=()):
    """A body of 24 (or 17) x 48 (34) pixels whose joint j is at (x + j, y + 2 j)."""
    triples = [[x + j, y + 2.0 * j, confidence] for j in range(joints)]
    for j in missing:
        triples[j] = [0.0, 0.0, 0.0]
    return {"pose_keypoints_2d": [value for triple in triples for value in triple]}


def write(folder, *frames, start=0, step=1):
    """A frame is a list of persons, or the file's text."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames):
        text = frame if isinstance(frame, str) else json.dumps({"version": 1.3, "people": frame})
        name = f"cam-2_{start + i * step:012}_keypoints.json"
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_read_gives_pixels_and_missing_joints(tmp_path):
    folder = write(tmp_path / "walk", [person(100, 50)], [person(101, 50, missing=(0, 7))])
    clip = openpose.read(folder)
    assert clip.poses.shape == (1, 2, 25, 2) and clip.poses.dtype == np.float32
    np.testing.assert_array_equal(clip.poses[0, 1, 3], [104.0, 56.0])
    np.testing.assert_array_equal(np.argwhere(~clip.valid), [[0, 1, 0], [0, 1, 7]])
    np.testing.assert_array_equal(clip.poses[~clip.valid], 0.0)
    assert (clip.layout, clip.name) == ("openpose25", "walk")
    assert (clip.units, clip.y_up, clip.label) == ("pixels", False, None)


def test_eighteen_joints(tmp_path):
    clip = openpose.read(write(tmp_path, [person(9, 9, 18)], [person(9, 9, 18)]))
    assert clip.layout == "openpose18" and clip.poses.shape == (1, 2, 18, 2)


def test_coordinates_within_one_are_normalised(tmp_path):
    tiny = {"pose_keypoints_2d": [0.01, -0.9, 0.5] * 25}
    assert openpose.read(write(tmp_path, [tiny], [tiny])).units == "normalised"


def test_frames_are_ordered_by_number(tmp_path):
    for number, x in ((10, 30.0), (9, 20.0), (8, 10.0)):
        text = json.dumps({"people": [person(x, 5.0)]})
        (tmp_path / f"a7_{number}_keypoints.json").write_text(text)
    (tmp_path / "camera.json").write_text("no frame")
    clip = openpose.read(tmp_path)
    np.testing.assert_array_equal(clip.poses[0, :, 0, 0], [10.0, 20.0, 30.0])


def test_frames_without_people_are_missing(tmp_path):
    no_body = {"pose_keypoints_2d": [], "face_keypoints_2d": [1, 2, 3]}
    zeros = person(1, 1, missing=range(25))
    clip = openpose.read(write(tmp_path, [], [person(9, 9)], [no_body], [zeros], [person(9, 9)]))
    assert clip.num_persons == 1
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[False, True, False, False, True]])
    np.testing.assert_array_equal(clip.valid.any(axis=2), [[False, True, False, False, True]])


def test_lost_frames_are_missing(tmp_path):
    write(tmp_path, [person(9, 9)], [person(9, 9)], start=4)
    write(tmp_path, [person(9, 9)], start=7)
    clip = openpose.read(tmp_path)
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, True, False, True]])


def test_a_regular_step_loses_nothing(tmp_path):
    clip = openpose.read(write(tmp_path, *[[person(9, 9)]] * 3, start=5, step=4))
    assert clip.num_frames == 3 and clip.valid.all()


def test_minimum_confidence(tmp_path):
    frames = [[person(9, 9, confidence=0.2)], [person(9, 9, confidence=0.3)]]
    write(tmp_path, *frames)
    assert openpose.read(tmp_path).valid.all()
    valid = openpose.read(tmp_path, min_confidence=0.2).valid
    np.testing.assert_array_equal(valid.all(axis=2), [[False, True]])
    for value in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"min_confidence=.* expected a number in \[0, 1\)"):
            openpose.read(tmp_path, min_confidence=value)


def test_persons_are_followed_in_whatever_order_they_come(tmp_path):
    left, right = 100.0, 400.0
    frames = []
    for t in range(6):
        pair = [person(left + t, 50), person(right + 5 * t, 50)]
        frames.append(pair[::-1] if t % 2 else pair)
    clip = openpose.read(write(tmp_path, *frames))
    # The right one moves more, so it comes first.
    np.testing.assert_array_equal(clip.poses[0, :, 0, 0], [400, 405, 410, 415, 420, 425])
    np.testing.assert_array_equal(clip.poses[1, :, 0, 0], [100, 101, 102, 103, 104, 105])


def test_a_person_far_away_is_another_one(tmp_path):
    clip = openpose.read(write(tmp_path, [person(100, 50)], [person(500, 50)]))
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False], [False, True]])


def test_a_person_comes_back_after_a_gap(tmp_path):
    clip = openpose.read(write(tmp_path, [person(100, 50)], [], [], [person(110, 50)]))
    assert clip.num_persons == 1
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False, False, True]])


def test_a_false_detection_of_long_ago_takes_nobody_over(tmp_path):
    head = person(112, 50, missing=range(5, 25))
    frames = [[person(100, 50)], [person(102, 50), head]]
    frames += [[person(104 + 2 * t, 50)] for t in range(6)]  # passes where the false head was
    clip = openpose.read(write(tmp_path, *frames))
    np.testing.assert_array_equal(clip.poses[0, :, 0, 0], [100 + 2 * t for t in range(8)])
    np.testing.assert_array_equal(clip.valid[1].any(axis=1), [False, True] + [False] * 6)


def test_the_main_persons_are_kept(tmp_path):
    # A standing one and a walking one in all frames, one who runs through in two of eight.
    frames = [[person(100, 50), person(300 + 3 * t, 50)] for t in range(8)]
    for t in (3, 4):
        frames[t].insert(0, person(600 + 40 * t, 50))
    write(tmp_path, *frames)
    firsts = [
        openpose.read(tmp_path, max_persons=count).poses[:, 3, 0, 0].tolist() for count in (1, 2, 3)
    ]
    assert firsts == [[309.0], [309.0, 100.0], [309.0, 100.0, 720.0]]
    with pytest.raises(ValueError, match="max_persons=0; expected at least 1"):
        openpose.read(tmp_path, max_persons=0)


def test_find_takes_a_video_or_a_folder_of_videos(tmp_path):
    for name in ("b", "a"):
        write(tmp_path / name, [person(9, 9)])
    (tmp_path / "empty").mkdir()
    assert openpose.find(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert openpose.find(tmp_path / "a") == [tmp_path / "a"]
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(ValueError, match=r"no \*_keypoints\.json in it or in its folders"):
            openpose.find(folder)
        with pytest.raises(ValueError, match="expected a folder written by OpenPose"):
            openpose.read(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"people": [', "complete JSON"),
        ("[]", "of type list; expected an object with 'people'"),
        ('{"version": 1.3}', "holds 'version'; expected the key 'people'"),
        ('{"people": null}', "'people' is of type NoneType; expected list"),
        ('{"people": [7]}', "person 0: of type int; expected an object"),
        ('{"people": [{"face_keypoints_2d": []}]}', "person 0: .* expected the key 'pose_keyp"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "person 0: 2 numbers; expected 75 or 54"),
        ('{"people": [{"pose_keypoints_2d": ["a", 2]}]}', "person 0: something that is not"),
        ('{"people": [{"pose_keypoints_2d": [[1, 2]]}]}', r"person 0: numbers of shape \(1, 2\)"),
        ('{"people": [{"pose_keypoints_2d": [1e99]}]}', "person 0: 1e.99"),
    ],
)
def test_bad_frames_are_named(tmp_path, text, message):
    write(tmp_path, [person(9, 9)], text)
    with pytest.raises(ValueError, match=message) as error:
        openpose.read(tmp_path)
    assert "cam-2_000000000001_keypoints.json" in str(error.value)
    assert type(error.value) is ValueError


def test_bad_folders_are_named(tmp_path):
    mixed = write(tmp_path / "mixed", [person(9, 9)], [person(9, 9, 18)])
    with pytest.raises(ValueError, match=r"1_keypoints\.json: 18 joints; expected 25 as before"):
        openpose.read(mixed)
    with pytest.raises(ValueError, match="nobody: nobody in 2 frames"):
        openpose.read(write(tmp_path / "nobody", [], []))
    with pytest.raises(ValueError, match=r"short: .*1 frame"):
        openpose.read(write(tmp_path / "short", [person(9, 9)]))
    twice = write(tmp_path / "twice", [person(9, 9)])
    (twice / "b_0_keypoints.json").write_text('{"people": []}')
    with pytest.raises(ValueError, match=r"twice: frame 0 after frame 0; .* one video only"):
        openpose.read(twice)
    (twice / "b_keypoints.json").write_text('{"people": []}')
    with pytest.raises(ValueError, match=r"b_keypoints\.json: no frame number"):
        openpose.read(twice)
    sparse = write(tmp_path / "sparse", *[[person(9, 9)]] * 2)
    write(sparse, [person(9, 9)], start=10**11)
    with pytest.raises(ValueError, match="sparse: 3 frames with numbers 0 to 100000000000"):
        openpose.read(sparse)


def test_the_four_videos(shared_data):
    clips = [openpose.read(folder) for folder in openpose.find(shared_data / "openpose_videos")]
    found = [(clip.name, clip.num_frames, clip.num_persons) for clip in clips]
    assert found == [
        ("model", 121, 1),
        ("small_man", 121, 1),
        ("tall_man", 135, 1),
        ("workout_march", 120, 1),
    ]
    assert all(clip.layout == "openpose25" and clip.units == "pixels" for clip in clips)
    np.testing.assert_allclose(clips[0].poses[0, 0, 0], [652.959, 214.024], rtol=1e-6)
    assert [int((~clip.valid).sum()) for clip in clips] == [121, 7, 135, 155]
