"""Normal numbers for perturbations, cheaper than JAX's own.

An encoder that is perturbed in training reads a number for each of its units, more than all other
randomness of a step. They are a regularization: no density is computed of them. So two random words
of an example are counted on and mixed by multiplications, and each 12 bits of the result choose
one of 4096 numbers, the quantiles of N(0, 1).
"""

from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.types import Array

BITS = 12
PER_WORD = 2
# Odd numbers of a mixing function of 32 bits by exhaustive search (C. Wellons, hash-prospector).
_FIRST, _SECOND = np.uint32(0x21F0AAAD), np.uint32(0xD35A2D97)
_GOLDEN = np.uint32(0x9E3779B9)


@cache
def _quantiles() -> np.ndarray:
    """f32[2 ** BITS], of mean 0 and variance 1."""
    quantile = NormalDist().inv_cdf
    middle = np.array([quantile((place + 0.5) / 2**BITS) for place in range(2**BITS)])
    return (middle / middle.std()).astype(np.float32)


def quick_normals(size: int) -> Callable[[Array], Array]:
    """key -> f32[size], of N(0, 1) to 12 bits."""

    def draw(key: Array) -> Array:
        first, second = jax.random.bits(key, (2,), jnp.uint32)
        count = jnp.arange(-(-size // PER_WORD), dtype=jnp.uint32)
        word = _mixed(_mixed(count * _GOLDEN + first) ^ second)
        places = [(word >> np.uint32(BITS * part)) & np.uint32(2**BITS - 1) for part in range(2)]
        found = jnp.asarray(_quantiles())[jnp.concatenate(places)]
        return found[:size]

    return draw


def _mixed(word: Array) -> Array:
    word = (word ^ (word >> np.uint32(16))) * _FIRST
    word = (word ^ (word >> np.uint32(15))) * _SECOND
    return word ^ (word >> np.uint32(15))
