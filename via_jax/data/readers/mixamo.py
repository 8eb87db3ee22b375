"""Mixamo: characters that all do the same motions, for retargeting (Aberman et al., SIGGRAPH 2019).

Two forms are read, both in layout mixamo15. The characters' names decide between training and test,
see `splits`.

`{train,test}/<character>/<motion>/<motion>.npy`, the pack of the paper's code: [15 joints, 3, time]
floats (the windows in `motions/` beside it are cuts of it, and are left alone). The public code
that writes these files takes the bones' heads in Blender's world: right-handed, z up, a character
at rest faces -y. The reader turns that into y up and z towards the viewer: (x, y, z) becomes
(x, z, -y). The unit is not stated there; metres follows from Blender's import of Mixamo's
centimetres and from the code's scale of 128 pixels a unit on images of 512. No original file was at
hand; clips whose bodies are no size for metres are refused.

`<character>/<motion>.bvh`, exported from Mixamo's FBX: y up and centimetres, as in the FBX. Bones
may have a prefix, another for each character: "mixamorig:Hips", "Boy:Hips", "newVegas:Hips".
"""

import math
import os
from pathlib import Path

import numpy as np

from via_jax import skeletons
from via_jax.data.clip import Clip
from via_jax.data.readers.bvh import forward_kinematics, parse_bvh
from via_jax.data.readers.strict import checked

# Bones whose heads are the joints of layout mixamo15, in its order.
BONES = (
    *("Head", "Neck", "RightArm", "RightForeArm", "RightHand", "LeftArm", "LeftForeArm"),
    *("LeftHand", "Hips", "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg"),
    "LeftFoot",
)
_LARGEST = 1e6  # no coordinate of a character comes near it
_TRUNK = (0.1, 5.0)  # metres from the hips to the head, wide enough for giants and dwarfs
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def find(source: Path) -> list[Path]:
    """Lists the clips, in order: the arrays of the folder mixamo_data, or the recordings in BVH.

    Raises:
      ValueError: neither {train,test}/<character>/<motion>/<motion>.npy nor
        <character>/<motion>.bvh there, or both.
    """
    arrays = sorted(
        path
        for part in ("train", "test")
        for path in source.glob(f"{part}/*/*/*.npy")
        if path.stem == path.parent.name
    )
    recordings = sorted(path for path in source.glob("*/*") if path.suffix.lower() == ".bvh")
    if bool(arrays) == bool(recordings):
        raise ValueError(
            f"{source}: {len(arrays)} {{train,test}}/<character>/<motion>/<motion>.npy and"
            f" {len(recordings)} <character>/<motion>.bvh; expected files of one of the two forms"
        )
    return arrays or recordings


def read(item: Path, metres_per_unit: float = 0.01) -> Clip:
    """Reads one clip: layout mixamo15, one person, 3D in metres, x right, y up.

    Args:
      item: a file of `find`.
      metres_per_unit: size of a length unit of a BVH file; 0.01 means centimetres.

    Returns:
      A clip "<character>/<motion>" with the motion as label, the character as subject and, of an
      array, the split of its folder; of a BVH file, the frame rate. A joint with a NaN is missing.

    Raises:
      ValueError: an array that is not [15, 3, time] floats, or as `parse_bvh`; a bone that is
        absent or there twice; a head that is not 0.1 to 5 metres from the hips; fewer than two
        frames.
    """
    split, frame_rate, character = None, None, item.parent.name
    if item.suffix == ".npy":
        split, character = ("", "", *item.parts)[-4:-2]
        if split not in ("train", "test"):
            raise ValueError(f"{item}: expected {{train,test}}/<character>/<motion>/<motion>.npy")
        poses = _load(item).transpose(2, 0, 1)[..., [0, 2, 1]] * (1.0, 1.0, -1.0)
    else:
        recording = parse_bvh(item)
        order = [_bone(name, recording.names, item) for name in BONES]
        poses = forward_kinematics(recording)[:, order] * metres_per_unit
        frame_rate = round(1 / recording.frame_time, 3)  # the file's 0.0333333 means 30
    valid = np.all(np.isfinite(poses), axis=-1)  # [time, joints]
    poses = np.where(valid[..., None], poses, 0.0)
    if (np.abs(poses) > _LARGEST).any():
        raise ValueError(f"{item}: a coordinate above {_LARGEST:g}; expected metres")
    _check_size(poses, valid, item)
    clip = Clip(
        poses=poses[None].astype(np.float32),
        valid=valid[None],
        layout="mixamo15",
        name=f"{character}/{item.stem}",
        label=item.stem,
        subject=character,
        units="metres",
        y_up=True,
        frame_rate=frame_rate,
        split=split,
    )
    return checked(clip, item)


def _load(path: Path) -> np.ndarray:
    """Returns [joints, 3, time]; the header is checked against the file before that is read."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"npy format {version}")
            shape, _, dtype = _HEADERS[version](file)
            held = os.fstat(file.fileno()).st_size - file.tell()
            if dtype.kind != "f" or len(shape) != 3 or shape[:2] != (len(BONES), 3):
                hint = ""
                if shape[1:] == (len(BONES), 3):
                    hint = " (these look like [time, joints, 3]: are axes transposed?)"
                raise ValueError(f"{dtype} of shape {shape}{hint}")
            if math.prod(shape) * dtype.itemsize != held:
                raise ValueError(f"{dtype} of shape {shape} in {held} bytes")
            file.seek(0)
            raw = np.load(file, allow_pickle=False)
            # A signalling NaN, which damage can make, would warn in every later computation.
            return np.where(np.isfinite(raw), raw, np.nan).astype(np.float64)
    except Exception as error:  # a damaged header raises whatever NumPy's parser stumbles on
        raise ValueError(
            f"{path}: {error}; expected an .npy of floats, [15 joints, 3, time]"
        ) from error


def _bone(name: str, names: tuple[str, ...], path: Path) -> int:
    """Index of the bone with this name after any prefix."""
    found = [index for index, full in enumerate(names) if full.rsplit(":", 1)[-1] == name]
    if len(found) != 1:
        seen = ", ".join(names[:8])
        raise ValueError(
            f"{path}: {len(found)} bones named {name!r}, with or without a prefix like"
            f" 'mixamorig:'; expected one ({len(names)} bones: {seen}, ...)"
        )
    return found[0]


def _check_size(poses: np.ndarray, valid: np.ndarray, path: Path) -> None:
    """Refuses a body whose size says that its unit is no metre."""
    joints = [skeletons.get_layout("mixamo15").index(joint) for joint in ("mid_hip", "head")]
    hips, head = poses[valid[:, joints].all(axis=1)][:, joints].swapaxes(0, 1)
    if not len(hips):
        return
    distance = float(np.median(np.linalg.norm(head - hips, axis=-1)))
    if not _TRUNK[0] <= distance <= _TRUNK[1]:
        raise ValueError(
            f"{path}: the head is {distance:.3g} metres from the hips; expected {_TRUNK[0]} to"
            f" {_TRUNK[1]}: the file has another unit (metres_per_unit is that of a BVH file)"
        )
