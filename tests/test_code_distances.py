"""Distances of codes to N(0, I) in closed form, against integrals over random projections; and that
a batch that is cut has those of the whole."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from iae_jax.devices.parallel import Chunk
from iae_jax.errors import InputError
from iae_jax.game.check import check
from iae_jax.game.step import init
from iae_jax.objectives.code_distances import (
    CramerWold,
    SlicedWasserstein,
    cramer_wold,
    projected_kernel,
    sliced_wasserstein,
)
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.sampling import priors
from iae_jax.types import Code

RNG = np.random.default_rng(5)
# Neither centred nor isotropic, nor Gaussian.
CODES = RNG.normal(size=(30, 4)) @ RNG.normal(size=(4, 4)) * 0.6 + [1.0, 0.0, -0.5, 0.2]
CODES[:10] += 1.5


def unit(count, size):
    v = np.random.default_rng(9).normal(size=(count, size))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def test_the_cramer_wold_distance_is_the_integral_over_projections():
    """Oracle: on 4,000 random lines, the squared difference of both smoothed densities, summed over
    a grid; to the error of a mean over so many."""
    variance = (4 / (3 * len(CODES))) ** 0.4
    grid = np.linspace(-16, 16, 801)
    each = []
    for line in unit(4000, 4):
        own = scipy.stats.norm.pdf(grid[:, None], CODES @ line, np.sqrt(variance)).mean(axis=1)
        other = scipy.stats.norm.pdf(grid, 0, np.sqrt(1 + variance))
        each.append(np.sum((own - other) ** 2) * (grid[1] - grid[0]))
    error = np.std(each) / np.sqrt(len(each))
    found = float(cramer_wold(jnp.asarray(CODES, jnp.float32)))
    assert abs(found - np.mean(each)) < 4 * error and error < 0.02 * found


@pytest.mark.parametrize("size", [1, 2, 7, 150])
def test_the_kernel_is_the_hypergeometric_function(size):
    s = np.array([0.0, 0.3, 4.0, 60.0, 190.0])
    expected = scipy.special.hyp1f1(0.5, size / 2, -s)
    found = projected_kernel(jnp.asarray(s, jnp.float32), size)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-12)


def test_samples_of_the_prior_are_near_and_the_gradient_leads_there():
    """By numpy's samples; a step down the gradient brings the codes closer to N(0, I)."""
    z = jnp.asarray(CODES, jnp.float32)
    normal = jnp.asarray(RNG.normal(size=CODES.shape), jnp.float32)
    lines = jnp.asarray(unit(40, 4), jnp.float32)
    for distance in (cramer_wold, lambda z: sliced_wasserstein(z, lines)):
        value, gradient = jax.value_and_grad(distance)(z)
        assert 0 < distance(normal) < 0.5 * value
        nearer = z - 0.3 * gradient / jnp.abs(gradient).max()
        assert distance(nearer) < value


def test_the_sliced_distance_is_the_integral_of_squared_differences_of_quantiles():
    """Oracle: numpy's quantiles of each projection against scipy's of N(0, 1), on a fine grid."""
    lines = unit(6, 4)
    u = (np.arange(300_000) + 0.5) / 300_000
    own = np.quantile(CODES @ lines.T, u, axis=0, method="inverted_cdf")
    expected = np.mean((own - scipy.stats.norm.ppf(u)[:, None]) ** 2)
    found = sliced_wasserstein(jnp.asarray(CODES, jnp.float32), jnp.asarray(lines, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert expected > 0.3


def test_the_sliced_distance_bounds_scipys():
    """The distance of cost |a - b| of scipy, on one line, where the codes are moved so far that all
    mass goes one way: then it is the mean difference, whose square is below the squared cost by
    the variance of the difference. Shifted normal quantiles have none."""
    u = (np.arange(4000) + 0.5) / 4000
    quantiles = scipy.stats.norm.ppf(u)
    one = scipy.stats.wasserstein_distance(quantiles + 3.0, quantiles)
    z = jnp.asarray(quantiles[:, None] + 3.0, jnp.float32)
    np.testing.assert_allclose(sliced_wasserstein(z, jnp.ones((1, 1))), one**2, rtol=1e-3)


def loss_of(loss, codes, **options):
    return loss.loss(games.drawn({"x": jnp.zeros((len(codes), 1))}, z=Code(codes), **options))


def test_the_losses_are_of_the_codes():
    z = jnp.asarray(CODES[:, :2], jnp.float32)
    distance = cramer_wold(z)
    np.testing.assert_allclose(loss_of(CramerWold(logarithm=False), z), distance, rtol=1e-6)
    np.testing.assert_allclose(loss_of(CramerWold(), z), np.log(distance), rtol=1e-5)
    # Other directions each step, and the mean over many is that over all.
    few = [float(loss_of(SlicedWasserstein(directions=3), z, step=t)) for t in range(3)]
    assert len(set(few)) == 3
    angle = np.linspace(0, np.pi, 400, endpoint=False)
    all_ = sliced_wasserstein(z, jnp.asarray(np.stack([np.cos(angle), np.sin(angle)], -1)))
    many = loss_of(SlicedWasserstein(directions=3000), z)
    np.testing.assert_allclose(many, all_, rtol=0.05)


def test_codes_that_cannot_be_near_are_refused():
    game = games.build("joint_reconstruction", "marginal_code", "category")
    loss = cell("joint_reconstruction", "marginal_code", auxiliary=(CramerWold(Weight(1.0)),))
    with pytest.raises(InputError, match="cramer_wold_distance is of a vector code and this one"):
        check(game._replace(objective=loss), games.SHAPE)
    other = games.build("joint_reconstruction", "marginal_code")
    with pytest.raises(InputError, match=r"cramer_wold_distance of a vector code is to N\(0, I\)"):
        check(other._replace(objective=loss, prior=priors.petals()), games.SHAPE)


@pytest.fixture(scope="module")
def stepped():
    """A step of a game of both losses, on some devices and in some microbatches."""
    own = (CramerWold(Weight(2.0)), SlicedWasserstein(Weight(3.0), directions=5))
    game = games.build("likelihood", "none", auxiliary=own)

    def run(devices, microbatches):
        chunk = Chunk(game, jax.devices("cpu")[:devices], microbatches)
        return jax.device_get(chunk(init(game, jax.random.key(1)), games.batch(5, 1, 12)))

    return run


@pytest.mark.heavy
def test_a_batch_that_is_cut_has_the_distances_of_the_whole(stepped):
    """Oracle: one device, one piece. No mean of the parts' distances is that of the whole."""
    (whole, metrics), (cut, found) = stepped(1, 1), stepped(2, 3)
    for name in ("cramer_wold_distance", "sliced_wasserstein_distance"):
        np.testing.assert_allclose(found[name], metrics[name], rtol=1e-5)
    for one, other in zip(jax.tree.leaves(cut.params), jax.tree.leaves(whole.params), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6)
