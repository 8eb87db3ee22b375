"""Scores of every test clip in a file, and their fusion over runs by the names of the clips.

The published two-stream results add the scores of a model of joints and one of bones. Their scripts
add by position, which is silently wrong where the runs differ in their clips; here names decide.
"""

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from via_jax import archives

FILE = "scores.npz"


class Scores(NamedTuple):
    """What a classifier says of clips.

    Attributes:
      names: str [clips], unique.
      labels: int [clips], true classes.
      classes: str [classes].
      scores: [clips, classes], log-probabilities.
    """

    names: np.ndarray
    labels: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


def write_scores(workdir: str | Path, scores: Scores) -> None:
    """Writes scores.npz, with scores in float32; of several processes only the first one does."""
    if jax.process_index() != 0:
        return
    path = Path(workdir) / FILE
    beside = path.with_name(f"{FILE}.{os.getpid()}.tmp")
    arrays = scores._asdict() | {"scores": np.asarray(scores.scores, np.float32)}
    with beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(beside, path)


def read_scores(workdir: str | Path) -> Scores:
    """The scores that fine-tuning left in a work directory.

    Raises:
      ValueError: no such file, or contents that do not fit each other: a missing array, shapes, a
        name twice, a label out of range, scores that are not finite.
    """
    path = Path(workdir) / FILE
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; it is written when fine-tuning ends: run experiments.fine_tune"
        )
    try:
        with path.open("rb") as opened:
            archives.check_arrays(opened)
            file = np.load(opened, allow_pickle=False)
            scores = Scores(*(file[name] for name in Scores._fields))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}; run the fine-tuning again") from error
    names, labels, classes, values = scores
    clips, wrong = names.size, ""
    shapes = ((clips,), (clips,), (classes.size,), (clips, classes.size))
    if tuple(x.shape for x in scores) != shapes or not clips:
        wrong = f"shapes {[x.shape for x in scores]} of {', '.join(Scores._fields)}"
    elif len(set(names.tolist())) < clips:
        values_of, counts = np.unique(names, return_counts=True)
        wrong = f"the clip {str(values_of[counts.argmax()])!r} twice"
    elif labels.min() < 0 or labels.max() >= len(classes):
        wrong = f"labels from {labels.min()} to {labels.max()} of {len(classes)} classes"
    elif not np.isfinite(values).all():
        wrong = "scores that are not finite"
    if wrong:
        raise ValueError(f"{path} holds {wrong}; run the fine-tuning again")
    return scores


def fuse(runs: Mapping[str, Scores], weights: Sequence[float]) -> Scores:
    """Weighted mean of the runs' probabilities, clip by clip; as log-probabilities, float64.

    Args:
      runs: scores under the name of each run, which messages use.
      weights: of the runs, in their order; not negative, and not all 0.

    Returns:
      Names, labels and classes of the first run, in its order.

    Raises:
      ValueError: weights that do not fit, or runs of other clips, classes or labels, with what
        differs.
    """
    if len(weights) != len(runs) or not runs:
        raise ValueError(f"{len(weights)} weights for {len(runs)} runs; give one for each run")
    if not np.isfinite(weights).all() or min(weights) < 0 or sum(weights) <= 0:
        raise ValueError(f"weights {list(weights)}; expected none below 0, and one above")
    (first_run, first), *_ = runs.items()
    total = np.zeros(first.scores.shape)
    for (run, scores), weight in zip(runs.items(), weights):
        order = _matched(first_run, first, run, scores)
        logits = scores.scores[order].astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        total += weight * odds / odds.sum(axis=1, keepdims=True)
    mean = np.maximum(total / sum(weights), np.finfo(np.float64).tiny)
    return first._replace(scores=np.log(mean))


def _matched(one: str, first: Scores, other: str, second: Scores) -> np.ndarray:
    """Rows of the second run in the order of the first one's clips."""

    def refuse(what: str) -> ValueError:
        return ValueError(f"{one} and {other} cannot be fused: {what}")

    if first.classes.tolist() != second.classes.tolist():
        theirs = _only(one, first.classes, other, second.classes)
        raise refuse(f"their classes differ: {theirs or 'the same names in another order'}")
    samples = _only(one, first.names, other, second.names)
    if samples:
        raise refuse(f"their clips differ: {samples}")
    row = {name: index for index, name in enumerate(second.names.tolist())}
    order = np.array([row[name] for name in first.names.tolist()])
    wrong = np.flatnonzero(first.labels != second.labels[order])
    if len(wrong):
        clip = wrong[0]
        labels = (str(first.classes[x]) for x in (first.labels[clip], second.labels[order[clip]]))
        raise refuse(
            f"{len(wrong)} clips have other labels, the first is {str(first.names[clip])!r}:"
            " {!r} and {!r}".format(*labels)
        )
    return order


def _only(one: str, first: np.ndarray, other: str, second: np.ndarray) -> str:
    """What only one of two sets of names holds; empty where they are the same."""
    parts = []
    for run, mine, theirs in ((one, first, second), (other, second, first)):
        extra = sorted(set(mine.tolist()) - set(theirs.tolist()))
        if extra:
            shown = ", ".join(repr(name) for name in extra[:3])
            more = ", ..." if len(extra) > 3 else ""
            parts.append(f"{len(extra)} only in {run} ({shown}{more})")
    return "; ".join(parts)
