"""The fit of a prior that learns: the likelihood of codes."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from iae_jax.objectives.terms import log_prior_of_vector, log_probabilities
from iae_jax.objectives.weights import Weight
from iae_jax.sampling.draws import Draws
from iae_jax.types import Array, Section


@dataclass
class PriorFit(Section):
    """-E_q(z) log p(z), by which a prior that learns comes to the codes: KL(q(z) || p(z)) up to
    the entropy of q(z), which does not depend on the prior, and exact over the category (Tomczak
    and Welling 2018 fit a VAE's prior to the aggregated posterior; here the codes, which pass no
    gradient, do not come to the prior).

    Of what has a density. Absent where the prior is fixed, and where the regularization is a KL
    that has this term, analytic_kl or sampled_kl.
    """

    weight: Weight = field(default_factory=lambda: Weight(1.0))

    name = "prior_fit"

    def loss(self, draws: Draws) -> Array:
        z, nats = jax.lax.stop_gradient(draws.z), jnp.zeros(())
        if z.vector is not None and draws.prior.log_density is not None:
            nats -= log_prior_of_vector(draws, z)
        log_p = log_probabilities(draws)
        if z.probabilities is not None and log_p is not None:
            nats -= jnp.sum(z.probabilities * log_p, axis=-1)
        return nats
