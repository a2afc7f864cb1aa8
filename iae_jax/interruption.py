"""SIGTERM and SIGINT as a wish: steps under way are finished and saved before the run ends."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
def awaited() -> Iterator[Wish]:
    """While a signal is a wish; a second one is what it was before. In a thread that is not the
    main one, which gets no signals, nothing is ever asked."""
    wish = Wish()
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    def ask(number: int, frame: FrameType | None) -> None:
        wish.asked = number
        restore()
        print("stopping after these steps; once more to stop at once", file=sys.stderr)

    try:
        for number in SIGNALS:
            before[number] = signal.signal(number, ask)
    except ValueError:  # not the main thread
        before.clear()
    try:
        yield wish
    finally:
        restore()
