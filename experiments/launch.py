"""What every script does first: a fast allocator on CPU, readable errors, compiled code kept."""

import os
import platform
import sys
from collections.abc import Callable
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


def run(main: Callable[[list[str]], None]) -> None:
    """Parses the flags and calls main; what a user can mend ends in one line and exit code 2."""
    settle_allocator()
    import jax
    from absl import app, flags, logging

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
            main(argv)
        except (ValueError, OSError, FloatingPointError) as error:
            if os.environ.get("VIA_JAX_TRACEBACK"):
                raise
            sys.exit(_say(f"{error}"))

    app.run(guarded, flags_parser=parse)


def _say(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
