"""ViA: view-invariant skeleton action representations by motion retargeting, in JAX.

`via_jax.load(checkpoint)` gives a model for arrays of poses, see `via_jax.api`.
"""

__version__ = "0.1.0"


def __getattr__(name: str):
    if name == "load":  # imported when asked for: the package itself imports without jax
        from via_jax.api import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
