"""A trained model as one object for notebooks: features, labels and retargeting of pose arrays.

import via_jax
model = via_jax.load("runs/penn_ft")
model.predict(poses).top(5)      # poses [time, joints, coords]
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from via_jax import skeletons
from via_jax.arrays import as_clip, block_of
from via_jax.checkpoints import Which, load_model
from via_jax.data.clip import Clip, check_clip
from via_jax.evaluation import retargeting
from via_jax.evaluation.features import features_of, repeat_persons
from via_jax.evaluation.fine_tune import classifier_of, log_probabilities
from via_jax.evaluation.single import batch_of
from via_jax.evaluation.streaming import check_sliding, retarget_blocks, sliding_windows
from via_jax.typing import Tree

Poses = np.ndarray | Clip | Sequence[Clip]


class Prediction(NamedTuple):
    """What a clip shows.

    Attributes:
      classes: names, in the order of the probabilities.
      probabilities: float32 [classes], they sum to 1.
    """

    classes: tuple[str, ...]
    probabilities: np.ndarray

    @property
    def label(self) -> str:
        """Name of the most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities, best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[i], float(self.probabilities[i])) for i in order]


class Model:
    """A trained model; made by `load`.

    Attributes:
      meta: what the checkpoint says of itself: layout, views, window, data set, config, version.
      layout: the joint layout that it reads; other layouts are converted by meaning.
      coords: 2 or 3; a 3D recording is seen by a 2D model along its z axis.
      classes: names of its classes; empty for a pre-trained model.
    """

    def __init__(self, variables: Tree, meta: dict):
        self._variables, self.meta = variables, meta
        self.layout = skeletons.get_layout(meta["layout"])
        self.coords = int(meta["model"]["coords"])
        has_head = "head" in variables["params"]
        self.classes = tuple(meta["classes"]) if has_head else ()
        self._persons = meta["config"]["data"]["persons"]
        self._published = meta["config"]["data"]["published_persons"]

    def __repr__(self) -> str:
        parts = ", ".join(sorted(self._variables["params"]))
        return (
            f"Model({parts}; layout {self.layout.name}, {self.coords}D, window of"
            f" {self.meta['window']['frames']} frames, {len(self.classes)} classes,"
            f" trained on {self.meta['dataset']})"
        )

    def features(
        self,
        poses: Poses,
        valid: np.ndarray | None = None,
        layout: str | None = None,
        feature: str | None = None,
        **facts: Any,
    ) -> np.ndarray:
        """Embedding of a clip, float32 [channels]; of a list of clips [clips, channels].

        Args:
          poses, valid, layout, facts: see `clip_of`.
          feature: "motion", the time mean of the code without its character, or "code"; None takes
            "motion" where the model has a dictionary.

        Raises:
          ValueError: poses that do not fit, or "motion" of a model without a dictionary.
        """
        if feature is None:
            feature = "motion" if "dictionary" in self._variables["params"] else "code"
        found = [
            np.asarray(self._features(batch_of(clip, self.meta, self._persons), feature))[0]
            for clip in self._clips(poses, valid, layout, facts)
        ]
        return np.stack(found) if isinstance(poses, list | tuple) else found[0]

    def predict(
        self,
        poses: Poses,
        valid: np.ndarray | None = None,
        layout: str | None = None,
        **facts: Any,
    ) -> Any:
        """The `Prediction` of a clip; of a list of clips a list of them.

        The clip is seen as in evaluation: resampled to the training's window, or the middle of it.

        Args:
          poses, valid, layout, facts: see `clip_of`.

        Raises:
          ValueError: poses that do not fit, or a model without a classifier.
        """
        self._check_classifier()
        found = [self._predicted(clip) for clip in self._clips(poses, valid, layout, facts)]
        return found if isinstance(poses, list | tuple) else found[0]

    def retarget(
        self, driving: np.ndarray | Clip, source: np.ndarray | Clip, fit_bones: bool = True
    ) -> Clip:
        """The driving motion on the source's body and camera, in the source's layout and units.

        Args:
          driving: whose motion, [time, joints, coords] in the model's layout, or a Clip of any.
          source: whose body and camera; may have another length.
          fit_bones: scale each bone to the source's length, one factor for the clip.

        Returns:
          A Clip with poses [1, time of driving, joints, coords] and valid [1, time, joints].

        Raises:
          ValueError: poses that do not fit, or a model without a decoder.
        """
        self._check_decoder()
        moves, looks = (
            self.clip_of(poses, name=name)
            for poses, name in ((driving, "driving"), (source, "source"))
        )
        return retargeting.retarget(self._variables, self.meta, moves, looks, fit_bones=fit_bones)

    def predict_stream(
        self,
        blocks: Iterable[np.ndarray | Clip],
        frames: int,
        hop: int,
        layout: str | None = None,
        **facts: Any,
    ) -> Iterator[tuple[int, int, Prediction]]:
        """Predictions of sliding windows of a recording that arrives in blocks, as from a camera.

        Each window is predicted as soon as its last frame is there; windows that show nobody are
        left out. One window and one block are kept.

        Args:
          blocks: the recording in parts of any length: as `poses` of `clip_of`, or Clips. A joint
            or a whole frame with NaN is missing. All with equally many persons.
          frames, hop: length of the windows and frames from one to the next.
          layout, facts: see `clip_of`.

        Yields:
          (start, end, prediction): frames of the recording, the end not included.

        Raises:
          ValueError: poses that do not fit, or a model without a classifier.
        """
        self._check_classifier()
        check_sliding(frames, hop)
        windows = sliding_windows(self._blocks(blocks, layout, facts), frames, hop)
        return (
            (start, start + window.num_frames, self._predicted(window))
            for start, window in windows
            if window.valid.any()
        )

    def retarget_stream(
        self,
        blocks: Iterable[np.ndarray | Clip],
        source: np.ndarray | Clip,
        fit_bones: bool = True,
        layout: str | None = None,
        **facts: Any,
    ) -> Iterator[Clip]:
        """The motion of one person that arrives in blocks on the source's body and camera.

        One window and one block are kept. What differs from `retarget` since the rest is not known
        yet is said in `streaming.retarget_blocks`.

        Args:
          blocks: as in `predict_stream`, of one person.
          source: as in `retarget`.
          fit_bones: scale each bone to the source's length, one factor for all blocks.
          layout, facts: of the blocks, see `clip_of`.

        Yields:
          Clips that follow each other without a gap; a frame comes one to one and a half windows
          after it went in, and the rest when the blocks end.

        Raises:
          ValueError: poses that do not fit, or a model without a decoder.
        """
        self._check_decoder()
        looks = self.clip_of(source, name="source")
        moves = self._blocks(blocks, layout, facts)
        return retarget_blocks(self._variables, self.meta, moves, looks, fit_bones=fit_bones)

    def clip_of(
        self,
        poses: np.ndarray | Clip,
        valid: np.ndarray | None = None,
        layout: str | None = None,
        name: str = "poses",
        **facts: Any,
    ) -> Clip:
        """Checked poses as a Clip; a Clip is checked and returned.

        Args:
          poses: [time, joints, coords], [persons, time, joints, coords], or a Clip; in any units.
            A joint with NaN is missing.
          valid: bool, as poses without the last axis; True where a joint was observed; None: where
            it is finite.
          layout: of an array, see `skeletons.get_layout`; None is the model's.
          name: of the clip.
          facts: further fields of the Clip: image_size (width, height) in pixels, frame_rate, and
            y_up, for 3D True unless given.

        Raises:
          ValueError: shapes that do not fit each other or the layout, with what was expected.
        """
        return check_clip(as_clip(poses, valid, layout, self.layout, name, facts), min_frames=1)

    def _blocks(self, blocks: Iterable[Any], layout: str | None, facts: dict) -> Iterator[Clip]:
        for number, poses in enumerate(blocks):
            yield block_of(poses, layout, self.layout, f"block{number}", facts)

    def _check_classifier(self) -> None:
        if not self.classes:
            raise ValueError(
                f"{self!r} has no classifier, so it cannot name actions: load the work directory of"
                " experiments.fine_tune, or take features()"
            )

    def _check_decoder(self) -> None:
        if "decoder" not in self._variables["params"]:
            raise ValueError(
                f"{self!r} has no decoder, so it cannot retarget: load the work directory of"
                " experiments.pretrain"
            )

    def _predicted(self, clip: Clip) -> Prediction:
        scores = np.asarray(self._scores(batch_of(clip, self.meta, self._persons)))[0]
        return Prediction(self.classes, np.exp(scores))

    def _clips(self, poses: Any, valid: Any, layout: str | None, facts: dict) -> list[Clip]:
        if not isinstance(poses, list | tuple):
            return [self.clip_of(poses, valid, layout, **facts)]
        if not poses or not all(isinstance(clip, Clip) for clip in poses):
            raise ValueError("a list of poses holds Clips, at least one; make them by clip_of()")
        return [self.clip_of(clip, valid, layout, **facts) for clip in poses]

    @functools.cached_property
    def _for_persons(self) -> Tree:
        return repeat_persons(self._variables, self._persons)

    @functools.cached_property
    def _features(self) -> Any:
        settings, published = self.meta["model"], self._published

        def compute(batch, feature):
            return features_of(
                self._for_persons,
                batch,
                model=settings,
                feature=feature,
                published_persons=published,
            )

        return jax.jit(compute, static_argnames="feature")

    @functools.cached_property
    def _scores(self) -> Any:
        feature = self.meta["config"]["fine_tune"]["feature"]
        model = classifier_of(self.meta["model"], len(self.classes), feature)

        def compute(batch):
            return log_probabilities(model, self._for_persons, batch, self._published)

        return jax.jit(compute)


def load(checkpoint: str | Path, which: Which = "latest") -> Model:
    """Loads a trained model.

    Args:
      checkpoint: work directory of a pre-training, a fine-tuning or a conversion.
      which: "latest", "best" by what the run chose by, or a step.

    Raises:
      FileNotFoundError: no checkpoint there.
      DamagedCheckpoint: files missing, cut or changed since they were written.
    """
    return Model(*load_model(Path(checkpoint) / "checkpoints", which))
