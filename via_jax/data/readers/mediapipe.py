"""MediaPipe: the 33 pose landmarks of every frame as JSON (Bazarevsky et al., 2020).

A landmark is {"x", "y", "z", "visibility", "presence"}: x and y divided by the width and the height
of the image, y down, z (not read) about as large as x. MediaPipe has no file format, so programs
save its results as they come, a list with an entry for each frame:

  [{"pose_landmarks": [[landmark * 33], ...], "pose_world_landmarks": ...}, ...]   Python, Tasks
  [{"landmarks": [[landmark * 33], ...], "worldLandmarks": ...}, ...]              JavaScript
  [{"pose_landmarks": {"landmark": [landmark * 33]}}, ...]        one person; the older "solutions"
  [[landmark * 33], ...]   or   [[[landmark * 33], ...], ...]     nothing around them

A frame without people is null, {} or an empty list. A folder with such an entry in a file for each
frame, ordered by the last number in its name, is read as well.

From MediaPipe's documentation: the names of the fields, the ranges, several people in a result, and
the order of the joints. From memory: what the older "solutions" give as JSON.

What is missing: a landmark with visibility 0 or at (0, 0). MediaPipe places hidden joints too: a
min_confidence of 0.5 keeps those that it believes to be visible. Where there is no visibility, all
are taken as seen.
"""

from pathlib import Path
from typing import Any

from via_jax.data.clip import Clip
from via_jax.data.readers.detected import Person, clip_of, frames_of
from via_jax.data.readers.strict import numbers

KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
_JOINTS = 33


def read(
    item: Path,
    image_size: tuple[int, int] | None = None,
    max_persons: int = 2,
    min_confidence: float = 0.0,
) -> Clip:
    """Reads one video: layout mediapipe33, 2D, y down.

    Args:
      item: path of a JSON file, or a folder with one for each frame.
      image_size: (width, height) in pixels. With it the clip is in pixels; without it normalised,
        which shows bodies too narrow or too wide where the image is no square.
      max_persons: how many persons to keep, see `tracking.follow`; fewer where fewer were seen.
      min_confidence: joints whose visibility is at or below it are missing, in [0, 1).

    Returns:
      A clip named as the file or the folder.

    Raises:
      ValueError: no valid JSON, no list of frames, another number than 33 landmarks, a landmark
        without x and y, fewer than two frames, or no person at all.
    """
    frames = frames_of(item, _people)
    if image_size is not None:
        if min(image_size) < 1:
            raise ValueError(
                f"{item}: image_size {image_size}; expected width and height in pixels"
            )
        for people in frames:
            for person in people:
                person.joints[:, :2] *= image_size
    return clip_of(
        frames,
        item,
        layout="mediapipe33",
        max_persons=max_persons,
        min_confidence=min_confidence,
        image_size=image_size,
    )


def _people(frame: Any, where: str) -> list[Person]:
    """Returns the people of a frame in any of its forms."""
    for _ in range(2):  # {"pose_landmarks": {"landmark": ...}}
        if isinstance(frame, dict) and frame:
            key = next((key for key in KEYS if key in frame), None)
            if key is None:
                seen = ", ".join(map(repr, list(frame)[:8]))
                raise ValueError(f"{where}: holds {seen[:120]}; expected one of {', '.join(KEYS)}")
            frame = frame[key]
    if not frame:
        return []
    if not isinstance(frame, list):
        raise ValueError(f"{where}: of type {type(frame).__name__}; expected landmarks")
    poses = frame if isinstance(frame[0], list) else [frame]
    return [_person(pose, f"{where}, person {i}") for i, pose in enumerate(poses)]


def _person(landmarks: Any, where: str) -> Person:
    if not isinstance(landmarks, list) or len(landmarks) != _JOINTS:
        seen = f"{len(landmarks)} of" if isinstance(landmarks, list) else type(landmarks).__name__
        raise ValueError(f"{where}: {seen} landmarks; expected a list of {_JOINTS}")
    rows = []
    for i, landmark in enumerate(landmarks):
        place = f"{where}, landmark {i}"
        if not isinstance(landmark, dict) or "x" not in landmark or "y" not in landmark:
            raise ValueError(f"{place}: {str(landmark)[:40]}; expected an object with x and y")
        visibility = landmark.get("visibility")
        rows.append([landmark["x"], landmark["y"], 1.0 if visibility is None else visibility])
    return Person(numbers(rows, (_JOINTS, 3), where))
