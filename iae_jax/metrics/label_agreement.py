"""What a classifier sees in images: its class of x_hat against its class of x and the label.

Records. label_agreement: it sees the same class in x_hat as in x; label_agreement_true: it sees the
true label in x_hat; classifier_accuracy: in x. label_agreement_random_pair: it sees the same class
in another example of the split as in x. Of a generator that is slow, `of_first` measures them on a
few images, where a config asks for it.
"""

from collections.abc import Iterator

import jax.numpy as jnp

from iae_jax.metrics.extractor import Output
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.metrics.metric import FEATURES, Metric, where_finite
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.metrics.stream import means, stream
from iae_jax.types import Array


def _logits(logits: Array | None) -> Array:
    assert logits is not None  # the metrics read "logits"
    return logits


def classifier_accuracy(inputs: MetricInputs) -> Array:
    logits = _logits(inputs.of_x.logits)
    return where_finite(jnp.argmax(logits, axis=-1) == inputs.labels, logits)


def label_agreement(inputs: MetricInputs) -> Array:
    return _agreement(inputs, inputs.of_x_hat)


def label_agreement_random_pair(inputs: MetricInputs) -> Array:
    return _agreement(inputs, inputs.of_other)


def _agreement(inputs: MetricInputs, output: Output) -> Array:
    logits, of_x = _logits(output.logits), _logits(inputs.of_x.logits)
    return where_finite(jnp.argmax(logits, axis=-1) == jnp.argmax(of_x, axis=-1), logits)


def label_agreement_true(inputs: MetricInputs) -> Array:
    logits = _logits(inputs.of_x_hat.logits)
    return where_finite(jnp.argmax(logits, axis=-1) == inputs.labels, logits)


_IMAGES = ("features", "generator")
_RECONSTRUCTIONS = (*_IMAGES, "encoder")

METRICS = (
    Metric("label_agreement", label_agreement, FEATURES, (*_RECONSTRUCTIONS, "logits")),
    Metric(
        "label_agreement_true",
        label_agreement_true,
        FEATURES,
        (*_RECONSTRUCTIONS, "logits", "labels"),
    ),
    Metric("classifier_accuracy", classifier_accuracy, FEATURES, (*_IMAGES, "logits", "labels")),
    Metric(
        "label_agreement_random_pair",
        label_agreement_random_pair,
        FEATURES,
        (*_RECONSTRUCTIONS, "logits", "pairs"),
    ),
)


def of_first(trained: Trained, images: int = 500) -> Iterator[Measurement]:
    """The same of so many images, for a generator that is slow."""
    generator = trained.game.networks.generator
    if generator is None or not generator.slow or trained.extractor is None:
        return
    few = trained._replace(x=trained.x[:images], labels=trained.all_labels[:images])
    yield from means(few._replace(streamed=stream(few, METRICS)), METRICS)
