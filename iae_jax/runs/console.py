"""What commands print."""

import os
import sys
from contextlib import suppress

from iae_jax.devices import multihost


def log(message: str) -> None:
    """Prints a line to stderr, above a progress bar if there is one; only process 0 does."""
    if not multihost.first():
        return
    # A run continues although the reader of its stderr has gone.
    with suppress(OSError):
        if tqdm := sys.modules.get("tqdm"):
            tqdm.tqdm.write(message, file=sys.stderr)
        else:  # nobody has a bar
            print(message, file=sys.stderr)


def show(text: str) -> None:
    """Prints what was asked for to stdout, whose reader may have enough."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # as of head; nor can the exit flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
