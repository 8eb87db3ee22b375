import dataclasses

import numpy as np
import pytest

from via_jax.data.clip import Clip
from via_jax.data.writer import quantise, write


def clip_of(name, seed=0, persons=1, frames=6, **facts):
    """Pixels, penn13, a tenth of the joints missing."""
    rng = np.random.default_rng([seed, *name.encode()])
    poses = (rng.normal(size=(persons, frames, 13, 2)) * 60 + 300).astype(np.float32)
    valid = rng.random(poses.shape[:3]) < 0.9
    clip = Clip(np.where(valid[..., None], poses, 0), valid, layout="penn13", name=name)
    return dataclasses.replace(clip, **facts)


def changed(clip, **arrays):
    return dataclasses.replace(clip, **arrays)


def write_to(folder, clips, **settings):
    fixed = {"dataset": "made", "splits": lambda clip: {}}
    return write(folder, clips, **{**fixed, **settings})


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# Fixed point


@pytest.mark.parametrize("offset", [0.0, 500.0, -3.0])
def test_fixed_point_is_exact_to_half_a_step(offset):
    poses = np.random.default_rng(0).normal(size=(20, 13, 3)) * [1, 5, 0.1] + offset
    poses = poses.astype(np.float32)
    values, scale, origin = quantise(poses, np.ones(13, bool))
    extent = (poses.max(axis=(0, 1)) - poses.min(axis=(0, 1))).max()
    assert np.isclose(scale, extent / 65534, rtol=1e-4)
    assert values.dtype == np.int16 and values.max() >= 32766 and values.min() <= -32766
    back = values * np.float64(scale) + origin
    assert np.abs(back - poses).max() <= scale / 2 * (1 + 1e-3)


def test_fixed_point_of_joints_that_are_not_known():
    poses = np.random.default_rng(0).normal(size=(5, 13, 2)).astype(np.float32)
    known = np.arange(13) != 4
    values, scale, origin = quantise(poses, known)
    poses[:, 4] = 1e6
    for new, old in zip(quantise(poses, known), (values, scale, origin), strict=True):
        np.testing.assert_array_equal(new, old)
    assert not values[:, 4].any()
    values, _, _ = quantise(poses, np.zeros(13, bool))
    assert not values.any()


def test_fixed_point_of_a_body_without_extent():
    poses = np.full((5, 13, 2), 0.1, np.float32)
    values, scale, origin = quantise(poses, np.ones(13, bool))
    np.testing.assert_array_equal(values * np.float32(scale) + origin, poses)


# What is written


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(clips, prepared data): labels and splits known for some."""
    clips = [
        clip_of("b", persons=2, label="wave", subject="anna", camera="front"),
        clip_of("a", frames=9, label="jump", subject="ben"),
        clip_of("c", frames=2),
    ]
    roles = {"b": {"one": "train", "two": "test"}, "a": {"one": "test"}, "c": {"two": "validation"}}
    folder = tmp_path_factory.mktemp("writer") / "made"
    skipped = [{"path": "d.npz", "reason": "empty"}]
    return clips, write_to(
        folder, clips, splits=lambda clip: roles[clip.name], skipped=lambda: skipped
    )


def test_rows_are_person_by_person(written):
    _, data = written
    np.testing.assert_array_equal(data.length, [6, 6, 9, 2])
    np.testing.assert_array_equal(data.row, [0, 6, 12, 21])
    np.testing.assert_array_equal(data.clip, [0, 0, 1, 2])
    np.testing.assert_array_equal(data.persons, [2, 1, 1])
    np.testing.assert_array_equal(data.first_sequence, [0, 2, 3])
    assert data.frames.shape == (23, 13, 2) and data.valid.shape == (23, 13)


def test_facts_of_the_clips(written):
    _, data = written
    assert data.names.tolist() == ["b", "a", "c"]  # the order given
    assert data.classes == ["jump", "wave"]
    np.testing.assert_array_equal(data.label, [1, 0, -1])
    assert data.subjects.tolist() == ["anna", "ben", ""]
    assert data.cameras.tolist() == ["front", "", ""]
    assert {key: roles.tolist() for key, roles in data.splits.items()} == {
        "one": ["train", "test", ""],
        "two": ["test", "", "validation"],
    }


def test_the_manifest_tells_the_facts(written):
    clips, data = written
    facts = data.manifest
    expected = {
        "dataset": "made",
        "layout": "penn13",
        "coords": 2,
        "units": "pixels",
        "y_up": False,
        "clips": 3,
        "sequences": 4,
        "rows": 23,
        "splits": {"one": {"train": 1, "test": 1}, "two": {"test": 1, "validation": 1}},
        "skipped": [{"path": "d.npz", "reason": "empty"}],
    }
    assert {key: facts[key] for key in expected} == expected
    assert set(facts["sha256"]) == {"frames.bin", "valid.bin", "clips.npz"}
    observed = sum(int(clip.valid.sum()) for clip in clips)
    assert facts["observed_joints"] == pytest.approx(observed / (23 * 13))


def test_no_observed_joint_is_further_off_than_the_manifest_says(written):
    clips, data = written
    bound = data.manifest["largest_rounding_error"]
    worst = 0.0
    for i, clip in enumerate(clips):
        # Persons were sorted by motion, so compare with the nearest.
        for pose, valid in zip(clip.poses, clip.valid, strict=True):
            read = data.read(i)
            errors = np.abs(read.poses - pose)[:, valid].max(axis=(1, 2))
            worst = max(worst, errors.min())
            np.testing.assert_array_equal(read.valid[errors.argmin()], valid)
    assert 0.8 * bound < worst <= bound + 500 * 2.0**-23  # float32 pixels


def test_a_body_without_extent_has_no_rounding_error(tmp_path):
    still = clip_of("a")
    still = changed(still, poses=np.full_like(still.poses, 7.0))
    data = write_to(tmp_path / "made", [still])
    assert data.manifest["largest_rounding_error"] == 0
    np.testing.assert_array_equal(data.read(0).poses, 7.0)


def test_equal_clips_give_equal_bytes(tmp_path, written):
    clips, data = written
    for name in ("first", "second"):
        write_to(tmp_path / name, iter(clips))
    first, second = files_of(tmp_path / "first"), files_of(tmp_path / "second")
    assert first == second and len(first) == 4
    assert first["frames.bin"] == files_of(data.folder)["frames.bin"]
    write_to(tmp_path / "third", [clip_of("b", seed=1, persons=2), *clips[1:]])
    assert files_of(tmp_path / "third")["frames.bin"] != first["frames.bin"]


@pytest.mark.parametrize("garbage", [-1e6, np.nan, np.inf])
def test_what_a_missing_joint_holds_changes_no_byte(tmp_path, garbage):
    clips = [clip_of("a", persons=3), clip_of("b")]
    for clip in clips:
        clip.valid[0, :, 5] = False  # never seen
    full = [
        changed(clip, poses=np.where(clip.valid[..., None], clip.poses, np.float32(garbage)))
        for clip in clips
    ]
    write_to(tmp_path / "clean", clips)
    write_to(tmp_path / "full", full)
    assert files_of(tmp_path / "clean") == files_of(tmp_path / "full")


def test_the_most_moving_persons_are_kept(tmp_path):
    clip = clip_of("a", persons=4)
    shown = np.ones((4, 6, 13), bool)
    shown[3] = False  # somebody who is never seen
    motion = np.array([1, 3, 2, 9], np.float32)[:, None, None, None]
    clip = changed(clip, poses=(clip.poses % 7) * motion, valid=shown)
    for count, order in ((1, [1]), (2, [1, 2]), (4, [1, 2, 0])):
        data = write_to(tmp_path / f"made{count}", [clip], max_persons=count)
        assert data.persons[0] == len(order)
        np.testing.assert_allclose(data.read(0).poses, clip.poses[order], atol=1e-3)


def test_classes_may_be_given(tmp_path):
    clips = [clip_of("a", label="wave"), clip_of("b")]
    data = write_to(tmp_path / "made", clips, classes=["sit", "wave", "jump"])
    assert data.classes == ["sit", "wave", "jump"]
    np.testing.assert_array_equal(data.label, [1, -1])


def test_an_existing_folder_is_replaced_only_when_told(tmp_path):
    folder = tmp_path / "made"
    write_to(folder, [clip_of("a")])
    before = files_of(folder)
    with pytest.raises(ValueError, match=r"made exists; choose another folder or say overwrite"):
        write_to(folder, [clip_of("b")])
    with pytest.raises(ValueError, match="no clip to write"):
        write_to(folder, [], overwrite=True)
    assert files_of(folder) == before  # a failure leaves the old data
    data = write_to(folder, [clip_of("b")], overwrite=True)
    assert data.names.tolist() == ["b"]


# What is refused

GOOD = clip_of("good")
BAD = {
    "one joint less": (changed(GOOD, poses=GOOD.poses[:, :, 1:]), "12 joints"),
    "another layout": (changed(GOOD, layout="coco17"), "13 joints and 2 coords; expected 17"),
    "four coords": (changed(GOOD, poses=np.ones((1, 6, 13, 4), np.float32)), "4 coords"),
    "time and joints exchanged": (changed(GOOD, poses=GOOD.poses.swapaxes(1, 2)), "transposed"),
    "no frame": (
        changed(GOOD, poses=GOOD.poses[:, :0], valid=GOOD.valid[:, :0]),
        r"0 frame\(s\)",
    ),
    "one frame": (changed(GOOD, poses=GOOD.poses[:, :1], valid=GOOD.valid[:, :1]), "1 frame"),
    "nothing seen": (changed(GOOD, valid=GOOD.valid & False), "all joints are missing"),
    "NaN": (changed(GOOD, poses=GOOD.poses * np.float32(np.nan)), "NaN or infinity at person 0"),
    "unknown class": (changed(GOOD, label="fly"), r"unknown class 'fly'; expected one of \['sit'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_clips_are_refused(tmp_path, case):
    bad, message = BAD[case]
    with pytest.raises(ValueError, match=f"clip 'good'.*{message}"):
        write_to(tmp_path / "made", [clip_of("first"), bad], classes=["sit"])
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (clip_of("a"), "two clips are named 'a'"),
        (clip_of("b", units="metres"), "unit 'metres', but 'pixels' in 'a'"),
        (clip_of("b", y_up=True), r"\(y_up\) True, but False in 'a'"),
        (
            clip_of("b", poses=np.ones((1, 6, 13, 3), np.float32)),
            "number of coords 3, but 2 in 'a'; one prepared data set holds clips of one kind",
        ),
        (
            Clip(np.ones((1, 6, 17, 2), np.float32), np.ones((1, 6, 17), bool), "coco17", "b"),
            "layout 'coco17', but 'penn13'",
        ),
    ],
)
def test_clips_that_do_not_go_together_are_refused(tmp_path, second, message):
    with pytest.raises(ValueError, match=message):
        write_to(tmp_path / "made", [clip_of("a"), second])


def test_one_frame_may_be_allowed(tmp_path):
    data = write_to(tmp_path / "made", [clip_of("a", frames=1)], min_frames=1)
    np.testing.assert_array_equal(data.length, [1])
