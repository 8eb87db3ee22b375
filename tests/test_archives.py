"""Archives that unpack to more than is there, and everything that reads arrays from a file."""

import io
import os
import pickle
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from via_jax import archives
from via_jax.data.open_clip import open_clip
from via_jax.data.readers import berkeley_mhad, folder, mixamo, pyskl
from via_jax.evaluation import fusion
from via_jax.state_files import read_state

HEADER = b"\x93NUMPY\x01\x00\x76\x00"  # magic, version 1.0, 118 bytes of header


def npy(described: bytes, data: bytes) -> bytes:
    return HEADER + described.ljust(117) + b"\n" + data


def packed(path, **members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


FLOATS = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"


def test_good_arrays_pass(tmp_path):
    path = packed(tmp_path / "a.npz", poses=npy(FLOATS, bytes(24)))
    with path.open("rb") as file:
        archives.check_arrays(file)
        assert np.load(file)["poses"].shape == (2, 3)
    np.savez_compressed(path, a=np.zeros((1000, 1000)), b=np.array("text"), c=np.array(3))
    with path.open("rb") as file:
        archives.check_arrays(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(FLOATS, bytes(20)), r"float32 \(2, 3\) in 20 bytes"),
        (npy(FLOATS.replace(b"(2, 3)", b"(9999999999, 3)"), bytes(24)), "in 24 bytes"),
        (npy(FLOATS.replace(b"<f4", b"|O"), pickle.dumps(len)), "holds objects"),
        (HEADER.replace(b"\x01\x00", b"\x07\x00", 1) + bytes(118), "unknown npy format"),
    ],
)
def test_arrays_that_are_not_as_declared(content, message, tmp_path):
    with (
        packed(tmp_path / "a.npz", poses=content).open("rb") as file,
        pytest.raises(ValueError, match=message),
    ):
        archives.check_arrays(file)


class Touch:
    """Pickled as a call that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def of_folder(at, name):
    (at / "labels.csv").write_text("name,label\na,b\n")
    return at / "a.npz", lambda: [folder.read(item) for item in folder.find(at)]


def of_open_clip(at, name):
    return at / "a.npz", lambda: open_clip(at / "a.npz")


def of_berkeley(at, name):
    return at / "mocap.npz", lambda: berkeley_mhad.find(at)


def of_weights(at, name):
    return at / "w.npz", lambda: read_state(at / "w.npz")


def of_scores(at, name):
    return at / fusion.FILE, lambda: fusion.read_scores(at)


def bomb(path, made):
    """A gigabyte of zeros in a megabyte, under every name that a reader asks for."""
    names = ("poses", "coords", "scores", "lengths", "names")
    shape = b"(%d,)" % 2**28
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names[:1] if path.name == "a.npz" else names[1:3]:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(npy(FLOATS.replace(b"(2, 3)", shape), b""))
                for _ in range(2**6):
                    member.write(bytes(2**24))


def program(path, made):
    names = ("poses", "coords", "scores", "lengths", "names", "action", "subject", "repetition")
    names = names[:1] if path.name == "a.npz" else names
    with io.BytesIO() as buffer:
        np.save(buffer, np.array([Touch(made)], object), allow_pickle=True)
        packed(path, **{name: buffer.getvalue() for name in names})


def outside(path, made):
    """Members whose names lead out of the folder."""
    packed(path, **{"../../made": npy(FLOATS, bytes(24)), "/made": npy(FLOATS, bytes(24))})


def loop(path, made):
    path.symlink_to(path)


def device(path, made):
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("source", [of_folder, of_open_clip, of_berkeley, of_weights, of_scores])
@pytest.mark.parametrize("attack", [bomb, program, outside, loop, device])
def test_hostile_archives_are_refused(source, attack, tmp_path):
    """Soon, with the path, in little memory; nothing is run and nothing written."""
    at, made = tmp_path / "in" / "here", tmp_path / "made"
    at.mkdir(parents=True)
    path, read = source(at, "a")
    attack(path, made)
    before = sorted(tmp_path.rglob("*"))
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=str(tmp_path)):
            found = read()
            assert source is of_weights and attack is outside, "read"
            assert list(found) == ["../../made", "/made"]  # names of arrays, never of files
            raise ValueError(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 5 and peak < 2**27
    assert sorted(tmp_path.rglob("*")) == before


def test_programs_in_other_files_are_not_run(tmp_path):
    """An .npy of objects as Mixamo, a pickle as pyskl, torch files old and new as weights."""
    made = tmp_path / "made"
    place = tmp_path / "train" / "Aj" / "Jump"
    place.mkdir(parents=True)
    np.save(place / "Jump.npy", np.array([Touch(made)], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"Jump\.npy: object of shape"):
        [mixamo.read(item) for item in mixamo.find(tmp_path)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": Touch(made), "annotations": []}, 4))
    with pytest.raises(ValueError, match=r"a\.pkl: .*mkdir, which is not run"):
        pyskl.find(tmp_path)
    torch = pytest.importorskip("torch", reason="PyTorch is an optional extra")
    for new in (True, False):
        torch.save({"a": Touch(made)}, tmp_path / "w.pt", _use_new_zipfile_serialization=new)
        with pytest.raises(ValueError, match=r"w\.pt: holds more than weights, or is damaged"):
            read_state(tmp_path / "w.pt")
    assert not made.exists()


def test_the_test_would_see_a_program_run(tmp_path):
    pickle.loads(pickle.dumps(Touch(tmp_path / "made")))  # noqa: S301
    assert (tmp_path / "made").is_dir()
