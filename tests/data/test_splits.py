import collections

import numpy as np
import pytest

from via_jax.data import ntu_names, splits
from via_jax.data.clip import Clip
from via_jax.data.readers import nw_ucla, penn_action, sbu


def clip_with(**facts):
    poses, valid = np.ones((1, 2, 13, 2), np.float32), np.ones((1, 2, 13), bool)
    return Clip(poses=poses, valid=valid, layout="penn13", name="c", **facts)


@pytest.mark.parametrize(
    ("dataset", "facts", "roles"),
    [
        ("penn_action", {"split": "train"}, {"official": "train"}),
        ("penn_action", {"split": "test"}, {"official": "test"}),
        ("nw_ucla", {"camera": "v01"}, {"cross_view": "train"}),
        ("nw_ucla", {"camera": "v02"}, {"cross_view": "train"}),
        ("nw_ucla", {"camera": "v03"}, {"cross_view": "test"}),
        ("hdm05", {"subject": "dg"}, {"cross_subject": "train"}),
        ("hdm05", {"subject": "mm"}, {"cross_subject": "test"}),
        ("berkeley_mhad", {"subject": "7"}, {"cross_subject": "train"}),
        ("berkeley_mhad", {"subject": "8"}, {"cross_subject": "test"}),
        ("berkeley_mhad", {"subject": "12"}, {"cross_subject": "test"}),
        ("penn_lcrnet", {"split": "test"}, {"official": "test"}),
        ("posetics", {"split": "train"}, {"official": "train"}),
        ("posetics_3d", {"split": "test"}, {"official": "test"}),
        ("mixamo", {"subject": "PeanutMan"}, {"official": "train"}),
        ("mixamo", {"subject": "SportyGranny", "split": "test"}, {"official": "test"}),
        ("mixamo", {"subject": "Whiteclown", "split": "test"}, {}),
        ("pyskl", {"extra": {"xsub": "train", "xset": "test"}}, {"xsub": "train", "xset": "test"}),
        (
            "ntu60",
            {"subject": "P038", "camera": "C001", "extra": {"setup": "S017"}},
            {"cross_subject": "train", "cross_view": "test"},
        ),
        (
            "ntu120",
            {"subject": "P103", "camera": "C001", "extra": {"setup": "S032"}},
            {"cross_subject": "train", "cross_set": "train"},
        ),
        ("uav_human", {"subject": "P000"}, {"csv1": "train", "csv2": "train"}),
        ("uav_human", {"subject": "P002"}, {"csv1": "train", "csv2": "test"}),
        ("folder", {}, {}),
        ("folder", {"split": "validation"}, {"given": "validation"}),
        ("openpose", {}, {}),
        ("kinetics", {}, {}),
        ("bandai_namco", {}, {}),
    ],
)
def test_roles(dataset, facts, roles):
    assert splits.split_of(dataset, clip_with(**facts)) == roles


def test_a_pair_of_sbu_is_tested_in_one_fold():
    roles = splits.split_of("sbu", clip_with(subject="s03s05"))
    assert roles == {
        "fold1": "train",
        "fold2": "test",
        "fold3": "train",
        "fold4": "train",
        "fold5": "train",
    }


@pytest.mark.parametrize("dataset", ["smarthome", "smarthome_3d"])
@pytest.mark.parametrize(
    ("camera", "first", "second"),
    [
        ("c01", "train", "train"),
        ("c02", "test", "test"),
        ("c03", None, "train"),
        ("c04", None, "train"),
        ("c05", "validation", "validation"),
        ("c06", None, "train"),
        ("c07", None, "train"),
    ],
)
def test_smarthome_is_split_by_subject_and_by_camera(dataset, camera, first, second):
    for number in range(1, 26):
        subject = f"p{number:02d}"
        if number in (3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25):
            role = "train"
        elif number in (2, 10, 11, 14, 16, 18, 20):
            role = "test"
        else:
            continue
        clip = clip_with(subject=subject, camera=camera, label="Usetablet")
        roles = splits.split_of(dataset, clip)
        assert roles.pop("cross_subject") == role
        assert (roles.get("cross_view1"), roles.get("cross_view2")) == (first, second)
        cook = clip_with(subject=subject, camera=camera, label="Cook.Cut")  # not of the 19 classes
        assert splits.split_of(dataset, cook) == {"cross_subject": role}


def test_smarthome_tables():
    train, test = splits.SMARTHOME_TRAIN_SUBJECTS, splits.SMARTHOME_TEST_SUBJECTS
    assert (len(set(train)), len(set(test)), len({*train, *test})) == (11, 7, 18)
    assert len(splits.SMARTHOME_CAMERAS) == len(splits.SMARTHOME_VIEW2_CAMERAS) == 7


@pytest.mark.parametrize(
    ("dataset", "facts", "message"),
    [
        ("penn", {}, "data set 'penn'; expected one of penn_action, nw_ucla"),
        ("penn_action", {}, r"clip 'c': split None; expected train \(train\) or test \(test\)"),
        ("nw_ucla", {"camera": "v04"}, r"camera 'v04'; expected v01, v02 \(train\) or v03"),
        ("hdm05", {"subject": "xx"}, "subject 'xx'; expected bd, bk, dg"),
        ("berkeley_mhad", {"subject": "13"}, "subject '13'; expected 1, 2"),
        ("mixamo", {"subject": "Ty", "split": "train"}, "in folder train; expected test, the part"),
        ("sbu", {"subject": "s01s01"}, "subject 's01s01'; expected s02s03"),
        ("smarthome", {"subject": "p01", "camera": "c01"}, "subject 'p01'; expected p03, p04"),
        ("smarthome", {"subject": "p02", "camera": "c08"}, "camera 'c08'; expected c01, c02"),
        ("posetics", {"split": "validation"}, "split 'validation'; expected train"),
        ("ntu60", {}, "setup None; expected a letter and a number from 1 to 17"),
        ("ntu60", {"extra": {"setup": "S018"}}, "setup 'S018'; expected a .* from 1 to 17"),
        (
            "ntu60",
            {"extra": {"setup": "S017"}, "subject": "P041"},
            "subject 'P041'; expected a letter and a number from 1 to 40",
        ),
        ("ntu120", {"subject": "P107"}, "subject 'P107'; expected a .* from 1 to 106"),
        ("ntu120", {"subject": "P1", "extra": {"setup": "even"}}, "setup 'even'; expected"),
        ("uav_human", {"subject": "P119"}, "subject 'P119'; expected a .* from 0 to 118"),
    ],
)
def test_clips_in_no_table_are_named(dataset, facts, message):
    with pytest.raises(ValueError, match=message):
        splits.split_of(dataset, clip_with(**facts))


def counts(dataset, clips):
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for clip in clips:
        found.update(splits.split_of(dataset, clip).items())
    return found


def test_penn_action_counts(shared_data):
    clips = map(penn_action.read, penn_action.find(shared_data / "penn_action"))
    found = counts("penn_action", clips)
    assert found == {("official", "train"): 1258, ("official", "test"): 1068}


def test_nw_ucla_counts(shared_data):
    names = [path.stem for path in nw_ucla.find(shared_data / "nw_ucla")]
    found = counts("nw_ucla", [clip_with(camera=name[-3:]) for name in names])
    assert found == {("cross_view", "train"): 1020, ("cross_view", "test"): 464}


def test_hdm05_tables_agree_with_the_folders(shared_data):
    paths = list((shared_data / "hdm05").glob("*/*/HDM_*.amc"))
    assert len(paths) == 287
    for path in paths:
        roles = splits.split_of("hdm05", clip_with(subject=path.name.split("_")[1]))
        assert roles == {"cross_subject": path.parts[-3]}


def test_berkeley_mhad_counts(shared_data):
    with np.load(shared_data / "berkeley_mhad" / "mhad_mocap.npz", allow_pickle=False) as archive:
        subjects = archive["subject"]
    found = counts("berkeley_mhad", [clip_with(subject=str(subject)) for subject in subjects])
    assert found == {("cross_subject", "train"): 384, ("cross_subject", "test"): 275}


def test_sbu_tests_each_pair_in_exactly_one_fold(shared_data):
    clips = [sbu.read(path) for path in sbu.find(shared_data / "sbu")]
    pairs = {clip.subject or "" for clip in clips}
    tables = [pair for fold in splits.SBU_FOLDS for pair in fold]
    assert sorted(tables) == sorted(pairs) and len(pairs) == 21
    found = counts("sbu", clips)
    tested = [found[f"fold{number}", "test"] for number in range(1, 6)]
    assert tested == [55, 52, 56, 54, 65] and sum(tested) == 282
    assert all(found[f"fold{n}", "train"] == 282 - tested[n - 1] for n in range(1, 6))


@pytest.mark.parametrize(
    ("dataset", "whole", "available"),
    [
        (
            "ntu60",
            {"cross_subject": (40320, 16560), "cross_view": (37920, 18960)},
            {"cross_subject": (40091, 16487), "cross_view": (37646, 18932)},
        ),
        (
            "ntu120",
            {"cross_subject": (63360, 51120), "cross_set": (54720, 59760)},
            {"cross_subject": (63026, 50919), "cross_set": (54468, 59477)},
        ),
    ],
)
def test_ntu_counts(dataset, whole, available):
    setups = splits.NTU60_SETUPS if dataset == "ntu60" else splits.NTU120_SETUPS
    for names, expected in (
        (ntu_names.all_names(setups), whole),
        (ntu_names.names(setups), available),
    ):
        clips = (
            clip_with(subject=name[8:12], camera=name[4:8], extra={"setup": name[:4]})
            for name in names
        )
        assert counts(dataset, clips) == {
            (protocol, role): count
            for protocol, both in expected.items()
            for role, count in zip(("train", "test"), both, strict=True)
        }


def test_uav_human_tests_thirty_persons():
    tested = {
        "csv1": "1 3 4 9 22 23 24 31 41 54 58 60 66 72 74 75 91 92 93 94 95 96 97 99 101 104 107"
        " 108 109 113",
        "csv2": "1 2 7 9 13 15 17 23 25 27 28 33 34 41 42 48 50 51 53 55 58 65 68 76 82 85 90 98"
        " 105 116",
    }
    roles = [splits.split_of("uav_human", clip_with(subject=f"P{n:03}")) for n in range(119)]
    for protocol, numbers in tested.items():
        found = [n for n, role in enumerate(roles) if role[protocol] == "test"]
        assert found == [int(n) for n in numbers.split()] and len(found) == 30
    assert len(set(splits.UAV_HUMAN_TRAIN_SUBJECTS_1)) == 89
    assert len(set(splits.UAV_HUMAN_TRAIN_SUBJECTS_2)) == 89
