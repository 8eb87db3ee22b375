"""Recognises the format of a clip by its files and what they hold."""

from pathlib import Path
from typing import Any

from via_jax.data.readers import mediapipe, poses_csv
from via_jax.data.readers.strict import load_json

DETECTORS = ("openpose", "alphapose", "mmpose", "ultralytics", "mediapipe", "coco", "csv")
RECORDINGS = ("npz", "penn_action", "bvh", "asf_amc", "nw_ucla", "kinetics", "lcrnet")
FORMATS = (*DETECTORS, *RECORDINGS, "pyskl", "prepared")
_SUFFIXES = {".npz": "npz", ".mat": "penn_action", ".bvh": "bvh", ".amc": "asf_amc"}
_STARTS = {b"PK": "npz", b"MATLAB": "penn_action", b"HIERARCHY": "bvh"}
_SUPPORTED = (
    "a folder of OpenPose frames; JSON of AlphaPose, MMPose, Ultralytics, MediaPipe, COCO results,"
    " NW-UCLA, Kinetics-skeleton or LCR-Net, of the first four also a folder with a file for each"
    " frame; a .csv of poses; an .npz, .mat, .bvh or .amc; or a prepared data set followed by the"
    " name of a clip"
)


def recognise(path: Path) -> str:
    """Returns the format of a clip, one of FORMATS.

    Files are told by what they hold, and by the ending of their name where that is enough.

    Raises:
      ValueError: nothing there, or nothing that is read here: with what was seen.
    """
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return _of_file(path)
    if any((parent / "manifest.json").is_file() for parent in path.parents):
        return "prepared"
    if any(parent.suffix == ".pkl" and parent.is_file() for parent in path.parents):
        raise ValueError(
            f"{path}: a clip of a pickle, a format that can hold programs; it is read by code that"
            " runs none of them, but only where you trust its origin: then name the format pyskl"
        )
    raise _refused(path, "nothing")


def _of_folder(folder: Path) -> str:
    if any(folder.glob("*_keypoints.json")):
        return "openpose"
    files = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    for path in files:  # the first frames may be empty
        found = _of_json(load_json(path), one_frame=True)
        if found is not None:
            return found
    if (folder / "manifest.json").is_file():
        raise _refused(folder, "a prepared data set without the name of a clip")
    if not files:
        raise _refused(folder, "a folder without *.json")
    raise _refused(folder, f"a folder whose {files[0].name} holds {_seen(load_json(files[0]))}")


def _of_file(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    start = _start(path)
    for magic, name in _STARTS.items():
        if start.startswith(magic):
            return name
    if suffix == ".csv":
        header = poses_csv.header_of(path)
        if poses_csv.joints_of(header):
            return "csv"
        raise _refused(path, f"CSV with the columns {', '.join(header)[:120]}")
    if suffix == ".json" or start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{"):
        content = load_json(path)
        if isinstance(content, dict) and "people" in content:
            raise _refused(path, "one frame of OpenPose; open the folder of all frames")
        found = _of_json(content, one_frame=False)
        if found is None:
            raise _refused(path, f"JSON that holds {_seen(content)}")
        return found
    if suffix == ".pkl":
        raise _refused(path, "a pickle; its clips are FILE.pkl/NAME, with the format named: pyskl")
    raise _refused(path, "a file of another kind" if start else "an empty file")


def _of_json(content: Any, one_frame: bool) -> str | None:
    """Returns the format of a JSON value: a whole clip, or one frame of it. None if unknown."""
    if isinstance(content, dict):
        whole = {"skeletons": "nw_ucla", "data": "kinetics", "frames": "lcrnet"}
        for key, name in ({} if one_frame else whole | {"instance_info": "mmpose"}).items():
            if key in content:
                return name
        if one_frame and any(key in content for key in mediapipe.KEYS):
            return "mediapipe"
        images = [content] if one_frame else list(content.values())
        image = next((image for image in images if image), None)
        if isinstance(image, dict) and ("bodies" in image or "people" in image):
            return "alphapose"
        return None
    if not isinstance(content, list):
        return None
    first = next((element for element in content if element), None)
    if isinstance(first, dict):
        return _of_record(first)
    if isinstance(first, list):
        inner = next((element for element in first if element), None)
        if isinstance(inner, dict) and "keypoints" in inner and not one_frame:
            return "ultralytics"
        landmark = isinstance(inner, dict) and "x" in inner
        return "mediapipe" if landmark or (isinstance(inner, list) and not one_frame) else None
    if one_frame or first is not None:
        return None
    return "ultralytics" if content else "coco"  # nobody: the readers say so


def _of_record(record: dict) -> str | None:
    """Returns the format whose lists begin with such an object."""
    keypoints = record.get("keypoints")
    if isinstance(keypoints, dict):
        return "ultralytics"
    if "keypoint_scores" in record or "instances" in record:
        return "mmpose"
    if isinstance(keypoints, list) and "image_id" in record:
        numbered = isinstance(record["image_id"], int) and not {"idx", "box"} & set(record)
        return "coco" if numbered else "alphapose"
    if "x" in record or any(key in record for key in mediapipe.KEYS):
        return "mediapipe"
    return None


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected a file") from error


def _seen(content: Any, depth: int = 3) -> str:
    """Says in a few words what a JSON value is."""
    if isinstance(content, dict):
        return f"an object with {', '.join(map(repr, list(content)[:6]))[:120] or 'nothing'}"
    if isinstance(content, list):
        if not content or not depth:
            return "lists" if content else "an empty list"
        return f"a list of {_seen(content[0], depth - 1)}"
    return f"{type(content).__name__} values"


def _refused(path: Path, seen: str) -> ValueError:
    return ValueError(f"{path}: {seen}; expected {_SUPPORTED}")
