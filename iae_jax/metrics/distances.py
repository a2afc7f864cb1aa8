"""Distances between two sets of samples whose densities are not known."""

import numpy as np


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """2 E|a - b| - E|a - a'| - E|b - b'|, without bias (Székely & Rizzo 2013): 0 if and only if the
    distributions are equal; an estimate can be negative. a, b: f[N], f[M], in one dimension, in
    O(N log N)."""
    a, b = np.sort(np.asarray(a, np.float64)), np.sort(np.asarray(b, np.float64))

    def within(values: np.ndarray) -> float:  # E|v - v'| over different pairs
        n = len(values)
        return float(2 * np.sum((2 * np.arange(n) - n + 1) * values) / (n * (n - 1)))

    n, m = len(a), len(b)
    both = within(np.sort(np.concatenate([a, b]))) * (n + m) * (n + m - 1)
    across = (both - within(a) * n * (n - 1) - within(b) * m * (m - 1)) / (2 * n * m)
    return 2 * across - within(a) - within(b)


def kl_to_normal(z: np.ndarray, neighbors: int = 4) -> float:
    """KL(q || N(0, I)) in nats from samples of q, f[N, D]: the entropy by the distance to the
    neighbours (Kozachenko & Leonenko 1987; Kraskov et al. 2004, eq. 20), log p exactly. A
    histogram would blur a density with a sharp edge, and underestimate."""
    from scipy.spatial import cKDTree
    from scipy.special import digamma, gammaln

    n, dimensions = z.shape
    # Each sample is its own nearest neighbour.
    radius = cKDTree(z).query(z, neighbors + 1)[0][:, -1]
    ball = 0.5 * dimensions * np.log(np.pi) - gammaln(0.5 * dimensions + 1)
    entropy = (
        digamma(n)
        - digamma(neighbors)
        + ball
        + dimensions * np.mean(np.log(np.maximum(radius, np.finfo(np.float64).tiny)))
    )
    log_p = -0.5 * np.mean(np.sum(np.square(z, dtype=np.float64), axis=1))
    return float(0.5 * dimensions * np.log(2 * np.pi) - entropy - log_p)


def sliced_wasserstein(a: np.ndarray, b: np.ndarray, slices: int = 200, seed: int = 0) -> float:
    """Mean over random directions of the 1-Wasserstein distance of the projections (Rabin et al.
    2011). a, b: f[N, D], of equal N."""
    directions = np.random.default_rng(seed).normal(size=(a.shape[1], slices))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.abs(np.sort(a @ directions, axis=0) - np.sort(b @ directions, axis=0)).mean())


NEIGHBORS = 30  # that vote: few enough to resolve a gap of a hundredth of the samples


def two_sample_accuracy(a: np.ndarray, b: np.ndarray, seed: int = 0) -> float:
    """How often a classifier distinguishes held-out samples of a and b (Lopez-Paz & Oquab 2017):
    0.5 for equal distributions. The nearest neighbours in one half of each set vote on the other
    half. a, b: f[N, D] of few dimensions, of equal N."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng, half = np.random.default_rng(seed), len(a) // 2
    a, b = rng.permutation(a), rng.permutation(b)
    # At most a third of the samples in a half.
    neighbors = KNeighborsClassifier(max(1, min(NEIGHBORS, half // 3)))
    classifier = make_pipeline(StandardScaler(), neighbors)
    classifier.fit(np.concatenate([a[:half], b[:half]]), np.repeat([0, 1], half))
    truth = np.repeat([0, 1], [len(a) - half, len(b) - half])
    return float(classifier.score(np.concatenate([a[half:], b[half:]]), truth))
