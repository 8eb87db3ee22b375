import numpy as np
import pytest

from via_jax.data.readers import ultralytics


def box(x, joints=17, visible=0.75, more=""):
    """Joint j stands at (x + j, 50 + 2 j)."""
    xs, ys = [x + j + 0.5 for j in range(joints)], [50.0 + 2 * j for j in range(joints)]
    seen = "" if visible is None else f', "visible": {[visible] * joints}'
    return (
        '{"name": "person", "class": 0, "confidence": 0.93, "box": {"x1": 1.0, "y1": 2.0,'
        f' "x2": 3.0, "y2": 4.0}}{more}, "keypoints": {{"x": {xs}, "y": {ys}{seen}}}}}'
    )


def frame(*boxes):
    return f"[{', '.join(boxes)}]"


FRAMES = [frame(box(300), box(100)), frame(), frame(box(104), box(300))]


@pytest.mark.parametrize("arrangement", ["file", "folder"])
def test_read_gives_people_and_frames(tmp_path, arrangement):
    path = tmp_path / "walk.json"
    path.write_text(frame(*FRAMES))
    if arrangement == "folder":
        path = tmp_path / "walk"
        path.mkdir()
        for t, text in enumerate(FRAMES):
            (path / f"video2_{t + 9}.json").write_text(text)
    clip = ultralytics.read(path)
    assert (clip.layout, clip.name, clip.units) == ("coco17", "walk", "pixels")
    assert clip.poses.shape == (2, 3, 17, 2)
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False, True]] * 2)
    np.testing.assert_array_equal(clip.poses[0, [0, 2], 2], [[102.5, 54], [106.5, 54]])


def test_normalised_coordinates(tmp_path):
    path = tmp_path / "a.json"
    xs = ", ".join(["0.25"] * 17)
    one = f'{{"keypoints": {{"x": [{xs}], "y": [{xs}]}}}}'
    path.write_text(frame(frame(one), frame(one)))
    clip = ultralytics.read(path)
    assert clip.units == "normalised" and clip.valid.all()


def test_hidden_joints_and_missing_confidence(tmp_path):
    path = tmp_path / "a.json"
    hidden = box(100).replace("103.5", "0.0").replace("56.0", "0.0")
    path.write_text(
        frame(frame(hidden), frame(box(100, visible=None)), frame(box(100, visible=0.2)))
    )
    clip = ultralytics.read(path)
    np.testing.assert_array_equal(np.argwhere(~clip.valid), [[0, 0, 3]])
    valid = ultralytics.read(path, min_confidence=0.5).valid
    np.testing.assert_array_equal(valid.any(axis=2), [[True, True, False]])


def test_track_ids(tmp_path):
    def named(x, name):
        return box(x, more=f', "track_id": {name}')

    path = tmp_path / "a.json"
    path.write_text(frame(frame(named(100, 5), named(110, 6)), frame(named(100, 6), named(111, 5))))
    clip = ultralytics.read(path)
    np.testing.assert_array_equal(clip.poses[:, :, 0, 0], [[100.5, 111.5], [110.5, 100.5]])


def test_another_model(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(frame(frame(box(1, 13)), frame(box(1, 13))))
    with pytest.raises(ValueError, match="people of 13 joints; expected one of 17"):
        ultralytics.read(path)
    assert ultralytics.read(path, layout="penn13").layout == "penn13"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "of type dict; expected a list of frames"),
        (frame(box(1)), "frame 0: of type dict; expected a list of boxes"),
        ("[[3]]", "frame 0, box 0: of type int; expected an object with 'keypoints'"),
        ('[[{"name": "dog"}]]', "box 0: holds 'name'; expected the key 'keypoints'"),
        ('[[{"keypoints": [1]}]]', "'keypoints' is of type list; expected dict"),
        (frame(frame(box(1).replace("[1.5, ", "["))), r"box 0, y: numbers of shape \(17,\)"),
        (frame(frame(box(1).replace("[0.75, ", "["))), r"box 0, visible: numbers of shape \(16,\)"),
        (frame(frame(box(1, more=', "track_id": "x"'))), "track id 'x'; expected a whole number"),
        ("[[], []]", "nobody in 2 frames"),
        (frame(frame(box(1))), "1 frame"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        ultralytics.read(path)
    assert str(path) in str(error.value)


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"no \*\.json; expected a file for each frame"):
        ultralytics.read(tmp_path)
    for name in ("a_1.json", "b_1.json"):
        (tmp_path / name).write_text(FRAMES[0])
    with pytest.raises(ValueError, match=r"several names, as a_1\.json and b_1\.json"):
        ultralytics.read(tmp_path)
    (tmp_path / "c.json").write_text(FRAMES[0])
    with pytest.raises(ValueError, match=r"c\.json: 'c\.json'; expected a name with the number"):
        ultralytics.read(tmp_path)
