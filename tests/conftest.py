"""Eight virtual CPU devices and no window, before anything imports jax or matplotlib."""

import os
from importlib.metadata import version
from pathlib import Path

import pytest

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["MPLBACKEND"] = "Agg"
# Tests compile much and compute little: a quarter of the compile time, also in the processes that
# they start. A program in one piece compiles in less time altogether than in pieces side by side.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
_WANTED = ["xla_force_host_platform_device_count=8", "xla_cpu_parallel_codegen_split_count=1"]
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):  # later ones do not know the flag
    _WANTED.append("xla_cpu_use_fusion_emitters=false")
_FLAGS = os.environ.get("XLA_FLAGS", "")
for _flag in _WANTED:
    if _flag.partition("=")[0] not in _FLAGS:
        _FLAGS = f"{_FLAGS} --{_flag}".strip()
os.environ["XLA_FLAGS"] = _FLAGS
# Runs of the same program, in this process and in others, now and later, compile it once.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".compiled_cache")
)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
# Classifiers that tests have trained are known to later tests, and not noted in this user's home.
os.environ["XDG_STATE_HOME"] = str(Path(__file__).parent.parent / ".compiled_cache" / "state")


@pytest.fixture(scope="module")
def optimized():
    """XLA's optimizations, for what is measured of them."""
    import jax

    from iae_jax.runs import build

    build._kept.cache_clear()  # programs that were compiled without
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    build._kept.cache_clear()
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory):
    """Where runs of the small data set keep it."""
    return str(tmp_path_factory.mktemp("tfds"))
