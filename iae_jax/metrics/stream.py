"""Metrics over a data set, batch by batch; this file knows none of them by name.

Batches are padded to one size and masked in one place, once for every metric, and their first two
moments are summed in float64. An example's noise depends on the seed and on its index alone, so
that no value depends on the batch size.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.metrics.available import Available
from iae_jax.metrics.extractor import Output
from iae_jax.metrics.frechet import Moments
from iae_jax.metrics.measurement import Measurement, Streamed, Trained
from iae_jax.metrics.metric import FEATURES, Metric
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.metrics.quality import partners
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, to_unit
from iae_jax.types import Array, Game, Players


def padded_batches(size: int, batch_size: int) -> Iterator[tuple[int, np.ndarray, int]]:
    """(first, indices i64[batch_size], count): the last batch repeats the last example, and only
    its first `count` rows are of the split."""
    for first in range(0, size, batch_size):
        indices = np.minimum(np.arange(first, first + batch_size), size - 1)
        yield first, indices, min(batch_size, size - first)


@functools.partial(jax.jit, static_argnames=("game", "metrics", "extract"))
def _values(
    game: Game,
    metrics: tuple[Metric, ...],
    extract: Callable[[Array], Output] | None,
    params: Players,
    key: Array,
    batch: dict[str, Array],
    local_scale: Array | float,
) -> dict[str, Array]:
    """The metrics of one batch by name, f32[B] or f32[B, ...].

    batch: "x", "other" u8 or f32[B, ...], "labels" i32[B], "first" i32[], the first one's index.
    """
    x = to_unit(batch["x"])
    found = {"keys": example_keys(key, batch["first"], len(x)), "labels": batch["labels"]}
    found["other"] = to_unit(batch["other"])

    def draw(keys: Array) -> Draws:
        return Draws(game, params, Noise(keys), {"x": x}, local_scale=local_scale)

    inputs, values = MetricInputs(draw, found, extract), {}
    for metric in metrics:
        try:
            values[metric.name] = jnp.asarray(metric.value(inputs))
        except InputError as error:
            raise InputError(f"the metric {metric.name} {error}") from error
        shape = values[metric.name].shape
        if shape[:1] != x.shape[:1] or (len(shape) > 1 and not metric.rows):
            raise InputError(
                f"the metric {metric.name} is {list(shape)}, not a number for each of {len(x)} "
                "examples"
            )
    return values


def stream(trained: Trained, metrics: Sequence[Metric], full: bool = True) -> Streamed:
    """The metrics over all examples, as far as the model and the data have what they read.

    Args:
      full: whether a generator that is slow may be sampled.

    Raises:
      InputError: there are no examples, or a metric is none.
    """
    x, labels, size = trained.x, trained.all_labels, len(trained.x)
    if size == 0:
        raise InputError("there is nothing to evaluate: the split has no images")
    if trained.batch_size < 1:
        raise InputError(f"batch_size is {trained.batch_size}; it must be 1 or more")
    asked, available = [], Available(trained, full)
    for metric in metrics:
        try:
            if not available.missing(metric.reads):
                asked.append(metric)
        except InputError as error:
            raise InputError(f"the metric {metric.name} {error}") from error
    if not asked:
        return Streamed({}, {})
    # What does not change an example's numbers may be unhashable, and would compile again.
    game = trained.game._replace(objective=None, optimizers=Players(), turns=(), local_scale=1.0)
    extract = None if trained.extractor is None else trained.extractor.apply
    other, key = partners(size, trained.seed), jax.random.key(trained.seed)
    moments: dict[str, Moments] = {}
    rows: dict[str, list[np.ndarray]] = {}
    for first, indices, count in padded_batches(size, min(trained.batch_size, size)):
        batch = {"x": x[indices], "other": x[other[indices]], "labels": labels[indices]}
        batch["first"] = np.int32(first)
        scale = trained.local_scale
        values = _values(game, tuple(asked), extract, trained.params, key, batch, scale)
        values, own = jax.device_get(values), indices[:count]
        for metric in asked:
            kept = values[metric.name][:count]
            if metric.rows:
                rows.setdefault(metric.name, []).append(kept[own < metric.rows])
                continue
            if "labels" in metric.reads:
                kept = kept[labels[own] >= 0]
            if len(kept):
                moments.setdefault(metric.name, Moments()).add(kept)
    return Streamed(moments, {name: np.concatenate(parts) for name, parts in rows.items()})


def means(trained: Trained, metrics: Sequence[Metric]) -> Iterator[Measurement]:
    """Of those that have been streamed, in the order of the metrics."""
    for metric in metrics:
        moments = trained.streamed.moments.get(metric.name)
        if moments is not None:
            space = metric.extractor
            if space == FEATURES and trained.extractor is not None:
                space = trained.extractor.extractor
            yield Measurement(metric.name, float(moments.mean[0]), moments.count, space)
