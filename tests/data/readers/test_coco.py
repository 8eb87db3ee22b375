import numpy as np
import pytest

from via_jax.data.readers import coco


def detection(image, x, joints=17, v=1, more=""):
    """Joint j stands at (x + j, 50 + 2 j)."""
    triples = ", ".join(f"{x + j}.5, {50 + 2 * j}, {v}" for j in range(joints))
    return (
        f'{{"image_id": {image}, "category_id": 1, "keypoints": [{triples}], "score": 0.9{more}}}'
    )


def write(folder, *detections):
    path = folder / "results.json"
    path.write_text(f"[{', '.join(detections)}]")
    return path


def test_people_of_each_image_in_any_order(tmp_path):
    path = write(
        tmp_path, detection(42, 104), detection(41, 300), detection(42, 300), detection(41, 100)
    )
    clip = coco.read(path)
    assert (clip.layout, clip.name, clip.units) == ("coco17", "results", "pixels")
    assert clip.poses.shape == (2, 2, 17, 2) and clip.valid.all()
    np.testing.assert_array_equal(clip.poses[0, :, 1], [[101.5, 52], [105.5, 52]])
    np.testing.assert_array_equal(clip.poses[1, :, 16], [[316.5, 82], [316.5, 82]])


@pytest.mark.parametrize(("joints", "layout", "body"), [(26, "halpe26", 26), (133, "coco17", 17)])
def test_other_bodies(tmp_path, joints, layout, body):
    clip = coco.read(write(tmp_path, detection(0, 100, joints), detection(1, 100, joints)))
    assert clip.layout == layout and clip.poses.shape == (1, 2, body, 2)


def test_v_of_zero_is_missing_and_may_be_a_confidence(tmp_path):
    frames = [detection(0, 100, v=0.25), detection(1, 100).replace("103.5, 56, 1", "103.5, 56, 0")]
    path = write(tmp_path, *frames, detection(3, 100))
    clip = coco.read(path)
    np.testing.assert_array_equal(np.argwhere(~clip.valid[:, :2]), [[0, 1, 3]])
    np.testing.assert_array_equal(clip.valid.any(axis=2), [[True, True, False, True]])
    assert not coco.read(path, min_confidence=0.25).valid[0, 0].any()


def test_track_ids(tmp_path):
    def frame(image, *people):
        return [detection(image, x, more=f', "track_id": {name}') for x, name in people]

    path = write(tmp_path, *frame(0, (100, 8), (110, 9)), *frame(1, (100, 9), (111, 8)))
    np.testing.assert_array_equal(
        coco.read(path).poses[:, :, 0, 0], [[100.5, 111.5], [110.5, 100.5]]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "of type dict; expected a list of detections"),
        ("[]", "nobody in 0 frames"),
        ("[3]", "detection 0: of type int; expected an object with 'keypoints'"),
        (f"[{detection(1, 5)[:-1]}", "complete JSON"),
        (f"[{detection('true', 5)}]", "detection 0: 'image_id' is of type bool; expected int"),
        (f"[{detection(1, 5, 16)}]", "detection 0, keypoints: 48 numbers; expected .* one of 51, "),
        (f"[{detection(1, 5)}]", "1 frame"),
        (f"[{detection(1, 5)}, {detection(41, 5)}, {detection(42, 5)}]", None),
        (
            f"[{detection(1, 5)}, {detection(397133, 5)}, {detection(2, 5)}]",
            "19 of 20 of the frames",
        ),
        (f"[{detection(1, 5, v=0)}, {detection(2, 5, v=0)}]", "no person"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    if message is None:
        assert coco.read(path).num_frames == 42
        return
    with pytest.raises(ValueError, match=message) as error:
        coco.read(path)
    assert str(path) in str(error.value)
