"""The terms of an objective that need no discriminator, and what every term is: a divergence (or a
bound of one) in nats per example."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.objectives.weights import at
from iae_jax.sampling.draws import Draws
from iae_jax.types import Array, Code, Encoding, Scheduled

# (x | None, vector f32[B, D] | None) -> logits f32[B, C]; with heads, head=0 is the last argument
Discriminate = Callable[..., Array]


class TermOutput(NamedTuple):
    """autoencoder: f32[B], the loss of encoder and generator. discriminator: f32[B], its own loss.
    metrics: name -> f32[B]."""

    autoencoder: Array
    discriminator: Array
    metrics: dict[str, Array]


class Term(NamedTuple):
    """A value: what an objective is made of.

    name: of its divergence. loss: (draws, discriminate | None) -> TermOutput; what it reads of the
    draws is what the game must have. reads: what its discriminator reads, () if it has none. heads:
    what each head of the discriminator reads, of a term of several pairings.
    """

    name: str
    loss: Callable[[Draws, Discriminate | None], TermOutput]
    reads: tuple[str, ...] = ()
    heads: tuple[tuple[str, ...], ...] = ()


def expectation(z: Code | None, values: Array) -> Array:
    """E over the category of z: f32[B, C] -> f32[B]; C = 1 if it does not depend on one."""
    if z is None or z.probabilities is None or values.shape[-1] == 1:
        return values[:, 0]
    return jnp.sum(z.probabilities * values, axis=-1)


def without_discriminator(name: str, value: Callable[[Draws], Array]) -> Term:
    """A term that is known: value(draws) is f32[B], or f32[] that holds for the batch."""

    def loss(draws: Draws, discriminate: Discriminate | None) -> TermOutput:
        values = jnp.broadcast_to(value(draws), draws.x.shape[:1])
        return TermOutput(values, jnp.zeros_like(values), {})

    return Term(name, loss)


def log_likelihood(draws: Draws) -> Array:
    """log p(x|z) in nats: f32[B, C], one column for each category that z could have had; C = 1
    where the generator reads no category, or a relaxed one."""
    density, params = draws.generator.log_likelihood, draws.params.generator
    if density is None:
        raise InputError(
            "needs the density of p(x|z) and the generator is implicit: give the generator a "
            "likelihood, or use joint_reconstruction"
        )
    z, x = draws.z, draws.x
    if z.category is None or draws.relaxed:
        return density(params, z, x)[:, None]
    shape = z.category.shape

    def given(category: Array) -> Array:
        one_hot = jnp.broadcast_to(category, shape)
        return density(params, z._replace(category=one_hot), x)

    return jax.vmap(given, out_axes=1)(jnp.eye(shape[-1]))


def likelihood() -> Term:
    """-E_q(z|x) log p(x|z), exact over the category."""

    def value(draws: Draws) -> Array:
        return -expectation(draws.z, draws.of(log_likelihood))

    return without_discriminator("likelihood", value)


def encoding_of_sample(draws: Draws) -> Encoding:
    """q(z|x) of a sample of the model, through which the generator learns too."""
    return draws.encode(draws.x_prior, "flipped")


def log_posterior(z: Code, encoding: Encoding) -> Array:
    """log q(z|x) of any z, of a factorized Gaussian and a category: f32[B] in nats."""
    nats = jnp.zeros(())
    if z.vector is not None:
        if encoding.mean is None or encoding.log_variance is None:
            raise InputError(
                "needs the density of q(z|x) of any z: use a gaussian encoder, or "
                "flipped_reconstruction"
            )
        deviation = jnp.exp(0.5 * encoding.log_variance)
        nats += jnp.sum(jax.scipy.stats.norm.logpdf(z.vector, encoding.mean, deviation), axis=-1)
    if z.category is not None:
        assert encoding.logits is not None
        nats += jnp.sum(z.category * jax.nn.log_softmax(encoding.logits), axis=-1)
    return nats


def flipped_likelihood() -> Term:
    """-E_p(x,z) log q(z|x), with H(z) a bound of -I(z; x) under p(x, z) (Chen et al. 2016, InfoGAN,
    eq. 5)."""

    def value(draws: Draws) -> Array:
        return -log_posterior(draws.z_prior, draws.of(encoding_of_sample))

    return without_discriminator("flipped_likelihood", value)


def category_kl(logits: Array, log_p: Array | None = None) -> Array:
    """KL(q(y|x) || p(y)): f32[B, K] -> f32[B]. log_p: f32[K], or None: uniform."""
    if log_p is None:
        return jnp.log(logits.shape[-1]) - category_entropy(logits)
    return -jnp.sum(jax.nn.softmax(logits) * log_p, axis=-1) - category_entropy(logits)


def category_entropy(logits: Array) -> Array:
    """H(q(y|x)): f32[B, K] -> f32[B]."""
    return -jnp.sum(jax.nn.softmax(logits) * jax.nn.log_softmax(logits), axis=-1)


def log_probabilities(draws: Draws) -> Array | None:
    """log p(y): f32[K], or None: uniform."""
    own = draws.prior.log_probabilities
    return own and own(draws.prior_params)


def log_prior_of_vector(draws: Draws, z: Code) -> Array:
    """log p(z) of the vector of any z, given its category if the prior's vector depends on one,
    and then exact over the category: f32[B] in nats."""
    prior, params = draws.prior, draws.prior_params
    density = prior.log_density
    if density is None:
        raise InputError(
            "needs the density of p(z) and the prior has none: use another prior, or "
            "joint_code or marginal_code for the regularization"
        )
    if prior.given is None or z.category is None:
        return density(params, z)
    shape = z.category.shape

    def of(category: Array) -> Array:
        return density(params, z._replace(category=jnp.broadcast_to(category, shape)))

    return expectation(z, jax.vmap(of, out_axes=1)(jnp.eye(shape[-1])))


def analytic_kl() -> Term:
    """KL(q(z|x) || p(z)) of a factorized Gaussian to N(0, I), and of a category."""

    def value(draws: Draws) -> Array:
        encoder, prior = draws.encoder, draws.prior
        if not encoder.factorized:
            kind = "implicit" if encoder.noise else "deterministic"
            raise InputError(
                f"needs the density of q(z|x) in closed form and the encoder is {kind}: use a "
                "gaussian encoder, or sampled_kl, joint_code or marginal_code for the "
                "regularization"
            )
        if prior.size and not prior.standard_normal:
            raise InputError(
                "is to N(0, I) and the prior is another: use a gaussian prior, or sampled_kl, "
                "joint_code or marginal_code for the regularization"
            )
        encoding, kl = draws.encoding, jnp.zeros(())
        if encoding.mean is not None and encoding.log_variance is not None:
            kl += 0.5 * jnp.sum(
                jnp.exp(encoding.log_variance) + encoding.mean**2 - 1 - encoding.log_variance, -1
            )
        if encoding.logits is not None:
            kl += category_kl(encoding.logits, log_probabilities(draws))
        return kl

    return without_discriminator("analytic_kl", value)


def sampled_kl() -> Term:
    """E_q(z|x)[log q(z|x) - log p(z)] by the sample at hand, for any posterior and any prior whose
    densities are known; exact over a category (of an encoder that reads noise, of q(y|x, noise):
    then an upper bound)."""

    def value(draws: Draws) -> Array:
        encoding, kl = draws.encoding, jnp.zeros(())
        if encoding.vector is not None:
            if encoding.log_density is None:
                raise InputError(
                    "needs the density of q(z|x) and the encoder has none: use a gaussian encoder "
                    "or one with a log_density, or joint_code or marginal_code"
                )
            kl += encoding.log_density - log_prior_of_vector(draws, draws.z)
        if encoding.logits is not None:
            kl += category_kl(encoding.logits, log_probabilities(draws))
        return kl

    return without_discriminator("sampled_kl", value)


def nothing() -> Term:
    """0: this side of the objective is absent."""
    return without_discriminator("none", lambda draws: jnp.zeros(()))


def scaled(weight: Scheduled, term: Term) -> Term:
    """`weight` times the term's loss of encoder and generator; the discriminator learns on."""

    def loss(draws: Draws, discriminate: Discriminate | None) -> TermOutput:
        output = term.loss(draws, discriminate)
        return output._replace(autoencoder=at(weight, draws.step) * output.autoencoder)

    return term._replace(loss=loss)
