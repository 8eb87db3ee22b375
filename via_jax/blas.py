"""The threads of the library behind `jnp.linalg` on CPU."""

import contextlib

from threadpoolctl import threadpool_limits


def one_thread() -> contextlib.AbstractContextManager:
    """Within it, BLAS and LAPACK on CPU run on one thread.

    The QR decomposition of a step and its gradient are calls of SciPy's OpenBLAS, whose threads
    spin for a while after each on the cores that XLA needs: a tenth of a step of pre-training.
    """
    import scipy.linalg.cython_lapack  # noqa: F401  only a loaded library can be limited

    return threadpool_limits(1, user_api="blas")
