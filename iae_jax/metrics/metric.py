"""A metric: a number for each example of a batch, as a value of which anybody can write more."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.types import Array

# Where a difference is measured. FEATURES stands for the name of the extractor at hand.
PIXELS, CODE, FEATURES = "pixels", "code", "features"
ALL = sys.maxsize  # of rows


class Metric(NamedTuple):
    """A number for each example, whose mean over the examples is recorded.

    name: in records. value: inputs -> f32[B], pure JAX; with `rows`, f32[B, ...], which are kept
    for the measures of the whole model and not recorded. extractor: the space it is measured in,
    PIXELS, CODE, FEATURES, or "" for nats. reads: what the model and the data must have, names of
    `available.Available`; where that is missing the metric is left out. With "labels" among them
    the mean is over the examples that have a label. rows: of how many examples, the first ones, the
    value is kept; 0: of none, ALL: of all.
    """

    name: str
    value: Callable[[MetricInputs], Array]
    extractor: str = ""
    reads: tuple[str, ...] = ()
    rows: int = 0


def mean_distance(a: Array, b: Array) -> Array:
    """Mean absolute difference over everything but the examples: f32[B]."""
    return jnp.mean(jnp.abs(a - b).reshape(a.shape[0], -1), axis=-1)


def where_finite(verdict: Array, values: Array) -> Array:
    """1 or 0, and NaN where the values that the verdict is about are not finite: an argmax has an
    answer to that too. verdict: bool[B], values: f32[B, K]."""
    finite = jnp.isfinite(values).all(axis=-1)
    return jnp.where(finite, verdict.astype(jnp.float32), jnp.nan)
