"""Joint layouts (joint order, bones, left/right pairs) and conversion by the meaning of the joints.

What each name means, and the joints and bones of every layout, stand in `layouts`.
"""

import dataclasses
import difflib
import functools
import itertools

import numpy as np

from via_jax.layouts import BONES, JOINTS

# What a joint is computed from where a layout lacks it: alternatives in order of preference, each
# the mean of the named joints, which may be derived themselves.
_RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "mid_hip": (("left_hip", "right_hip"),),
    "neck": (("left_shoulder", "right_shoulder"),),
    "chest": (("left_hip", "right_hip", "left_shoulder", "right_shoulder"),),
    "spine": (("chest",),),
    # A detector sees one ear from the side, where it is closer to the head's centre than the nose.
    "head": (("left_ear", "right_ear"), ("left_ear",), ("right_ear",), ("nose",), ("head_base",)),
    "nose": (("head", "neck"),),
    "left_hand": (("left_index", "left_pinky"),),  # knuckles
    "right_hand": (("right_index", "right_pinky"),),
    "left_foot": (("left_big_toe", "left_small_toe"),),
    "right_foot": (("right_big_toe", "right_small_toe"),),
    # Some sensors end a limb in one point. Not the reverse: a hand made from the wrist would be a
    # second wrist, so it stays missing.
    "left_wrist": (("left_hand",),),
    "right_wrist": (("right_hand",),),
    "left_ankle": (("left_foot",),),
    "right_ankle": (("right_foot",),),
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """The joints of one kind of skeleton, in the order of its files.

    Attributes:
      name: as `get_layout` takes it.
      joints: names of the joints, unique within the layout.
      bones: (parent, child) index pairs, each joint pair once. A tree rooted at the hip centre
        where the layout has one; otherwise the lines to draw, which may close loops.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]

    @property
    def num_joints(self) -> int:
        """Number of joints."""
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Returns where a joint stands; ValueError with the nearest names if it is not there."""
        if joint not in self.joints:
            raise _unknown(f"joint of layout {self.name}", joint, self.joints)
        return self.joints.index(joint)

    @functools.cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) indices of every joint that exists on both sides, in order of the left."""
        rights = [name.replace("left_", "right_") for name in self.joints]
        return tuple(
            (left, self.joints.index(right))
            for left, right in enumerate(rights)
            if right != self.joints[left] and right in self.joints
        )

    @functools.cached_property
    def mirror(self) -> tuple[int, ...]:
        """Permutation that swaps left and right: `poses[..., layout.mirror, :]`."""
        order = list(range(self.num_joints))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @property
    def hips(self) -> tuple[int, int]:
        """Indices of the (left, right) hip."""
        return self.index("left_hip"), self.index("right_hip")

    @functools.cached_property
    def parents(self) -> tuple[int, ...]:
        """Parent of each joint, -1 for the root. A parent may come after its child in the order.

        Raises:
          ValueError: the bones are no tree (a layout without a hip centre may close loops).
        """
        parents = [-1] * self.num_joints
        for parent, child in self.bones:
            if parents[child] != -1:
                raise self._no_tree(f"{self.joints[child]} has two parents")
            parents[child] = parent
        if parents.count(-1) != 1:
            roots = [name for name, parent in zip(self.joints, parents) if parent == -1]
            raise self._no_tree(f"its roots are {roots}")
        for joint in range(self.num_joints):
            ancestors: list[int] = []
            while (joint := parents[joint]) != -1:
                if joint in ancestors:
                    raise self._no_tree(f"{self.joints[joint]} is its own ancestor")
                ancestors.append(joint)
        return tuple(parents)

    def depth_first(self) -> tuple[int, ...]:
        """Returns all joints, each parent before its children; ValueError without a tree."""
        order = [self.parents.index(-1)]
        for joint in order:  # grows while it is read
            order.extend(child for child, parent in enumerate(self.parents) if parent == joint)
        return tuple(order)

    def _no_tree(self, seen: str) -> ValueError:
        return ValueError(
            f"the bones of layout {self.name} are no tree: {seen}; expected one parent for each"
            " joint but the root. Convert the poses to a layout with a hip centre, e.g. unik17"
        )


def _build(name: str, joints: tuple[str, ...], chains: tuple[str, ...]) -> Layout:
    bones: list[tuple[int, int]] = []
    for chain in chains:
        mirrored = [] if "right_" in chain else [chain.replace("left_", "right_")]
        for side in dict.fromkeys([chain, *mirrored]):  # once where the chain has no side
            bones.extend(itertools.pairwise(joints.index(joint) for joint in side.split()))
    return Layout(name, joints, tuple(bones))


_LAYOUTS = {name: _build(name, tuple(JOINTS[name].split()), BONES[name]) for name in JOINTS}


def get_layout(name: str) -> Layout:
    """Returns the layout of this name; ValueError with the nearest names and all names if unknown.

    Layouts and where their order comes from:
      unik17: input of the UNIK encoder. No public file fixes the order, so it is fixed here: the
        central joints from head to hip, then left and right of each joint from shoulder to ankle.
      penn13: Penn Action. The text that comes with it calls the odd joint of each pair "left";
        measured on front and back views it is the person's right, so each pair is right, left here.
      kinect20, ntu25: Kinect 1 (NW-UCLA) and Kinect 2 (NTU RGB+D).
      coco17, halpe26, openpose18 (also Kinetics-skeleton), openpose25 (BODY_25), mediapipe33,
        lcrnet13: pose detectors.
      h36m17: Human3.6M as 2D-to-3D lifting uses it (hip, right leg, left leg, trunk, arms).
      mixamo15: the retargeting benchmark on Mixamo; its "hand" and "foot" are wrist and ankle.
      hdm05: the root, then the end point of each bone in the order of the ASF files. The bones
        named lwrist and rwrist only twist, so their far ends are the wrists.
      mhad35: Berkeley MHAD. The hand ends coincide with the wrists in the published data.
      sbu15: SBU interaction. No hip centre: its tree is rooted at the torso, which is the mean of
        hips and shoulders in the files and so is called chest here.
      bandai22: Bandai-Namco BVH. "root" stays at the origin on the floor, so mid_hip is the root.
    """
    if name not in _LAYOUTS:
        raise _unknown("layout", name, tuple(_LAYOUTS))
    return _LAYOUTS[name]


def all_layouts() -> tuple[Layout, ...]:
    """Returns all layouts, in the order in which `get_layout` lists them in its errors."""
    return tuple(_LAYOUTS.values())


def _unknown(kind: str, name: str, known: tuple[str, ...]) -> ValueError:
    near = difflib.get_close_matches(name, known)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return ValueError(f"unknown {kind}: {name!r}{hint}; expected one of {', '.join(known)}")


def convert(
    poses: np.ndarray, valid: np.ndarray, source: Layout, target: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Converts poses to another layout by the meaning of the joints.

    A joint that the source has is copied. Another is derived, frame by frame, from the first of its
    alternatives (the table of rules in this file) whose joints are all valid; where there is none
    it is missing: not valid, coordinates 0. It never stands at 0 and counts as valid.

    Args:
      poses: [..., source joints, coords] floats, 2 or 3 coords, any leading axes and units.
      valid: [..., source joints] bool, True where a joint was observed.
      source: layout of the poses.
      target: layout wanted; may be the source, which gives a copy with missing joints at 0.

    Returns:
      (poses, valid): [..., target joints, coords] of the same float type, and
      [..., target joints] bool; new arrays.

    Raises:
      ValueError: shapes that do not fit the source layout or each other, or wrong types.
    """
    poses, valid = np.asarray(poses), np.asarray(valid)
    if poses.ndim < 2 or poses.shape[-2] != source.num_joints or poses.shape[-1] not in (2, 3):
        raise ValueError(
            f"poses have shape {poses.shape}; expected [..., {source.num_joints}, 2 or 3],"
            f" the joints of layout {source.name}; check the layout and the order of the axes"
        )
    if valid.shape != poses.shape[:-1]:
        raise ValueError(f"valid has shape {valid.shape}; poses want {poses.shape[:-1]}")
    if valid.dtype != np.bool_ or not np.issubdtype(poses.dtype, np.floating):
        raise ValueError(
            f"poses are {poses.dtype} and valid is {valid.dtype}; expected floats and bool:"
            " scale integers and threshold confidences first"
        )
    poses = np.where(valid[..., None], poses, 0)  # what a missing joint held must not leak
    derived = [_derive(joint, poses, valid, source, frozenset()) for joint in target.joints]
    return np.stack([c for c, _ in derived], axis=-2), np.stack([s for _, s in derived], axis=-1)


def _derive(
    joint: str, poses: np.ndarray, valid: np.ndarray, source: Layout, pending: frozenset[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns one joint, [..., coords] and [...]; `pending` joints wait for it and cannot help."""
    if joint in source.joints:
        return poses[..., source.index(joint), :], valid[..., source.index(joint)]
    coords, seen = np.zeros_like(poses[..., 0, :]), np.zeros_like(valid[..., 0])
    if joint in pending:
        return coords, seen
    for parts in _RULES.get(joint, ()):
        found = [_derive(part, poses, valid, source, pending | {joint}) for part in parts]
        usable = ~seen & np.all([s for _, s in found], axis=0)
        mean = np.mean([c for c, _ in found], axis=0)
        coords = np.where(usable[..., None], mean, coords)
        seen = seen | usable
    return coords, seen
