"""What every script does first: allocator, processes, readable errors, compiled code kept."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Any

# XLA on CPU allocates its temporaries anew at every step; with glibc's defaults each step faults
# them in page by page. These settings keep the memory, and only count from the start of a process.
GLIBC_TUNABLES = ":".join(
    [
        "glibc.malloc.hugetlb=1",
        "glibc.malloc.mmap_max=0",
        "glibc.malloc.trim_threshold=4000000000",
        "glibc.malloc.top_pad=268435456",
    ]
)
# XLA's default on CPU gives some matrix products of a gradient to slower code; a step takes a
# twelfth less with these two. Of this release only: XLA ends a process for a flag it does not know.
XLA_FLAGS = {
    "0.10": "--xla_cpu_experimental_ynn_fusion_type="
    "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"
}


def settle_allocator() -> None:
    """Starts this process once more with the allocator settings; VIA_JAX_ALLOCATOR=system does not.

    Only on Linux with glibc 2.35 or later, and where nobody chose an allocator already.
    """
    name, version = platform.libc_ver()
    chosen = {"GLIBC_TUNABLES", "LD_PRELOAD"} & set(os.environ)
    if chosen or os.environ.get("VIA_JAX_ALLOCATOR") == "system" or name != "glibc":
        return
    if tuple(int(part) for part in version.split(".")[:2]) < (2, 35):
        return
    os.environ["GLIBC_TUNABLES"] = GLIBC_TUNABLES
    os.execv(sys.executable, sys.orig_argv)


def settle_compiler() -> None:
    """Sets XLA_FLAGS where nobody did; VIA_JAX_COMPILER=default does not."""
    release = ".".join(importlib.metadata.version("jaxlib").split(".")[:2])
    if os.environ.get("VIA_JAX_COMPILER") != "default" and release in XLA_FLAGS:
        os.environ.setdefault("XLA_FLAGS", XLA_FLAGS[release])


def processes_of(
    environ: Mapping[str, str],
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
) -> dict[str, Any] | None:
    """Arguments of jax.distributed.initialize, or None for a run of one process.

    Flags come first. Without them a step of several SLURM tasks (`srun`) or a TPU of several hosts
    (TPU_WORKER_HOSTNAMES) is one run, and JAX finds the rest by itself; so it does for
    --coordinator=auto, which is for every other cluster that JAX knows.

    Args:
      environ: of the process.
      coordinator: HOST:PORT of process 0, or "auto".
      num_processes: of the run. process_id: in [0, num_processes).

    Raises:
      ValueError: some of the flags are missing, or do not fit each other.
    """
    if coordinator == "auto" and num_processes is None and process_id is None:
        return {}
    if coordinator is None and num_processes is None and process_id is None:
        hosts = environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
        several = int(environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1 or len(hosts) > 1
        return {} if several else None
    if coordinator is None or num_processes is None or process_id is None:
        raise ValueError(
            f"--coordinator={coordinator}, --num_processes={num_processes},"
            f" --process_id={process_id}: give all three, or --coordinator=auto alone"
        )
    if ":" not in coordinator or not 0 <= process_id < num_processes:
        raise ValueError(
            f"--coordinator={coordinator}, --process_id={process_id} of {num_processes}; expected"
            " HOST:PORT and an id from 0 to one below --num_processes"
        )
    return {
        "coordinator_address": coordinator,
        "num_processes": num_processes,
        "process_id": process_id,
    }


def join(processes: dict[str, Any] | None, peer_timeout: int) -> None:
    """Makes this process one of several; of these only the first prints results.

    Args:
      processes: from `processes_of`.
      peer_timeout: seconds after which a process that is not heard of counts as dead.
    """
    import jax

    if processes is None:
        return
    jax.config.update("jax_enable_preemption_service", False)  # see via_jax/signals.py
    jax.distributed.initialize(
        **processes,
        heartbeat_timeout_seconds=peer_timeout,
        shutdown_timeout_seconds=peer_timeout,  # so long an ending process waits for the others
    )
    if jax.process_index():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def run(main: Callable[[list[str]], None]) -> None:
    """Parses the flags and calls main; what a user can mend ends in one line and exit code 2."""
    settle_allocator()
    settle_compiler()
    import jax
    from absl import app, flags, logging

    flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, or auto; see docs/scaling.md")
    flags.DEFINE_integer("num_processes", None, "of this run, with --coordinator")
    flags.DEFINE_integer("process_id", None, "of this process, with --coordinator")
    flags.DEFINE_integer(
        "peer_timeout", 100, "seconds until a silent process of the run counts as dead"
    )

    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR") or ".cache/jax"
    jax.config.update("jax_compilation_cache_dir", os.path.abspath(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    logging.set_verbosity(logging.WARNING)  # orbax reports every file otherwise

    def parse(argv):
        try:
            return flags.FLAGS(argv)
        except (flags.Error, AttributeError, ValueError, TypeError) as error:
            reason: Any = error
            while isinstance(reason, Exception) and reason.args:
                reason = reason.args[0]  # an inner KeyError would print as the repr of its repr
            sys.exit(_say(f"flags: {reason}"))

    def guarded(argv):
        try:
            given = flags.FLAGS
            processes = (given.coordinator, given.num_processes, given.process_id)
            join(processes_of(os.environ, *processes), given.peer_timeout)
            main(argv)
        except (ValueError, OSError, FloatingPointError) as error:
            if os.environ.get("VIA_JAX_TRACEBACK"):
                raise
            sys.exit(_say(f"{error}"))

    app.run(guarded, flags_parser=parse)


def _say(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
