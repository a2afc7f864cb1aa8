"""What each side of a discriminator's game minimizes, as functions of the logits of both sides.

T is the discriminator's logit; at its optimum under the logistic loss T = log a/b, where a is the
numerator's density and b the denominator's. The discriminator has a loss of its own; `numerator`
and `denominator` are the losses of whoever *samples* a and b. Splitting by the side that moves
ends the confusion of "real" and "fake".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.types import Array

# exp(30) squares to 1e26 and stays finite in float32, with room for a sum; a logit beyond it
# says only "not the same distribution" and gives no gradient.
MAX_EXPONENT = 30.0


class Losses(NamedTuple):
    """discriminator: a loss, or two whose sum it is, the first of the numerator's logits alone and
    the second of the denominator's, so that expectations over a category are taken of each.
    numerator, denominator: of whoever samples that side."""

    discriminator: Array | tuple[Array, Array]
    numerator: Array
    denominator: Array


class Scoring(NamedTuple):
    """losses: (T_a, T_b), logits of examples that belong together, f32[...] of shapes that
    broadcast -> Losses in nats."""

    name: str
    losses: Callable[[Array, Array], Losses]


Loss = Callable[[Array], Array]


def elementwise(
    name: str,
    positive: Loss,
    negative: Loss,
    numerator: Loss,
    denominator: Loss,
) -> Scoring:
    """A scoring whose sides do not read each other. positive, negative: the discriminator's losses
    on samples of a and of b."""

    def losses(a: Array, b: Array) -> Losses:
        return Losses((positive(a), negative(b)), numerator(a), denominator(b))

    return Scoring(name, losses)


def is_numerator(logits: Array) -> Array:
    """-log sigmoid(T), which stays finite."""
    return jax.nn.softplus(-logits)


def is_denominator(logits: Array) -> Array:
    """-log(1 - sigmoid(T))."""
    return jax.nn.softplus(logits)


def _identity(logits: Array) -> Array:
    return logits


def _negated(logits: Array) -> Array:
    return -logits


def _minus_exp(logits: Array) -> Array:
    return -jnp.exp(jnp.minimum(logits, MAX_EXPONENT))


# KL(a || b). With T frozen at its optimum, grad E_a[T] is the exact gradient for whoever samples
# a, and grad -E_b[e^T] for whoever samples b (maximum likelihood).
KL = elementwise("kl", is_numerator, is_denominator, _identity, _minus_exp)

# KL(b || a): the same with the sides exchanged and T negated.
REVERSE_KL = elementwise(
    "reverse_kl", is_numerator, is_denominator, lambda logits: _minus_exp(-logits), _negated
)

# -log D for the side that would be told apart (Goodfellow et al. 2014, section 3): no divergence,
# the usual practical choice.
NON_SATURATING = elementwise(
    "non_saturating", is_numerator, is_denominator, is_denominator, is_numerator
)

# NON_SATURATING for whoever samples b, KL for whoever samples a, usually the encoder.
KL_NUMERATOR = elementwise("kl_numerator", is_numerator, is_denominator, _identity, is_numerator)

# Mao et al. 2017 with targets 1 for the numerator and 0 for the denominator; who samples one side
# wants the other side's target.
LEAST_SQUARES = elementwise(
    "least_squares",
    lambda logits: 0.5 * jnp.square(logits - 1),
    lambda logits: 0.5 * jnp.square(logits),
    lambda logits: 0.5 * jnp.square(logits),
    lambda logits: 0.5 * jnp.square(logits - 1),
)

# Lim & Ye 2017, eq. 12-13.
HINGE = elementwise(
    "hinge",
    lambda logits: jax.nn.relu(1 - logits),
    lambda logits: jax.nn.relu(1 + logits),
    _identity,
    _negated,
)


def _relativistic(a: Array, b: Array) -> Losses:
    fixed_a, fixed_b = jax.lax.stop_gradient(a), jax.lax.stop_gradient(b)
    return Losses(
        discriminator=is_numerator(a - b),
        numerator=is_denominator(a - fixed_b),
        denominator=is_denominator(fixed_a - b),
    )


# Jolicoeur-Martineau 2019: only T_a - T_b counts, pair by pair; (x, z) and (x_hat, z) share z. With
# R1 and R2 training converges locally (Huang et al. 2024, arXiv:2501.05441, section 2).
RELATIVISTIC = Scoring("relativistic", _relativistic)

SCORINGS = {
    scoring.name: scoring
    for scoring in (
        KL,
        REVERSE_KL,
        NON_SATURATING,
        KL_NUMERATOR,
        LEAST_SQUARES,
        HINGE,
        RELATIVISTIC,
    )
}
