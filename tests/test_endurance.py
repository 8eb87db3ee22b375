"""Long runs: memory, descriptors and compilations stay where they were after the warm-up.

`make soak` takes 20,000 steps and 10,000 predictions, `make test` a few hundred.
"""

import contextlib
import gc
import os
import pathlib

import jax
import numpy as np
import pytest
import tiny_run

from via_jax.checkpoints import load_model
from via_jax.data.sampling import Window
from via_jax.evaluation import features, retargeting
from via_jax.evaluation.clips import over_clips
from via_jax.pretrain import views_of

SOAK = "VIA_JAX_SOAK" in os.environ


def resident():
    """Bytes of this process in memory."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def compilations():
    """A list that grows by one for each program that is compiled."""
    seen = []

    def note(event, duration, **facts):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(note)


needs_proc = pytest.mark.skipif(
    not pathlib.Path("/proc/self/statm").exists(), reason="reads memory from /proc"
)


@needs_proc
def test_many_steps(tmp_path):
    """Logging every 10 steps, saving every 1000 (in short: 100)."""
    steps, save = (20_000, 1000) if SOAK else (400, 100)
    marks = {}

    with compilations() as compiled:

        def before(state):
            step = int(state.step)
            if step in (steps // 4, steps - 1):
                marks[step] = (resident(), descriptors(), len(compiled))

        tiny_run.train(tmp_path, tiny_run.rhythm(steps, log=10, save=save), before=before)
    (memory, files, programs), (memory_after, files_after, programs_after) = marks.values()
    assert memory_after < 1.02 * memory
    assert files_after <= files + 1  # a save in the background may hold one
    assert programs_after == programs


@needs_proc
def test_many_predictions(tiny_data, tiny_config):
    """Features of raw poses of so many clips, batch by batch, in one call."""
    count = 10_000 if SOAK else 400
    marks = []

    def function(variables, batch):
        return features.features_of(
            variables, batch, model={}, feature="poses", published_persons=False
        )

    window = Window(16, 8, "resample", 1.0, (1.0, 1.0))

    class Noting(np.ndarray):
        """Notes the memory whenever a batch of clips is cut out of it."""

        def __getitem__(self, key):
            marks.append((resident(), descriptors(), len(compiled)))
            return np.asarray(super().__getitem__(key))

    clips = np.resize(np.arange(len(tiny_data.names)), count).view(Noting)
    with compilations() as compiled:
        found = over_clips(
            function,
            {},
            tiny_data,
            clips,
            window=window,
            views=views_of(tiny_config, tiny_data),
            persons=1,
            batch=20,
            seed=0,
        )
    assert len(found) == count and np.isfinite(found).all()
    (memory, files, programs), (memory_after, files_after, programs_after) = (
        marks[len(marks) // 4],
        marks[-1],
    )
    kept = found.nbytes * 3 // 4  # the results themselves are kept
    assert memory_after - kept < 1.02 * memory
    assert (files_after, programs_after) == (files, programs)


@pytest.mark.skipif(not SOAK, reason="hundreds of retargeted clips; make soak runs it")
def test_many_retargeted_clips(pretrained, tiny_data):
    variables, meta = load_model(pretrained.workdir / "checkpoints", "latest")
    driving, source = tiny_data.read(0), tiny_data.read(5)
    marks = []
    with compilations() as compiled:
        for number in range(400):
            retargeting.retarget(variables, meta, driving, source)
            if number in (100, 399):
                marks.append((resident(), descriptors(), len(compiled)))
    (memory, files, programs), (memory_after, files_after, programs_after) = marks
    assert memory_after < 1.02 * memory
    assert (files_after, programs_after) == (files, programs)
