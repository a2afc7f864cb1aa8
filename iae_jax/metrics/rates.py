"""What a code says, in nats, of a posterior whose density is known.

Records. kl_code: E KL(q(z|x) || p(z)), the rate. distortion: -E log p(x|z). Of a Gaussian q(z|x):
information: I(z; x), and marginal_kl: KL(q(z) || p(z)), whose sum is kl_code (Hoffman and Johnson
2016; of a vector alone), with q(z) as the mixture of the n posteriors at hand: information is a
lower bound, at most log n, and marginal_kl an upper one; active_units: components of the code whose
mean varies over x by more than 0.01 (Burda et al. 2016).
"""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.metrics.codes import MAX_CODES
from iae_jax.metrics.elbo import known_kl
from iae_jax.metrics.measurement import Measurement, Trained, measured
from iae_jax.metrics.metric import ALL, CODE, Metric
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.objectives.terms import likelihood
from iae_jax.types import Array, Code

ACTIVE = 0.01  # variance of a mean


def kl_code(inputs: MetricInputs) -> Array:
    draws = inputs.draws
    kl = known_kl(draws.encoder, draws.prior, draws.encoding)
    assert kl is not None  # the metric reads "kl"
    return kl.loss(draws, None).autoencoder


def distortion(inputs: MetricInputs) -> Array:
    return likelihood().loss(inputs.draws, None).autoencoder


def gaussian(inputs: MetricInputs) -> Array:
    """Means and log variances, side by side: f32[B, 2 D]; f32[B, 0] of another q(z|x)."""
    encoding = inputs.draws.encoding
    if encoding.mean is None or encoding.log_variance is None:
        return jnp.zeros((inputs.draws.x.shape[0], 0))
    return jnp.concatenate([encoding.mean, encoding.log_variance], axis=-1)


@jax.jit
def _log_mixture(z: Array, mean: Array, log_variance: Array) -> Array:
    """log of the mean over N Gaussians, at each z f32[M, D]: f32[M]."""
    deviation = jnp.exp(0.5 * log_variance)

    def at(one: Array) -> Array:
        each = jax.scipy.stats.norm.logpdf(one, mean, deviation)
        return jax.nn.logsumexp(jnp.sum(each, axis=-1))

    found: Array = jax.lax.map(at, z, batch_size=32) - math.log(len(mean))
    return found


def information(trained: Trained) -> Iterator[Measurement]:
    """I(z; x) and KL(q(z) || p(z)) by z's own posterior and the mixture of all."""
    rows = trained.streamed.rows
    found, z = rows.get("posterior"), rows.get("code_vector")
    prior = trained.game.prior
    if found is None or z is None or not found.shape[1] or prior.log_density is None:
        return
    few = slice(0, MAX_CODES)
    z, (mean, log_variance) = z[few], np.split(found[few], 2, axis=1)
    log_mixture = np.asarray(_log_mixture(z, mean, log_variance), np.float64)
    each = jax.scipy.stats.norm.logpdf(z, mean, np.exp(0.5 * log_variance))
    log_own = np.asarray(jnp.sum(each, axis=-1), np.float64)
    own = float(np.mean(log_own - log_mixture))
    yield Measurement("information", own, len(z), CODE)
    if prior.given is not None:  # p(z) is a density for each category
        return
    log_p = prior.log_density(trained.params.generator, Code(vector=jnp.asarray(z)))
    of_all = float(np.mean(log_mixture - np.asarray(log_p, np.float64)))
    yield Measurement("marginal_kl", of_all, len(z), CODE)


def active_units(trained: Trained) -> Iterator[Measurement]:
    """How many components of the mean vary."""
    found = trained.streamed.rows.get("posterior")
    if found is None or not found.shape[1] or len(found) < 2:
        return
    mean = found[:, : found.shape[1] // 2]

    def count(mean: np.ndarray) -> float:
        return float(np.sum(mean.var(axis=0, ddof=1) > ACTIVE))

    yield measured("active_units", len(mean), CODE, count, mean)


DISTORTION = Metric("distortion", distortion, "", ("encoder", "likelihood"))
MEASURES = (
    Metric("kl_code", kl_code, "", ("encoder", "kl")),
    DISTORTION,
    Metric("posterior", gaussian, CODE, ("encoder", "vector"), rows=ALL),
    information,
    active_units,
)
