"""AlphaPose: the people of all frames in one JSON file (Fang et al., ICCV 2017 and TPAMI 2022).

Three forms, by the program's --format:

  (none)  [{"image_id": "12.jpg", "category_id": 1, "keypoints": [x, y, confidence] * joints,
          "score", "box", "idx"}, ...], the people of a frame anywhere in the list. Joints: 17
          (COCO), 26 (Halpe) or 136 (Halpe with face and hands, of which the body is taken).
  cmu     {"12.jpg": {"version", "bodies": [{"joints": [x, y, confidence] * 18}, ...]}, ...}
  open    the same with "people" and "pose_keypoints_2d".

The last two are OpenPose's 18 joints. AlphaPose makes their neck as the middle of the shoulders and
picks joints as COCO has them, so with a Halpe model, not meant for these forms, the neck is the
head's top. Beside the file lies a folder sep-json/ with one such file for each image, as --sep of
the first versions wrote it too; a folder of these is read as well.

`image_id` is the file name of the frame; its last number orders the frames. `idx` is the track id,
there only with --pose_track or --pose_flow; where AlphaPose merged detections it is a list, and the
first counts. Confidences lie in [0, 1], with the first COCO models in [0, 6]: a file in which one
goes beyond 1.5 is taken to be of these, and its confidences are divided by 6.

From AlphaPose's documentation: the three forms, the order of the joints and the ranges of the
confidence. From its code: `box`, `idx`, the neck and sep-json. From memory: nothing.

What is missing: a joint with confidence 0 or at (0, 0), and a frame without people. Such frames
before the first and after the last person are not in the file, so they are lost.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from via_jax.data.clip import Clip
from via_jax.data.readers.detected import (
    Person,
    clip_of,
    frame_files,
    in_order,
    numbered,
    track_of,
    triples,
)
from via_jax.data.readers.strict import field, load_json

_FORMS = {"bodies": "joints", "people": "pose_keypoints_2d"}  # of cmu and open
_SURE = 1.5  # a larger confidence shows the scale up to 6; new models go a little beyond 1
_SCALE = 6.0


def read(
    item: Path, layout: str | None = None, max_persons: int = 2, min_confidence: float = 0.0
) -> Clip:
    """Reads one video: layout coco17, halpe26, or openpose18 in the forms cmu and open.

    Args:
      item: path of a JSON file, or a folder with one for each image.
      layout: name of another layout with this number of joints.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.
      min_confidence: joints at or below it are missing, in [0, 1), after division by 6 where the
        file's scale goes up to 6.

    Returns:
      A clip in 2D pixels, y down, named as the file or the folder.

    Raises:
      ValueError: no valid JSON, none of the three forms, image names without a number or of several
        videos, another number of joints, fewer than two frames, or no person at all.
    """
    files = [path for _, path in frame_files(item)] if item.is_dir() else [item]
    parts = [_records(load_json(path), path, one_image=item.is_dir()) for path in files]
    found = list(itertools.chain.from_iterable(parts))
    names = [numbered(image, where) for image, _, where in found]
    if len({before for before, _ in names}) > 1:
        raise ValueError(
            f"{item}: images of several names, as {found[0][0][:80]!r} and {found[-1][0][:80]!r};"
            " expected the frames of one video"
        )
    people = [
        (number, person) for (_, number), (_, person, _) in zip(names, found) if person is not None
    ]
    if any((person.joints[:, 2] > _SURE).any() for _, person in people):
        for _, person in people:
            person.joints[:, 2] /= _SCALE
    frames = in_order(people, item, frames=[number for _, number in names])
    return clip_of(
        frames, item, layout=layout, max_persons=max_persons, min_confidence=min_confidence
    )


def _records(content: Any, path: Path, one_image: bool) -> Iterator[tuple[str, Person | None, str]]:
    """Yields (image name, person or None, place) of one file; None for an image without people."""
    if isinstance(content, list):
        for i, record in enumerate(content):
            where = f"{path}: detection {i}"
            joints = triples(field(record, "keypoints", list, where), f"{where}, keypoints")
            image = record.get("image_id")
            if type(image) is int:  # with --eval
                image = str(image)
            if not isinstance(image, str):
                raise ValueError(
                    f"{where}: image_id of type {type(image).__name__}; expected the file name of"
                    " the image"
                )
            yield image, Person(joints, track_of(record.get("idx"), where)), where
        return
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: of type {type(content).__name__}; expected a list of detections, or images"
        )
    for image, people in ({path.name: content} if one_image else content).items():
        where = f"{path}: image {image[:80]!r}"
        form = next((key for key in _FORMS if isinstance(people, dict) and key in people), None)
        if form is None:
            raise ValueError(f"{where}: expected an object with 'bodies' or 'people'")
        yield image, None, where
        for i, person in enumerate(field(people, form, list, where)):
            place = f"{where}, person {i}"
            joints = triples(field(person, _FORMS[form], list, place), place)
            yield image, Person(joints), place
