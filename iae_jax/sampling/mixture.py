"""The mixture of Gaussians as a prior that learns its weights, means and covariances."""

from typing import Any

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.types import Array, Code, Params, Prior

COVARIANCES = ("full", "diagonal")
MAX_COMPONENTS = 10_000
MIN_DEVIATION = 0.01  # of a component along any axis given those before: densities stay bounded
START_SD = 0.5  # SD of the means at the start, where components overlap, so that none is left out


def mixture(size: int, components: int = 100, covariance: str = "full") -> Prior:
    """sum_k w_k N(m_k, S_k) on vectors of `size` components. Starts near N(0, I), with means of
    their own. covariance: "full" or "diagonal", of each component.

    Of S_k the inverse is learned, as (s (I + T))^T s (I + T) with T below the diagonal and
    s > 0: any covariance, and a density without a system of equations.

    Raises:
      InputError: an unknown covariance, or a number of components that is out of range.
    """
    if not (isinstance(components, int) and 1 <= components <= MAX_COMPONENTS):
        raise InputError(
            f"components of a mixture are from 1 to {MAX_COMPONENTS}, not {components!r}"
        )
    if covariance not in COVARIANCES:
        raise InputError(
            f"covariance of a mixture is {' or '.join(COVARIANCES)}, not {covariance!r}"
        )
    full = covariance == "full"

    def init(key: Array) -> Params:
        params = {
            "logits": jnp.zeros(components),
            "mean": START_SD * jax.random.normal(key, (components, size)),
            "log_deviation": jnp.zeros((components, size)),
        }
        if full:
            params["below"] = jnp.zeros((components, size, size))
        return params

    def deviation(params: Params) -> Array:
        return jnp.sqrt(jnp.exp(2 * params["log_deviation"]) + MIN_DEVIATION**2)

    def draw(key: Array) -> tuple[Array, Array]:
        which, where = jax.random.split(key)
        return jax.random.gumbel(which, (components,)), jax.random.normal(where, (size,))

    def sample(params: Params, numbers: tuple[Array, Array]) -> Code:
        gumbel, normal = numbers
        own = jnp.argmax(params["logits"] + gumbel, axis=-1)
        off = deviation(params)[own] * normal
        if full:
            unit = jnp.eye(size) + jnp.tril(params["below"][own], -1)
            off = jax.scipy.linalg.solve_triangular(unit, off[..., None], lower=True)[..., 0]
        return Code(vector=params["mean"][own] + off)

    def log_density(params: Params, z: Code) -> Array:
        assert z.vector is not None
        off: Any = z.vector[:, None] - params["mean"]
        if full:
            lower = jnp.tril(params["below"], -1)
            off += jnp.einsum("kij,bkj->bki", lower, off, precision="highest")
        each = jax.scipy.stats.norm.logpdf(off, 0.0, deviation(params))
        weights = jax.nn.log_softmax(params["logits"])
        return jax.nn.logsumexp(weights + jnp.sum(each, axis=-1), axis=-1)

    return Prior(draw, sample, size, log_density=log_density, init=init)
