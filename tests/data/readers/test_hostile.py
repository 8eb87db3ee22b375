"""Damaged and hostile files: every reader gives a valid clip or a ValueError with the path, soon.

One file of the smallest good source of each reader is changed as Hypothesis says; what it finds
becomes a test of that reader, written by hand.
"""

import io
import os
import re
import time
import tracemalloc
import zipfile
import zlib

import hypothesis
import pytest
from hostile_sources import SOURCES
from hypothesis import strategies

from via_jax.data.clip import check_clip

MUTATIONS = 1000 if "VIA_JAX_SOAK" in os.environ else 100
SECONDS = 1.0  # of this process
TIMES, FLOOR = 20, 2**22  # bytes allocated at most: so many times the files, and these besides
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
WORDS = (b"NaN", b"nan", b"inf", b"-Infinity", b"1e999", b"-1", b"0", b"x", b"null", b'""', b"true")
HUGE = (b"999999999999", b"2147483647", b"99999999999999999999999", b"-99999999", b"1e18")


class Drawn:
    """The few methods of a NumPy generator that the changes use, drawn by Hypothesis."""

    def __init__(self, data):
        self._data = data

    def integers(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        one = strategies.integers(low, high - 1)
        if size is None:
            return self._data.draw(one)
        return self._data.draw(strategies.lists(one, min_size=size, max_size=size))

    def random(self):
        return self.integers(1000) / 1000


# The changes; each takes and returns bytes.


def cut(rng, content):
    return content[: rng.integers(len(content) + 1)]


def swap_bytes(rng, content):
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        changed[rng.integers(len(changed))] = rng.integers(256)
    return bytes(changed)


def swap_parts(rng, content):
    a, b, c = sorted(rng.integers(len(content) + 1, size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def replace_number(rng, content, words):
    found = list(NUMBER.finditer(content))
    if not found:
        return swap_bytes(rng, content)
    match = found[rng.integers(len(found))]
    return content[: match.start()] + words[rng.integers(len(words))] + content[match.end() :]


def no_number(rng, content):
    return replace_number(rng, content, WORDS)


def huge_number(rng, content):
    if rng.random() < 0.3:
        at = rng.integers(len(content))
        size = int(rng.integers(1, 9))
        return content[:at] + b"\xff" * (size - 1) + b"\x7f" + content[at + size :]
    return replace_number(rng, content, HUGE)


def wrong_count(rng, content):
    marks = [m.start() for m in re.finditer(rb"[,\n]", content)]
    if len(marks) < 2:
        return swap_parts(rng, content)
    i, j = sorted(rng.integers(len(marks), size=2))
    part = content[marks[i] : marks[min(j, i + 3)]]
    return content[: marks[i]] + (part * 2 if rng.random() < 0.5 else b"") + content[marks[j] :]


def no_text(rng, content):
    at = rng.integers(len(content) + 1)
    return content[:at] + b"\xff\xfe\x80" + content[at:]


def nested(rng, content):
    deep = [b"[" * 100_000, b'{"a":' * 30_000, b"[" * 800 + b"]" * 800, b"(" * 5_000]
    return replace_number(rng, content, deep)


CHANGES = (cut, swap_bytes, swap_parts, no_number, huge_number, wrong_count, no_text, nested)


def changed_archive(rng, content, change):
    """Changes a member of a zip file and packs it again, so that its checksum holds."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w") as packed:
        names = archive.namelist()
        chosen = names[rng.integers(len(names))]
        for name in names:
            member = archive.read(name)
            packed.writestr(name, change(rng, member) if name == chosen else member)
    return out.getvalue()


def changed_matrix(rng, content, change):
    """Changes an element of a MATLAB file inside its compression."""
    at, elements = 128, []
    while at < len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        elements.append(zlib.decompress(content[at + 8 : at + 8 + size]))
        at += 8 + size
    chosen = rng.integers(len(elements))
    elements[chosen] = change(rng, elements[chosen])
    packed = [zlib.compress(element) for element in elements]
    return content[:128] + b"".join(
        b"\x0f\0\0\0" + len(p).to_bytes(4, "little") + p for p in packed
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__[3:])
def test_changed_files(tmp_path, source):
    read = source(tmp_path)
    assert read()
    files = [(path, path.read_bytes()) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    refused, most_seconds, most_bytes = [], 0.0, 0.0

    @hypothesis.settings(
        max_examples=MUTATIONS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategies.data())
    def check(data):
        nonlocal most_seconds, most_bytes
        rng = Drawn(data)
        path, content = data.draw(strategies.sampled_from(files))
        change = data.draw(strategies.sampled_from(CHANGES))
        inside = {".npz": changed_archive, ".mat": changed_matrix}.get(path.suffix)
        if inside is not None and rng.random() < 0.8:
            changed = inside(rng, content, change)
        else:
            changed = change(rng, content)
        path.write_bytes(changed)
        what = f"{path.name} changed by {change.__name__}: {changed[:300]!r}"
        start = time.process_time()
        tracemalloc.start()
        try:
            clips = read()
        except ValueError as error:
            refused.append(path)
            assert str(tmp_path) in str(error), f"{what}: no path in {str(error)[:300]!r}"
            assert len(str(error)) < 3000, f"{what}: a message of {len(str(error))} characters"
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__}: {str(error)[:300]}") from error
        else:
            for clip in clips if isinstance(clips, list) else [clips]:
                check_clip(clip, min_frames=1)
                assert clip.poses.nbytes < 5e6, f"{what}: poses of shape {clip.poses.shape}"
                assert not clip.poses[~clip.valid].any(), f"{what}: missing joints that are not 0"
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            path.write_bytes(content)
        seconds = time.process_time() - start
        most_seconds, most_bytes = max(seconds, most_seconds), max(peak, most_bytes)
        assert seconds < SECONDS, f"{what}: took {seconds:.2f} s"
        size = len(changed) + sum(len(other) for _, other in files)
        assert peak < TIMES * size + FLOOR, f"{what}: {peak} bytes allocated for {size}"

    check()
    print(f"{len(refused)} refused, {most_seconds:.2f} s, {most_bytes / 2**20:.1f} MiB at most")
    assert len(refused) > MUTATIONS / 10  # the changes do change something
