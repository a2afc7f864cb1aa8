"""Distributions of one value of x, by which an autoregressive decoder writes it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from iae_jax.types import Array

LEVELS = 256  # of a grey value
MIN_LOG_SCALE = -7.0  # of a logistic distribution on [0, 1]: a quarter of a level
FIRST_LOG_SCALE = -2.0  # until it learns


class Values(NamedTuple):
    """The distribution of a number given parameters, elementwise.

    numbers: how many parameters it has.
    log_probability: (parameters f32[..., numbers], x f32[...]) -> f32[...] in nats.
    quantile: (parameters, u f32[...] in (0, 1)) -> x, which has the distribution for a uniform u.
    """

    numbers: int
    log_probability: Callable[[Array, Array], Array]
    quantile: Callable[[Array, Array], Array]


def bernoulli() -> Values:
    """Of 0 and 1, by its logit; the cross-entropy, for x between them."""

    def log_probability(parameters: Array, x: Array) -> Array:
        return -optax.sigmoid_binary_cross_entropy(parameters[..., 0], x)

    def quantile(parameters: Array, u: Array) -> Array:
        return (u < jax.nn.sigmoid(parameters[..., 0])).astype(u.dtype)

    return Values(1, log_probability, quantile)


def logistic() -> Values:
    """Of the 256 levels of [0, 1]: the mass that a logistic distribution has nearest to each
    (Salimans et al. 2017, PixelCNN++, with one component)."""
    half = 0.5 / (LEVELS - 1)

    def shape(parameters: Array) -> tuple[Array, Array]:
        """Mean and scale."""
        log_scale = jnp.maximum(parameters[..., 1] + FIRST_LOG_SCALE, MIN_LOG_SCALE)
        return parameters[..., 0] + 0.5, jnp.exp(log_scale)

    def log_probability(parameters: Array, x: Array) -> Array:
        mean, scale = shape(parameters)
        above, below = (x + half - mean) / scale, (x - half - mean) / scale
        # s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), of which nothing underflows.
        up, down = jax.nn.log_sigmoid(above), jax.nn.log_sigmoid(-below)
        between = up + down + jnp.log(-jnp.expm1(-2 * half / scale))
        # The first and the last level have the tails.
        return jnp.where(x < half, up, jnp.where(x > 1 - half, down, between))

    def quantile(parameters: Array, u: Array) -> Array:
        mean, scale = shape(parameters)
        value = mean + scale * (jnp.log(u) - jnp.log1p(-u))
        return jnp.clip(jnp.round(value * (LEVELS - 1)), 0, LEVELS - 1) / (LEVELS - 1)

    return Values(2, log_probability, quantile)


VALUES: dict[str, Callable[[], Values]] = {"bernoulli": bernoulli, "logistic": logistic}
