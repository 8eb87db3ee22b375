"""A function of model input applied to every clip of a split, each exactly once, in order."""

import functools
from collections.abc import Callable

import jax
import numpy as np

from via_jax import parallel
from via_jax.data.batches import blend, facts_of, frames_of, gather, persons_of
from via_jax.data.sampling import Draw, Window, evaluation_windows, real_steps
from via_jax.data.store import Prepared
from via_jax.data.views import Views, evaluation_batch
from via_jax.typing import Array, Batch, Tree


def over_clips(
    function: Callable[[Tree, Batch], Array],
    variables: Tree,
    data: Prepared,
    clips: np.ndarray,
    *,
    window: Window,
    views: Views,
    persons: int,
    batch: int,
    seed: int,
) -> np.ndarray:
    """Applies a function to the clips in batches, without augmentation.

    The last batch is filled up with clips whose results are dropped, so results do not depend on
    the batch size and every clip counts once. A batch that divides among the devices of all
    processes is divided; otherwise every device computes all of it.

    Args:
      function: (variables, batch) -> [batch, ...]; the batch holds "poses" [batch, persons, time,
        joints, coords], "present" [batch, persons] and, for padded windows, "weight" [batch,
        time / 8].
      variables: handed to the function.
      data: prepared data set.
      clips: indices of clips.
      window, views: what the model sees of a clip.
      persons: of a clip; those that are not there are marked in "present".
      batch: clips at once.
      seed: of the cameras of 3D clips, one for each clip.

    Returns:
      [clips, ...], in the order given.
    """
    facts, frames = facts_of(data), frames_of(data)
    key = jax.random.key(seed)
    weight = real_steps(window)
    mesh = parallel.data_mesh()
    divided = mesh.size > 1 and batch % mesh.size == 0

    @parallel.together
    @functools.partial(jax.jit, out_shardings=parallel.replicated(mesh) if divided else None)
    def apply(variables, low, high, draw, facts, clip, present):
        windows = blend(low, high, draw, facts)
        flat = evaluation_batch(windows, clip, key, views)
        inputs = {
            "poses": flat["poses"].reshape(batch, persons, *flat["poses"].shape[1:]),
            "present": present,
        }
        if weight is not None:
            inputs["weight"] = np.broadcast_to(weight, (batch, len(weight)))
        return function(variables, inputs)

    if divided and jax.process_count() > 1:  # those of a pmap lie on this process's devices only
        variables = parallel.put(jax.tree.map(np.asarray, variables), mesh)
    parts: list[np.ndarray] = []
    for start in range(0, len(clips), batch):
        count = min(batch, len(clips) - start)
        chosen = np.resize(clips[start : start + count], batch)
        people = persons_of(data.first_sequence, data.persons, chosen, persons)
        sequence = np.asarray(people.sequence).reshape(-1)
        draw = evaluation_windows(sequence, facts.length[sequence], window)
        draw = Draw(*(np.asarray(x) for x in draw))
        part = parallel.local_rows(len(sequence), mesh) if divided else slice(None)
        low, high = gather(frames, facts.row[sequence[part]], Draw(*(x[part] for x in draw)))
        if divided:
            low, high = parallel.put_rows((low, high), mesh)
        result = apply(
            variables, low, high, draw, facts, data.clip[sequence], np.asarray(people.present)
        )
        parts.append(np.asarray(result)[:count])
    if not parts:
        raise ValueError("no clips to evaluate")
    return np.concatenate(parts)
