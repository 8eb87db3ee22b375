import numpy as np
import pytest

from via_jax.data import splits
from via_jax.data.prepare import prepare
from via_jax.data.readers import smarthome

BODY = b'{"pose2d": [1,2,3,4,5,6,7,8,9,10,11,12,13, 21,22,23,24,25,26,27,28,29,30,31,32,33], "pose3d": [1,2,3,4,5,6,7,8,9,10,11,12,13, -1,-2,-3,-4,-5,-6,-7,-8,-9,-10,-11,-12,-13, 2,1,2,1,2,1,2,1,2,1,2,1,2]}'  # noqa: E501
FILE = b'{"K": 20, "njts": 13, "frames": [[' + BODY + b"], [], [" + BODY + b"]]}"


def write(folder, name, content=FILE):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_read_gives_what_the_name_says(tmp_path):
    path = write(tmp_path, "Cook.Cleandishes_p02_r00_v14_c03_pose3d.json")
    clip = smarthome.read(path)
    assert clip.name == "Cook.Cleandishes_p02_r00_v14_c03"
    assert (clip.label, clip.subject, clip.camera) == ("Cook.Cleandishes", "p02", "c03")
    assert clip.extra == {"r": "00", "v": "14"}
    assert (clip.layout, clip.units, clip.image_size) == ("lcrnet13", "pixels", (640, 480))
    np.testing.assert_array_equal(clip.poses[0, 2, [0, 12]], [[1, 21], [13, 33]])
    np.testing.assert_array_equal(clip.valid.all(axis=2), [[True, False, True]])
    solid = smarthome.read(path, coords=3)
    assert (solid.name, solid.units, solid.y_up) == (clip.name, "metres", True)
    np.testing.assert_array_equal(solid.poses[0, 2, [0, 12]], [[1, -1, 2], [13, -13, 2]])


@pytest.mark.parametrize("suffix", ["", "_pose3d", "_LCRNet+v3d", ".refined"])
def test_any_suffix_will_do(tmp_path, suffix):
    clip = smarthome.read(write(tmp_path, f"WatchTV_p25_r15_v01_c04{suffix}.json"))
    assert (clip.name, clip.label, clip.camera) == ("WatchTV_p25_r15_v01_c04", "WatchTV", "c04")


@pytest.mark.parametrize("folder", [".", "smarthome_skeletons"])
def test_find_lists_what_looks_like_a_clip_in_order(tmp_path, folder):
    for name in (
        "Walk_p03_r00_v02_c01_pose3d.json",
        "Cook.Cut_p03_r00_v02_c01.json",
        "Walk_p3_r00_v02_c01.json",  # read refuses it, so that it is not lost unseen
        "labels.json",
        ".Walk_p03_r00_v02_c01_pose3d.json",
    ):
        write(tmp_path / folder, name)
    assert [path.name for path in smarthome.find(tmp_path)] == [
        "Cook.Cut_p03_r00_v02_c01.json",
        "Walk_p03_r00_v02_c01_pose3d.json",
        "Walk_p3_r00_v02_c01.json",
    ]


def test_find_says_what_it_expected(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match=r"no Activity_pSS_rRR_vVV_cCC_pose3d\.json"):
            smarthome.find(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Walk_p3_r00_v02_c01.json", "expected a name Activity_pSS_rRR_vVV_cCC"),
        ("Walk_p03_r00_v02_c011.json", "expected a name Activity"),
        ("Cook_Cut_p03_r00_v02_c01.json", "expected a name Activity"),
        ("Walk_p03_r00_v02.json", "expected a name Activity"),
        ("Run_p03_r00_v02_c01.json", "activity 'Run'; expected one of Cook.Cleandishes, "),
        ("cook.cut_p03_r00_v02_c01.json", "activity 'cook.cut'; expected one of"),
        ("Cook_p03_r00_v02_c01_pose3d.json", "activity 'Cook'; expected one of"),
    ],
)
def test_bad_names_are_refused(tmp_path, name, message):
    path = write(tmp_path, name)
    with pytest.raises(ValueError, match=message) as error:
        smarthome.read(path)
    assert str(path) in str(error.value)


def test_bad_files_are_named(tmp_path):
    path = write(tmp_path, "Walk_p03_r00_v02_c01.json", b'{"frames": [[], []]}')
    with pytest.raises(ValueError, match=r"Walk_p03_r00_v02_c01\.json: nobody in 2 frames"):
        smarthome.read(path)


def test_classes():
    assert len(set(smarthome.LABELS)) == len(smarthome.LABELS) == 31
    assert list(smarthome.LABELS) == sorted(smarthome.LABELS)
    cross_view = splits.SMARTHOME_VIEW_CLASSES
    assert len(set(cross_view)) == len(cross_view) == 19 and set(cross_view) < set(smarthome.LABELS)
    assert list(cross_view) == sorted(cross_view)
    left = {label for label in smarthome.LABELS if label not in cross_view}
    assert {label for label in left if label.startswith(("Cook.", "Make"))} == left - {
        "Laydown",
        "Pour.Fromkettle",
        "WatchTV",
    }


def test_a_protocol_has_its_own_classes(tmp_path):
    for name in (
        "Cook.Cut_p03_r00_v02_c01",  # not in cross-view
        "Usetelephone_p03_r00_v02_c01",
        "Usetablet_p02_r00_v02_c02",
        "Walk_p02_r00_v02_c03",  # has no role in cross-view 1
        "WatchTV_p02_r00_v02_c05",
    ):
        write(tmp_path / "source", f"{name}_pose3d.json")
    for dataset, coords in (("smarthome", 2), ("smarthome_3d", 3)):
        data = prepare(dataset, tmp_path / "source", tmp_path / dataset, layout="unik17")
        assert data.coords == coords
        assert data.classes == ["Cook.Cut", "Usetablet", "Usetelephone", "Walk", "WatchTV"]
        expected = {  # labels of the clips in the order of their names, Cook.Cut first
            "cross_subject": (data.classes, [0, 1, 2, 3, 4]),
            "cross_view1": (["Usetablet", "Usetelephone"], [-1, 0, 1, -1, -1]),
            "cross_view2": (["Usetablet", "Usetelephone", "Walk"], [-1, 0, 1, 2, -1]),
        }
        for protocol, (classes, labels) in expected.items():
            part = data.of_protocol(protocol)
            assert (part.classes, part.label.tolist()) == (classes, labels)
