import numpy as np
import pytest

from via_jax.data.readers import mediapipe


def pose(x, visibility="0.75", joints=33):
    """Landmark j stands at (x + j / 100, j / 200)."""
    seen = "" if visibility is None else f', "visibility": {visibility}, "presence": 0.9'
    rows = [f'{{"x": {x + j / 100}, "y": {j / 200 + 0.1}, "z": -0.2{seen}}}' for j in range(joints)]
    return f"[{', '.join(rows)}]"


def frames(*texts):
    return f"[{', '.join(texts)}]"


ONE, TWO = pose(0.25), pose(0.5)
FORMS = {
    "python": (
        f'{{"pose_landmarks": [{ONE}], "pose_world_landmarks": []}}',
        '{"pose_landmarks": []}',
    ),
    "javascript": (f'{{"landmarks": [{ONE}], "worldLandmarks": []}}', '{"landmarks": []}'),
    "solutions": (f'{{"pose_landmarks": {{"landmark": {ONE}}}}}', '{"pose_landmarks": null}'),
    "camel": (f'{{"poseLandmarks": {ONE}}}', "{}"),
    "list": (ONE, "null"),
    "lists": (f"[{ONE}]", "[]"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("arrangement", ["file", "folder"])
def test_every_form(tmp_path, form, arrangement):
    seen, nobody = FORMS[form]
    path = tmp_path / "walk.json"
    path.write_text(frames(seen, nobody, seen))
    if arrangement == "folder":
        path = tmp_path / "walk"
        path.mkdir()
        for t, text in enumerate((seen, nobody, seen)):
            (path / f"{t}.json").write_text(text)
    clip = mediapipe.read(path)
    assert (clip.layout, clip.name, clip.units) == ("mediapipe33", "walk", "normalised")
    assert clip.poses.shape == (1, 3, 33, 2) and clip.image_size is None
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False, True]])
    np.testing.assert_allclose(clip.poses[0, 2, 10], [0.35, 0.15], rtol=1e-6)


def test_several_people_and_pixels(tmp_path):
    path = tmp_path / "a.json"
    both = f'{{"pose_landmarks": [{TWO}, {ONE}]}}'
    path.write_text(frames(both, both))
    clip = mediapipe.read(path, image_size=(640, 480))
    assert clip.units == "pixels" and clip.image_size == (640, 480) and clip.num_persons == 2
    np.testing.assert_allclose(np.sort(clip.poses[:, 0, 0, 0]), [160, 320])
    np.testing.assert_allclose(clip.poses[:, 0, 0, 1], [48, 48], rtol=1e-6)
    with pytest.raises(ValueError, match=r"image_size \(0, 480\); expected width and height"):
        mediapipe.read(path, image_size=(0, 480))


def test_visibility(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(frames(pose(0.25, 0.5), pose(0.25, None), pose(0.25, "null"), pose(0.25, 0)))
    valid = mediapipe.read(path).valid
    np.testing.assert_array_equal(valid.all(axis=2), [[True, True, True, False]])
    valid = mediapipe.read(path, min_confidence=0.5).valid
    np.testing.assert_array_equal(valid.any(axis=2), [[False, True, True, False]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "of type dict; expected a list of frames"),
        ('[{"hands": []}]', "frame 0: holds 'hands'; expected one of pose_landmarks"),
        ("[7]", "frame 0: of type int; expected landmarks"),
        ('["abc"]', "frame 0: of type str; expected landmarks"),
        (frames(pose(0.1, joints=32)), "frame 0, person 0: 32 of landmarks; expected a list of 33"),
        (frames(ONE.replace('"x"', '"a"', 1)), "landmark 0: .*expected an object with x and y"),
        (frames(ONE.replace("0.25", '"a"', 1)), "something that is not a number"),
        (frames(ONE.replace("0.25", "[1]", 1)), "person 0: "),
        (frames(ONE.replace("0.25", "1e300", 1)), "person 0: 1e.300; expected coordinates"),
        ("[null, {}, []]", "nobody in 3 frames"),
        (frames(ONE), "1 frame"),
        (frames(ONE)[:-3], "complete JSON"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        mediapipe.read(path)
    assert str(path) in str(error.value)
