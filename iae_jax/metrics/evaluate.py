"""What a trained model is worth, as records that say how they were measured.

The measures lie in one file a family, whose first lines say what its records are: reconstruction,
elbo, codes, clusters, probes, label_agreement, feature_distances, samples, controls. Of anybody's:
`evaluate(..., extra)`.
"""

import inspect
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from iae_jax.errors import InputError
from iae_jax.kinds import lookup
from iae_jax.metrics import (
    clusters,
    codes,
    controls,
    elbo,
    feature_distances,
    label_agreement,
    probes,
    reconstruction,
    samples,
    second_extractor,
)
from iae_jax.metrics.available import Available, check_words
from iae_jax.metrics.codes import MAX_CODES
from iae_jax.metrics.measurement import Measure, Measurement, Streamed, Trained
from iae_jax.metrics.metric import Metric
from iae_jax.metrics.stream import means, stream
from iae_jax.types import Game

logger = logging.getLogger(__name__)

__all__ = ["MAX_CODES", "Record", "Trained", "evaluate", "named", "validate"]

# One file each, in the order of the records.
FAMILIES = (
    reconstruction,
    elbo,
    codes,
    probes,
    clusters,
    samples,
    label_agreement,
    feature_distances,
    controls,
    second_extractor,
)
METRICS: tuple[Metric, ...] = tuple(
    metric for family in FAMILIES for metric in getattr(family, "METRICS", ())
)
MEASURES: tuple[Measure, ...] = tuple(
    measure for family in FAMILIES for measure in getattr(family, "MEASURES", ())
)


class Record(NamedTuple):
    """One measured number.

    n: the examples that it is a mean over; of a distance, the generated ones. extractor: the space
    it is measured in: "pixels", "code", the name of a feature extractor, or "" for nats. config:
    hash. low, high: a 95 % confidence interval, where there is one.
    """

    metric: str
    value: float
    n: int
    seed: int
    split: str
    extractor: str = ""
    config: str = ""
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For json.dump: a value that is not finite, which JSON does not have, becomes None; an
        interval that is not there is left out."""
        plain = {name: value for name, value in self._asdict().items() if value is not None}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in plain.items()
        }


def evaluate(
    trained: Trained, extra: Sequence[Metric | Measure] = (), config_hash: str = ""
) -> list[Record]:
    """Everything that can be measured of a model on a split: one record a name.

    Args:
      extra: more metrics and measures, see `named`. A measure can read the rows that metrics keep
        in `trained.streamed`.

    Raises:
      InputError: there are no examples, two measures have one name, or an extra one is none.
    """
    own = [one for one in extra if isinstance(one, Metric)]
    check_metrics(own)
    _warn(trained, own)
    metrics = (*METRICS, *own)
    trained = trained._replace(streamed=_streamed(trained, own))
    measures = [*MEASURES, *(one for one in extra if not isinstance(one, Metric))]
    records: dict[str, Record] = {}
    for one in _measurements(trained, metrics, measures):
        if one.name in records:
            raise InputError(f"two measures are called {one.name}: rename one")
        records[one.name] = Record(
            one.name,
            float(one.value),
            one.n,
            trained.seed,
            trained.split,
            one.extractor,
            config_hash,
            one.low,
            one.high,
        )
    return list(records.values())


def _streamed(trained: Trained, own: Sequence[Metric]) -> Streamed:
    """Our metrics and a user's. A generator that is slow is sampled for what a user asks alone."""
    generator = trained.game.networks.generator
    if generator is None or not generator.slow:
        return stream(trained, (*METRICS, *own))
    first, asked = stream(trained, METRICS, full=False), stream(trained, own)
    return Streamed(first.moments | asked.moments, first.rows | asked.rows)


def check_metrics(own: Sequence[Metric | Measure]) -> None:
    """Raises: InputError for a user's metric that cannot be used, whatever the model is."""
    names = [metric.name for metric in METRICS]
    for metric in own:
        if not isinstance(metric, Metric):
            continue
        if metric.name in names:
            raise InputError(f"two metrics are called {metric.name}: rename one")
        names.append(metric.name)
        try:
            hash(metric)
        except TypeError as error:
            raise InputError(
                f"the metric {metric.name} cannot be hashed: make its value a function or a frozen "
                "dataclass, and its reads a tuple"
            ) from error
        if isinstance(metric.reads, str):
            raise InputError(f"the metric {metric.name}: reads is a tuple of names")
        try:
            check_words(metric.reads)
        except InputError as error:
            raise InputError(f"the metric {metric.name} {error}") from error


def _warn(trained: Trained, own: Sequence[Metric]) -> None:
    """Of a user's metrics that are left out."""
    for metric in own:
        if missing := Available(trained).missing(metric.reads):
            logger.warning("%s is not measured: there is no %s", metric.name, ", ".join(missing))


def _measurements(
    trained: Trained, metrics: Sequence[Metric], measures: Sequence[Measure]
) -> Iterator[Measurement]:
    yield from means(trained, metrics)
    for measure in measures:
        for one in measure(trained):
            if not isinstance(one, Measurement):
                name = getattr(measure, "__name__", repr(measure))
                raise InputError(f"the measure {name} gives {type(one).__name__}, no Measurement")
            yield one


def named(kinds: Sequence[str]) -> tuple[Metric | Measure, ...]:
    """The metrics and measures that a config names: MODULE:NAME or MODULE:NAME(field=value).

    NAME is a Metric, several of them in a tuple, a measure (a function of `Trained` that gives
    Measurements), or a function that returns one of these for the arguments.

    Raises:
      InputError: as `kinds.lookup`, or the object is none of these.
    """
    found: list[Metric | Measure] = []
    for kind in kinds:
        one, arguments = lookup(kind, {}, "metrics")
        if callable(one):
            one = _called(one, arguments, kind)
        elif arguments:
            raise InputError(f"metrics: {kind!r} takes no arguments")
        several = [one] if isinstance(one, Metric) or not isinstance(one, tuple) else one
        for each in several:
            if not isinstance(each, Metric) and not callable(each):
                raise InputError(f"metrics: {kind!r} is {each!r}, no Metric and no function")
            found.append(each)
    return tuple(found)


def _called(function: Any, arguments: dict[str, Any], kind: str) -> Any:
    """What a function returns that the arguments suffice for; one that also reads a model, with its
    arguments."""
    signature = inspect.signature(function)
    try:
        signature.bind(**arguments)
    except TypeError:
        pass
    else:
        return function(**arguments)
    try:
        signature.bind(None, **arguments)
    except TypeError as error:
        raise InputError(f"metrics: {kind!r} cannot be called so: {error}") from error

    def measure(trained: Trained) -> Any:
        return function(trained, **arguments)

    measure.__name__ = getattr(function, "__name__", kind)
    return measure


def validate(trained: Trained) -> dict[str, float]:
    """The few numbers to watch while training: pixel_error (what chooses the best checkpoint), and
    label_error if the game learns from labels. Nothing without an encoder, and no pixel_error of a
    slow generator whose mean is not known."""
    metrics = [reconstruction.PIXEL_ERROR]
    if "labelled" in trained.game.sources:
        metrics.append(codes.LABEL_ERROR)
    found = stream(trained, metrics, full=False).moments
    return {name: float(moments.mean[0]) for name, moments in found.items()}


def best_metric(game: Game) -> str | None:
    """The metric of `validate` by which the best checkpoint is chosen. It is never an adversarial
    loss; None if the game neither reconstructs nor learns from labels."""
    encoder, generator = game.networks[:2]
    if "labelled" in game.sources:
        return "label_error"
    samples_now = generator is not None and (not generator.slow or generator.mean is not None)
    return "pixel_error" if encoder is not None and samples_now else None
