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
    "folder": folder,
    "prepared": folder,
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
