"""SIGTERM and SIGINT as a wish: steps under way are finished and saved before the run ends."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)
ONE_SIGNAL_SECONDS = 1.0


class Interrupted(Exception):
    """The run was asked to end and has saved. code: the exit code, 128 + the signal's number (143
    for SIGTERM, 130 for SIGINT), as shells have it."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


class Wish:
    """asked: the number of the signal that asked the run to end, 0 if none has."""

    def __init__(self) -> None:
        self.asked = 0


@contextmanager
def awaited(then: Callable[[int], None] | None = None) -> Iterator[Wish]:
    """While a signal is a wish; a second one is what it was before. Signals in quick succession are
    one: a scheduler may send it to a process and to its parent, which passes it on.

    then: called with the signal's number. In a thread that is not the main one, which gets no
    signals, nothing is ever asked.
    """
    wish, since = Wish(), 0.0
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal since
        if not wish.asked:
            wish.asked, since = number, time.monotonic()
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
        yield wish
    finally:
        restore()
