"""Terms without a discriminator, against scipy, enumeration and networks called by hand."""

import functools
import itertools

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from samples import (
    ENCODING,
    GAME,
    LOG_LIKELIHOOD,
    LOGITS,
    B,
    D,
    K,
    Q,
    X,
    Z,
    one_hot,
    sample,
    value,
)

from iae_jax import networks
from iae_jax.game import game, step
from iae_jax.objectives import terms
from iae_jax.objectives.auxiliary import ConditionalEntropy, MarginalKL
from iae_jax.sampling import priors
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.sampling.quick_normals import quick_normals
from iae_jax.types import Code, Encoding, Players


def test_analytic_kl_is_the_integral():
    """Oracle: numerical integration of q log q/p for each component, and a sum over categories."""
    mean, deviation = ENCODING.mean, np.exp(ENCODING.log_variance / 2)
    expected = np.zeros(B)
    for i, j in itertools.product(range(B), range(D)):
        q, p = scipy.stats.norm(mean[i, j], deviation[i, j]), scipy.stats.norm()
        expected[i] += scipy.integrate.quad(
            lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -15, 15
        )[0]
    vector = sample(encoding=ENCODING._replace(logits=None))
    np.testing.assert_allclose(value(terms.analytic_kl(), vector), expected, rtol=1e-5)
    expected += [scipy.stats.entropy(q, np.full(K, 1 / K)) for q in Q]
    np.testing.assert_allclose(value(terms.analytic_kl()), expected, rtol=1e-5)


def test_category_terms_are_enumerations():
    entropy = [-sum(p * np.log(p) for p in q) for q in Q]
    np.testing.assert_allclose(value(ConditionalEntropy()), entropy, rtol=1e-5)
    marginal = [np.mean([q[k] for q in Q]) for k in range(K)]
    kl = sum(p * np.log(p * K) for p in marginal)
    np.testing.assert_allclose(value(MarginalKL()), kl, rtol=1e-5)
    conditional = [np.log(K) - h for h in entropy]
    np.testing.assert_allclose(terms.category_kl(LOGITS), conditional, rtol=1e-5)


def test_likelihood_is_the_expectation_over_the_category():
    expected = [-sum(Q[i, k] * float(LOG_LIKELIHOOD[i, k]) for k in range(K)) for i in range(B)]
    np.testing.assert_allclose(value(terms.likelihood()), expected, rtol=1e-5)
    vector = sample(found={terms.log_likelihood: LOG_LIKELIHOOD[:, :1]}, z=Code(Z.vector))
    np.testing.assert_allclose(value(terms.likelihood(), vector), -LOG_LIKELIHOOD[:, 0], rtol=1e-6)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_densities_against_scipy(likelihood):
    shape = (3, 2)
    layout = networks.Layout("mlp", hidden=4)
    own = networks.Likelihood(likelihood, deviation=0.3)
    generator = networks.generator(layout, shape, D, likelihood=own)
    params = generator.init(jax.random.key(0))
    z = Code(3 * Z.vector)
    mean = np.asarray(generator.sample(params, z, jnp.zeros((B, 0))), np.float64)
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, (B, *shape)) if likelihood == "bernoulli" else rng.random((B, *shape))
    density = {
        "bernoulli": lambda: scipy.stats.bernoulli.logpmf(x, mean),
        "gaussian": lambda: scipy.stats.norm.logpdf(x, mean, 0.3),
    }[likelihood]()
    found = generator.log_likelihood(params, z, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(found, density.sum(axis=(1, 2)), rtol=1e-5)


def test_log_likelihood_of_every_category():
    """Oracle: the generator asked about one category after the other."""
    layout = networks.Layout("mlp", hidden=4)
    generator = networks.generator(layout, (4,), D, K, likelihood="gaussian")
    drawn = games.drawn({"x": X}, game=GAME._replace(networks=Players(None, generator)), z=Z)
    drawn.params = Players(None, generator.init(jax.random.key(0)))
    found = terms.log_likelihood(drawn)
    assert found.shape == (B, K)
    for k in range(K):
        z = Z._replace(category=one_hot(*[k] * B))
        expected = generator.log_likelihood(drawn.params.generator, z, X)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-5)


def test_sampled_kl_is_the_log_ratio_at_the_sample():
    """Oracle: scipy's densities, of a Gaussian q(z|x) and of a mixture of two as the prior."""
    q = scipy.stats.norm(ENCODING.mean, np.exp(ENCODING.log_variance / 2))
    log_q = jnp.asarray(q.logpdf(Z.vector).sum(axis=1))
    halves = [scipy.stats.norm(mean).logpdf(Z.vector).sum(axis=1) for mean in (-2.0, 2.0)]
    log_p = scipy.special.logsumexp(halves, axis=0) - np.log(2)
    prior = priors.gaussian(D)

    def mixture(params, z):
        shifted = [prior.log_density(None, Code(z.vector + by)) for by in (2.0, -2.0)]
        return jax.nn.logsumexp(jnp.stack(shifted), axis=0) - jnp.log(2)

    of_mixture = GAME._replace(prior=prior._replace(log_density=mixture))
    encoding = Encoding(Z.vector, log_density=log_q)
    drawn = games.drawn({"x": X}, game=of_mixture, encoding=encoding, z=Code(Z.vector))
    np.testing.assert_allclose(value(terms.sampled_kl(), drawn), log_q - log_p, rtol=1e-5)
    both = encoding._replace(logits=LOGITS)
    drawn = games.drawn({"x": X}, game=of_mixture, encoding=both, z=Z)
    expected = log_q - log_p + scipy.stats.entropy(Q, np.full(K, 1 / K), axis=1)
    np.testing.assert_allclose(value(terms.sampled_kl(), drawn), expected, rtol=1e-5)


def test_nothing_and_scaled():
    np.testing.assert_array_equal(value(terms.nothing()), np.zeros(B))
    plain = value(terms.analytic_kl())
    np.testing.assert_allclose(value(terms.scaled(0.3, terms.analytic_kl())), 0.3 * plain)
    scheduled = terms.scaled(lambda step: 0.1 * step, terms.analytic_kl())
    np.testing.assert_allclose(value(scheduled, sample(4)), 0.4 * plain, rtol=1e-6)


@pytest.mark.heavy
def test_a_relaxed_category_is_read_as_its_probabilities():
    """Oracle: the networks called by hand; the gradient, which a sampled category does not pass. Of
    discriminators, see test_pixelgan.py."""
    built = games.build("likelihood", "none", "product")._replace(relaxed=True)
    params = step.init(built, jax.random.key(1)).params
    x, noise = games.batch(2, B), Noise(example_keys(jax.random.key(3), 0, B))
    encoder, generator = built.networks[:2]

    def by_hand(theta):
        encoding = encoder.apply(theta, x, noise("encoder", normal(2)))
        q = jax.nn.softmax(encoding.logits)
        z = Code(encoding.vector, q)
        return -generator.log_likelihood(params.generator, z, x), q

    def term(built, theta):
        metrics = game.losses(built, params._replace(encoder=theta), noise, {"x": x}, 0)[1]
        return metrics["reconstruction"]

    expected, q = by_hand(params.encoder)
    assert float(q.max()) < 0.95
    np.testing.assert_allclose(term(built, params.encoder), expected, rtol=1e-5)

    def gradient_of(value):
        gradient = jax.grad(lambda theta: jnp.sum(value(theta)))(params.encoder)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])

    expected = gradient_of(lambda theta: by_hand(theta)[0])
    found = gradient_of(functools.partial(term, built))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    sampled = gradient_of(functools.partial(term, built._replace(relaxed=False)))
    assert np.abs(sampled - expected).max() > 1e-2 * np.abs(expected).max()


@pytest.mark.heavy
def test_a_denoising_game_decodes_the_code_of_a_perturbed_image():
    """Oracle: noise added by hand to what an encoder without perturbation reads; x itself is what
    is compared."""
    of_code = (games.LAYOUT, games.SHAPE, "deterministic", 2)
    noisy, plain = (
        networks.encoder(*of_code, perturbation=networks.Perturbation(pixel_noise=deviation))
        for deviation in (0.4, 0.0)
    )
    built = games.build("likelihood", "none")
    built = built._replace(networks=built.networks._replace(encoder=noisy), denoising=True)
    params = step.init(built, jax.random.key(1)).params
    x, noise = games.batch(2, B), Noise(example_keys(jax.random.key(3), 0, B))

    def term(built):
        return game.losses(built, params, noise, {"x": x}, 0)[1]["reconstruction"]

    def by_hand(seen):
        z = Code(plain.apply(params.encoder, seen, jnp.zeros((B, 0))).vector)
        return -built.networks.generator.log_likelihood(params.generator, z, x)

    added = 0.4 * noise("perturbation/encoder", quick_normals(3))
    np.testing.assert_allclose(term(built), by_hand(x + added), rtol=1e-5)
    np.testing.assert_allclose(term(built._replace(denoising=False)), by_hand(x), rtol=1e-5)
    assert np.abs(by_hand(x) - by_hand(x + added)).max() > 1e-2
