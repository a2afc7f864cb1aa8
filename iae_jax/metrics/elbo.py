"""The evidence lower bound of a model whose densities are known.

Records. negative_elbo: -E log p(x|z) + KL(q(z|x) || p(z)), the mean over examples, in nats.
"""

from iae_jax.metrics.metric import Metric
from iae_jax.metrics.metric_inputs import MetricInputs
from iae_jax.objectives.terms import Term, analytic_kl, likelihood, sampled_kl
from iae_jax.types import Array, Encoder, Encoding, Prior


def known_kl(encoder: Encoder, prior: Prior, encoding: Encoding) -> Term | None:
    """KL(q(z|x) || p(z)): in closed form, by the densities of a sample, or None."""
    if encoder.factorized and (prior.standard_normal or not prior.size):
        return analytic_kl()
    if encoding.log_density is not None and prior.log_density is not None:
        return sampled_kl()
    return None


def negative_elbo(inputs: MetricInputs) -> Array:
    """-E_q(z|x) log p(x|z) + KL(q(z|x) || p(z)) in nats."""
    draws = inputs.draws
    kl = known_kl(draws.encoder, draws.prior, draws.encoding)
    assert kl is not None  # the metric reads "kl"
    return likelihood().loss(draws, None).autoencoder + kl.loss(draws, None).autoencoder


METRICS = (Metric("negative_elbo", negative_elbo, "", ("encoder", "likelihood", "kl")),)
