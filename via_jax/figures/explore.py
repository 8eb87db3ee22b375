"""A web page on which the character of a retargeted clip is changed by hand (paper, Section 3.1).

One HTML file that needs nothing else: the clips' codes and the decoder's weights stand in it, and
the decoder runs in the page. What it shows is `codes.decode_onto`, decoder and joined windows.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from via_jax.data.clip import Clip
from via_jax.evaluation.codes import Coded, directions_of, encode_clip, parts_of, redefined
from via_jax.evaluation.sliding import cover
from via_jax.skeletons import Layout
from via_jax.typing import Array, Tree

FRAME_RATE = 30.0  # of a clip that does not say its own


def write_page(
    variables: Tree, meta: dict, clips: Sequence[Clip], path: str | Path
) -> dict[str, int]:
    """Writes the page.

    Args:
      variables, meta: of a pre-trained autoencoder, from `checkpoints.load_model`.
      clips: to choose driver and source from, at least one; of each the most moving person.
      path: file to write, ending in .html; its folder is made if missing.

    Returns:
      "clips", "directions" and "bytes" of the page.

    Raises:
      ValueError: another suffix, no clip, or a clip that the model cannot read.
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"cannot write {path.name!r}; expected a name that ends in .html")
    content = contents(variables, meta, clips)
    page = _page(content).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page)
    directions = content["directions"]["shape"][1]
    return {"clips": len(clips), "directions": directions, "bytes": len(page)}


def contents(variables: Tree, meta: dict, clips: Sequence[Clip]) -> dict:
    """What the page holds, as JSON values; arrays are as `packed` writes them.

    Poses, ways and results lie in window scales, see `codes.Coded`: a body's joints are about 1
    from its hips, and the clip's middle is 0.

    Returns:
      "joints", "coords", "frames" and "sampling" of a window; "frame_rate" where a clip has none;
      "reach" of the sliders up and down, the largest magnitude of all clips; "bones" as [parent,
      child, side] and "sides" of the joints, where a side is "left", "right" or "middle";
      "decoder": kernel [7, in, out] and bias [out] of each layer; "directions" D_c [channels, K];
      "mean" and "deviation" [joints, coords] that undo the standardisation; "root": joint that the
      others are relative to, None where they are not; "redefined" [joints, joints]: decoded joints
      to those of the layout's definition; "clips".
      A clip: "name", "label", "rate" (frames per second or None), "known" joints, "poses" [time,
      joints, coords], "motion" r_m [windows, time / 8, channels], "magnitudes" [K], "starts" of the
      windows, "way" [windows, coords].
    """
    if not clips:
        raise ValueError("no clip to explore; expected at least one")
    model, window, views = parts_of(meta)
    layout = views.layout
    coded = [encode_clip(variables, meta, clip) for clip in clips]
    magnitudes = [one.windows.magnitudes.mean(axis=0) for one in coded]
    shape = (layout.num_joints, model.coords)
    relative = views.normalisation == "root"
    statistics = views.statistics if relative else None
    mean, deviation = (np.zeros(shape), np.ones(shape)) if statistics is None else statistics
    weights = variables["params"]["decoder"]
    return {
        "joints": list(layout.joints),
        "coords": model.coords,
        "frames": window.frames,
        "sampling": window.sampling,
        "frame_rate": FRAME_RATE,
        "reach": max(float(np.abs(magnitudes).max()), 1e-3),
        "bones": [[*bone, side_of(layout, *bone)] for bone in layout.bones],
        "sides": [side_of(layout, joint) for joint in range(layout.num_joints)],
        "decoder": [
            {name: packed(weights[layer][name]) for name in ("kernel", "bias")}
            for layer in sorted(weights)
        ],
        "directions": packed(directions_of(variables, meta)),
        "mean": packed(mean),
        "deviation": packed(deviation),
        "root": layout.parents.index(-1) if relative else None,
        "redefined": packed(_redefinition(layout)),
        "clips": [
            {
                "name": clip.name,
                "label": clip.label,
                "rate": clip.frame_rate,
                "known": one.known.tolist(),
                "poses": packed(_in_scales(one)),
                "motion": packed(one.windows.motion),
                "magnitudes": packed(mean_magnitudes),
                "starts": cover(len(one.poses), window)[:, 0].astype(int).tolist(),
                "way": packed(one.way),
            }
            for clip, one, mean_magnitudes in zip(clips, coded, magnitudes)
        ],
    }


def side_of(layout: Layout, *joints: int) -> str:
    """The side on which joints agree (neck to left shoulder: left), otherwise "middle"."""
    sides = {layout.joints[joint].partition("_")[0] for joint in joints} & {"left", "right"}
    return sides.pop() if len(sides) == 1 else "middle"


def packed(array: Array) -> dict:
    """{"shape", "base64"} of an array's little-endian float32 values."""
    values = np.ascontiguousarray(array, "<f4")
    return {"shape": list(values.shape), "base64": base64.b64encode(values.tobytes()).decode()}


def _in_scales(coded: Coded) -> np.ndarray:
    """The clip's poses beside results of `decode_onto`; joints that are not known stand at 0."""
    centre, scale = (np.asarray(x).mean(axis=0) for x in coded.stood)
    return np.where(coded.known[:, None], (coded.poses - centre) / scale, 0.0)


def _redefinition(layout: Layout) -> np.ndarray:
    """`codes.redefined` as a matrix [joints, joints]: it is linear, and alike for every coord."""
    unit = np.eye(layout.num_joints, dtype=np.float32)[:, :, None]  # one pose for each joint
    return redefined(np.repeat(unit, 2, axis=2), layout)[..., 0].T


def _page(content: dict) -> str:
    """The HTML text. The browser runs only the script whose hash it names, and loads nothing."""
    folder = resources.files("via_jax.figures") / "page"
    template, style, *scripts = (
        (folder / name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", "decoder.js", "page.js")
    )
    script = "".join(scripts)
    hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()) for part in (style, script)]
    parts = {
        "style": style,
        "script": script,
        "style_hash": hashes[0].decode(),
        "script_hash": hashes[1].decode(),
        # a name with </script> in it must not end the data
        "data": json.dumps(content, allow_nan=False).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], template)
