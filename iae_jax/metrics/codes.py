"""How codes are distributed, and whether they come back.

Records. code_norm: mean |z|. code_standard_deviation: of a component of z over the split, mean over
components. code_consistency: |f(g(z, n)) - z| of codes of the prior, mean over components, and 1
where the likeliest category is another (a Gaussian encoder's noise counts too).
two_sample_accuracy, sliced_wasserstein: of q(z) and p(z); with `_prior`: of two samples of p(z).
SPLIT_error, of a game that learns from labels: per cent of the labels that are not those of the
encoder's likeliest category.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.metrics.distances import sliced_wasserstein, two_sample_accuracy
from iae_jax.metrics.frechet import moments_of
from iae_jax.metrics.measurement import Measurement, Trained, chosen, measured
from iae_jax.metrics.metric import ALL, CODE, Metric, mean_distance, where_finite
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Array

MAX_CODES = 10_000  # that a probe reads, and that are compared with the prior


def code_vector(inputs: MetricInputs) -> Array:
    vector = inputs.draws.z.vector
    assert vector is not None  # the metrics read "vector"
    return vector


def category(inputs: MetricInputs) -> Array:
    """q(y|x): f32[B, K]."""
    probabilities = inputs.draws.z.probabilities
    assert probabilities is not None  # the metrics read "category"
    return probabilities


def code_norm(inputs: MetricInputs) -> Array:
    return jnp.linalg.norm(code_vector(inputs), axis=-1)


def code_consistency(inputs: MetricInputs) -> Array:
    draws = inputs.draws
    again, z = draws.code_of(draws.encode(draws.x_prior)), draws.z_prior
    total = jnp.zeros(())
    if again.vector is not None and z.vector is not None:
        total += mean_distance(again.vector, z.vector)
    if again.probabilities is not None and z.category is not None:
        same = jnp.argmax(again.probabilities, axis=-1) == jnp.argmax(z.category, axis=-1)
        total += 1.0 - where_finite(same, again.probabilities)
    return jnp.broadcast_to(total, draws.x.shape[:1])


def label_error(inputs: MetricInputs) -> Array:
    """100 where the likeliest category is not the label."""
    q = category(inputs)
    return 100.0 * where_finite(jnp.argmax(q, axis=-1) != inputs.labels, q)


CODE_VECTOR = Metric("code_vector", code_vector, CODE, ("encoder", "vector"), rows=ALL)
CATEGORY = Metric("category", category, CODE, ("encoder", "category"), rows=ALL)
LABEL_ERROR = Metric("label_error", label_error, CODE, ("encoder", "category", "labels"))
METRICS = (
    Metric("code_norm", code_norm, CODE, ("encoder", "vector")),
    Metric("code_consistency", code_consistency, CODE, ("encoder", "generator")),
    CODE_VECTOR,
    CATEGORY,
)


def split_error(trained: Trained) -> Iterator[Measurement]:
    """The mean of `label_error`, by the name of the split."""
    labels, q = trained.all_labels, trained.streamed.rows.get("category")
    labelled = labels >= 0
    if q is None or "labelled" not in trained.game.sources or not labelled.any():
        return

    def error(q: np.ndarray) -> float:
        return float(np.where(q.argmax(axis=1) != labels[labelled], 100.0, 0.0).mean())

    yield measured(f"{trained.split}_error", int(labelled.sum()), CODE, error, q[labelled])


def code_deviation(trained: Trained) -> Iterator[Measurement]:
    """The SD over examples, mean over components."""
    z = trained.streamed.rows.get("code_vector")
    if z is not None and len(z) > 1:
        variances = np.diag(moments_of(z).covariance)
        deviation = float(np.mean(np.sqrt(np.maximum(variances, 0.0))))
        yield Measurement("code_standard_deviation", deviation, len(z), CODE)


def prior_distance(trained: Trained) -> Iterator[Measurement]:
    """q(z) beside p(z)."""
    z = trained.streamed.rows.get("code_vector")
    if z is None or len(z) < 2:
        return
    few = z[chosen(len(z), MAX_CODES, trained.seed)]
    a, b = (prior_vectors(trained, first, len(few)) for first in (0, len(few)))
    for name, value in (
        ("two_sample_accuracy", two_sample_accuracy),
        ("sliced_wasserstein", sliced_wasserstein),
    ):
        yield measured(name, len(few), CODE, value, few, a)
        yield Measurement(f"{name}_prior", value(b, a), len(few), CODE)


def prior_vectors(trained: Trained, first: int, count: int) -> np.ndarray:
    """z ~ p(z): f32[count, D]. first: the index of the first example's key."""
    prior, params = trained.game.prior, trained.params.generator
    keys = example_keys(jax.random.key(trained.seed), first, count)
    # By its name: halves of an example's own key are those of the encoder's noise.
    return np.asarray(prior.sample(params, Noise(keys)("prior", prior.draw)).vector)


MEASURES = (split_error, code_deviation, prior_distance)
