"""A measurement: a number of a whole model, and what it is taken of."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from iae_jax.data.dataset import Dataset
from iae_jax.metrics.extractor import Extractor
from iae_jax.metrics.frechet import Moments
from iae_jax.types import Array, Game, Params, Players


class Streamed(NamedTuple):
    """What the metrics found. moments: by name, of those that are means. rows: by name, f32[N, ...]
    of the others."""

    moments: dict[str, Moments] = {}
    rows: dict[str, np.ndarray] = {}


class Trained(NamedTuple):
    """A trained model and the held-out examples that it is measured on.

    game. params: of its encoder and generator, usually `state.ema`. x: u8[N, ...], or f32[N, ...]
    as the networks read it. labels: i32[N], -1 for none, or None. split: its name. seed: of all
    noise. local_scale: of the local code. extractor: None leaves out everything that needs one.
    train: what probes learn from and bins are made of; as many of its examples as the split has,
    drawn at random, give what a distance is between real data (`..._data`): the floor. validation:
    names the clusters, where there are more of them than classes; `train` if it is None. streamed:
    filled in by `evaluate`. folder: where a measure may keep arrays for a figure, of the first seed
    alone; None for nowhere. second: another extractor, which says whether what the first one sees
    depends on it.
    """

    game: Game
    params: Players[Params, Params, Params]
    x: np.ndarray
    labels: np.ndarray | None = None
    split: str = ""
    seed: int = 0
    local_scale: Array | float = 1.0
    extractor: Extractor | None = None
    train: Dataset | None = None
    validation: Dataset | None = None
    batch_size: int = 500
    streamed: Streamed = Streamed()
    folder: Path | None = None
    second: Extractor | None = None

    @property
    def all_labels(self) -> np.ndarray:
        """i32[N], -1 for none."""
        return np.full(len(self.x), -1, np.int32) if self.labels is None else self.labels

    def on(self, data: Dataset) -> "Trained":
        """The same model on other examples."""
        return self._replace(x=data.x, labels=data.labels, streamed=Streamed())


class Measurement(NamedTuple):
    """One number. n: how many examples it is of; of a distance, the generated ones. extractor: as
    of a Metric, a name of its own or "". low, high: a 95 % confidence interval, where there is
    one."""

    name: str
    value: float
    n: int
    extractor: str = ""
    low: float | None = None
    high: float | None = None


Measure = Callable[[Trained], Iterable[Measurement]]


def measured(
    name: str, n: int, extractor: str, value: Callable[..., float], *arrays: np.ndarray
) -> Measurement:
    """value(*arrays), and NaN where an array is not finite, which `value` may not accept."""
    finite = all(np.isfinite(array).all() for array in arrays)
    return Measurement(name, float(value(*arrays)) if finite else math.nan, n, extractor)


def chosen(size: int, count: int, seed: int) -> np.ndarray:
    """Indices of `count` of `size` examples (all, if there are fewer), drawn at random."""
    return np.random.default_rng(seed).permutation(size)[:count]


def some(data: Dataset, count: int, seed: int) -> Dataset:
    """So many examples of a data set, drawn at random."""
    where = chosen(len(data.x), count, seed)
    return Dataset(data.x[where], data.labels[where])
