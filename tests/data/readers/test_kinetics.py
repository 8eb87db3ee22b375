import json

import numpy as np
import pytest

from via_jax.data.readers import kinetics


def person(x, missing=()):
    pose = [value for j in range(18) for value in (x + j / 100, 0.5)]
    score = [0.5] * 18
    for j in missing:
        pose[2 * j : 2 * j + 2] = [0.0, 0.0]
        score[j] = 0.0
    return {"pose": pose, "score": score}


def record(*frames, **changes):
    data = [{"frame_index": i, "skeleton": frame} for i, frame in enumerate(frames, start=1)]
    return {"data": data, "label": "juggling", "label_index": 168} | changes


def write(folder, content, name="abc-_123.json"):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_read_gives_normalised_coordinates_and_metadata(tmp_path):
    path = write(tmp_path, record([person(0.1), person(0.7)], [], [person(0.2, missing=(4,))]))
    clip = kinetics.read(path)
    assert clip.poses.shape == (2, 3, 18, 2) and clip.poses.dtype == np.float32
    np.testing.assert_allclose(clip.poses[0, 2, 3], [0.23, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(
        clip.valid.any(axis=2), [[True, False, True], [True, False, False]]
    )
    assert not clip.valid[0, 2, 4] and clip.valid.sum() == 53
    np.testing.assert_array_equal(clip.poses[0, 2, 4], 0.0)
    assert (clip.layout, clip.units, clip.y_up) == ("openpose18", "normalised", False)
    assert (clip.name, clip.label) == ("abc-_123", "juggling")
    assert clip.extra == {"label_index": "168"}


def test_a_score_of_zero_is_missing_wherever_the_joint_is(tmp_path):
    frame = person(0.3)
    frame["score"][6] = 0
    clip = kinetics.read(write(tmp_path, record([frame], [person(0.3)])))
    assert not clip.valid[0, 0, 6] and clip.valid.sum() == 35


def test_at_most_two_persons_unless_told_otherwise(tmp_path):
    crowd = [person(0.1), person(0.4), person(0.7)]
    path = write(tmp_path, record(crowd, crowd))
    assert kinetics.read(path).num_persons == 2
    assert kinetics.read(path, max_persons=3).num_persons == 3


def test_frames_are_placed_by_their_index(tmp_path):
    content = record([person(0.1)], [person(0.1)])
    content["data"].append({"frame_index": 4, "skeleton": [person(0.1)]})
    clip = kinetics.read(write(tmp_path, content))
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, True, False, True]])


def test_a_file_may_lack_the_label(tmp_path):
    content = record([person(0.1)], [person(0.1)])
    del content["label"], content["label_index"]
    clip = kinetics.read(write(tmp_path, content))
    assert clip.label is None and clip.extra == {}


def test_find_lists_files_in_order(tmp_path):
    for name in ("b.json", "a.json", "labels.csv"):
        write(tmp_path, "{}", name)
    assert [path.name for path in kinetics.find(tmp_path)] == ["a.json", "b.json"]
    assert kinetics.find(tmp_path / "b.json") == [tmp_path / "b.json"]
    with pytest.raises(ValueError, match=r"absent: no \*\.json; expected a folder of Kinetics"):
        kinetics.find(tmp_path / "absent")


def changed(key, value):
    content = record([person(0.1)], [person(0.1)])
    content["data"][1]["skeleton"][0][key] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "complete JSON"),
        ([], "of type list; expected an object with 'data'"),
        (record([person(0.1)], data={}), "'data' is of type dict; expected list"),
        (record(data=[]), "nobody in 0 frames"),
        (record([], []), "nobody in 2 frames"),
        (record([person(0.1)]), "1 frame"),
        (
            record(data=[{"skeleton": []}]),
            "frame 0: holds 'skeleton'; expected the key 'frame_index'",
        ),
        (
            record(data=[{"frame_index": 1.5, "skeleton": []}]),
            "frame 0: 'frame_index' is of type float",
        ),
        (record(data=[{"frame_index": 1}]), "frame 0: .*expected the key 'skeleton'"),
        (record([person(0.1)], [5]), "frame 1, person 0: of type int"),
        (record(data=[{"frame_index": 2, "skeleton": [person(0.1)]}] * 2), "frame 2 after frame 2"),
        (record([person(0.1)], [person(0.1)], label=3), "'label' is of type int; expected str"),
        (record([person(0.1)], [person(0.1)], label_index="x"), "'label_index' is of type str"),
        (changed("pose", [0.5] * 34), r"frame 1, person 0, pose: numbers of shape \(34,\)"),
        (changed("pose", ["x"] * 36), "frame 1, person 0, pose: something that is not a number"),
        (changed("score", [0.5] * 17), r"frame 1, person 0, score: numbers of shape \(17,\)"),
        (changed("score", None), "frame 1, person 0: 'score' is of type NoneType"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as error:
        kinetics.read(path)
    assert str(path) in str(error.value) and type(error.value) is ValueError


def test_the_genuine_clip(shared_data):
    (path,) = kinetics.find(shared_data / "kinetics_skeleton")
    clip = kinetics.read(path)
    assert clip.name == "--33Lscn6sk" and clip.label == "flipping pancake"
    assert clip.poses.shape == (2, 189, 18, 2)
    np.testing.assert_allclose(clip.poses[0, 0, :2], [[0.491, 0.220], [0.512, 0.375]], rtol=1e-6)
    # 163 frames have somebody; the cook and the one beside him are followed through nearly all.
    assert (clip.valid.any(axis=2).sum(axis=1) >= 150).all()
    assert clip.valid.any(axis=(0, 2)).sum() == 163
