"""Files of PyTorch weights: both formats, and what is refused."""

import numpy as np
import pytest

from via_jax.state_files import read_state, write_state

STATE = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a.count": np.array(3)}


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_there_and_back(suffix, tmp_path):
    if suffix == ".pt":
        pytest.importorskip("torch", reason="PyTorch is an optional extra")
    path = tmp_path / f"sub/weights{suffix}"
    write_state(path, STATE)
    found = read_state(path)
    assert list(found) == list(STATE)
    for name, value in STATE.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].shape == value.shape


def test_a_pickled_program_is_not_run(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is an optional extra")
    path = tmp_path / "weights.pt"
    torch.save({"a": pytest.approx}, path)
    with pytest.raises(ValueError, match=r"weights.pt: holds more than weights, or is damaged"):
        read_state(path)


def test_a_whole_training_checkpoint_is_refused_with_its_keys(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is an optional extra")
    path = tmp_path / "weights.pt"
    torch.save({"epoch": 3, "model": {"a": torch.zeros(2)}}, path)
    with pytest.raises(ValueError, match=r"a dict of epoch, model; expected \{name: tensor\}"):
        read_state(path)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none.npz: no such file"):
        read_state(tmp_path / "none.npz")
    np.savez(tmp_path / "objects.npz", a=np.array([None]))
    with pytest.raises(ValueError, match=r"objects.npz: cannot be read as .npz of arrays"):
        read_state(tmp_path / "objects.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(ValueError, match="one array without a name"):
        read_state(tmp_path / "one.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"cut.npz: cannot be read as .npz of arrays"):
        read_state(tmp_path / "cut.npz")
    with pytest.raises(ValueError, match=r"expected a name that ends in .npz, .pt or .pth"):
        write_state(tmp_path / "weights.bin", STATE)


def test_without_pytorch_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    (tmp_path / "a.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match=r'needs PyTorch; pip install "via_jax\[torch\]"'):
        read_state(tmp_path / "a.pt")
