"""Auxiliary losses: what an objective may ask of codes beside its two terms, in nats per example
(but for the distances of `code_distances`).

Each is a dataclass with its weight, its settings, its check and the samples that only it reads; the
config has them as `auxiliary.NAME`. None has a discriminator. A loss of one's own is the same:
any object with `name`, `weight: Weight` and `loss(draws) -> f32[B] or f32[]`.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from iae_jax.errors import InputError
from iae_jax.objectives.terms import category_entropy, log_probabilities
from iae_jax.objectives.weights import Weight
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import uniform
from iae_jax.types import Array, Code, Encoding, Prior, Section

MIN_VARIANCE = 1e-3  # that a batch of codes is taken to have in any direction


class AuxiliaryLoss(Protocol):
    """name: in the metrics. loss: f32[B], or f32[] that holds for the batch."""

    name: str
    weight: Weight

    def loss(self, draws: Draws) -> Array: ...


class Aggregated(NamedTuple):
    """What is known of q(z) = E_x q(z|x) from the global batch: means over its examples.

    mean: f32[D] of the vector. second: f32[D, D] of its outer product. probabilities: f32[K],
    q(y) = E_x q(y|x). None for a part that the code does not have.
    """

    mean: Array | None = None
    second: Array | None = None
    probabilities: Array | None = None


def aggregated(draws: Draws) -> Aggregated:
    """Of the codes z of the global batch."""
    z, found = draws.z, Aggregated()
    if z.vector is not None:
        second = jnp.matmul(z.vector.T, z.vector, precision="highest") / z.vector.shape[0]
        found = found._replace(mean=jnp.mean(z.vector, axis=0), second=second)
    if z.probabilities is not None:
        found = found._replace(probabilities=jnp.mean(z.probabilities, axis=0))
    return draws.batch_mean("aggregated", found)


def check_normal(prior: Prior) -> None:
    """Raises: InputError if a vector code that is held at N(0, I) is meant to follow another
    prior, and this one does not learn to follow it."""
    if prior.size and not prior.standard_normal and not prior.init:
        raise InputError(
            "of a vector code is to N(0, I) and the prior is another: use a gaussian prior, or "
            "marginal_code alone for the regularization"
        )


@dataclass
class MarginalKL(Section):
    """What is known of KL(q(z) || p(z)) without a discriminator, over the global batch.

    Of a category all of it, KL(q(y) || p(y)). Of a vector KL(g || N(0, I)), where g is the
    Gaussian of q's mean and covariance: KL(q || p) = KL(q || g) + KL(g || p), since log p and
    log g are quadratic and have the same means under q and g. It grows without bound as codes
    collapse, where a discriminator has no gradient left to give. Beside a prior that learns it is
    to N(0, I) too: it keeps codes, which such a prior would follow, at zero mean and unit
    covariance. The prior does not learn from it.

    examples_per_component: how many examples a batch has at least for each component of whose
    covariance it is an estimate. A code that is longer than that is split into blocks, differently
    each step (a schedule, alike for all seeds), and the KLs of the blocks are summed: a lower
    bound, since the components of p are independent.
    """

    weight: Weight = field(default_factory=Weight)
    examples_per_component: int = 3

    name = "marginal_kl"

    def loss(self, draws: Draws) -> Array:
        check_normal(draws.prior)
        q, kl = draws.of(aggregated), jnp.zeros(())
        if q.mean is not None and q.second is not None:
            size, block = q.mean.shape[-1], draws.batch_size // self.examples_per_component
            if not block:
                raise InputError(
                    f"{draws.batch_size} codes have no variance: use a batch_size of at least "
                    f"{self.examples_per_component}, or a weight of 0"
                )
            # The constant keeps the logarithm finite for codes that have collapsed.
            covariance = q.second - jnp.outer(q.mean, q.mean) + MIN_VARIANCE * jnp.eye(size)
            kl += 0.5 * (jnp.trace(covariance) + jnp.sum(jnp.square(q.mean)) - size)
            blocks = [covariance]
            if block < size:
                order = jax.random.permutation(jax.random.key(draws.step), size)
                parts = jnp.array_split(order, -(-size // block))
                blocks = [covariance[jnp.ix_(part, part)] for part in parts]
            for own in blocks:
                kl -= jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(own))))
        if q.probabilities is not None:
            # The maximum keeps the gradient finite where a category has died out.
            log_q = jnp.log(jnp.maximum(q.probabilities, 1e-30))
            log_p = log_probabilities(draws)
            if log_p is None:
                kl += jnp.log(log_q.shape[-1]) + jnp.sum(q.probabilities * log_q)
            else:
                kl += jnp.sum(q.probabilities * (log_q - jax.lax.stop_gradient(log_p)))
        return kl


def _logits(encoding: Encoding) -> Array:
    if encoding.logits is None:
        raise InputError("needs a categorical code: give the code categories (code.categories)")
    return encoding.logits


@dataclass
class ConditionalEntropy(Section):
    """H(y|x), whose weight keeps categories from being soft (Grandvalet and Bengio 2005)."""

    weight: Weight = field(default_factory=Weight)

    name = "conditional_entropy"

    def loss(self, draws: Draws) -> Array:
        return category_entropy(_logits(draws.encoding))


@dataclass
class CodeInformation(Section):
    """-log q(z|x_hat): how badly the code is read off what was generated from it; with H(z) a bound
    of -I(z; x_hat) (Chen et al. 2016, InfoGAN, eq. 5).

    The target z and the parameters that read it pass no gradient: the generator learns to show its
    codes, and the encoder, through x_hat alone, to give codes that can be shown. A vector whose
    density is unknown is read with unit variance.
    """

    weight: Weight = field(default_factory=Weight)

    name = "code_information"

    def loss(self, draws: Draws) -> Array:
        # A reader that learned too would give every image the same code.
        frozen = jax.lax.stop_gradient(draws.params.encoder)
        found = draws.encode(draws.x_hat, "code_information", params=frozen, fixed_model=True)
        return negative_log_density(draws.z, found)


def sleep_encoding(draws: Draws) -> Encoding:
    """q(z|x) of generated x, which learns from it; the generator does not."""
    x = jax.lax.stop_gradient(draws.x_prior)
    return draws.encode(x, "sleep", perturbed=True, fixed_model=True)


@dataclass
class SleepLoss(Section):
    """-log q(z|x) for z ~ p(z), x ~ p(x|z): the encoder learns from images whose code is known
    because they were generated from it, as in the sleep phase of wake-sleep (Hinton et al. 1995).
    The generator does not learn from it."""

    weight: Weight = field(default_factory=Weight)

    name = "sleep_loss"

    def loss(self, draws: Draws) -> Array:
        return negative_log_density(draws.z_prior, draws.of(sleep_encoding))


def negative_log_density(z: Code, found: Encoding) -> Array:
    """-log q(z|x) of a given z, through which no gradient passes: f32[B]."""
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
        # A relaxed category has one: the probabilities.
        target = jax.lax.stop_gradient(z.category)
        nats += optax.softmax_cross_entropy(found.logits, target)
    return nats


@dataclass
class LabelCrossEntropy(Section):
    """-log q(y|x) of labelled images. augment: of images changed as those of `Consistency` are."""

    weight: Weight = field(default_factory=Weight)
    augment: bool = False

    name = "label_cross_entropy"

    def loss(self, draws: Draws) -> Array:
        x = draws.data("labelled")
        if self.augment:
            change = draws.augment
            x = change.apply(x, draws.noise("labelled_augment", uniform(change.noise)), draws.step)
        logits = _logits(draws.encode(x, perturbed=True))
        category = jax.nn.one_hot(draws.data("labels"), logits.shape[-1])
        return optax.softmax_cross_entropy(logits, category)
