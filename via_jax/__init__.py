"""ViA: view-invariant skeleton action representations by motion retargeting, in JAX."""

__version__ = "0.1.0"
