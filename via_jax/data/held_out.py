"""Parts of a training split: what choices are made on, and seeded draws of few labels."""

import numpy as np

from via_jax.data.store import Prepared


def to_choose_by(
    data: Prepared, protocol: str, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Training clips to learn from, and the clips that choices are made on.

    The latter are the validation clips where the protocol names some (Toyota Smarthome, cross-view:
    camera 5): all training clips are then learned from. Otherwise see `held_out`.

    Args:
      data: prepared data set.
      protocol: one of its protocols.
      fraction, seed: see `held_out`.

    Returns:
      (to learn from, to choose by), sorted indices of clips.

    Raises:
      ValueError: an unknown protocol, one without training clips, or a fraction out of range.
    """
    train = data.clips_of(protocol, "train")
    validation = np.flatnonzero(data.splits[protocol] == "validation")
    kept, left = held_out(data, train, fraction, seed)
    return (train, validation) if len(validation) else (kept, left)


def held_out(
    data: Prepared, clips: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divides training clips into those to learn from and those to choose by.

    Whole subjects are held out where at least four are known, so that choices are made on unseen
    people; otherwise the same share of every class.

    Args:
      data: prepared data set.
      clips: indices of the training clips.
      fraction: to hold out, in [0, 1); 0 holds out nothing.
      seed: of the draw.

    Returns:
      (kept, held out), sorted indices of clips.

    Raises:
      ValueError: a fraction out of range.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"held_out={fraction} must lie in [0, 1)")
    if fraction == 0:
        return clips, clips[:0]
    rng = np.random.default_rng(seed)
    subjects = data.subjects[clips]
    people = np.unique(subjects)
    if len(people) >= 4 and "" not in people:
        order = rng.permutation(people)
        sizes = np.cumsum([(subjects == person).sum() for person in order])
        count = int(np.argmin(np.abs(sizes - fraction * len(clips)))) + 1
        left = np.isin(subjects, order[: min(count, len(people) - 1)])
    else:
        # A class of one clip keeps it to learn from.
        _, inverse, counts = np.unique(data.label[clips], return_inverse=True, return_counts=True)
        several = clips[counts[inverse] > 1]
        if not len(several):
            return clips, clips[:0]
        left = np.isin(clips, draw_per_class(data, several, fraction, seed))
    return clips[~left], clips[left]


def draw_per_class(data: Prepared, clips: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """A seeded draw of a share of the clips of every class, at least one of each, sorted.

    Raises:
      ValueError: a fraction out of (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction={fraction} must lie in (0, 1]")
    rng = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(data.label[clips]):
        of_class = clips[data.label[clips] == label]
        count = max(1, round(fraction * len(of_class)))
        chosen.append(rng.permutation(of_class)[:count])
    return np.sort(np.concatenate(chosen))


def draw_labels(data: Prepared, clips: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """A seeded random draw of a share of the labelled clips, not per class, as in Table 5.

    Raises:
      ValueError: a fraction out of (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"label_fraction={fraction} must lie in (0, 1]")
    if fraction == 1:
        return clips
    count = max(1, round(fraction * len(clips)))
    return np.sort(np.random.default_rng(seed).permutation(clips)[:count])
