"""What no file of the package may call: readers of data that would run what the data says."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted(
    p for top in ("via_jax", "experiments", "configs") for p in (ROOT / top).rglob("*.py")
)
NEVER = {
    *("eval", "exec", "__import__", "os.system", "os.popen"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open"),
    *("dill.load", "joblib.load", "yaml.load", "yaml.unsafe_load", "pandas.read_pickle"),
    *("tarfile.open", "shutil.unpack_archive"),  # unpack what others packed, anywhere
}
MUST_SAY = {"np.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}


def offences(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            said = ast.unparse(node.value)
            found += [] if said == "False" else [f"{node.value.lineno}: allow_pickle={said}"]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        key, value = MUST_SAY.get(name, (None, None))
        if name in NEVER or name.endswith(".extractall"):
            found.append(f"{node.lineno}: {name}")
        elif "shell" in said and said["shell"] != "False":
            found.append(f"{node.lineno}: {name} with a shell")
        elif key is not None and said.get(key) != str(value):
            found.append(f"{node.lineno}: {name} without {key}={value}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_data_says(path):
    assert offences(path.read_text()) == []


def test_offences_are_seen():
    text = """
np.load(a, allow_pickle=True)
np.load(a)
pickle.load(file)
eval(text)
yaml.load(text)
torch.load(path)
archive.extractall()
subprocess.run(text, shell=True)
np.load(a, allow_pickle=False)
torch.load(path, weights_only=True)
model.eval()
"""
    lines = {int(found.split(":")[0]) for found in offences(text)}
    assert lines == set(range(2, 10))
