"""The Fréchet distance against scipy and closed forms."""

import numpy as np
import pytest
import scipy.linalg

from iae_jax.metrics.frechet import Moments, frechet_distance


def moments_of(rows, cut=7):
    moments = Moments()
    for start in range(0, len(rows), cut):
        moments.add(rows[start : start + cut])
    return moments


@pytest.mark.parametrize("seed", range(4))
def test_frechet_distance_is_scipys(seed):
    """The published formula by a general matrix square root, on Gaussians without symmetries."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    b = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6)) * 2
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(moments_of(a), moments_of(b)) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(moments_of(b), moments_of(a)) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_in_one_dimension():
    """(m - m')^2 + (s - s')^2."""
    a, b = np.array([[1.0], [5.0]]), np.array([[-2.0], [-1.0], [0.0]])
    expected = (3 + 1) ** 2 + (np.sqrt(8) - 1) ** 2
    assert frechet_distance(moments_of(a), moments_of(b)) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_of_singular_covariances():
    """Fewer examples than features, where sqrtm fails: a translation by d is |d|^2."""
    rows = np.random.default_rng(0).normal(size=(5, 40))
    shift = np.linspace(0, 0.3, 40)
    a, b = moments_of(rows), moments_of(rows + shift)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(np.sum(shift**2), rel=1e-6)


def test_moments_are_numpys():
    rows = np.random.default_rng(1).normal(3, 2, (23, 4)).astype(np.float32)
    moments = moments_of(rows)
    np.testing.assert_allclose(moments.mean, rows.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(rows.astype(np.float64).T), rtol=1e-9)
    assert moments.count == 23
