"""Monotone functions of one number, with parameters: what a flow does to a component, given the
others."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.types import Array

MAX_LOG_SCALE = 3.0  # of an affine function
MIN_SHARE = 1e-3  # of the box, that a spline's bin has in width and height
MIN_SLOPE = 1e-3  # of a spline at a knot
MAX_BINS = 100  # since MIN_SHARE of each has to fit


class Monotone(NamedTuple):
    """An increasing function of a number, elementwise.

    numbers: how many parameters it has. Where they are all 0 it is the identity.
    forward: (parameters f32[..., numbers], x f32[...]) -> y f32[...] and log dy/dx f32[...].
    inverse: (parameters, y) -> x and log dx/dy.
    """

    numbers: int
    forward: Callable[[Array, Array], tuple[Array, Array]]
    inverse: Callable[[Array, Array], tuple[Array, Array]]


def affine() -> Monotone:
    """y = exp(s) x + t, with |s| < 3 (Dinh et al. 2017, real NVP)."""

    def log_scale(parameters: Array) -> Array:
        return MAX_LOG_SCALE * jnp.tanh(parameters[..., 1] / MAX_LOG_SCALE)

    def forward(parameters: Array, x: Array) -> tuple[Array, Array]:
        s = log_scale(parameters)
        return jnp.exp(s) * x + parameters[..., 0], s

    def inverse(parameters: Array, y: Array) -> tuple[Array, Array]:
        s = log_scale(parameters)
        return jnp.exp(-s) * (y - parameters[..., 0]), -s

    return Monotone(2, forward, inverse)


class _Bin(NamedTuple):
    """The bin of each number: its lower corner, its sides, and the slopes at both ends."""

    x: Array
    y: Array
    width: Array
    height: Array
    low: Array
    high: Array

    @property
    def slope(self) -> Array:
        return self.height / self.width


def spline(bins: int = 8, bound: float = 5.0) -> Monotone:
    """A rational-quadratic spline in [-bound, bound], and the identity outside (Durkan et al. 2019,
    eqs. 4 to 8).

    Raises:
      InputError: no bins, too many, or no box.
    """
    if not (isinstance(bins, int) and 1 <= bins <= MAX_BINS):
        raise InputError(f"bins of a spline are from 1 to {MAX_BINS}, not {bins}")
    if not 0 < bound < math.inf:
        raise InputError(f"bound of a spline is positive, not {bound}")
    # softplus of it is a slope of 1.
    unit = math.log(math.expm1(1 - MIN_SLOPE))

    def sides(logits: Array) -> Array:
        shares = MIN_SHARE + (1 - MIN_SHARE * bins) * jax.nn.softmax(logits)
        return 2 * bound * shares

    def bin_of(parameters: Array, value: Array, vertical: bool) -> _Bin:
        """The bin in whose range of x (vertical: of y) a value lies."""
        width, height = sides(parameters[..., :bins]), sides(parameters[..., bins : 2 * bins])
        inner = MIN_SLOPE + jax.nn.softplus(parameters[..., 2 * bins :] + unit)
        ends = jnp.ones_like(inner[..., :1]) if bins > 1 else jnp.ones((*value.shape, 1))
        slopes = jnp.concatenate([ends, inner, ends], axis=-1)
        x, y = (jnp.cumsum(side, axis=-1) - side - bound for side in (width, height))
        start = y if vertical else x
        place = jnp.sum(value[..., None] >= start[..., 1:], axis=-1)
        # A sum over all bins, whose gradient is no scatter.
        here = jax.nn.one_hot(place, bins, dtype=value.dtype)
        parts = (x, y, width, height, slopes[..., :-1], slopes[..., 1:])
        return _Bin(*(jnp.sum(here * part, axis=-1) for part in parts))

    def log_slope(own: _Bin, share: Array) -> Array:
        """log dy/dx at a share of the bin's width."""
        s, rest = own.slope, 1 - share
        top = own.high * share**2 + 2 * s * share * rest + own.low * rest**2
        bottom = s + (own.high + own.low - 2 * s) * share * rest
        return 2 * jnp.log(s) + jnp.log(top) - 2 * jnp.log(bottom)

    def within(value: Array) -> tuple[Array, Array]:
        """Whether values are in the box, and values that are: no gradient is NaN."""
        inside = jnp.abs(value) < bound
        return inside, jnp.where(inside, value, 0.0)

    def forward(parameters: Array, x: Array) -> tuple[Array, Array]:
        inside, value = within(x)
        own = bin_of(parameters, value, vertical=False)
        share, s = (value - own.x) / own.width, own.slope
        both = share * (1 - share)
        top = own.height * (s * share**2 + own.low * both)
        y = own.y + top / (s + (own.high + own.low - 2 * s) * both)
        return jnp.where(inside, y, x), jnp.where(inside, log_slope(own, share), 0.0)

    def inverse(parameters: Array, y: Array) -> tuple[Array, Array]:
        inside, value = within(y)
        own = bin_of(parameters, value, vertical=True)
        s, up = own.slope, value - own.y
        bend = up * (own.high + own.low - 2 * s)
        a, b, c = own.height * (s - own.low) + bend, own.height * own.low - bend, -s * up
        # The root that does not cancel; rounding can make the radicand negative at a knot.
        root = jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, 1e-30))
        share = 2 * c / (-b - root)
        x = own.x + share * own.width
        return jnp.where(inside, x, y), jnp.where(inside, -log_slope(own, share), 0.0)

    return Monotone(3 * bins - 1, forward, inverse)
