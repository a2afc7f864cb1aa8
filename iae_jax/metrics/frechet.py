"""The Fréchet distance of two sets of features, from moments that are summed batch by batch."""

import math

import numpy as np


class Moments:
    """Count, mean and covariance of vectors that arrive in batches, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.total: np.ndarray = np.zeros(())
        self.products: np.ndarray = np.zeros(())

    def add(self, values: np.ndarray) -> None:
        """values: f32[B] or f32[B, F]."""
        rows = np.asarray(values, np.float64).reshape(len(values), -1)
        self.count += len(rows)
        self.total = self.total + rows.sum(axis=0)
        self.products = self.products + rows.T @ rows

    @property
    def mean(self) -> np.ndarray:
        """f64[F]."""
        return self.total / self.count

    @property
    def covariance(self) -> np.ndarray:
        """f64[F, F], with the divisor n - 1."""
        centered = self.products - self.count * np.outer(self.mean, self.mean)
        return centered / max(self.count - 1, 1)


def moments_of(rows: np.ndarray) -> Moments:
    """Of all rows at once."""
    moments = Moments()
    moments.add(rows)
    return moments


def frechet_distance(a: Moments, b: Moments) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 (AB)^(1/2)): the squared Wasserstein distance of two Gaussians
    (Dowson & Landau 1982; Heusel et al. 2017, eq. 6), in float64.

    The trace of (AB)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2): real and
    non-negative for singular covariances too, where a general matrix square root is neither.
    It is NaN if a moment is not finite.
    """
    if not all(np.isfinite(m).all() for m in (a.total, a.products, b.total, b.products)):
        return math.nan
    product = _square_root(a.covariance) @ _square_root(b.covariance)
    overlap = np.linalg.svd(product, compute_uv=False).sum()
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * overlap
    return float(np.sum(np.square(a.mean - b.mean)) + max(spread, 0.0))


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Of a symmetric positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
