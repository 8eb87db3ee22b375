"""The commands of docs/tutorials, run as a reader would paste them, in a folder of their own.

Blocks behind `<!-- soak -->` take minutes: `make soak` runs them, `make test` checks their flags.
"""

import contextlib
import csv
import importlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from via_jax.data.readers.folder import read_clip
from via_jax.runs import read_metrics

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
SOAK = "VIA_JAX_SOAK" in os.environ
LONGEST = 1800  # seconds of a tutorial
SAY = "trap 'echo \"$0:$LINENO: $BASH_COMMAND\" >&2' ERR"

needs_soak = pytest.mark.skipif(
    not SOAK, reason="compiles several models; make soak runs it, the flags are checked above"
)
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def commands_of(page: pathlib.Path, soak: bool) -> str:
    """The `sh` blocks of a page as a script in which every line keeps its number."""
    lines: list[str] = []
    inside, before = False, ""
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            inside = line == "```sh" and (soak or before != "<!-- soak -->")
            lines.append("")
        else:
            lines.append(line if inside else "")
        before = line
    lines[0] = SAY  # the title's line
    return "\n".join(lines) + "\n"


def paste(page: pathlib.Path, folder: pathlib.Path, soak: bool = SOAK) -> str:
    """Runs the commands of a page, returns what they print; fails with the command that failed."""
    script = folder / page.name
    script.write_text(commands_of(page, soak))
    python = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cache = {"JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache" / "jax")}
    printed, said = folder / "stdout", folder / "stderr"
    with (
        printed.open("w") as stdout,
        said.open("w") as stderr,
    ):  # pipes would wait for the background
        process = subprocess.Popen(
            ["bash", "-e", page.name],
            cwd=folder,
            env=os.environ | cache | {"PATH": python},
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # so that what it left in the background ends with it
        )
        try:
            process.wait(LONGEST)
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing was left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert process.returncode == 0, f"{page.name}: {said.read_text()[-3000:]}"
    return printed.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that looks like the repository, with all that the first tutorial leaves."""
    place = tmp_path_factory.mktemp("reader")
    for name in ("via_jax", "experiments", "configs"):
        (place / name).symlink_to(ROOT / name)
    paste(DOCS / "tutorials" / "first_pretraining.md", place)
    return place


@needs_bash
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_the_commands_are_bash(page, tmp_path):
    script = tmp_path / "script"
    script.write_text(commands_of(page, soak=True))
    ended = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stderr == ""  # a heredoc without an end is a warning


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_the_flags_exist(page):
    text = commands_of(page, soak=True).replace("\\\n", " ")
    for name, command in re.findall(r'^(\w+)="(python [^"]+)"', text, re.MULTILINE):
        text = text.replace(f"${name}", command)
    found = re.findall(r"python -m experiments\.(\w+)((?:\s+--[\w.]+=[^\s\"]+)*)", text)
    assert found
    for script, words in found:
        sources = [ROOT / "experiments" / f"{name}.py" for name in (script, "opening", "launch")]
        known = "".join(path.read_text() for path in sources)
        flags = dict(word[2:].split("=", 1) for word in words.split())
        settings = {name: flags.pop(name) for name in list(flags) if name.startswith("config.")}
        for name in flags:
            assert f'"{name}"' in known, f"{script} has no flag --{name}"
        if "config" in flags:
            module = flags["config"].removesuffix(".py").replace("/", ".")
            config = importlib.import_module(module).get_config().to_dict()
            for name in settings:
                section = config
                for part in name.split(".")[1:]:
                    assert part in section, f"{flags['config']} has no {name}"
                    section = section[part]


def test_links_lead_to_files_and_every_page_is_in_the_site():
    pages = sorted(DOCS.rglob("*.md"))
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if not target.startswith("https://"):
                assert (page.parent / target).is_file(), f"{page.name}: {target}"
    nav = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(nav) == sorted(str(page.relative_to(DOCS)) for page in pages)


def test_the_site_loads_nothing_from_a_network(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the docs extra, which make docs installs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= len(list(DOCS.rglob("*.md")))
    for page in pages:
        assert not re.search(r"src=\"(https?:)?//|<link[^>]*href=\"(https?:)?//", page.read_text())


@needs_bash
def test_a_command_that_fails_is_named(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```sh\ntrue\n```\n```\nno command\n```\n```sh\ntrue\nls nowhere\n")
    (tmp_path / "at").mkdir()
    with pytest.raises(AssertionError, match=r"page.md: ls: .*nowhere.*\n.*page.md:11: ls nowhere"):
        paste(page, tmp_path / "at")


@needs_bash
def test_first_pretraining(folder):
    results = json.loads((folder / "runs/tutorial/results.json").read_text())
    assert results["steps"] == 100 and 0 < results["held_out_self"] < 1
    assert (folder / "runs/tutorial/loss.png").stat().st_size > 1000
    probes = [folder / f"runs/tutorial_{name}/results.json" for name in ("probe", "random")]
    assert [path.is_file() for path in probes] == [SOAK, SOAK]


@needs_bash
def test_own_data(folder):
    printed = paste(DOCS / "tutorials" / "own_data.md", folder)
    assert "24 clips" in printed and "{'train': 16, 'test': 8}" in printed
    own = folder / "runs/own"
    with np.load(own / "features.npz") as found:
        assert found["names"].tolist() == ["ann", "ben"]
        assert found["features"].shape == (2, 16) and np.isfinite(found["features"]).all()
    with (own / "similar/neighbours.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert all(row["clip"].startswith(row["label"]) for row in rows)
    made = read_clip(own / "ann_on_ben/retargeted.npz")
    assert made.poses.shape == (1, 96, 25, 2) and made.layout == "openpose25"
    assert (own / "labels/timeline0.png").is_file() == SOAK


@needs_bash
@needs_soak
def test_ablating_k(folder):
    printed = paste(DOCS / "tutorials" / "ablating_k.md", folder)
    rows = json.loads((folder / "runs/ablation/dictionary.json").read_text())["rows"]
    ran = {row["cell"]: len(row["results"]) for row in rows}
    assert ran == {
        "without D_c": 2,
        "K = 2": 2,
        "K = 8": 2,
        "K = 32": 0,
        "K = 64": 0,
        "K = 128": 0,
    }
    assert "K must lie below the 16 channels" in printed
    assert (folder / "runs/ablation/dictionary.png").is_file()
    assert "| model.num_directions=12 | " in printed and "not run" not in printed.split("trials")[1]


@needs_bash
@needs_soak
def test_several_hosts(folder):
    paste(DOCS / "tutorials" / "several_hosts.md", folder)
    run = folder / "runs/two_hosts"
    assert json.loads((run / "results.json").read_text())["steps"] == 100
    steps = [row["step"] for row in read_metrics(run / "metrics.jsonl") if "loss" in row]
    assert steps == list(range(5, 101, 5))
