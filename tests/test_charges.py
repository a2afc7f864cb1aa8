"""What is known of KL(q(z) || p(z)) without a discriminator, against integrals and entropies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from test_terms import SAMPLE, B, D, normal, value

from iae_jax.objectives import auxiliary as charges
from iae_jax.objectives import terms
from iae_jax.sampling import draws
from iae_jax.types import Aggregated, Code

pytestmark = pytest.mark.usefixtures("quick_compile")


def test_marginal_kl_of_a_vector_is_the_integral():
    """Oracle: numerical integration of g log g/p over the plane, where g has the mean and the
    covariance that numpy finds for the codes."""
    codes = np.array(normal(9, D)) @ np.array([[0.6, 0.5], [0.0, 1.1]]) + [0.7, -0.4]
    covariance = np.cov(codes.T, bias=True) + charges.SMALLEST_VARIANCE * np.eye(D)
    g = scipy.stats.multivariate_normal(codes.mean(0), covariance)
    p = scipy.stats.multivariate_normal(np.zeros(D))
    side = np.linspace(-12, 12, 801)
    plane = np.stack(np.meshgrid(side, side), axis=-1)
    expected = np.sum(g.pdf(plane) * (g.logpdf(plane) - p.logpdf(plane))) * (side[1] - side[0]) ** 2
    q = draws.aggregate(Code(jnp.asarray(codes, jnp.float32)))
    found = value(charges.marginal_kl(), SAMPLE._replace(aggregated=q))
    np.testing.assert_allclose(found, np.full(B, expected), rtol=1e-5)
    assert expected > 0.2
    both = q._replace(probabilities=SAMPLE.aggregated.probabilities)
    added = value(charges.marginal_kl(), SAMPLE._replace(aggregated=both)) - found
    np.testing.assert_allclose(added, value(charges.marginal_kl()), rtol=1e-4)


def test_marginal_kl_of_many_components_is_the_sum_over_disjoint_blocks():
    """Oracle: scipy's entropies of every choice of pairs, of which a step draws one."""
    codes = np.array(normal(60, 5)) @ np.array(normal(5, 5)) + 0.2 * np.arange(5.0)
    q = draws.aggregate(Code(jnp.asarray(codes, jnp.float32)))
    mean, covariance = codes.mean(0), np.cov(codes.T, bias=True)
    covariance += charges.SMALLEST_VARIANCE * np.eye(5)

    def kl(part):
        own = covariance[np.ix_(part, part)]
        cross = len(part) * np.log(2 * np.pi) + np.trace(own) + np.sum(mean[list(part)] ** 2)
        return cross / 2 - scipy.stats.multivariate_normal(cov=own).entropy()

    known = {}
    for one in range(5):
        rest = [i for i in range(5) if i != one]
        for other in rest[1:]:
            pairs = [(rest[0], other), tuple(i for i in rest[1:] if i != other), (one,)]
            known[tuple(pairs)] = sum(kl(pair) for pair in pairs)
    found = set()
    for step in range(12):
        drawn = SAMPLE._replace(aggregated=q)
        number = charges.marginal_kl(2).loss(None, drawn, jnp.int32(step)).path[0]
        (pairs,) = [p for p, total in known.items() if abs(total - number) < 1e-4]
        found.add(pairs)
        assert number < kl(range(5))
    assert len(found) > 3
    whole = charges.marginal_kl(5).loss(None, SAMPLE._replace(aggregated=q), jnp.int32(0)).path[0]
    np.testing.assert_allclose(whole, kl(range(5)), rtol=1e-4)


def test_marginal_kl_opens_a_collapsed_code():
    """By hand: of codes c u + m, with u of variance 1, it is (c^2 + m^2 - 1)/2 - log c. Where
    all codes are nearly one, a step down its gradient makes them wider, and its value is finite
    where they are one."""
    u = np.array([-1.0, 1.0, -1.0, 1.0])[:, None]

    def kl(scale, shift):
        q = draws.aggregate(Code(scale * u + shift))
        return value(charges.marginal_kl(), SAMPLE._replace(aggregated=q))[0]

    np.testing.assert_allclose(kl(2.0, 0.5), (4 + 0.25 - 1) / 2 - np.log(2), rtol=1e-3)
    wider, away = jax.grad(kl, argnums=(0, 1))(0.1, 0.5)
    np.testing.assert_allclose([wider, away], [0.1 - 0.1 / (0.01 + 0.001), 0.5], rtol=1e-5)
    np.testing.assert_allclose(kl(0.0, 0.0), (0.001 - 1 - np.log(0.001)) / 2, rtol=1e-5)


def test_a_dead_category_has_a_finite_gradient():
    def kl(q):
        known = SAMPLE._replace(aggregated=Aggregated(probabilities=q))
        return value(charges.marginal_kl(), known)[0]

    found, gradient = jax.value_and_grad(kl)(jnp.array([0.5, 0.5, 0.0]))
    np.testing.assert_allclose(found, np.log(1.5), rtol=1e-6)
    assert np.isfinite(gradient).all()
    hard = jnp.array([[0.0, 200.0, -1e4]])
    slope = jax.grad(lambda logits: terms.category_conditional_entropy(logits)[0])(hard)
    assert np.isfinite(slope).all()
