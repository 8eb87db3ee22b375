"""Exported functions: equal to the modules, free in batch and time, run without flax."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from reference.published import random_state

from configs import base
from via_jax import export
from via_jax.evaluation.features import features_of
from via_jax.evaluation.fine_tune import classifier_of
from via_jax.models.autoencoder import Autoencoder
from via_jax.weights import Sizes, from_published

SIZES = Sizes(17, 2, persons=1, heads=1, width=1 / 16, classes=3, directions=4)
RUN = """
import sys
import numpy as np
from jax import export
folder = sys.argv[1]
inputs = dict(np.load(f"{folder}/inputs.npz"))
results = {}
for name, arguments in (
    ("features", ("poses", "present")),
    ("logits", ("poses", "present")),
    ("retarget", ("driving", "source")),
):
    with open(f"{folder}/{name}.stablehlo", "rb") as file:
        function = export.deserialize(bytearray(file.read()))
    found = function.call(*(inputs[argument] for argument in arguments))
    results |= {f"{name}{i}": np.asarray(x) for i, x in enumerate(found)}
np.savez(f"{folder}/found.npz", **results)
assert "flax" not in sys.modules and "via_jax" not in sys.modules
"""


@pytest.fixture(scope="module")
def model():
    """(variables, meta) of a random model with all parts."""
    config = base.get_config()
    settings = {"width": 1 / 16, "decoder_width": 1 / 16, "num_heads": 1, "num_directions": 4}
    config.model.update(settings)
    config.fine_tune.feature = "motion"
    variables = from_published(random_state(SIZES))
    rng = np.random.default_rng(3)
    decoder, into = {}, 16
    for index, out in enumerate((8, 4, 34), start=1):
        kernel = rng.normal(0, (7 * into) ** -0.5, (7, into, out)).astype(np.float32)
        bias = rng.normal(0, 0.1, out).astype(np.float32)
        decoder[f"conv{index}"], into = {"kernel": kernel, "bias": bias}, out
    variables["params"]["decoder"] = decoder
    meta = {
        "layout": "unik17",
        "model": config.model.to_dict(),
        "views": config.data.views.to_dict(),
        "window": config.data.window.to_dict(),
        "statistics": None,
        "dataset": "random",
        "data_sha256": "0",
        "classes": ["squat", "walk", "wave"],
        "config": json.loads(json.dumps(config.to_dict())),
    }
    return variables, meta


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    shapes = {"poses": (3, 1, 24), "driving": (2, 24), "source": (2, 16)}
    arrays = {n: rng.normal(0, 0.7, (*s, 17, 2)).astype(np.float32) for n, s in shapes.items()}
    return arrays | {"present": np.ones((3, 1), np.float32)}


@pytest.fixture(scope="module")
def expected(model, inputs):
    """What the modules themselves say."""
    variables, meta = model
    whole = Autoencoder(joints=17, **meta["model"])
    classifier = classifier_of(meta["model"], 3, "motion")

    @jax.jit
    def compute(poses, driving, source):
        def retarget(model, driving, source):
            motion = model.split(model.encode(driving[:, None], False)).motion
            character = model.split(model.encode(source[:, None], False)).character
            return model.decode(motion, character, False)

        batch = {"poses": poses, "present": np.ones((3, 1), bool)}
        how = {"model": meta["model"], "published_persons": False}
        return {
            "features0": features_of(variables, batch, feature="code", **how),
            "features1": features_of(variables, batch, feature="motion", **how),
            "logits0": classifier.apply(variables, poses, False),
            "retarget0": whole.apply(variables, driving, source, method=retarget),
        }

    return compute(inputs["poses"], inputs["driving"], inputs["source"])


def check(found, expected):
    assert set(found) == set(expected)
    for name, wanted in expected.items():
        assert np.ptp(wanted, axis=0).max() > 1e-2, name
        tolerance = 1e-5 * np.abs(wanted).max()
        np.testing.assert_allclose(found[name], wanted, atol=tolerance, err_msg=name)


def test_a_fresh_process_runs_the_files_with_jax_alone(model, inputs, expected, tmp_path):
    pytest.importorskip("flatbuffers", reason="an optional extra: pip install .[export]")
    variables, meta = model
    description = export.export_model(variables, meta, tmp_path / "out")
    written = json.loads((tmp_path / "out/model.json").read_text())
    assert written == json.loads(json.dumps(description))
    assert written["functions"]["retarget"]["inputs"]["source"] == "b, 8*r, 17, 2"
    assert written["joints"][0] == "head" and written["classes"] == meta["classes"]
    for name, entry in written["files"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert len(content) == entry["bytes"]
        assert b"lapack" not in content, f"{name} calls a library that only CPUs have"
    np.savez(tmp_path / "out/inputs.npz", **inputs)
    subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "out")],
        check=True,
        timeout=600,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    with np.load(tmp_path / "out/found.npz") as found:
        check(dict(found), expected)

    again, same = export.load_exported(tmp_path / "out")
    jax.tree.map(np.testing.assert_array_equal, again, variables)
    assert same == json.loads(json.dumps(meta))
    with pytest.raises(ValueError, match="holds an exported model already"):
        export.export_model(variables, meta, tmp_path / "out")


def test_without_flatbuffers_the_error_says_what_to_install(model, monkeypatch):
    function = export.Function(lambda x: (x + 1.0,), {"x": "b, 8*s"}, {"y": "b, 8*s"})
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    monkeypatch.delitem(sys.modules, "jax._src.export.serialization", raising=False)
    with pytest.raises(ValueError, match=r'needs flatbuffers; pip install "via_jax\[export\]"'):
        export.serialized(function)


def test_a_model_without_head_decoder_or_dictionary_has_fewer_functions(model):
    variables, meta = model
    params = {"encoder": variables["params"]["encoder"]}
    functions = export.functions_of(variables | {"params": params}, meta)
    assert list(functions) == ["features"]
    assert functions["features"].outputs == {"code": "b, 16"}
    assert functions["features"].inputs["poses"] == "b, 1, 8*s, 17, 2"


@pytest.mark.parametrize("published", [False, True])
def test_two_persons_are_averaged_as_in_evaluation(model, published):
    _, meta = model
    variables = from_published(random_state(SIZES._replace(persons=2)))
    data = meta["config"]["data"] | {"published_persons": published}
    functions = export.functions_of(variables, meta | {"config": meta["config"] | {"data": data}})
    poses = np.random.default_rng(0).normal(0, 0.7, (2, 2, 16, 17, 2)).astype(np.float32)
    present = np.array([[1, 1], [1, 0]], np.float32)

    @jax.jit
    def both(poses, present):
        batch = {"poses": poses, "present": present > 0}
        wanted = features_of(
            variables, batch, model=meta["model"], feature="motion", published_persons=published
        )
        return functions["features"].call(poses, present)[1], wanted

    found, wanted = both(poses, present)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
