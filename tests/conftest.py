"""Strict settings for every test: rank promotion is an error, two CPU devices."""

import os
import pathlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(pathlib.Path(".cache/jax").absolute()))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Folder of real recordings beside the checkout; tests that need it skip where it is absent."""
    default = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("VIA_JAX_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real recordings not found at {folder}; set VIA_JAX_DATA to their folder")
    return folder
