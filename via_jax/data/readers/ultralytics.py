"""Ultralytics YOLO-pose: the JSON of `Results.to_json()` (`tojson` before version 8.3).

A frame is a list of boxes: [{"name": "person", "class": 0, "confidence": 0.9, "box": {"x1", "y1",
"x2", "y2"}, "track_id": 1, "keypoints": {"x": [17], "y": [17], "visible": [17]}}, ...], in pixels
with y down, or divided by width and height with normalize=True. `track_id` is there with `track()`
where the tracker is sure, `visible` (the confidence) where the model gives it. Two arrangements of
the frames are read: a folder with a file for each, ordered by the last number in its name; and one
file with a list of these lists, as json.dump([result.summary() for result in results]) makes it.

From Ultralytics' code and reference: the fields of a frame. From memory: that older versions put a
joint with a confidence below 0.5 at (0, 0). The two arrangements are ours; the package has none for
a video.

What is missing: a joint of `visible` 0 or at (0, 0), and a frame without boxes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from via_jax.data.clip import Clip
from via_jax.data.readers.detected import Person, clip_of, frames_of, track_of
from via_jax.data.readers.strict import field, numbers


def read(
    item: Path, layout: str | None = None, max_persons: int = 2, min_confidence: float = 0.0
) -> Clip:
    """Reads one video: layout coco17, the joints of the published models.

    Args:
      item: folder with a JSON file for each frame, or one file with all frames.
      layout: name of another layout, for a model with other joints.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.
      min_confidence: joints at or below it are missing, in [0, 1).

    Returns:
      A clip in 2D, y down, in pixels ("normalised" where no coordinate goes beyond 1.5), named as
      the file or the folder.

    Raises:
      ValueError: no valid JSON, a box without keypoints (of a model for another task), lists of
        unequal length, another number of joints, fewer than two frames, or no person at all.
    """
    frames = frames_of(item, _people)
    return clip_of(
        frames, item, layout=layout, max_persons=max_persons, min_confidence=min_confidence
    )


def _people(boxes: Any, where: str) -> list[Person]:
    if not isinstance(boxes, list):
        raise ValueError(f"{where}: of type {type(boxes).__name__}; expected a list of boxes")
    people = []
    for i, box in enumerate(boxes):
        place = f"{where}, box {i}"
        joints = field(box, "keypoints", dict, place)
        x = numbers(field(joints, "x", list, place), (None,), f"{place}, x")
        y = numbers(field(joints, "y", list, place), x.shape, f"{place}, y")
        seen = np.ones_like(x)
        if joints.get("visible") is not None:
            seen = numbers(joints["visible"], x.shape, f"{place}, visible")
        track = track_of(box.get("track_id"), place)
        people.append(Person(np.stack([x, y, seen], axis=-1), track))
    return people
