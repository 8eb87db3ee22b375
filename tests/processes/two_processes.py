"""One process of a pre-training; prints JSON, see test_scaling.

python -m tests.processes.two_processes DATA WORKDIR STOP_AFTER PLACEMENT KIND
    [COORDINATOR NUM_PROCESSES PROCESS_ID]
"""

import hashlib
import json
import sys

import numpy as np

from experiments import launch
from tests.processes.tiny import config_of, shorten_the_encoder


class Stopped(Exception):
    """Stands for a machine that goes away."""


def main(
    data: str,
    workdir: str,
    stop_after: str,
    placement: str,
    kind: str,
    coordinator: str | None = None,
    number: str = "1",
    index: str = "0",
) -> None:
    flags = (coordinator, int(number), int(index)) if coordinator else (None, None, None)
    launch.join(launch.processes_of({}, *flags))
    import jax

    from via_jax import loop, pretrain
    from via_jax.data import store
    from via_jax.evaluation.clips import over_clips

    shorten_the_encoder()
    config, steps, drawn = config_of(data), [], []
    config.data.placement, config.parallel.kind = placement, kind
    make, run_steps = loop.stepper, loop.run_steps

    def watching(feed, *args):
        """The steps of the run, which stops after some; notes what is drawn."""
        step = make(feed, *args)
        draw = jax.jit(feed.draw)
        facts = loop.facts_of(store.load(data))

        def watched(state):
            if len(steps) == int(stop_after):
                raise Stopped
            now = np.asarray(state.step)
            found = jax.tree.map(np.asarray, draw(now, facts, feed.given))
            drawn.append(hashlib.sha256(b"".join(x.tobytes() for x in found)).hexdigest()[:16])
            steps.append(int(now))
            return step(state)

        return watched

    def remembering(*args, **kwargs):
        ended.append(run_steps(*args, **kwargs))
        return ended[-1]

    ended: list = []
    loop.stepper, loop.run_steps = watching, remembering
    report = {"devices": jax.device_count(), "processes": jax.process_count()}
    try:
        pretrain.pretrain(config, workdir)
    except Stopped:
        report["stopped"] = True
    else:
        leaves = jax.tree.leaves(ended[0].params)
        flat = np.concatenate([np.ravel(np.asarray(leaf)) for leaf in leaves])
        np.save(f"{workdir}/params_{jax.process_index()}.npy", flat)
    prepared = store.load(data)
    counted = over_clips(
        lambda _, batch: batch["poses"].sum(axis=(1, 2, 3, 4)),
        {},
        prepared,
        prepared.clips_of("official", "test"),
        window=pretrain.window_of(config.data),
        views=pretrain.views_of(config, prepared),
        persons=1,
        batch=4,
        seed=0,
    )
    report |= {"steps": steps, "drawn": drawn, "counted": counted.tolist()}
    print(json.dumps(report), file=sys.__stdout__)


if __name__ == "__main__":
    main(*sys.argv[1:])
