"""Distances of a batch of codes to N(0, I) in closed form, as auxiliary losses: a regularization
without a discriminator, of all codes of the global batch at once."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.objectives.auxiliary import check_normal
from iae_jax.objectives.weights import Weight
from iae_jax.sampling.draws import Draws
from iae_jax.types import Array, Section

NODES = 64  # of a quadrature that is exact to 1e-8 for a squared distance below 800 bandwidths
MIN_DISTANCE = 1e-12  # whose logarithm is finite


def all_codes(draws: Draws) -> Array:
    """The vectors of the global batch: f32[N, D]."""
    check_normal(draws.prior)
    vector = draws.z.vector
    if vector is None:
        raise InputError(
            "is of a vector code and this one has none: set code.size, or a weight of 0"
        )
    return draws.batch_of("codes", vector)


def projected_kernel(squares: Array, size: int) -> Array:
    """E exp(-s (v.e)^2) over directions v on the unit sphere in `size` dimensions, for s >= 0: the
    confluent hypergeometric function 1F1(1/2, size/2, -s). Elementwise."""
    if size == 1:
        return jnp.exp(-squares)
    from scipy.special import roots_jacobi  # which takes time to import

    # v.e has the density (1 - t^2)^((size - 3) / 2). Nodes come in pairs of one square.
    nodes, weights = roots_jacobi(NODES, (size - 3) / 2, (size - 3) / 2)
    half = nodes > 0
    weights = (weights[half] / weights[half].sum()).astype(np.float32)
    each = jnp.exp(-squares[..., None] * np.square(nodes[half]).astype(np.float32))
    return each @ weights


def cramer_wold(z: Array) -> Array:
    """The squared Cramer-Wold distance of the points z f32[N, D] to N(0, I) (Tabor et al. 2018,
    arXiv:1805.09235, theorem 3.1): the mean over directions of the squared L2 distance between the
    densities of both projections, each smoothed by a Gaussian of the variance that Silverman's rule
    gives."""
    count, size = z.shape
    variance = (4 / (3 * count)) ** 0.4
    norms = jnp.sum(jnp.square(z), axis=-1)
    gram = jnp.matmul(z, z.T, precision="highest")
    apart = jnp.maximum(norms[:, None] + norms - 2 * gram, 0.0)
    own = jnp.mean(projected_kernel(apart / (4 * variance), size)) / np.sqrt(variance)
    cross = jnp.mean(projected_kernel(norms / (2 + 4 * variance), size)) / np.sqrt(variance + 0.5)
    return (own + 1 / np.sqrt(1 + variance) - 2 * cross) / (2 * np.sqrt(np.pi))


def sliced_wasserstein(z: Array, directions: Array) -> Array:
    """The squared Wasserstein distance (of cost |a - b|^2) between the projections of the points z
    f32[N, D] on each of the unit vectors f32[L, D] and N(0, 1), mean over them: exact for these
    points, since the quantile functions of both are known (Kolouri et al. 2018, arXiv:1804.01947,
    have samples of the prior in the place of its quantiles)."""
    count = z.shape[0]
    found = jnp.sort(jnp.matmul(z, directions.T, precision="highest"), axis=0)
    # The integral of the normal quantile function over [i / N, (i + 1) / N].
    normal = jax.scipy.stats.norm
    ends = normal.pdf(normal.ppf(jnp.arange(count + 1) / count))
    quantiles = (ends[:-1] - ends[1:])[:, None]
    each = jnp.mean(jnp.square(found), axis=0) - 2 * jnp.sum(found * quantiles, axis=0) + 1
    return jnp.mean(each)


@dataclass
class CramerWold(Section):
    """Of q(z) and N(0, I), over the global batch: see `cramer_wold`. logarithm: of the distance, as
    Tabor et al. weigh it; else the distance itself."""

    weight: Weight = field(default_factory=Weight)
    logarithm: bool = True

    name = "cramer_wold_distance"

    def loss(self, draws: Draws) -> Array:
        distance = cramer_wold(draws.of(all_codes))
        return jnp.log(jnp.maximum(distance, MIN_DISTANCE)) if self.logarithm else distance


@dataclass
class SlicedWasserstein(Section):
    """Of q(z) and N(0, I), over the global batch: see `sliced_wasserstein`. directions: how many,
    other ones each step (a schedule, alike for all seeds)."""

    weight: Weight = field(default_factory=Weight)
    directions: int = 50

    name = "sliced_wasserstein_distance"

    def loss(self, draws: Draws) -> Array:
        z = draws.of(all_codes)
        drawn = jax.random.normal(jax.random.key(draws.step), (self.directions, z.shape[-1]))
        unit = drawn / jnp.linalg.norm(drawn, axis=-1, keepdims=True)
        return sliced_wasserstein(z, unit)
