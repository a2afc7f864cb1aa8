"""Noise: all randomness of a batch, by name.

Randomness is one key for each example of the *global* batch, so that one device, eight devices and
two hosts draw the same numbers.
"""

import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from iae_jax.errors import InputError
from iae_jax.sampling.threefry import with_fast_bits
from iae_jax.types import Array

T = TypeVar("T")

# What a name's key is folded with. These numbers are part of the seed: changing one changes every
# run. Any other name has its crc32.
NUMBERS = {
    "encoder": 0,
    "category": 1,
    "local": 2,
    "prior": 3,
    "prior_local": 4,
    "moments": 5,
    "augment": 6,
    "code_information": 7,
    "labelled": 8,
    "labelled_augment": 9,
    "sleep": 10,
    "diffaugment": 11,
    "perturbation": 12,
}


def number_of(name: str) -> int:
    """The number that stands for a name in its key."""
    return NUMBERS.get(name, zlib.crc32(name.encode()))


def to_unit(x: Array) -> Array:
    """uint8 -> f32 in [0, 1]; floats pass as they are."""
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


def example_keys(key: Array, start: Array | int, count: int) -> Array:
    """Keys [count] of the examples start, start + 1, ... of the global batch."""
    key = with_fast_bits(key)
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(start + jnp.arange(count))


def uniform(size: int) -> Callable[[Array], Array]:
    """key -> f32[size], uniform in [-1, 1)."""
    return lambda key: jax.random.uniform(key, (size,), minval=-1.0)


def normal(size: int) -> Callable[[Array], Array]:
    """key -> f32[size] of N(0, 1)."""
    return lambda key: jax.random.normal(key, (size,))


class Noise:
    """All randomness of one batch, by name; a name's numbers are drawn when first read, and once.

    Made outside of the gradients, and never read first inside of `lax.cond` or `jax.checkpoint`:
    XLA sees that two expressions are the same, but not that two loops of a random number generator
    are, and would run the networks for each.
    """

    def __init__(self, keys: Array) -> None:
        """keys: [B], one an example, consumed."""
        self.keys = keys
        self._drawn: dict[str, Any] = {}
        self._name_of = {number: name for name, number in NUMBERS.items()}

    def __call__(self, name: str, sample: Callable[[Array], T]) -> T:
        """The batch's numbers of this name: of sample(key) f32[...] for each example, f32[B, ...].

        A name "a/b" is b's number within a's.

        Raises:
          InputError: two names have the same number, or one name is read in two shapes.
        """
        if name not in self._drawn:
            self._drawn[name] = jax.vmap(lambda key: sample(self._folded(key, name)))(self.keys)
        drawn: T = self._drawn[name]
        shapes = jax.tree.map(jnp.shape, jax.eval_shape(sample, self.keys[0]))
        if jax.tree.map(lambda leaf: leaf.shape[1:], drawn) != shapes:
            raise InputError(f"the noise {name!r} is read in two shapes: use another name")
        return drawn

    def _folded(self, key: Array, name: str) -> Array:
        for part in name.split("/"):
            number = number_of(part)
            if self._name_of.setdefault(number, part) != part:
                raise InputError(
                    f"the noise {part!r} has the number of {self._name_of[number]!r}: rename it"
                )
            key = jax.random.fold_in(key, number)
        return key
