"""Distributions and priors of the plane, and metrics of samples: modes, distances, divergences.

Oracles: scipy's densities, moments in closed form, samples placed by hand, brute force.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from iae_jax.data.planar import Mixture, grid, ring
from iae_jax.metrics.distances import (
    energy_distance,
    kl_to_normal,
    sliced_wasserstein,
    two_sample_accuracy,
)
from iae_jax.metrics.modes import CUT, modes
from iae_jax.sampling import priors
from iae_jax.sampling.noise import example_keys
from iae_jax.types import Code

LOPSIDED = Mixture(np.array([[0.0, 1.0], [2.0, -1.0], [-1.5, 0.5]], np.float32), 0.3)


def test_density_of_a_mixture():
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    truth = np.mean(
        [multivariate_normal(centre, 0.3**2).pdf(x) for centre in LOPSIDED.centres], axis=0
    )
    np.testing.assert_allclose(LOPSIDED.log_density(jnp.asarray(x)), np.log(truth), rtol=2e-5)


def test_samples_of_a_mixture_have_its_moments_and_modes():
    x, mode = (np.asarray(part) for part in LOPSIDED.sample(jax.random.key(0), 40_000))
    np.testing.assert_allclose(np.bincount(mode) / 40_000, 1 / 3, atol=0.01)
    for k, centre in enumerate(LOPSIDED.centres):
        np.testing.assert_allclose(x[mode == k].mean(axis=0), centre, atol=0.01)
        np.testing.assert_allclose(x[mode == k].std(axis=0), 0.3, rtol=0.03)


def test_the_published_sets():
    eight, many = ring(), grid()
    assert len(eight.centres) == 8 and len(many.centres) == 25
    np.testing.assert_allclose(np.hypot(*eight.centres.T), 1.0, rtol=1e-6)
    assert sorted(set(many.centres[:, 0])) == [-4, -2, 0, 2, 4]
    assert (eight.deviation, many.deviation) == (0.01, 0.05)
    half = many.scaled(0.5)
    assert half.deviation == 0.025 and half.centres.max() == 2


def drawn(prior, count=50_000):
    numbers = jax.vmap(prior.draw)(example_keys(jax.random.key(1), 0, count))
    return np.asarray(prior.sample((), numbers).vector)


def test_petals():
    z = drawn(priors.petals(components=3, radius=2.0, radial=0.5, tangential=0.1))
    angle = np.arctan2(z[:, 1], z[:, 0])
    first = z[np.abs(angle) < np.pi / 3]  # the petal along the first axis
    assert len(first) / len(z) == pytest.approx(1 / 3, abs=0.01)
    np.testing.assert_allclose(first.mean(axis=0), [2.0, 0.0], atol=0.01)
    np.testing.assert_allclose(first.std(axis=0), [0.5, 0.1], rtol=0.02)


def test_density_of_petals():
    prior = priors.petals(components=3, radius=2.0, radial=0.5, tangential=0.1)
    x = np.random.default_rng(1).normal(scale=2, size=(7, 2)).astype(np.float32)
    truth = 0.0
    for angle in 2 * np.pi * np.arange(3) / 3:
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        covariance = axes @ np.diag([0.25, 0.01]) @ axes.T
        truth += multivariate_normal(2 * axes[:, 0], covariance).pdf(x) / 3
    found = prior.log_density((), Code(vector=jnp.asarray(x)))
    np.testing.assert_allclose(found, np.log(truth), rtol=1e-4, atol=1e-4)


def test_swiss_roll_is_even_along_its_length():
    z = drawn(priors.swiss_roll(radius=3.0, turns=2.0, deviation=1e-4))
    radius = np.hypot(*z.T)
    # On the spiral the angle is 4 pi radius / 3.
    spiral = np.stack([np.cos(4 * np.pi * radius / 3), np.sin(4 * np.pi * radius / 3)], axis=-1)
    np.testing.assert_allclose(z, radius[:, None] * spiral, atol=0.02)
    # Uniform in length, so (but near the origin) in radius squared.
    quarters = np.quantile(radius**2, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quarters, [2.25, 4.5, 6.75], rtol=0.03)


def test_priors_of_the_plane_are_not_standard_normal():
    assert not priors.petals().standard_normal and not priors.swiss_roll().standard_normal


def test_modes_of_samples_placed_by_hand():
    line = Mixture(np.array([[0, 0], [10, 0], [20, 0]], np.float32), 1.0)
    x = np.array([[0, 2.9], [0, -2.9], [10, 3.1], [3.5, 0]], np.float32)
    found = modes(line, x)
    assert found.captured == 1  # 3.1 SD away is not captured
    assert found.high_quality_share == 0.5
    shares = np.array([3, 1]) / 4
    assert found.reverse_kl == pytest.approx(np.sum(shares * np.log(shares * 3)))
    assert found.sd_ratio == 0  # two modes have no samples


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_spread_of_the_worst_mode(factor):
    """Modes with the right SD give 1; the mode farthest off is reported, relative to the true SD
    within the same radius."""
    x, mode = (np.asarray(part) for part in LOPSIDED.sample(jax.random.key(2), 60_000))
    x = np.where(mode[:, None] == 1, LOPSIDED.centres[1] + factor * (x - LOPSIDED.centres[1]), x)
    expected = norm_cut(factor)
    far_apart = Mixture(10 * LOPSIDED.centres, 0.3)
    found = modes(far_apart, x - LOPSIDED.centres[mode] + far_apart.centres[mode])
    assert found.sd_ratio == pytest.approx(expected, abs=0.012)


def norm_cut(factor):
    """SD along one axis of `factor` N(0, I) within radius 3, over that of N(0, I): sums over the
    radius."""
    r = (np.arange(3000) + 0.5) / 1000
    second = [
        np.sum(r**3 * np.exp(-(r**2) / (2 * s * s))) / np.sum(r * np.exp(-(r**2) / (2 * s * s)))
        for s in (factor, 1.0)
    ]
    return np.sqrt(second[0] / second[1])


def test_cut_is_the_deviation_within_the_radius():
    x = np.random.default_rng(0).normal(size=(400_000, 2))
    inside = x[np.hypot(*x.T) <= 3]
    assert inside.std(axis=0).mean() == pytest.approx(CUT, rel=2e-3)


def test_energy_distance_is_the_mean_over_pairs():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=40), rng.gamma(2.0, size=31)

    def pairs(u, v, same):
        each = np.abs(u[:, None] - v[None])
        return each.sum() / (len(u) * (len(u) - 1)) if same else each.mean()

    brute = 2 * pairs(a, b, False) - pairs(a, a, True) - pairs(b, b, True)
    assert energy_distance(a, b) == pytest.approx(brute, rel=1e-10)


def test_energy_distance_of_gaussians():
    """E|N(m, s^2)| in closed form; the samples differ in size and location."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, 200_000), rng.normal(1.5, 0.5, 100_000)

    def folded(m, s):
        spread = s * np.sqrt(2 / np.pi) * np.exp(-(m**2) / (2 * s**2))
        return spread + m * (1 - 2 * norm.cdf(-m / s))

    truth = 2 * folded(1.5, np.sqrt(1.25)) - folded(0, np.sqrt(2)) - folded(0, np.sqrt(0.5))
    assert energy_distance(a, b) == pytest.approx(truth, rel=0.01)


def test_sliced_wasserstein_of_a_shift():
    """A shift by v: E|v . d| = 2/pi |v| over directions d of the plane."""
    a = np.random.default_rng(6).normal(size=(500, 2))
    shift = np.array([3.0, -4.0])
    found = sliced_wasserstein(a, a[::-1] + shift, slices=4000)
    assert found == pytest.approx(5 * 2 / np.pi, rel=0.02)


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_two_sample_accuracy_is_close_to_the_best_classifier(shift):
    """Two unit Gaussians `shift` apart: the best classifier is right with probability
    Phi(shift / 2)."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(3000, 2)), rng.normal(size=(3000, 2)) + [shift, 0]
    assert two_sample_accuracy(a, b) == pytest.approx(norm.cdf(shift / 2), abs=0.025)


def test_two_sample_accuracy_sees_fine_gaps():
    """Points on the black squares of an 8 x 8 board against points anywhere: at best 0.75."""
    rng = np.random.default_rng(8)
    anywhere = rng.uniform(0, 8, (40_000, 2))
    black = anywhere[np.floor(anywhere).sum(axis=1) % 2 == 0][:8000]
    assert 0.66 < two_sample_accuracy(black, rng.uniform(0, 8, (8000, 2))) < 0.76


@pytest.mark.parametrize("degrees", [0, 17, 45])
def test_kl_of_samples_with_an_edge(degrees):
    """A quarter of N(0, I): log 4 at any rotation. A histogram with bins of 0.1 gives 1.35."""
    z = np.abs(np.random.default_rng(degrees).normal(size=(40_000, 2)))
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    assert kl_to_normal(z @ rotation) == pytest.approx(np.log(4), abs=0.015)


def test_kl_of_samples_of_a_gaussian():
    z = np.random.default_rng(0).normal([0.7, -0.3, 0.1], [0.5, 0.8, 1.2], (40_000, 3))
    variance = np.array([0.25, 0.64, 1.44])
    truth = 0.5 * np.sum(variance + np.array([0.49, 0.09, 0.01]) - 1 - np.log(variance))
    assert kl_to_normal(z) == pytest.approx(truth, abs=0.02)
