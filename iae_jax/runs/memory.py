"""The peak memory of a run."""

import sys

import jax


def peak_memory_megabytes(device: jax.Device) -> float:
    """The device's peak if it counts it, else the process's peak resident set."""
    stats = device.memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**20
    return peak_host_megabytes()


def peak_host_megabytes() -> float:
    """The process's peak resident set; only Linux and macOS count it."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
