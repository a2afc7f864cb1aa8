"""What each side of a discriminator's game minimizes, as functions of the logit.

T is the discriminator's logit; at its optimum under the logistic loss T = log a/b, where a is
the numerator's density and b the denominator's. `positive` and `negative` are the discriminator's
losses on samples of a and of b; `numerator` and `denominator` are the losses of whoever *samples*
a and b. Splitting by the side that moves ends the confusion of "real" and "fake". All four map
f32[...] logits to f32[...] nats (LEAST_SQUARES and HINGE have no unit), elementwise.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.types import Array

# exp(30) squares to 1e26 and stays finite in float32, with room for a sum; a logit beyond it
# says only "not the same distribution" and gives no gradient.
LARGEST_EXPONENT = 30.0

Loss = Callable[[Array], Array]


class Scoring(NamedTuple):
    """logistic: whether the discriminator's optimum is the log ratio, so that it estimates KL."""

    name: str
    positive: Loss
    negative: Loss
    numerator: Loss
    denominator: Loss
    logistic: bool = True


def _surely(logits: Array) -> Array:
    return jax.nn.softplus(-logits)


def _surely_not(logits: Array) -> Array:
    return jax.nn.softplus(logits)


def _identity(logits: Array) -> Array:
    return logits


def _negated(logits: Array) -> Array:
    return -logits


def _minus_exp(logits: Array) -> Array:
    return -jnp.exp(jnp.minimum(logits, LARGEST_EXPONENT))


# KL(a || b). With T frozen at its optimum, grad E_a[T] is the exact gradient for whoever samples
# a, and grad -E_b[e^T] for whoever samples b (maximum likelihood).
KL = Scoring("kl", _surely, _surely_not, _identity, _minus_exp)

# KL(b || a): the same with the sides exchanged and T negated.
REVERSE_KL = Scoring(
    "reverse_kl", _surely, _surely_not, lambda logits: _minus_exp(-logits), _negated
)

# -log D for the side that would be told apart (Goodfellow et al. 2014, section 3): no divergence,
# the usual practical choice.
NON_SATURATING = Scoring("non_saturating", _surely, _surely_not, _surely_not, _surely)

# Mao et al. 2017 with targets 1 for the numerator and 0 for the denominator; who samples one side
# wants the other side's target.
LEAST_SQUARES = Scoring(
    "least_squares",
    lambda logits: 0.5 * jnp.square(logits - 1),
    lambda logits: 0.5 * jnp.square(logits),
    lambda logits: 0.5 * jnp.square(logits),
    lambda logits: 0.5 * jnp.square(logits - 1),
    logistic=False,
)

# Lim & Ye 2017, eq. 12-13.
HINGE = Scoring(
    "hinge",
    lambda logits: jax.nn.relu(1 - logits),
    lambda logits: jax.nn.relu(1 + logits),
    _identity,
    _negated,
    logistic=False,
)

SCORINGS = {
    scoring.name: scoring for scoring in (KL, REVERSE_KL, NON_SATURATING, LEAST_SQUARES, HINGE)
}
