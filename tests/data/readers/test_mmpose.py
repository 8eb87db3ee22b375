import json

import numpy as np
import pytest

from via_jax.data.readers import mmpose
from via_jax.skeletons import get_layout

NAMES = ", ".join(f'"{j}": "{name}"' for j, name in enumerate(get_layout("coco17").joints))
META = f'{{"dataset_name": "coco", "num_keypoints": 17, "keypoint_id2name": {{{NAMES}}}}}'


def instance(x, joints=17, score=0.5, coords=2, more=""):
    """Joint j stands at (x + j, 50 + 2 j)."""
    rows = [[x + j + 0.25, 50.0 + 2 * j, 1.0][:coords] for j in range(joints)]
    return (
        f'{{"keypoints": {rows}, "keypoint_scores": {[score] * joints},'
        f' "bbox": [[1.0, 2.0, 3.0, 4.0]], "bbox_score": 0.9{more}}}'
    )


def frame(number, *instances):
    return f'{{"frame_id": {number}, "instances": [{", ".join(instances)}]}}'


def video(*frames, meta=META):
    return f'{{"meta_info": {meta}, "instance_info": [{", ".join(frames)}]}}'


def write(folder, text, name="results_walk.json"):
    path = folder / name
    path.write_text(text)
    return path


FRAMES = [frame(1, instance(300), instance(100)), frame(2), frame(3, instance(104), instance(300))]


@pytest.mark.parametrize("text", [video(*FRAMES), f"[{', '.join(FRAMES)}]"], ids=["demo", "list"])
def test_read_gives_people_and_frames(tmp_path, text):
    clip = mmpose.read(write(tmp_path, text))
    assert (clip.layout, clip.name, clip.units) == ("coco17", "results_walk", "pixels")
    assert clip.poses.shape == (2, 3, 17, 2)
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False, True]] * 2)
    np.testing.assert_array_equal(clip.poses[0, [0, 2], 2], [[102.25, 54], [106.25, 54]])
    np.testing.assert_array_equal(clip.poses[1, [0, 2], 2], [[302.25, 54], [302.25, 54]])


def test_a_folder_of_images(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for number, x in ((9, 100), (10, 103), (12, 105)):
        write(folder, f"[{instance(x)}]", f"img_{number}.json")
    write(folder, "[]", "img_11.json")
    clip = mmpose.read(folder)
    assert clip.name == "run"
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, True, False, True]])
    np.testing.assert_array_equal(clip.poses[0, :, 0, 0], [100.25, 103.25, 0, 105.25])


@pytest.mark.parametrize(("joints", "layout", "body"), [(26, "halpe26", 26), (133, "coco17", 17)])
def test_other_bodies(tmp_path, joints, layout, body):
    text = video(*[frame(t, instance(9, joints)) for t in range(2)])
    clip = mmpose.read(write(tmp_path, text))
    assert clip.layout == layout and clip.poses.shape == (1, 2, body, 2)


def test_scores_and_track_ids(tmp_path):
    first = frame(0, instance(100, more=', "track_id": 4'), instance(110, more=', "track_id": 2'))
    low = instance(100, score=0.2, more=', "track_id": 2')
    second = frame(1, low, instance(111, more=', "track_id": 4'))
    path = write(tmp_path, video(first, second))
    clip = mmpose.read(path)
    np.testing.assert_array_equal(clip.poses[:, :, 0, 0], [[100.25, 111.25], [110.25, 100.25]])
    assert not mmpose.read(path, min_confidence=0.2).valid[1, 1].any()


def test_other_names_need_a_layout(tmp_path):
    names = ", ".join(f'"{j}": "{name}"' for j, name in enumerate(get_layout("h36m17").joints))
    meta = f'{{"keypoint_id2name": {{{names}}}}}'
    path = write(tmp_path, video(frame(0, instance(5)), frame(1, instance(5)), meta=meta))
    with pytest.raises(ValueError, match=r"joints named mid_hip, right_hip, .* name the layout"):
        mmpose.read(path)
    assert mmpose.read(path, layout="h36m17").layout == "h36m17"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "holds nothing; expected the key 'instance_info'"),
        ("[", "complete JSON"),
        ("3", "of type int; expected a list of frames"),
        ("[3]", "frame 0: of type int; expected an object with 'frame_id'"),
        ("[]", "nobody in 0 frames"),
        (video(), "nobody in 0 frames"),
        (video(frame(0), frame(1)), "nobody in 2 frames"),
        (video(frame(1, instance(5)), frame(0)), "frame 0 after frame 1"),
        (
            video(frame(0, instance(5)), frame(1), frame(10**12)),
            "3 frames with numbers 0 to 1000000000000",
        ),
        (video('{"frame_id": 0, "instances": {}}'), "'instances' is of type dict; expected list"),
        (video(frame(0, "7")), "frame 0, person 0: of type int; expected an object"),
        (video(frame(0, instance(5, coords=3))), "joints of 3 coords; expected 2"),
        (video(frame(0, instance(5, 16)), frame(1)), "people of 16 joints; expected one of 17"),
        (video(frame(0, instance(5).replace("[0.5, ", "["))), r"scores: .* shape \(16,\)"),
        (
            video(frame(0, instance(5).replace("[5.25", '["a"'))),
            "keypoints: something that is not a",
        ),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        mmpose.read(path)
    assert str(path) in str(error.value)


def test_the_fixture_is_json():
    assert len(json.loads(video(*FRAMES))["instance_info"]) == len(FRAMES)
