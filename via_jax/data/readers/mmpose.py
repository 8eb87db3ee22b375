"""MMPose: what its inferencer and its demo programs save as JSON (OpenMMLab, version 1).

{"meta_info": {"dataset_name", "keypoint_id2name": {"0": "nose", ...}, ...}, "instance_info":
[{"frame_id": 0, "instances": [{"keypoints": [[x, y]] * joints, "keypoint_scores": [joints],
"bbox": [[x1, y1, x2, y2]], "bbox_score"}, ...]}, ...]}, in pixels with y down. The inferencer saves
the list of instance_info alone for a video, and one list of instances for each image; a folder of
such files, numbered by the frames, is read as well. Joints: 17 (COCO), 26 (Halpe) or 133
(COCO-WholeBody, of which the body is taken).

From MMPose's code: these fields and the nested box. From memory: meta_info, and `track_id`, which
the demo with tracking adds to an instance.

What is missing: a joint of score 0 or at (0, 0), and a frame without instances. Results lifted to
3D are refused: people are followed in the image.
"""

from pathlib import Path
from typing import Any

import numpy as np

from via_jax import skeletons
from via_jax.data.clip import Clip
from via_jax.data.readers.detected import Person, clip_of, frame_rows, frames_of, track_of
from via_jax.data.readers.strict import field, load_json, numbers


def read(
    item: Path, layout: str | None = None, max_persons: int = 2, min_confidence: float = 0.0
) -> Clip:
    """Reads one video: layout coco17 or halpe26.

    Args:
      item: path of a JSON file, or a folder with one for each frame.
      layout: name of another layout with this number of joints.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.
      min_confidence: joints at or below it are missing, in [0, 1).

    Returns:
      A clip in 2D pixels, y down, named as the file or the folder.

    Raises:
      ValueError: no valid JSON or a field missing, frame ids that do not grow, 3D results, another
        number of joints or other names than COCO's, fewer than two frames, or no person at all.
    """
    if item.is_dir():
        frames = frames_of(item, _instances)
    else:
        content = load_json(item)
        if isinstance(content, dict):
            if layout is None:
                _check_names(content.get("meta_info"), item)
            content = field(content, "instance_info", list, str(item))
        frames = _frames(content, item)
    return clip_of(
        frames, item, layout=layout, max_persons=max_persons, min_confidence=min_confidence
    )


def _frames(content: Any, path: Path) -> list[list[Person]]:
    """Returns the people of each frame of a video."""
    if not isinstance(content, list):
        raise ValueError(f"{path}: of type {type(content).__name__}; expected a list of frames")
    ids, people = [], []
    for i, frame in enumerate(content):
        where = f"{path}: frame {i}"
        ids.append(field(frame, "frame_id", int, where))
        people.append(_instances(field(frame, "instances", list, where), where))
    rows, length = frame_rows(ids, path) if ids else ([], 0)
    frames: list[list[Person]] = [[] for _ in range(length)]
    for row, detections in zip(rows, people):
        frames[row] = detections
    return frames


def _instances(instances: Any, where: str) -> list[Person]:
    if not isinstance(instances, list):
        raise ValueError(f"{where}: of type {type(instances).__name__}; expected a list of people")
    people = []
    for i, instance in enumerate(instances):
        place = f"{where}, person {i}"
        raw = field(instance, "keypoints", list, place)
        joints = numbers(raw, (None, None), f"{place}, keypoints")
        if joints.shape[1] != 2:
            raise ValueError(
                f"{place}: joints of {joints.shape[1]} coords; expected 2, as detected in the image"
            )
        scores = numbers(
            field(instance, "keypoint_scores", list, place), (len(joints),), f"{place}, scores"
        )
        track = track_of(instance.get("track_id"), place)
        people.append(Person(np.concatenate([joints, scores[:, None]], axis=-1), track))
    return people


def _check_names(meta: Any, path: Path) -> None:
    """Refuses joints whose names, where they are given, do not begin as COCO's."""
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    if not isinstance(names, dict):
        return
    expected = skeletons.get_layout("coco17").joints
    seen = tuple(names.get(str(joint)) for joint in range(len(expected)))
    if seen != expected:
        raise ValueError(
            f"{path}: joints named {', '.join(map(str, seen))[:120]}; expected COCO's, which begin"
            f" {', '.join(expected[:3])}; name the layout if it is another"
        )
