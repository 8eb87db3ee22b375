"""Official splits: the published tables, and which part of them a clip belongs to.

A split is a function of a clip's own metadata, so it needs no list of files. One function per data
set; each returns {protocol: role} with role "train", "validation" or "test".
"""

from collections.abc import Callable, Collection

from via_jax.data.clip import Clip

# Northwestern-UCLA, cross-view: two cameras train, the third tests (1020 and 464 clips).
NW_UCLA_TRAIN_VIEWS = ("v01", "v02")
NW_UCLA_TEST_VIEWS = ("v03",)

# HDM05, the subset of 11 classes: three actors train, two test.
HDM05_TRAIN_SUBJECTS = ("bd", "bk", "dg")
HDM05_TEST_SUBJECTS = ("mm", "tr")

# Berkeley MHAD, cross-subject: 384 and 275 clips.
BERKELEY_MHAD_TRAIN_SUBJECTS = ("1", "2", "3", "4", "5", "6", "7")
BERKELEY_MHAD_TEST_SUBJECTS = ("8", "9", "10", "11", "12")

# SBU, five folds by ordered pair of persons, as the data set's own text lists them.
SBU_FOLDS = (
    ("s01s02", "s03s04", "s05s02", "s06s04"),
    ("s02s03", "s02s07", "s03s05", "s05s03"),
    ("s01s03", "s01s07", "s07s01", "s07s03"),
    ("s02s01", "s02s06", "s03s02", "s03s06"),
    ("s04s02", "s04s03", "s04s06", "s06s02", "s06s03"),
)

# Toyota Smarthome. Cross-subject: 11 subjects train, 7 test, all 31 classes.
SMARTHOME_TRAIN_SUBJECTS = (
    *("p03", "p04", "p06", "p07", "p09", "p12", "p13", "p15", "p17", "p19", "p25"),
)
SMARTHOME_TEST_SUBJECTS = ("p02", "p10", "p11", "p14", "p16", "p18", "p20")
# Cross-view: by camera, and only these 19 classes. Cameras 1 and 2 have 1877 and 1901 clips.
SMARTHOME_CAMERAS = ("c01", "c02", "c03", "c04", "c05", "c06", "c07")
SMARTHOME_VIEW1_CAMERAS = {"c01": "train", "c05": "validation", "c02": "test"}
SMARTHOME_VIEW2_CAMERAS = SMARTHOME_VIEW1_CAMERAS | dict.fromkeys(
    ("c03", "c04", "c06", "c07"), "train"
)
SMARTHOME_VIEW_CLASSES = (
    *("Cutbread", "Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass"),
    *("Eat.Attable", "Eat.Snack", "Enter", "Getup", "Leave", "Pour.Frombottle", "Pour.Fromcan"),
    *("Readbook", "Sitdown", "Takepills", "Uselaptop", "Usetablet", "Usetelephone", "Walk"),
)

# Mixamo: eleven characters train, four test (Aberman et al., 2019); "Globin" is their spelling.
MIXAMO_TRAIN_CHARACTERS = (
    *("Aj", "BigVegas", "Claire", "Jasper", "Lola", "Malcolm", "Pearl", "Warrok", "Globin", "Kaya"),
    "PeanutMan",
)
MIXAMO_TEST_CHARACTERS = ("Ty", "Andromeda", "Pumpkinhulk", "SportyGranny")

# NTU RGB+D 60, of setup 1 to 17: 20 of 40 performers train (40,091 and 16,487 clips), or two of
# three cameras (37,646 and 18,932).
NTU60_SETUPS = range(1, 18)
NTU60_SUBJECTS = range(1, 41)
NTU60_TRAIN_SUBJECTS = (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)
NTU60_CAMERAS = range(1, 4)
NTU60_TRAIN_CAMERAS = (2, 3)

# NTU RGB+D 120: 53 of 106 performers train (63,026 and 50,919 clips), or the setups of even number
# (54,468 and 59,477).
NTU120_SUBJECTS = range(1, 107)
NTU120_TRAIN_SUBJECTS = (
    *NTU60_TRAIN_SUBJECTS,
    *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86),
    *(89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
)
NTU120_SETUPS = range(1, 33)
NTU120_TRAIN_SETUPS = range(2, 33, 2)

# UAV-Human: two ways to train on 89 of 119 persons.
UAV_HUMAN_SUBJECTS = range(119)
UAV_HUMAN_TRAIN_SUBJECTS_1 = (
    *(0, 2, 5, 6, 7, 8, *range(10, 22), *range(25, 31), *range(32, 41), *range(42, 54), 55, 56),
    *(57, 59, *range(61, 66), *range(67, 72), 73, *range(76, 91), 98, 100, 102, 103, 105, 106),
    *(110, 111, 112, *range(114, 119)),
)
UAV_HUMAN_TRAIN_SUBJECTS_2 = (
    *(0, 3, 4, 5, 6, 8, 10, 11, 12, 14, 16, *range(18, 23), 24, 26, *range(29, 33)),
    *(*range(35, 41), *range(43, 48), 49, 52, 54, 56, 57, *range(59, 65), 66, 67, *range(69, 76)),
    *(*range(77, 82), 83, 84, *range(86, 90), *range(91, 98), *range(99, 105), *range(106, 116)),
    *(117, 118),
)


def split_of(dataset: str, clip: Clip) -> dict[str, str]:
    """Returns the role of a clip under each official protocol of its data set.

    Args:
      dataset: name of the data set, one of `DATASETS`.
      clip: one of its clips, with the metadata that its reader gives.

    Returns:
      {protocol: "train", "validation" or "test"}; empty where the data set has no split.

    Raises:
      ValueError: an unknown data set, or a clip whose subject, camera or split is in no table.
    """
    if dataset not in DATASETS:
        raise ValueError(f"data set {dataset!r}; expected one of {', '.join(DATASETS)}")
    return DATASETS[dataset](clip)


def penn_action(clip: Clip) -> dict[str, str]:
    """Returns the role that the label file itself states: 1258 training and 1068 test clips."""
    return {"official": _role(clip, "split", ("train",), ("test",))}


def projected(clip: Clip) -> dict[str, str]:
    """Returns the role by camera, and by camera and performer in "cross_view_subject".

    "cross_view" trains on camera 1 and tests on camera 2 of the same performances, as the paper's
    Mixamo CV; the other protocol tests on performances that were not trained on.
    """
    role = _role(clip, "camera", ("1",), ("2",))
    roles = {"cross_view": role}
    if clip.split == role:
        roles["cross_view_subject"] = role
    return roles


def smarthome(clip: Clip) -> dict[str, str]:
    """Returns the role by subject, and by camera in "cross_view1" and "cross_view2".

    Clips of the other 12 classes have no role in the cross-view protocols, and clips of cameras 3,
    4, 6 and 7 none in the first. UNIK's own script trains cross-view 2 on *subjects* 3, 4, 6 and 7
    (it compares the wrong number); the table of the data set is of cameras.
    """
    train, test = SMARTHOME_TRAIN_SUBJECTS, SMARTHOME_TEST_SUBJECTS
    roles = {"cross_subject": _role(clip, "subject", train, test)}
    if clip.camera not in SMARTHOME_CAMERAS:
        raise ValueError(
            f"clip {clip.name!r}: camera {clip.camera!r}; expected {', '.join(SMARTHOME_CAMERAS)}"
        )
    if clip.label in SMARTHOME_VIEW_CLASSES:
        roles["cross_view2"] = SMARTHOME_VIEW2_CAMERAS[clip.camera]
        if clip.camera in SMARTHOME_VIEW1_CAMERAS:
            roles["cross_view1"] = SMARTHOME_VIEW1_CAMERAS[clip.camera]
    return roles


def posetics(clip: Clip) -> dict[str, str]:
    """Returns the role by folder: the validation part tests."""
    return {"official": _role(clip, "split", ("train",), ("test",))}


def nw_ucla(clip: Clip) -> dict[str, str]:
    """Returns the role by camera."""
    return {"cross_view": _role(clip, "camera", NW_UCLA_TRAIN_VIEWS, NW_UCLA_TEST_VIEWS)}


def hdm05(clip: Clip) -> dict[str, str]:
    """Returns the role by subject."""
    return {"cross_subject": _role(clip, "subject", HDM05_TRAIN_SUBJECTS, HDM05_TEST_SUBJECTS)}


def berkeley_mhad(clip: Clip) -> dict[str, str]:
    """Returns the role by subject."""
    train, test = BERKELEY_MHAD_TRAIN_SUBJECTS, BERKELEY_MHAD_TEST_SUBJECTS
    return {"cross_subject": _role(clip, "subject", train, test)}


def sbu(clip: Clip) -> dict[str, str]:
    """Returns the role in "fold1" to "fold5", each of which tests on its own pairs."""
    roles = {}
    for number, fold in enumerate(SBU_FOLDS, start=1):
        others = [pair for other in SBU_FOLDS if other != fold for pair in other]
        roles[f"fold{number}"] = _role(clip, "subject", others, fold)
    return roles


def mixamo(clip: Clip) -> dict[str, str]:
    """Returns the role by character; none for the many characters that are in neither list.

    The arrays come in folders train and test, which must agree. Only there are the motions of the
    two roles different ones.
    """
    for role, characters in (
        ("train", MIXAMO_TRAIN_CHARACTERS),
        ("test", MIXAMO_TEST_CHARACTERS),
    ):
        if clip.subject in characters:
            if clip.split not in (None, role):
                raise ValueError(
                    f"clip {clip.name!r}: in folder {clip.split}; expected {role}, the part of"
                    f" {clip.subject}"
                )
            return {"official": role}
    return {}


def pyskl(clip: Clip) -> dict[str, str]:
    """Returns the roles that the file itself gives, under each of its protocols."""
    return dict(clip.extra)


def ntu60(clip: Clip) -> dict[str, str]:
    """Returns the roles by performer and by camera."""
    _number(clip, "setup", NTU60_SETUPS)  # others are of NTU RGB+D 120
    subject = _number(clip, "subject", NTU60_SUBJECTS)
    camera = _number(clip, "camera", NTU60_CAMERAS)
    return {
        "cross_subject": "train" if subject in NTU60_TRAIN_SUBJECTS else "test",
        "cross_view": "train" if camera in NTU60_TRAIN_CAMERAS else "test",
    }


def ntu120(clip: Clip) -> dict[str, str]:
    """Returns the roles by performer and by setup."""
    subject = _number(clip, "subject", NTU120_SUBJECTS)
    setup = _number(clip, "setup", NTU120_SETUPS)
    return {
        "cross_subject": "train" if subject in NTU120_TRAIN_SUBJECTS else "test",
        "cross_set": "train" if setup in NTU120_TRAIN_SETUPS else "test",
    }


def uav_human(clip: Clip) -> dict[str, str]:
    """Returns the roles by person in both divisions."""
    subject = _number(clip, "subject", UAV_HUMAN_SUBJECTS)
    return {
        "csv1": "train" if subject in UAV_HUMAN_TRAIN_SUBJECTS_1 else "test",
        "csv2": "train" if subject in UAV_HUMAN_TRAIN_SUBJECTS_2 else "test",
    }


def folder(clip: Clip) -> dict[str, str]:
    """Returns the role that the files themselves give, as the column `split` of labels.csv."""
    return {} if clip.split is None else {"given": clip.split}


def unsplit(clip: Clip) -> dict[str, str]:
    """Returns no role: these recordings come without an official split."""
    return {}


# The known data sets, by name.
DATASETS: dict[str, Callable[[Clip], dict[str, str]]] = {
    "penn_action": penn_action,
    "nw_ucla": nw_ucla,
    "hdm05": hdm05,
    "berkeley_mhad": berkeley_mhad,
    "sbu": sbu,
    "smarthome": smarthome,
    "smarthome_3d": smarthome,
    "posetics": posetics,
    "posetics_3d": posetics,
    "penn_lcrnet": penn_action,
    "penn_lcrnet_published": penn_action,
    "mixamo": mixamo,
    "pyskl": pyskl,
    "ntu60": ntu60,
    "ntu120": ntu120,
    "uav_human": uav_human,
    "folder": folder,
    "prepared": folder,
    "projected": projected,
    "bandai_namco": unsplit,
    "openpose": unsplit,
    "kinetics": unsplit,
}


def _role(clip: Clip, what: str, train: Collection[str], test: Collection[str]) -> str:
    """Returns "train" or "test" by the clip's attribute `what`."""
    value = getattr(clip, what)
    if value in train:
        return "train"
    if value in test:
        return "test"
    raise ValueError(
        f"clip {clip.name!r}: {what} {value!r}; expected {', '.join(train)} (train) or"
        f" {', '.join(test)} (test)"
    )


def _number(clip: Clip, what: str, known: range) -> int:
    """Returns the number in a name such as P001: the clip's subject, camera or extra setup."""
    value = clip.extra.get("setup") if what == "setup" else getattr(clip, what)
    digits = value[1:] if value else ""
    if not digits.isdecimal() or int(digits) not in known:
        raise ValueError(
            f"clip {clip.name!r}: {what} {value!r}; expected a letter and a number from"
            f" {known[0]} to {known[-1]}"
        )
    return int(digits)
