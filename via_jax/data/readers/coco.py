"""COCO keypoint results: one JSON list of detections (Lin et al., ECCV 2014; the results format).

[{"image_id": 12, "category_id": 1, "keypoints": [x, y, v] * 17, "score": 0.9}, ...], in pixels with
y down and the people of an image anywhere in the list. `image_id` is taken as the number of the
frame: it must count the frames of one video. Halpe-26 comes in the same form with 26 joints,
COCO-WholeBody with 133 and Halpe-136, of which the body is taken.

From COCO's documentation: the fields and the order of the joints. From memory: that v is not used
by the official evaluation, so detectors write 1 or their confidence there, and that trackers add
`track_id`, as PoseTrack18 has it.

What is missing: a joint with v 0 or at (0, 0), and a frame without a detection; frames without
people before the first and after the last detection are not in the file, so they are lost.
"""

from pathlib import Path

from via_jax.data.clip import Clip
from via_jax.data.readers.detected import Person, clip_of, in_order, track_of, triples
from via_jax.data.readers.strict import field, load_json


def read(
    item: Path, layout: str | None = None, max_persons: int = 2, min_confidence: float = 0.0
) -> Clip:
    """Reads one video: layout coco17, or halpe26 where there are 26 joints.

    Args:
      item: path of a JSON file.
      layout: name of another layout with this number of joints.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.
      min_confidence: joints at or below it are missing, in [0, 1).

    Returns:
      A clip in 2D, y down, in pixels ("normalised" where no coordinate goes beyond 1.5), named as
      the file.

    Raises:
      ValueError: no valid JSON, a detection without image_id or keypoints, another number of them,
        images too far apart for a video, fewer than two frames, or no person at all.
    """
    records = load_json(item)
    if not isinstance(records, list):
        raise ValueError(f"{item}: of type {type(records).__name__}; expected a list of detections")
    people = []
    for i, record in enumerate(records):
        where = f"{item}: detection {i}"
        joints = triples(field(record, "keypoints", list, where), f"{where}, keypoints")
        track = track_of(record.get("track_id"), where)
        people.append((field(record, "image_id", int, where), Person(joints, track)))
    return clip_of(
        in_order(people, item),
        item,
        layout=layout,
        max_persons=max_persons,
        min_confidence=min_confidence,
    )
