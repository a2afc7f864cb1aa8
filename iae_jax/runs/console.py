"""What a run prints to stderr."""

import sys
from contextlib import suppress

from iae_jax.devices import multihost


def log(message: str) -> None:
    """Prints a line, above a progress bar if there is one; only process 0 does."""
    if not multihost.first():
        return
    # A run continues although the reader of its stderr has gone.
    with suppress(OSError):
        if tqdm := sys.modules.get("tqdm"):
            tqdm.tqdm.write(message, file=sys.stderr)
        else:  # nobody has a bar
            print(message, file=sys.stderr)
