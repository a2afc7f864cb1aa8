"""Priors that learn: densities against quadrature and scipy, samples against densities, and fits of
what is known."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.spatial
import scipy.special
import scipy.stats

from iae_jax.objectives import terms
from iae_jax.objectives.auxiliary import MarginalKL
from iae_jax.objectives.prior_fit import PriorFit
from iae_jax.sampling import priors
from iae_jax.sampling.noise import example_keys
from iae_jax.types import Code, Encoder, Encoding, Game, Players

SMALL = "layers=2, width=6"
KINDS = [
    "mixture(components=3)",
    "mixture(components=2, covariance='diagonal')",
    f"flow({SMALL})",
    f"flow({SMALL}, function='spline', base='mixture(components=2)')",
    f"flow({SMALL}, layer='autoregressive')",
]


def moved(prior, scale=0.2):
    """Parameters with nothing at 0."""
    leaves, tree = jax.tree.flatten(prior.init(jax.random.key(0)))
    own = [
        leaf + scale * jax.random.normal(jax.random.key(i), leaf.shape)
        for i, leaf in enumerate(leaves)
    ]
    return tree.unflatten(own)


def sampled(prior, params, count):
    drawn = jax.vmap(prior.draw)(example_keys(jax.random.key(1), 0, count))
    return prior.sample(params, drawn)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_a_density_integrates_to_1_and_is_that_of_the_samples(kind):
    """Oracles: sums over a grid of the plane, of p, of z p, of z z p and of p log p."""
    prior = priors.prior(kind, 2)
    params = moved(prior)
    side = np.linspace(-16, 16, 801)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    density = jax.jit(lambda z: prior.log_density(params, Code(vector=z)))
    log_p = np.asarray(density(jnp.asarray(plane, jnp.float32)), np.float64)
    p = np.exp(log_p) * (side[1] - side[0]) ** 2
    np.testing.assert_allclose(p.sum(), 1, atol=2e-3)
    z = np.asarray(jax.jit(lambda: sampled(prior, params, 4000).vector)())
    found = np.concatenate([z, z[:, :1] * z, z[:, 1:] ** 2, density(z)[:, None]], axis=1)
    each = np.concatenate([plane, plane[:, :1] * plane, plane[:, 1:] ** 2, log_p[:, None]], axis=1)
    off = found.mean(axis=0) - p @ each
    assert (np.abs(off) < 4.5 * found.std(axis=0) / np.sqrt(4000)).all(), off


def test_a_mixture_starts_near_the_normal_and_spread():
    """Oracle: the divergence from N(0, I), by samples of it, is small; no two means are alike."""
    prior = priors.prior("mixture(components=30)", 8)
    params = prior.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (2000, 8))
    normal = scipy.stats.norm.logpdf(z).sum(axis=1)
    nats = np.mean(normal - np.asarray(prior.log_density(params, Code(z))))
    assert 0 <= nats < 0.7
    apart = scipy.spatial.distance.pdist(params["mean"])
    assert apart.min() > 0.3


def test_a_known_mixture_is_fitted_to_its_entropy():
    """Oracle: scipy's density of the mixture, whose mean over samples is its negative entropy;
    its weights. By the loss of a game, on codes that an encoder passes on."""
    rng = np.random.default_rng(0)
    weights, deviations = np.array([0.5, 0.3, 0.2]), ([1.0, 0.2], [0.3, 0.3], [0.2, 0.6])
    means = np.array([[0.0, 1.5], [-1.5, -1.0], [2.0, -0.5]])
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])

    def draw(count):
        own = rng.choice(3, count, p=weights)
        return (means[own] + rng.normal(size=(count, 2)) * np.array(deviations)[own]) @ turn

    def log_density(z):
        each = scipy.stats.norm.logpdf((z @ turn.T)[:, None], means, deviations).sum(axis=2)
        return scipy.special.logsumexp(each + np.log(weights), axis=1)

    prior = priors.prior("mixture(components=4)", 2)
    params, tx = prior.init(jax.random.key(0)), optax.adam(0.02)
    data = jnp.asarray(draw(20_000), jnp.float32)

    def loss(params, z):
        game = Game(Players(generator=True), prior, None, Players())
        drawn = games.drawn({"x": z}, game=game, z=Code(z))
        drawn.params = Players(generator=params)
        return jnp.mean(PriorFit().loss(drawn))

    @jax.jit
    def fitted(params):
        def step(carry, key):
            params, state = carry
            gradient = jax.grad(loss)(params, data[jax.random.randint(key, (200,), 0, 20_000)])
            updates, state = tx.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), None

        keys = jax.random.split(jax.random.key(2), 1000)
        return jax.lax.scan(step, (params, tx.init(params)), keys)[0][0]

    params, new = fitted(params), draw(20_000)
    found = -np.mean(prior.log_density(params, Code(jnp.asarray(new, jnp.float32))))
    entropy = -np.mean(log_density(new))
    start = -np.mean(prior.log_density(prior.init(jax.random.key(0)), Code(jnp.asarray(new))))
    assert -0.005 < found - entropy < 0.03 and start - entropy > 0.5


# ---------------------------------------------------------------- categories, and products of both

PROBABILITIES = jnp.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.1, 0.4], [0.3, 0.3, 0.4]])
Z = Code(jnp.array([[0.3, -1.0], [1.2, 0.4], [-0.6, 0.1], [0.9, 2.0]]), None, PROBABILITIES)
Z = Z._replace(category=jnp.eye(3)[jnp.array([0, 1, 2, 2])])


def given_by_category():
    """A prior of both, of N(m_y, I) and learned categories, and its parameters."""
    prior = priors.prior("gaussian", 2, 3, "learned", given=True)
    params = prior.init(jax.random.key(4))
    params["base"]["category"]["logits"] = jnp.array([0.2, -0.5, 1.0])
    params["mean"] = jnp.array([[2.0, 0.0], [-1.0, 1.0], [0.5, -3.0]])
    return prior, params


def drawn_of(prior, params, z, **values):
    game = Game(Players(encoder=True, generator=True), prior, None, Players())
    drawn = games.drawn({"x": jnp.zeros((4, 1))}, game=game, z=z, **values)
    drawn.params = Players(generator=params)
    return drawn


def test_learned_categories_come_to_the_frequencies():
    """Oracle: the mean of q(y|x). By steps down the fit alone."""
    prior = priors.prior("gaussian", 0, 3, "learned")
    params, z = prior.init(jax.random.key(0)), Z._replace(vector=None)
    loss = jax.jit(jax.grad(lambda params: jnp.mean(PriorFit().loss(drawn_of(prior, params, z)))))
    for _ in range(200):
        params = jax.tree.map(lambda p, g: p - 2.0 * g, params, loss(params))
    frequencies = np.asarray(PROBABILITIES).mean(axis=0)
    np.testing.assert_allclose(np.exp(prior.log_probabilities(params)), frequencies, atol=1e-4)
    drawn = sampled(prior, params, 6000).category
    assert (drawn.sum(axis=1) == 1).all()
    np.testing.assert_allclose(drawn.mean(axis=0), frequencies, atol=0.03)


def test_a_vector_given_its_category():
    """Oracles: scipy's densities, exact over the category; moments of the samples of each."""
    prior, params = given_by_category()
    log_p = scipy.special.log_softmax([0.2, -0.5, 1.0])
    means = np.asarray(params["mean"])
    each = scipy.stats.norm.logpdf(np.asarray(Z.vector)[:, None], means).sum(axis=2)
    np.testing.assert_allclose(
        prior.log_density(params, Z), each[np.arange(4), [0, 1, 2, 2]], rtol=1e-5
    )
    q = np.asarray(PROBABILITIES)
    found = PriorFit().loss(drawn_of(prior, params, Z))
    np.testing.assert_allclose(found, -(q * (each + log_p)).sum(axis=1), rtol=1e-5)
    z = sampled(prior, params, 6000)
    np.testing.assert_allclose(z.category.mean(axis=0), np.exp(log_p), atol=0.03)
    for category in range(3):
        own = np.asarray(z.vector)[np.asarray(z.category[:, category]) == 1]
        np.testing.assert_allclose(own.mean(axis=0), means[category], atol=0.2)
        np.testing.assert_allclose(own.std(axis=0), 1, atol=0.15)
    numbers = jax.vmap(prior.draw)(example_keys(jax.random.key(3), 0, 2000))
    asked = prior.given(params, numbers, jnp.tile(jnp.eye(3)[1], (2000, 1)))
    np.testing.assert_allclose(asked.vector.mean(axis=0), means[1], atol=0.1)
    assert (asked.category[:, 1] == 1).all() and not prior.standard_normal


def test_kls_to_a_prior_that_learns():
    """Oracles: scipy's entropies and densities."""
    prior, params = given_by_category()
    log_p = scipy.special.log_softmax([0.2, -0.5, 1.0])
    q, logits = np.asarray(PROBABILITIES), jnp.log(PROBABILITIES)
    of_category = scipy.stats.entropy(q.T, np.exp(log_p)[:, None])
    encoding = Encoding(vector=Z.vector, log_density=jnp.arange(4.0), logits=logits)
    means = np.asarray(params["mean"])
    each = scipy.stats.norm.logpdf(np.asarray(Z.vector)[:, None], means).sum(axis=2)
    drawn = drawn_of(prior, params, Z, encoding=encoding)
    found = terms.sampled_kl().loss(drawn, None).autoencoder
    np.testing.assert_allclose(found, np.arange(4) - (q * each).sum(1) + of_category, rtol=1e-5)
    # A Gaussian vector and learned categories, independent: in closed form.
    prior = priors.prior("gaussian", 2, 3, "learned")
    mean, log_variance = jnp.ones((4, 2)) * 0.3, jnp.full((4, 2), -0.4)
    drawn = drawn_of(
        prior,
        {"category": params["base"]["category"]},
        Z,
        encoding=Encoding(Z.vector, mean, log_variance, logits),
    )
    encoder = Encoder(None, None, 2, factorized=True)
    drawn._game = drawn._game._replace(networks=Players(encoder, True))
    of_vector = 2 * 0.5 * (np.exp(-0.4) + 0.09 - 1 + 0.4)
    found = terms.analytic_kl().loss(drawn, None).autoencoder
    np.testing.assert_allclose(found, of_vector + of_category, rtol=1e-5)
    # Of the marginals, from which the prior does not learn.
    mean_q = q.mean(axis=0)
    whole = MarginalKL().loss(drawn_of(prior, drawn.params.generator, Z._replace(vector=None)))
    np.testing.assert_allclose(whole, scipy.stats.entropy(mean_q, np.exp(log_p)), rtol=1e-4)
