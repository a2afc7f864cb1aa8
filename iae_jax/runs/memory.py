"""The peak memory of a run."""

import re
import sys
from contextlib import suppress
from pathlib import Path

import jax


def peak_memory_megabytes(device: jax.Device) -> float:
    """The device's peak if it counts it, else the process's peak resident set."""
    stats = device.memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**20
    return peak_host_megabytes()


def peak_host_megabytes() -> float:
    """The process's peak resident set; only Linux and macOS count it."""
    # What Linux gives for getrusage begins with the peak of whoever started the process.
    with suppress(OSError):
        status = Path("/proc/self/status").read_text()
        if peak := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(peak[1]) / 2**10
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
