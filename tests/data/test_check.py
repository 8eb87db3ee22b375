"""Folders of original files against the official numbers."""

import json
import pathlib

import pytest

from via_jax.data import check as checking
from via_jax.data.check import check, describe, recognise


def write_nw_ucla(folder: pathlib.Path, views: list[int]) -> None:
    """One clip of two frames per view: 1 and 2 train, 3 tests."""
    for number, view in enumerate(views):
        name = f"a01_s{number + 1:02d}_e00_v{view:02d}"
        frame = [[0.1 * joint, 0.2, 3.0] for joint in range(20)]
        content = {"file_name": name, "skeletons": [frame, frame], "label": 1}
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def official(monkeypatch):
    numbers = {"cross_view": {"train": 2, "test": 1}}
    monkeypatch.setitem(checking.OFFICIAL, "nw_ucla", numbers)
    return numbers


def test_a_complete_folder(tmp_path, official):
    write_nw_ucla(tmp_path, [1, 2, 3])
    report = check(tmp_path)
    assert (report.dataset, report.clips, report.bad) == ("nw_ucla", 3, [])
    assert report.counts == official and report.complete
    assert describe(report) == [
        "nw_ucla: 3 clips can be read, 0 cannot",
        "  cross_view test: 1, officially 1",
        "  cross_view train: 2, officially 2",
    ]


def test_what_is_wrong_is_listed(tmp_path, official):
    write_nw_ucla(tmp_path, [1, 1, 1, 3])
    bad = tmp_path / "a01_s02_e00_v01.json"
    bad.write_text("{")
    (tmp_path / "a01_s04_e00_v03.json").unlink()
    report = check(tmp_path, processes=1)
    assert not report.complete
    assert [name for name, _ in report.bad] == [bad.name]
    lines = describe(report)
    assert "  cross_view test: 0, officially 1  <- differs" in lines
    assert "  cross_view train: 2, officially 2" in lines
    assert any(line.startswith(f"  bad: {bad}") for line in lines)


def test_missing_names_are_listed(tmp_path, official, monkeypatch):
    write_nw_ucla(tmp_path, [1, 2, 3])
    (tmp_path / "a01_s02_e00_v02.json").write_text("{")  # bad, but there
    names = ["a01_s01_e00_v01", "a01_s02_e00_v02", "a01_s03_e00_v03", "a01_s09_e00_v01"]
    monkeypatch.setitem(checking.NAMES, "nw_ucla", lambda: names)
    report = check(tmp_path)
    assert report.missing == ["a01_s09_e00_v01"] and not report.surplus
    assert describe(report)[-1] == "  missing: a01_s09_e00_v01"


def skeleton_file(frames=2):
    joint = "0.5 {} 4 283.0 224.3 1027.2 581.3 -0.2 0.1 0.9 -0.1 2\r\n"
    body = "1\r\n72057594037930243 0 0 0 0 0 0 0.25 -0.5 2\r\n25\r\n"
    body += "".join(joint.format(0.1 * j) for j in range(25))
    return f"{frames}\r\n" + body * frames


@pytest.mark.parametrize(("last", "dataset"), [(1, "ntu60"), (18, "ntu120")])
def test_ntu_names_are_compared(tmp_path, monkeypatch, last, dataset):
    """Of two performers of setup 1, and, in NTU RGB+D 120, of one of setup 18."""
    monkeypatch.setattr(checking.ntu_names, "PERFORMERS", {1: (1, 5), 18: (41,)})
    monkeypatch.setattr(checking.splits, "NTU60_SETUPS", [1])
    monkeypatch.setattr(checking.splits, "NTU120_SETUPS", [1, 18])
    every = checking.NAMES[dataset]()
    without = [f"S001C003P005R002A00{action}" for action in (4, 5, 6)]
    assert len(every) == 60 * 6 * (2 if last == 1 else 3) - 4 and not set(without) & set(every)
    lost = every[5:350:15]
    assert len(lost) == 23
    for name in {*every, *without[:1], "S001C001P007R001A001"} - set(lost):
        (tmp_path / f"{name}.skeleton").write_text(skeleton_file())
    (tmp_path / f"{every[0]}.skeleton").write_text("0\r\n")
    report = check(tmp_path, processes=1)
    assert (report.dataset, report.clips) == (dataset, len(every) + 2 - 23 - 1)
    assert [name for name, _ in report.bad] == [f"{every[0]}.skeleton"]
    assert report.missing == lost
    assert report.surplus == ["S001C001P007R001A001", without[0]] and not report.complete
    assert describe(report)[-2:] == [
        f"  missing: {', '.join(lost[:20])} and 3 more",
        f"  surplus: S001C001P007R001A001, {without[0]}",
    ]


def test_a_surplus_alone_is_no_complete_copy(tmp_path, official, monkeypatch):
    write_nw_ucla(tmp_path, [1, 2, 3])
    monkeypatch.setitem(checking.NAMES, "nw_ucla", lambda: ["a01_s01_e00_v01", "a01_s02_e00_v02"])
    report = check(tmp_path)
    assert report.counts == official and not report.missing and not report.complete
    assert report.surplus == ["a01_s03_e00_v03"]


def test_without_official_numbers_a_readable_folder_is_complete(tmp_path, monkeypatch):
    monkeypatch.delitem(checking.OFFICIAL, "nw_ucla")
    write_nw_ucla(tmp_path, [1])
    report = check(tmp_path)
    assert report.complete
    assert describe(report)[-1] == "  no official numbers are known for this data set"


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no files of a data set that is read here"):
        recognise(tmp_path)
    with pytest.raises(ValueError, match="unknown data set 'nw'; expected one of"):
        check(tmp_path, "nw")


@pytest.mark.parametrize(
    ("folder", "dataset"),
    [
        ("penn_action/labels", "penn_action"),
        ("nw_ucla", "nw_ucla"),
        ("nw_ucla/all_sqe", "nw_ucla"),
        ("hdm05", "hdm05"),
        ("berkeley_mhad", "berkeley_mhad"),
        ("bandai_namco_bvh", "bandai_namco"),
        ("sbu", "sbu"),
        ("openpose_videos", "openpose"),
        ("kinetics_skeleton", "kinetics"),
    ],
)
def test_real_folders_are_recognised(shared_data, folder, dataset):
    try:
        found = recognise(shared_data / folder)
    except ValueError as error:
        pytest.fail(str(error))
    assert found == dataset


def test_nw_ucla_is_complete(shared_data):
    report = check(shared_data / "nw_ucla" / "all_sqe", processes=1)
    assert report.complete and report.counts == {"cross_view": {"train": 1020, "test": 464}}
