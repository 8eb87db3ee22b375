"""Checkpoints: bit-exact round trips, which steps stay, and every way a restore is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from via_jax.checkpoints import Checkpoints, DamagedCheckpoint, load_model

META = {"config": {"width": 3}, "layout": "unik17", "classes": ["sit", "stand"], "mean": 0.1}


def make_state(seed: int = 0, width: int = 3, dtype=jnp.float32, batch_stats=None):
    """A small model with its optimizer state, and all values that are easily lost."""
    rng = np.random.default_rng(seed)
    params = {
        "dense": {
            "kernel": jnp.asarray(rng.normal(size=(4, width)), dtype),
            "bias": jnp.asarray([np.nan, -0.0, 1e-42], jnp.float32),
        }
    }
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    training = {
        "opt_state": optimizer.init(params),
        "step": jnp.asarray(seed, jnp.int32),
        "key": jax.random.key_data(jax.random.key(seed)),
        "bank": np.arange(2**40, 2**40 + 3),  # int64 would not survive a jax array
        "active": jnp.asarray([True, False]),
    }
    stats = {"mean": jnp.asarray(rng.normal(size=5), jnp.bfloat16)}
    model = {"params": params, "batch_stats": stats if batch_stats is None else batch_stats}
    return {"model": model, "training": training}


def blank(state):
    return jax.tree.map(lambda leaf: leaf ^ leaf if leaf.dtype == bool else leaf * 0, state)


def assert_identical(restored, expected):
    assert str(jax.tree.structure(restored)) == str(jax.tree.structure(expected))
    for left, right in zip(jax.tree.leaves(restored), jax.tree.leaves(expected)):
        assert left.dtype == right.dtype and left.shape == right.shape
        assert np.asarray(left).tobytes() == np.asarray(right).tobytes()


def flip_byte(folder, inside: bytes):
    """Changes one byte of the file that holds these bytes, without changing its length."""
    for path in sorted(folder.rglob("*")):
        content = bytearray(path.read_bytes()) if path.is_file() else bytearray()
        if (at := content.find(inside)) >= 0:
            content[at + len(inside) // 2] ^= 1
            path.write_bytes(content)
            return
    raise AssertionError("the bytes to change are in no file")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of steps 1, 2 and 3 with accuracies 0.1, 0.3, 0.2; only to be read."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    with Checkpoints(folder, keep_latest=3, keep_best_by="accuracy") as checkpoints:
        for step, accuracy in [(1, 0.1), (2, 0.3), (3, 0.2)]:
            checkpoints.save(step, make_state(step), META, {"accuracy": accuracy, "loss": 1.0})
    return folder


def test_restored_state_is_bit_identical(saved):
    state = make_state(3)
    like = blank(state)
    with Checkpoints(saved) as checkpoints:
        restored, meta = checkpoints.restore(3, like["model"], like["training"])
        model, _ = checkpoints.restore_model(like=like["model"])
    assert_identical(restored, state)
    assert_identical(model, state["model"])
    assert meta == META
    assert isinstance(restored["training"]["bank"], np.ndarray)
    assert isinstance(restored["training"]["step"], jax.Array)


def test_save_keeps_what_the_state_was_when_called(tmp_path):
    state = make_state()
    state["training"]["bank"] = bank = np.arange(3)
    expected = jax.tree.map(np.array, state)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, META)
        bank[:] = -1
        state["model"]["params"]["dense"]["kernel"].delete()  # as a step with donated arguments
        restored, _ = checkpoints.restore(1, expected["model"], expected["training"])
    assert_identical(restored, expected)


def test_arrays_return_to_the_devices_of_the_new_state(saved):
    mesh = Mesh(np.array(jax.devices()), ("data",))
    replicated = NamedSharding(mesh, PartitionSpec())
    divided = NamedSharding(mesh, PartitionSpec("data"))
    like = make_state()["model"]
    like["params"]["dense"]["bias"] = jax.device_put(jnp.zeros(3), replicated)
    like["params"]["dense"]["kernel"] = jax.ShapeDtypeStruct((4, 3), jnp.float32, sharding=divided)
    with Checkpoints(saved) as checkpoints:
        model, _ = checkpoints.restore_model(2, like)
    dense = model["params"]["dense"]
    assert dense["bias"].sharding == replicated
    assert dense["kernel"].sharding == divided
    assert not model["batch_stats"]["mean"].committed  # as free to move as in a fresh start
    assert_identical(model, make_state(2)["model"])


def test_divided_and_replicated_arrays_are_saved_whole(tmp_path):
    state = make_state()
    mesh = Mesh(np.array(jax.devices()), ("data",))
    shardings = {"kernel": PartitionSpec("data"), "bias": PartitionSpec()}
    expected = state["model"]["params"]["dense"]
    state["model"]["params"]["dense"] = {
        name: jax.device_put(expected[name], NamedSharding(mesh, spec))
        for name, spec in shardings.items()
    }
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, META)
    model, _ = load_model(tmp_path, "latest")
    assert_identical(model["params"]["dense"], expected)


def test_latest_two_and_the_best_stay_also_after_a_resume(tmp_path):
    state = make_state()

    def save(checkpoints, step, loss):
        checkpoints.save(step, state, META, {"loss": loss})
        checkpoints.wait()

    with Checkpoints(tmp_path, keep_best_by="loss", higher_is_better=False) as checkpoints:
        assert checkpoints.latest_step() is None and checkpoints.best_step() is None
        for step, loss in [(1, 5.0), (2, 1.0), (3, 3.0), (4, 1.0)]:
            save(checkpoints, step, loss)
        assert checkpoints.steps() == [2, 3, 4]
        assert checkpoints.best_step() == 2  # the earlier of equals
    with Checkpoints(tmp_path, keep_best_by="loss", higher_is_better=False) as checkpoints:
        assert (checkpoints.latest_step(), checkpoints.best_step()) == (4, 2)
        save(checkpoints, 5, 4.0)
        save(checkpoints, 6, 2.0)
        assert checkpoints.steps() == [2, 5, 6]
        save(checkpoints, 7, 0.5)
        save(checkpoints, 8, 0.7)
        assert checkpoints.steps() == [7, 8]
    with Checkpoints(tmp_path, read_only=True) as checkpoints:  # the rule was saved with the run
        assert checkpoints.best_step() == 7


def test_a_save_that_was_killed_is_no_step(tmp_path):
    (tmp_path / "5.orbax-checkpoint-tmp").mkdir()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == []
        checkpoints.save(5, make_state(), META)
    assert_identical(load_model(tmp_path, 5)[0], make_state()["model"])


def test_without_a_metric_only_the_latest_stay(tmp_path):
    with Checkpoints(tmp_path, keep_latest=1) as checkpoints:
        for step in (10, 20):
            checkpoints.save(step, make_state(), META)
        checkpoints.wait()
        assert checkpoints.steps() == [20]
    with pytest.raises(ValueError, match=r"no metric to choose the best step by.*\[20\]"):
        load_model(tmp_path)


@pytest.mark.parametrize(("which", "step"), [("best", 2), ("latest", 3), (1, 1)])
def test_load_model_needs_no_model(saved, which, step):
    model, meta = load_model(saved, which)
    assert_identical(model, make_state(step)["model"])
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(model))
    assert meta == META


def test_load_model_keeps_empty_batch_statistics(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make_state(batch_stats={}), META)
    assert load_model(tmp_path, "latest")[0]["batch_stats"] == {}


def test_loading_reads_neither_training_state_nor_changes_the_folder(saved):
    before = sorted(saved.rglob("*"))
    training = saved / "3" / "training"
    hidden = training.rename(saved.parent / "hidden")
    try:
        load_model(saved, 3)
    finally:
        hidden.rename(training)
    assert sorted(saved.rglob("*")) == before


def test_another_model_is_named_by_its_arrays(saved):
    like = make_state(width=7)
    like["model"]["params"]["head"] = jnp.zeros((2, 2))
    del like["model"]["batch_stats"]["mean"]
    like["training"]["bank"] = np.zeros(4, int)
    with Checkpoints(saved) as checkpoints, pytest.raises(ValueError) as caught:
        checkpoints.restore(3, like["model"], like["training"])
    message = str(caught.value)
    assert "3 is a checkpoint of another model" in message
    assert "model/batch_stats/mean: stored bfloat16[5], expected absent" in message
    assert "model/params/dense/kernel: stored float32[4, 3], expected float32[4, 7]" in message
    assert "model/params/head: stored absent, expected float32[2, 2]" in message
    assert "training/bank: stored int64[3], expected int64[4]" in message
    assert message.count("stored") == 5
    assert "and 1 more" in message


def test_another_optimizer_is_refused(saved):
    like = make_state()
    like["training"]["opt_state"] = optax.sgd(0.1).init(like["model"]["params"])
    with (
        Checkpoints(saved) as checkpoints,
        pytest.raises(ValueError, match=r"opt_state/1/0/count: stored int32.*expected absent"),
    ):
        checkpoints.restore(3, like["model"], like["training"])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.int32])
def test_dtypes_are_never_cast(saved, dtype):
    like = make_state(dtype=dtype)["model"]
    seen = rf"kernel: stored float32\[4, 3\], expected {jnp.dtype(dtype)}\[4, 3\]"
    with Checkpoints(saved) as checkpoints, pytest.raises(ValueError, match=seen):
        checkpoints.restore_model(3, like)


@pytest.mark.parametrize("item", ["model", "training"])
def test_a_flipped_byte_is_found(tmp_path, item):
    state = make_state()
    noise = np.frombuffer(np.random.default_rng(1).bytes(5000), np.uint8)  # stored as it is
    state["model"]["params"]["noise"] = noise
    state["training"]["noise"] = noise
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, META)
    flip_byte(tmp_path / "1" / item, noise[100:130].tobytes())
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(DamagedCheckpoint, match=rf"1/{item}: the array \S*noise changed"),
    ):
        checkpoints.restore(1, state["model"], state["training"])
    if item == "training":
        load_model(tmp_path, "latest")  # evaluation does not need the damaged part
    else:
        with pytest.raises(DamagedCheckpoint, match="noise"):
            load_model(tmp_path, "latest")


def test_changed_meta_and_cut_files_are_found(tmp_path):
    state = make_state()
    state["model"] = {"params": jnp.ones(3)}  # with more arrays orbax leaves threads behind
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state, META)
    meta = tmp_path / "1" / "meta" / "metadata"
    content = meta.read_text()
    meta.write_text(content.replace("unik17", "unik18"))
    with pytest.raises(DamagedCheckpoint, match="1/meta: its sha256"):
        load_model(tmp_path, "latest")
    meta.write_text(content[:50])
    with pytest.raises(DamagedCheckpoint, match="1/meta: cannot be read"):
        load_model(tmp_path, "latest")
    meta.write_text(content)
    for path in (tmp_path / "1" / "model").rglob("d/*"):
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DamagedCheckpoint, match="1/model: cannot be read"):
        load_model(tmp_path, "latest")


def test_missing_checkpoints_are_explained(tmp_path, saved):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        load_model(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    for which in ("best", "latest"):
        with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*saved none so far"):
            load_model(tmp_path, which)
    (tmp_path / "stage" / "checkpoints").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"expected the work directory .* some: stage$"):
        load_model(tmp_path / "checkpoints")
    with pytest.raises(FileNotFoundError, match=r"did you mean .*checkpoints"):
        load_model(saved.parent)
    with pytest.raises(FileNotFoundError, match=r"no step 9 in .*only \[1, 2, 3\]"):
        load_model(saved, 9)
    with pytest.raises(FileNotFoundError, match="no step last in"):
        load_model(saved, "last")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metrics", "seen"),
    [
        ({"accuracy": float("nan")}, "accuracy=nan: expected finite"),
        ({"accuracy": 0.1, "loss": float("inf")}, "loss=inf: expected finite"),
        ({"acuracy": 0.1}, r"\['acuracy'\] lack 'accuracy'"),
    ],
)
def test_unusable_metrics_are_refused(tmp_path, metrics, seen):
    with Checkpoints(tmp_path, keep_best_by="accuracy") as checkpoints:
        with pytest.raises(ValueError, match=seen):
            checkpoints.save(1, make_state(), META, metrics)
        checkpoints.save(1, make_state(), META)  # before the first evaluation there is none
        assert checkpoints.best_step() is None


def test_states_and_meta_that_cannot_come_back_are_refused(tmp_path, saved):
    with Checkpoints(tmp_path) as checkpoints:

        def refuse(seen, meta=META, **training):
            state = make_state()
            state["training"].update(training)
            with pytest.raises(ValueError, match=seen):
                checkpoints.save(1, state, meta)

        refuse(r"training/epoch is a Python int, expected an array", epoch=3)
        refuse(r"training/rng is key<fry>\[\], .*key_data", rng=jax.random.key(0))
        refuse(r"training/none is float32\[0\], expected numbers", none=jnp.zeros(0))
        refuse("'opt/mu' is empty, doubled or a key holds '/'", **{"opt/mu": jnp.ones(1)})
        refuse("meta cannot be written as JSON: .*ndarray", meta={"mean": np.ones(3)})
        refuse("meta cannot be written as JSON", meta={"mean": float("nan")})
        with pytest.raises(ValueError, match=r"keys \['model'\], expected \['model', 'training'\]"):
            checkpoints.save(1, {"model": {}}, META)
        assert checkpoints.steps() == []
        checkpoints.save(2, make_state(), META)
        for step in (1, 2):
            with pytest.raises(ValueError, match=f"step {step} does not follow step 2"):
                checkpoints.save(step, make_state(), META)
    with (
        Checkpoints(saved, read_only=True) as checkpoints,
        pytest.raises(ValueError, match="read_only"),
    ):
        checkpoints.save(4, make_state(), META)
    with pytest.raises(ValueError, match="keep_latest=0"):
        Checkpoints(tmp_path, keep_latest=0)
