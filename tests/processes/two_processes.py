"""One process of a run; prints JSON, see test_scaling and test_processes.

python -m tests.processes.two_processes SETTINGS [COORDINATOR NUM_PROCESSES PROCESS_ID]

SETTINGS is JSON with the fields of `main`.
"""

import hashlib
import json
import sys
import time

import numpy as np

from experiments import launch
from tests.processes.tiny import config_of, shorten_the_encoder


class Away(Exception):
    """Stands for a machine that goes away."""


def main(
    settings: str, coordinator: str | None = None, number: str = "1", index: str = "0"
) -> None:
    flags = (coordinator, int(number), int(index)) if coordinator else (None, None, None)
    given = json.loads(settings)
    launch.join(launch.processes_of({}, *flags), given.pop("peer_timeout", 100))
    trained(**given)


def trained(
    data: str,
    workdir: str,
    stage: str = "pretrain",
    stop_after: int = -1,
    placement: str = "device",
    kind: str = "jit",
    pace: float = 0.0,
    dispatch: int = 1,
) -> None:
    """Runs a stage and prints what it drew and counted.

    Args:
      data, workdir: folders.
      stage: "pretrain", "fine_tune" or "linear_probe".
      stop_after: steps after which the process goes away; -1 never.
      placement, kind: of the data and of the step.
      pace: seconds that a step takes at least.
      dispatch: steps in one dispatch.
    """
    import jax

    from via_jax import loop, pretrain, signals
    from via_jax.data import store
    from via_jax.evaluation import protocols
    from via_jax.evaluation.clips import over_clips

    shorten_the_encoder()
    config, steps, drawn = config_of(data), [], []
    config.data.placement, config.parallel.kind = placement, kind
    config.pretrain.steps_per_dispatch = dispatch
    config.pretrain.log_every = dispatch
    make, run_steps = loop.stepper, loop.run_steps

    def watching(feed, *args):
        """The steps of the run, which stops after some; notes what is drawn."""
        step = make(feed, *args)
        draw = jax.jit(feed.draw)
        facts = loop.facts_of(store.load(data))

        def watched(state):
            if len(steps) == stop_after:
                raise Away
            now = np.asarray(state.step)
            found = jax.tree.map(np.asarray, draw(now, facts, feed.given))
            drawn.append(hashlib.sha256(b"".join(x.tobytes() for x in found)).hexdigest()[:16])
            steps.append(int(now))
            time.sleep(pace)
            return step(state)

        return watched

    def remembering(*args, **kwargs):
        ended.append(run_steps(*args, **kwargs))
        return ended[-1]

    ended: list = []
    loop.stepper, loop.run_steps = watching, remembering
    report = {"devices": jax.device_count(), "processes": jax.process_count()}
    run = {"pretrain": pretrain.pretrain}.get(stage) or getattr(protocols, stage)
    try:
        report["result"] = run(config, workdir)
    except Away:
        report["stopped"] = True
    except signals.Stopped:
        print(json.dumps(report | {"steps": steps, "drawn": drawn}), file=sys.__stdout__)
        raise
    if ended:
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
