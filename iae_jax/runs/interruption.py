"""SIGTERM and SIGINT as requests: the run finishes the steps under way and saves before it ends.
Where there is nothing to save, SIGTERM as an exception."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
ONE_SIGNAL_SECONDS = 1.0


class Interrupted(Exception):
    """The run was asked to end and has saved.

    code: the exit code, 128 + the signal's number as in shells: 143 for SIGTERM, 130 for SIGINT.
    """

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


class StopRequest:
    """asked: the number of the signal that asked the run to end; 0 if none has."""

    def __init__(self) -> None:
        self.asked = 0


@contextmanager
def awaited(then: Callable[[int], None] | None = None) -> Iterator[StopRequest]:
    """A block in which a first signal is a request, and a second one does what it did before.

    Signals in quick succession count as one: a scheduler may signal a process and its parent, which
    passes it on. Outside the main thread, which gets no signals, nothing is ever requested.

    Args:
      then: called with the signal's number.
    """
    request, since = StopRequest(), 0.0
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal since
        if not request.asked:
            request.asked, since = number, time.monotonic()
            if then is not None:
                then(number)
        elif time.monotonic() > since + ONE_SIGNAL_SECONDS:
            restore()
            os.kill(os.getpid(), number)

    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, ask)
    except ValueError:  # not the main thread
        before.clear()
    try:
        yield request
    finally:
        restore()


@contextmanager
def unwound() -> Iterator[None]:
    """A block that a first SIGTERM leaves by SystemExit with the code 143, as SIGINT does by
    KeyboardInterrupt, so that unfinished files are removed; a second one ends the process at once.
    Nothing changes outside the main thread."""
    before: Any = None

    def leave(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        sys.exit(128 + number)

    with suppress(ValueError):  # not the main thread
        before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
