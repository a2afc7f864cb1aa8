"""The speed of training steps, measured apart from their compilation."""

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

# JAX reports each compilation under this name.
_COMPILED = "/jax/core/compile/backend_compile_duration"

_Result = TypeVar("_Result")


class Stopwatch:
    """Steps per second of the calls that did not compile, and the extra time of those that did.

    Counts compilations from its construction to the end of its `with` block.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.speeds: list[float] = []
        self._compiling: list[tuple[int, float]] = []
        self._compilations = 0
        jax.monitoring.register_event_duration_secs_listener(self._count)

    def __enter__(self) -> "Stopwatch":
        return self

    def __exit__(self, *exception: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._count)

    def _count(self, event: str, duration_secs: float, **_: Any) -> None:
        self._compilations += event == _COMPILED

    def time(self, steps: int, call: Callable[[], _Result]) -> _Result:
        """Times a call of this many steps and returns its result once it is computed."""
        before, begun = self._compilations, time.perf_counter()
        result = jax.block_until_ready(call())
        elapsed = time.perf_counter() - begun
        self.seconds += elapsed
        if self._compilations == before:
            self.speeds.append(steps / elapsed)
        else:
            self._compiling.append((steps, elapsed))
        return result

    @property
    def steps_per_second(self) -> float:
        """Of the last call that did not compile; 0 before there is one."""
        return self.speeds[-1] if self.speeds else 0.0

    def summary(self) -> tuple[float, float]:
        """(median steps per second, seconds of compilation)."""
        speed = float(np.median(self.speeds)) if self.speeds else math.inf
        return speed, sum(max(elapsed - n / speed, 0.0) for n, elapsed in self._compiling)
