"""The quality of a training over its time, and when it has reached a target."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from iae_jax.runs.config import Config


class Work(NamedTuple):
    """A training and what it has to reach on the validation split.

    metric: its name among the metrics, or among the measurements of labelled clusters. title: of
    its panel.
    """

    config: Callable[[], Config]
    metric: str
    target: float
    higher: bool
    title: str

    def met(self, value: float) -> bool:
        return value >= self.target if self.higher else value <= self.target


class Curve(NamedTuple):
    """The quality of one training over its time.

    steps, seconds, values: of each checkpoint. n: the images that a value is of. compile_seconds:
    how many of the seconds are of compilation.
    """

    steps: list[int]
    seconds: list[float]
    values: list[float]
    n: int
    compile_seconds: float
    device: str


def crossing(seconds: Sequence[float], values: Sequence[float], work: Work) -> float | None:
    """When the target is met first, between two checkpoints by a straight line; None if never."""
    for i, value in enumerate(values):
        if work.met(value):
            if i == 0:
                return seconds[0]
            share = (work.target - values[i - 1]) / (value - values[i - 1])
            return seconds[i - 1] + share * (seconds[i] - seconds[i - 1])
    return None
