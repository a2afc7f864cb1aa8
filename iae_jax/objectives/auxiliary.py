"""Charges: what an objective asks of codes beside its two terms, in nats per example.

None has a discriminator; each is a value that an objective includes or not. Those of labels make a
model semi-supervised.
"""

import jax
import jax.numpy as jnp
import optax

from iae_jax.objectives.terms import (
    Term,
    TermOutput,
    category_conditional_entropy,
    without_discriminator,
)
from iae_jax.sampling import augmentation
from iae_jax.types import Array, Code, Draws, Encoding

SMALLEST_VARIANCE = 1e-3  # that a batch of codes is taken to have in any direction


def marginal_kl(block: int = 0) -> Term:
    """What is known of KL(q(z) || p(z)) without a discriminator, over the global batch.

    Of a category all of it, KL(q(y) || uniform). Of a vector KL(g || N(0, I)), where g is the
    Gaussian of q's mean and covariance: KL(q || p) = KL(q || g) + KL(g || p), since log p and
    log g are quadratic and have the same means under q and g. It grows without bound as codes
    collapse, where a discriminator has no gradient left to give.

    block: how many components a batch knows the covariance of (0: all). A longer code is split into
    blocks of at most so many, otherwise each step (a schedule, alike for all seeds), and the KLs of
    the blocks are summed: a lower bound, since the components of p are independent.
    """

    def loss(discriminate: object, draws: Draws, step: Array) -> TermOutput:
        q, kl = draws.aggregated, jnp.zeros(())
        assert q is not None
        if q.mean is not None and q.second is not None:
            size = q.mean.shape[-1]
            # The constant keeps the logarithm finite for codes that have collapsed.
            covariance = q.second - jnp.outer(q.mean, q.mean) + SMALLEST_VARIANCE * jnp.eye(size)
            kl += 0.5 * (jnp.trace(covariance) + jnp.sum(jnp.square(q.mean)) - size)
            blocks = [covariance]
            if 0 < block < size:
                order = jax.random.permutation(jax.random.key(step), size)
                parts = jnp.array_split(order, -(-size // block))
                blocks = [covariance[jnp.ix_(part, part)] for part in parts]
            for own in blocks:
                kl -= jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(own))))
        if q.probabilities is not None:
            # The maximum keeps the gradient finite where a category has died out.
            log_q = jnp.log(jnp.maximum(q.probabilities, 1e-30))
            kl += jnp.log(log_q.shape[-1]) + jnp.sum(q.probabilities * log_q)
        values = jnp.broadcast_to(kl, draws.x.shape[:1])
        return TermOutput(values, jnp.zeros_like(values), {})

    return Term("marginal_kl", loss, needs=("encoder", "normal prior", "whole"))


def conditional_entropy() -> Term:
    """H(y|x): what is charged to keep a category from being soft."""

    def value(draws: Draws) -> Array:
        assert draws.encoding is not None and draws.encoding.logits is not None
        return category_conditional_entropy(draws.encoding.logits)

    return without_discriminator("conditional_entropy", value, ("encoder", "category"))


def augmentation_consistency(teacher: bool = False) -> Term:
    """How far the code of a changed image is from that of x, see `augmentation.distance`: of a
    category the cross entropy of Hu et al. 2017 less its constant. With a `teacher` the code of x
    is the averaged encoder's (Tarvainen and Valpola 2017). A vector needs `marginal_kl` beside it,
    without which all codes would be one."""

    def value(draws: Draws) -> Array:
        own = draws.taught if teacher else draws.encoding
        assert own is not None and draws.augmented is not None
        return augmentation.distance(own, draws.augmented)

    needs = ("encoder", "augment") + (("teacher",) if teacher else ())
    return without_discriminator("augmentation_consistency", value, needs)


def code_recovery() -> Term:
    """-log q(z|x_hat): how badly the code is read off what was generated from it; with H(z) a bound
    of -I(z; x_hat) (Chen et al. 2016, eq. 5). What is to be read is given, and so are the
    parameters that read: the generator learns to show its codes, and the encoder, through x_hat
    alone, to give codes that can be shown. A vector whose density is unknown is read with unit
    variance."""

    def value(draws: Draws) -> Array:
        assert draws.z is not None and draws.recovered is not None
        return _nats(draws.z, draws.recovered)

    return without_discriminator("code_recovery", value, ("encoder", "generator", "recovery"))


def flipped_recovery() -> Term:
    """-log q(z|x) for z ~ p(z), x ~ p(x|z): what the encoder learns from images whose code is
    known because they were generated from it. The generator does not learn from it."""

    def value(draws: Draws) -> Array:
        assert draws.flipped is not None
        return _nats(draws.z_prior, draws.flipped)

    return without_discriminator("flipped_recovery", value, ("encoder", "generator", "flipped"))


def _nats(z: Code, found: Encoding) -> Array:
    """-log q(z|x) of a given z: f32[B]."""
    nats = jnp.zeros(())
    if z.vector is not None:
        mean, deviation = found.mean, jnp.ones(())
        if found.log_variance is not None:
            deviation = jnp.exp(0.5 * found.log_variance)
        else:
            mean = found.vector
        assert mean is not None
        target = jax.lax.stop_gradient(z.vector)
        nats -= jnp.sum(jax.scipy.stats.norm.logpdf(target, mean, deviation), axis=-1)
    if z.category is not None:
        nats += optax.softmax_cross_entropy(found.logits, z.category)
    return nats


def label_cross_entropy(changed: bool = False) -> Term:
    """-log q(y|x) of labelled images, or of images that were changed as x is for consistency."""

    def value(draws: Draws) -> Array:
        assert draws.told is not None
        return optax.softmax_cross_entropy(draws.told.encoding.logits, draws.told.z.category)

    needs = ("encoder", "category", "labels") + (("augment", "changed labels") if changed else ())
    return without_discriminator("label_cross_entropy", value, needs)


def improved_gan() -> Term:
    """The semi-supervised GAN of Salimans et al. 2016, where the encoder is the discriminator: x is
    real with log odds log sum_k exp(logit_k), and the generator matches the mean of its features.
    Each of the two learns from its own part alone."""

    def value(draws: Draws) -> Array:
        real, fake, matched = draws.perturbed, draws.flipped, draws.matched
        assert real is not None and fake is not None and matched is not None
        assert real.logits is not None and fake.logits is not None
        odds = jax.nn.logsumexp(real.logits, axis=-1)
        odds_prior = jax.nn.logsumexp(fake.logits, axis=-1)
        told = jax.nn.softplus(-odds) + jax.nn.softplus(odds_prior)
        return told + jnp.sum(jnp.square(matched[0] - matched[1]))

    needs = ("encoder", "generator", "category", "flipped", "whole")
    return without_discriminator("improved_gan", value, needs)
