"""Seconds until a program is there: compiled anew, and read from the disk cache."""

import multiprocessing
import tempfile
from multiprocessing.connection import Connection
from typing import Any

import jax

from via_jax.benchmark.cases import Case, inputs_of, program_of, variables_of


def measure_compile(case: Case, temporal: str) -> dict[str, Any]:
    """Compiles a case in two fresh processes that share an empty cache.

    Returns:
      "name", "formulation", and for "cold" and "cached" the seconds of "trace" and "compile".
    """
    result: dict[str, Any] = {"name": case.name(), "formulation": temporal}
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "cached"):
            trace, compiling = _in_new_process(case, temporal, cache)
            result[name] = {"trace": trace, "compile": compiling}
    return result


def _in_new_process(case: Case, temporal: str, cache: str) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_compile, args=(theirs, case, temporal, cache), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError as error:
        raise ChildProcessError("the process that compiles died, perhaps for memory") from error
    process.join()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _compile(connection: Connection, case: Case, temporal: str, cache: str) -> None:
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    try:
        answer: Any = program_of(case, temporal, variables_of(case), inputs_of(case)).seconds
    except Exception as error:  # the other process raises it
        answer = RuntimeError(f"compiling: {error!r:.500}")
    connection.send(answer)
