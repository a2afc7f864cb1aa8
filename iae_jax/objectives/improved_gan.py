"""The semi-supervised GAN of Salimans et al. 2016, as a term."""

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.objectives.auxiliary import sleep_encoding
from iae_jax.objectives.terms import Term, without_discriminator
from iae_jax.sampling.draws import Draws
from iae_jax.types import Array, Encoding


def perturbed_encoding(draws: Draws) -> Encoding:
    """q(z|x) by an encoder as it is in training."""
    return draws.encode(draws.x, perturbed=True)


def mean_features(draws: Draws) -> Array:
    """f32[2, F]: mean features of x and of x_prior over the global batch. No gradient passes
    through those of x, nor to the encoder."""
    real = draws.of(perturbed_encoding).features
    frozen = jax.lax.stop_gradient(draws.params.encoder)
    fake = draws.encode(draws.x_prior, "sleep", params=frozen, perturbed=True).features
    if real is None or fake is None:
        raise InputError("matches features and the encoder has none: use another encoder")
    means = [jnp.mean(jax.lax.stop_gradient(real), axis=0), jnp.mean(fake, axis=0)]
    return draws.batch_mean("features", jnp.stack(means))


def improved_gan() -> Term:
    """The encoder is the discriminator: x is real with log odds log sum_k exp(logit_k), and the
    generator matches the mean of its features. Each of the two learns from its own part alone."""

    def value(draws: Draws) -> Array:
        real, fake = draws.of(perturbed_encoding), draws.of(sleep_encoding)
        if real.logits is None or fake.logits is None:
            raise InputError("needs a categorical code: give the code categories (code.categories)")
        log_odds = jax.nn.logsumexp(real.logits, axis=-1)
        log_odds_prior = jax.nn.logsumexp(fake.logits, axis=-1)
        matched = draws.of(mean_features)
        unlabelled = jax.nn.softplus(-log_odds) + jax.nn.softplus(log_odds_prior)
        return unlabelled + jnp.sum(jnp.square(matched[0] - matched[1]))

    return without_discriminator("improved_gan", value)
