"""Pure functions of model input, and StableHLO files of them that need jax alone to run.

The weights are constants of each function and the dictionary's directions are computed beforehand,
so that nothing in it is special to a backend. Time means count every frame: give whole windows.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import numpy as np

import via_jax
from via_jax import skeletons
from via_jax.data.batches import without_absent
from via_jax.models.classifier import mean_over_time
from via_jax.models.decoder import SHORTEST_CODE, Decoder
from via_jax.models.dictionary import split_by
from via_jax.models.encoder import TIME_FACTOR, Encoder, mean_over_persons
from via_jax.typing import Array, Tree

PLATFORMS = ("cpu", "cuda", "tpu")


class Function(NamedTuple):
    """One function of a trained model.

    Attributes:
      call: arrays -> a tuple of arrays, float32.
      inputs: name -> shape with names for free sizes; `b` clips and 8 x `s`, 8 x `r` frames.
      outputs: name -> shape, in the order of the tuple.
      constraints: on the free sizes beyond being positive.
    """

    call: Callable[..., tuple[Array, ...]]
    inputs: dict[str, str]
    outputs: dict[str, str]
    constraints: tuple[str, ...] = ()


def functions_of(variables: Tree, meta: dict) -> dict[str, Function]:
    """The functions that a checkpoint has weights for, all in evaluation mode.

    "features" (poses, present) -> the time means of the code and, with a dictionary, of its motion;
    "logits" (poses, present) -> scores of the classes, where there is a head;
    "retarget" (driving, source) -> the driving motion on the source, where there is a decoder.

    Args:
      variables, meta: of a checkpoint, from `checkpoints.load_model`.
    """
    params, statistics = variables["params"], variables["batch_stats"]
    settings, joints = meta["model"], skeletons.get_layout(meta["layout"]).num_joints
    coords, dtype = settings["coords"], jnp.dtype(settings["dtype"])
    encoder = Encoder(settings["width"], settings["num_heads"], dtype)
    own = {"params": params["encoder"], "batch_stats": statistics["encoder"]}
    features = own["params"]["input_norm"]["scale"].shape[0]
    persons, channels = features // (joints * coords), _channels(own["params"])
    data = meta["config"]["data"]
    directions: Any = None
    if "dictionary" in params:
        raw = np.asarray(params["dictionary"]["directions"], np.float32)
        directions = np.linalg.qr(raw)[0]

    def code_of(poses: Array, present: Array) -> Array:
        if data["published_persons"]:
            poses, there = without_absent(poses, present > 0), None
        else:
            there = present
        code: Any = encoder.apply(own, poses, False)
        return mean_over_persons(code, there)

    def motion_of(code: Array) -> Array:
        return code if directions is None else split_by(directions, code, None).motion

    def means(poses: Array, present: Array) -> tuple[Array, ...]:
        code = code_of(poses, present)
        found = [mean_over_time(code, None)]
        if directions is not None:
            found.append(mean_over_time(motion_of(code), None))
        return tuple(found)

    clip = {"poses": f"b, {persons}, 8*s, {joints}, {coords}", "present": f"b, {persons}"}
    code, motion = {"code": f"b, {channels}"}, {"motion": f"b, {channels}"}
    functions = {"features": Function(means, clip, code if directions is None else code | motion)}
    if "head" in params:
        kernel, bias = (jnp.asarray(params["head"][name]) for name in ("kernel", "bias"))
        of_motion = meta["config"]["fine_tune"]["feature"] == "motion"

        def logits(poses: Array, present: Array) -> tuple[Array, ...]:
            code = code_of(poses, present)
            code = motion_of(code) if of_motion else code
            return (mean_over_time(code, None) @ kernel + bias[None],)

        functions["logits"] = Function(logits, clip, {"logits": f"b, {kernel.shape[1]}"})
    if "decoder" in params:
        decoder = Decoder(joints, coords, settings["decoder_width"], settings["dropout"], dtype)

        def retarget(driving: Array, source: Array) -> tuple[Array, ...]:
            codes: Any = [encoder.apply(own, x[:, None], False) for x in (driving, source)]
            moves, looks = (split_by(directions, code[:, 0], None) for code in codes)
            code = moves.motion + looks.character[:, None]
            made: Any = decoder.apply({"params": params["decoder"]}, code, False)
            return (made,)

        driving, source = (f"b, 8*{t}, {joints}, {coords}" for t in ("s", "r"))
        functions["retarget"] = Function(
            retarget,
            {"driving": driving, "source": source},
            {"poses": driving},
            (f"s >= {SHORTEST_CODE}",),
        )
    return functions


def _channels(encoder: Tree) -> int:
    last = max(encoder, key=lambda name: int(name.removeprefix("block")) if "block" in name else 0)
    return encoder[last]["temporal"]["norm"]["scale"].shape[0]


def serialized(function: Function, platforms: tuple[str, ...] = PLATFORMS) -> bytes:
    """StableHLO with free sizes, for `jax.export.deserialize`.

    Raises:
      ValueError: the package flatbuffers is missing.
    """
    from jax import export  # not an attribute of jax before its import

    scope = export.SymbolicScope(function.constraints)
    arguments = [
        jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), jnp.float32)
        for shape in function.inputs.values()
    ]
    exported = export.export(jax.jit(function.call), platforms=platforms)(*arguments)
    try:
        return bytes(exported.serialize())
    except ImportError as error:
        raise ValueError('export needs flatbuffers; pip install "via_jax[export]"') from error


def description_of(functions: dict[str, Function], meta: dict) -> dict[str, Any]:
    """What someone who runs the functions elsewhere must know: JSON values."""
    layout = skeletons.get_layout(meta["layout"])
    return {
        "via_jax": via_jax.__version__,
        "jax": jax.__version__,
        "flax": flax.__version__,
        "layout": layout.name,
        "joints": list(layout.joints),
        "bones": [list(bone) for bone in layout.bones],
        "coords": meta["model"]["coords"],
        "window": meta["window"],
        "time_multiple": TIME_FACTOR,
        "views": meta["views"],
        "statistics": meta["statistics"],
        "normalisation": NORMALISATION[meta["views"]["normalisation"]],
        "published_persons": meta["config"]["data"]["published_persons"],
        "classes": meta.get("classes"),
        "dataset": meta["dataset"],
        "data_sha256": meta["data_sha256"],
        "functions": {
            name: {
                "inputs": function.inputs,
                "outputs": function.outputs,
                "constraints": function.constraints,
                "dtype": "float32",
            }
            for name, function in functions.items()
        },
    }


NORMALISATION = {
    "body": "per window: minus the mean over time of the middle of the hips, divided by the root"
    " mean square distance of the known joints from it; joints never seen are 0; y down in images",
    "root": "as body, then every joint relative to the root, the root's row its move since the"
    " frame before; minus statistics.mean, divided by statistics.deviation",
    "screen": "x: 2 x / width - 1; y: (2 y - height) / width, in pixels; joints never seen are 0",
}


def export_model(variables: Tree, meta: dict, out: str | Path) -> dict[str, Any]:
    """Writes <function>.stablehlo, model.json, and weights.npz and meta.json for `load_exported`.

    Returns:
      The contents of model.json, with the size and SHA-256 of each file.

    Raises:
      ValueError: flatbuffers is missing, or a folder that holds a model already.
    """
    out = Path(out)
    if (out / "model.json").exists():
        raise ValueError(f"{out} holds an exported model already; choose another folder")
    functions = functions_of(variables, meta)
    files = {f"{name}.stablehlo": serialized(f) for name, f in functions.items()}
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    np.savez(out / "weights.npz", allow_pickle=False, **flat)
    (out / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
    description = description_of(functions, meta) | {
        "platforms": PLATFORMS,
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    (out / "model.json").write_text(json.dumps(description, indent=2) + "\n")
    return description


def load_exported(folder: str | Path) -> tuple[Tree, dict]:
    """(variables, meta) that `export_model` wrote, read without orbax."""
    folder = Path(folder)
    with np.load(folder / "weights.npz", allow_pickle=False) as file:
        variables = flax.traverse_util.unflatten_dict(dict(file), sep="/")
    return variables, json.loads((folder / "meta.json").read_text())
