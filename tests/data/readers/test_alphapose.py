import numpy as np
import pytest

from via_jax.data.readers import alphapose
from via_jax.skeletons import get_layout

# Joint j of a body at x stands at (x + j, 50 + 2 j) with confidence c.


def triples(x, joints=17, c=0.5):
    return ", ".join(f"{x + j}, {50 + 2 * j}.25, {c}" for j in range(joints))


def detection(image, x, joints=17, c=0.5, more=""):
    return (
        f'{{"image_id": "{image}", "category_id": 1, "keypoints": [{triples(x, joints, c)}],'
        f' "score": 2.75, "box": [1.0, 2.0, 3.0, 4.0]{more}}}'
    )


def write(folder, *detections, name="dance.json"):
    path = folder / name
    path.write_text(f"[{', '.join(detections)}]")
    return path


def test_a_list_of_interleaved_people(tmp_path):
    path = write(
        tmp_path,
        detection("10.jpg", 104),
        detection("9.jpg", 300),
        detection("10.jpg", 300),
        detection("9.jpg", 100),
    )
    clip = alphapose.read(path)
    assert (clip.layout, clip.name, clip.units, clip.y_up) == ("coco17", "dance", "pixels", False)
    assert clip.poses.shape == (2, 2, 17, 2) and clip.valid.all()
    np.testing.assert_array_equal(clip.poses[0, :, 0], [[100, 50.25], [104, 50.25]])
    np.testing.assert_array_equal(clip.poses[1, :, 3], [[303, 56.25], [303, 56.25]])


def test_halpe(tmp_path):
    for joints in (26, 136):
        frames = [detection(f"{t}.jpg", 100, joints) for t in range(2)]
        clip = alphapose.read(write(tmp_path, *frames))
        assert clip.layout == "halpe26" and clip.poses.shape == (1, 2, 26, 2)
        neck = get_layout("halpe26").index("neck")
        np.testing.assert_array_equal(clip.poses[0, 0, neck], [118, 86.25])


def test_track_ids(tmp_path):
    # Two people change places from one frame to the next, which only the ids tell.
    first = [detection("0.jpg", 100, more=', "idx": 2'), detection("0.jpg", 110, more=', "idx": 1')]
    second = [
        detection("1.jpg", 100, more=', "idx": [1.0, 5.0]'),
        detection("1.jpg", 111, more=', "idx": [[2]]'),
    ]
    clip = alphapose.read(write(tmp_path, *first, *second))
    np.testing.assert_array_equal(clip.poses[:, :, 0, 0], [[100, 111], [110, 100]])


def test_confidences_up_to_six(tmp_path):
    frames = [detection("0.jpg", 100, c=5.4), detection("1.jpg", 101, c=1.2)]
    path = write(tmp_path, *frames)
    assert alphapose.read(path).valid.all()
    valid = alphapose.read(path, min_confidence=0.2).valid  # 1.2 of 6
    np.testing.assert_array_equal(valid.any(axis=2), [[True, False]])
    path = write(tmp_path, detection("0.jpg", 100, c=1.05), detection("1.jpg", 101, c=0.3))
    valid = alphapose.read(path, min_confidence=0.2).valid
    np.testing.assert_array_equal(valid.any(axis=2), [[True, True]])


CMU = '{{"version": "AlphaPose v0.3", "bodies": [{}]}}'
OPEN = '{{"version": "AlphaPose v0.3", "people": [{}]}}'


@pytest.mark.parametrize(
    ("image", "person"),
    [(CMU, '{{"joints": [{}]}}'), (OPEN, '{{"pose_keypoints_2d": [{}]}}')],
    ids=["cmu", "open"],
)
def test_forms_of_openpose(tmp_path, image, person):
    images = [
        image.format(", ".join(person.format(triples(x, 18)) for x in xs))
        for xs in ([100, 300], [], [302])
    ]
    path = tmp_path / "alphapose-results.json"
    path.write_text("{" + ", ".join(f'"{t}.jpg": {text}' for t, text in enumerate(images)) + "}")
    parts = tmp_path / "sep-json"
    parts.mkdir()
    for t, text in enumerate(images):
        (parts / f"{t}.json").write_text(text)
    for source in (path, parts):
        clip = alphapose.read(source)
        assert clip.layout == "openpose18" and clip.poses.shape == (2, 3, 18, 2)
        seen = [[True, False, True], [True, False, False]]
        np.testing.assert_array_equal(clip.valid.all(axis=2), seen)
        np.testing.assert_array_equal(clip.poses[0, [0, 2], 1], [[301, 52.25], [303, 52.25]])


def test_a_folder_of_lists(tmp_path):
    parts = tmp_path / "walk"
    parts.mkdir()
    for t in (8, 9, 10):
        write(parts, detection(f"{t}.jpg", 100 + t), name=f"{t}.json")
    clip = alphapose.read(parts)
    assert clip.name == "walk"
    np.testing.assert_array_equal(clip.poses[0, :, 0, 0], [108, 109, 110])


def test_missing_joints_and_frames(tmp_path):
    zero = detection("1.jpg", 100).replace("103, 56.25, 0.5", "0.0, 0.0, 0.0")
    clip = alphapose.read(write(tmp_path, detection("0.jpg", 100), zero, detection("4.jpg", 100)))
    np.testing.assert_array_equal(clip.valid.any(axis=2), [[True, True, False, False, True]])
    assert not clip.valid[0, 1, 3] and not clip.poses[0, 1, 3].any()


def test_another_layout(tmp_path):
    path = write(tmp_path, detection("0.jpg", 100), detection("1.jpg", 100))
    assert alphapose.read(path, layout="h36m17").layout == "h36m17"
    with pytest.raises(ValueError, match=r"people of 17 joints; expected 26, as layout halpe26"):
        alphapose.read(path, layout="halpe26")


GOOD = detection("0.jpg", 100)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "complete JSON"),
        ("[", "complete JSON"),
        ("7", "of type int; expected a list of detections, or images"),
        ("[]", "nobody in 0 frames"),
        ("{}", "nobody in 0 frames"),
        ("[7]", "detection 0: of type int; expected an object"),
        ('[{"image_id": "0.jpg"}]', "detection 0: holds 'image_id'; expected the key 'keypoints'"),
        (f"[{GOOD.replace('0.jpg', 'me.jpg')}]", "detection 0: 'me.jpg'; expected a name with the"),
        (f"[{GOOD}, {GOOD.replace('0.jpg', 'a1.jpg')}]", "images of several names"),
        (f"[{GOOD.replace('100, 50.25, 0.5, ', '')}]", "48 numbers; expected x, y and confidence"),
        (f"[{GOOD.replace('100, ', '')}]", "50 numbers; expected x, y and confidence"),
        (f"[{GOOD.replace('0.5', 'null')}, {GOOD}]", "1 frame"),
        (f'[{GOOD[:-1]}, "idx": 1.5}}]', "track id '1.5'; expected a whole number"),
        (f'[{GOOD[:-1]}, "idx": []}}]', r"track id '\[\]'; expected a whole number"),
        (
            f"[{GOOD.replace('0.jpg', '999999999.jpg')}, {GOOD}, {GOOD.replace('0.jpg', '1.jpg')}]",
            "3 frames with numbers 0 to 999",
        ),
        (f"[{GOOD}, {detection('1.jpg', 5, 26)}]", "people with 17 and with 26 joints"),
        ('{"0.jpg": {"faces": []}}', "image '0.jpg': expected an object with 'bodies' or 'people'"),
        ('{"0.jpg": {"bodies": [{}]}}', "image '0.jpg', person 0: holds nothing; .*'joints'"),
        ('{"0.jpg": {"people": 3}}', "image '0.jpg': 'people' is of type int; expected list"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        alphapose.read(path)
    assert str(path) in str(error.value)
