"""Collectives: counted in a program written by hand, and in a compiled one."""

import jax
import numpy as np
import pytest

from via_jax import parallel
from via_jax.collectives import collectives_of

HLO = """
  %all-reduce.1 = f32[64,3]{1,0} all-reduce(f32[64,3]{1,0} %x), channel_id=1, to_apply=%add
  %all-reduce.2 = (f32[10]{0}, bf16[4]{0}, f32[]) all-reduce(%a, %b, %c), channel_id=2
  %gather = s8[16]{0} all-gather(s8[8]{0} %y), dimensions={0}
  ROOT %copy = f32[2]{0} copy(f32[2]{0} %all-reduce.1)
  %start = pred[2,2]{1,0} collective-permute-start(pred[2,2]{1,0} %z), channel_id=3
"""


def test_by_hand():
    found = collectives_of(HLO)
    assert found == {
        "all-reduce": (2, 64 * 3 * 4 + 40 + 8 + 4),
        "all-gather": (1, 16),
        "collective-permute": (1, 4),
    }


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="a collective of type 'c64'"):
        collectives_of("%a = c64[2]{0} all-reduce(c64[2]{0} %x)")


def test_of_a_compiled_mean():
    """The gradient of a mean over divided rows is one all-reduce of its own size."""
    mesh = parallel.data_mesh()

    def step(state, batch):
        gradient = jax.grad(lambda w: (batch @ w).sum())(state)
        return state - gradient, {}

    program = parallel.compile_steps(step, mesh, 1, constants=parallel.over_batch(mesh))
    state = parallel.put(np.ones((3, 5), np.float32), mesh)
    text = program.compiled(state, np.ones((4, 3), np.float32)).as_text()
    found = collectives_of(text)
    assert set(found) == {"all-reduce"} and found["all-reduce"].number == 1
    assert found["all-reduce"].size in (3 * 4, 3 * 5 * 4)  # summed before or after broadcasting
