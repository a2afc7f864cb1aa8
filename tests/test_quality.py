"""Measures of generated images against loops, scikit-learn, scipy and closed forms."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics.pairwise import euclidean_distances, polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from iae_jax.metrics import quality
from iae_jax.metrics.quality import (
    different_bins,
    kernel_distance,
    ms_ssim,
    partners,
    similarity,
    support,
)

RNG = np.random.default_rng(3)


def cloud(n, features=5, shift=0.0, scale=1.0, seed=0):
    mixing = np.random.default_rng(9).normal(size=(features, features))
    return (np.random.default_rng(seed).normal(size=(n, features)) * scale + shift) @ mixing


# Kernel distance


def test_a_kernel_distance_is_scikit_learns_kernel_over_different_pairs():
    a, b = cloud(40, seed=1), cloud(40, shift=0.3, seed=2)
    within = []
    for x in (a, b):
        kernel = polynomial_kernel(x, degree=3, gamma=1 / 5, coef0=1)
        off = [kernel[i, j] for i in range(40) for j in range(40) if i != j]
        within.append(np.mean(off))
    across = polynomial_kernel(a, b, degree=3, gamma=1 / 5, coef0=1).mean()
    found = kernel_distance(a, b, block=1000)
    assert found.value == pytest.approx(sum(within) - 2 * across, rel=1e-9)
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_a_kernel_distance_has_no_bias_and_its_interval_holds():
    """Of equal distributions its mean is 0, and 95 % of the intervals hold 0; a biased one is about
    the kernel's mean on the diagonal over n."""
    found = [
        kernel_distance(cloud(400, seed=2 * i), cloud(400, seed=2 * i + 1), block=50)
        for i in range(200)
    ]
    values = np.array([one.value for one in found])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    held = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.9 <= held <= 0.99
    other = kernel_distance(cloud(400, seed=0), cloud(400, shift=1.0, seed=1), block=50)
    assert other.low > 0


def test_a_kernel_distance_does_not_depend_on_the_order():
    """Two far modes, one set sorted by mode: blocks of consecutive rows would be of one mode."""
    modes = np.repeat([[0.0], [8.0]], 500, axis=0)
    noise = np.random.default_rng(4).normal(size=(2, 1000, 1))
    mixed = (modes + noise[1])[np.random.default_rng(5).permutation(1000)]
    found = kernel_distance(modes + noise[0], mixed, block=50)
    assert found.low < 0 < found.high


def test_a_kernel_distance_has_an_interval_for_few_rows_too():
    """Five blocks of a fifth each."""
    a, b = cloud(63, seed=1), cloud(70, shift=0.3, seed=2)
    found, of_fifths = kernel_distance(a, b), kernel_distance(a, b, block=12)
    assert np.isfinite(found.low) and found.low < found.value < found.high
    assert found == of_fifths


def test_a_kernel_distance_needs_pairs():
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(cloud(1), cloud(5))


# Support


@pytest.mark.parametrize("block", [7, 1000])
def test_support_is_that_of_scikit_learns_neighbours(block, monkeypatch):
    monkeypatch.setattr(quality, "BLOCK", block)
    real, fake, k = cloud(60, seed=1), cloud(45, shift=0.4, scale=0.8, seed=2), 3
    radii = {}
    for name, x in (("real", real), ("fake", fake)):
        radii[name] = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, -1]
    distances = euclidean_distances(fake, real)
    inside = np.array([[distances[i, j] <= radii["real"][j] for j in range(60)] for i in range(45)])
    found = support(real, fake, k)
    assert found.precision == pytest.approx(np.mean([row.any() for row in inside]))
    assert found.coverage == pytest.approx(np.mean([row.any() for row in inside.T]))
    assert found.density == pytest.approx(inside.sum() / (k * 45))
    recalled = [(distances[:, j] <= radii["fake"]).any() for j in range(60)]
    assert found.recall == pytest.approx(np.mean(recalled))
    assert len({found.precision, found.coverage, found.density, found.recall}) == 4


def test_support_of_a_set_and_of_far_sets():
    x = cloud(50)
    same = support(x, x, 4)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert support(x, x + 1e4, 4) == (0, 0, 0, 0)


def test_a_mode_that_is_missing_costs_recall_and_coverage_only():
    a, b = cloud(100, seed=1), cloud(100, seed=2)
    found = support(np.concatenate([a, b + 1e3]), cloud(100, seed=3))
    assert found.precision > 0.8
    assert 0.3 < found.recall <= 0.5 and 0.3 < found.coverage <= 0.5


def test_support_needs_neighbours():
    with pytest.raises(ValueError, match="more than 5"):
        support(cloud(5), cloud(50))


# Bins


def test_different_bins_of_equal_and_of_other_sets():
    """By chance one in twenty; without half of the reference, most of that half's bins."""
    shares = [different_bins(cloud(2000, seed=i), cloud(2000, seed=50 + i), 40) for i in range(10)]
    assert 0.01 < np.mean(shares) < 0.12
    left, right = cloud(1000, seed=1) - 100, cloud(1000, seed=2) + 100
    assert different_bins(np.concatenate([left, right]), cloud(2000, seed=3) + 100, 40) > 0.8


def test_a_bin_is_different_by_the_two_proportion_test():
    """Two bins of known counts: |p - q| over its pooled deviation, on both sides of 1.96."""
    reference = np.repeat([[0.0], [10.0]], 50, axis=0)
    for upper, different in ((63, 0.0), (64, 1.0)):  # z = 1.854 and 2.000
        samples = np.concatenate([np.full((100 - upper, 1), 0.1), np.full((upper, 1), 9.9)])
        assert different_bins(reference, samples, bins=2) == different


# Similarity


def oracle(a, b):
    """Two scales for sides of 28 (28 and 14), by scipy's own Gaussian filter, one image."""
    weights = np.array([0.0448, 0.2856]) / (0.0448 + 0.2856)

    def blurred(x):
        return gaussian_filter(x, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]

    value = 1.0
    for scale, weight in enumerate(weights):
        ma, mb = blurred(a), blurred(b)
        va, vb, cov = blurred(a * a) - ma**2, blurred(b * b) - mb**2, blurred(a * b) - ma * mb
        term = (2 * cov + 0.0009) / (va + vb + 0.0009)
        if scale == 1:
            term = term * (2 * ma * mb + 0.0001) / (ma**2 + mb**2 + 0.0001)
        value *= term.mean() ** weight
        a, b = (x.reshape(14, 2, 14, 2).mean((1, 3)) for x in (a, b)) if scale == 0 else (a, b)
    return value


def test_similarity_is_scipys():
    base = gaussian_filter(RNG.random((28, 28)), 2)
    base = (base - base.min()) / (base.max() - base.min())
    others = np.stack([np.clip(base + s * RNG.normal(size=base.shape), 0, 1) for s in (0.05, 0.2)])
    pairs = similarity(np.stack([base, base])[..., None], others[..., None])
    assert pairs == pytest.approx([oracle(base, other) for other in others], rel=1e-9)
    assert 1 > pairs[0] > pairs[1] > 0


def test_similarity_of_equal_images_is_one_and_of_small_ones_an_error():
    x = RNG.random((3, 32, 40, 3))
    assert similarity(x, x) == pytest.approx(np.ones(3))
    with pytest.raises(ValueError, match="at least 11"):
        similarity(x[:, :8], x[:, :8])


def test_ms_ssim_tells_a_set_that_varies_little():
    varied = RNG.random((40, 28, 28, 1))
    alike = np.clip(varied[:1] + 0.02 * RNG.normal(size=varied.shape), 0, 1)
    assert ms_ssim(alike) > 0.9 > 0.5 > ms_ssim(varied)
    other = partners(40, 7)
    loop = [similarity(varied[i : i + 1], varied[j : j + 1])[0] for i, j in enumerate(other)]
    assert ms_ssim(varied, seed=7) == pytest.approx(np.mean(loop))


@pytest.mark.parametrize("size", [2, 3, 23])
def test_partners_are_others(size):
    found = partners(size, seed=4)
    assert sorted(found) == list(range(size))
    assert np.all(found != np.arange(size))
