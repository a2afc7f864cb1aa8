"""JAX's own random numbers, faster on CPUs: the same bits, from the same keys.

On CPUs JAX computes Threefry (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") in
a loop over its rounds, each of which writes its numbers to memory. Written out, the rounds are one
pass over them.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl

from iae_jax.types import Array

JAX_NAME = "threefry2x32"
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of even and of odd groups of four rounds
_GROUPS = 5
_PARITY = np.uint32(0x1BD11BDA)  # of the key schedule


def threefry(key: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """Threefry-2x32 in 20 rounds: key u32[2] and counters u32[...] -> two u32[...]."""
    words = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    x, y = high + words[0], low + words[1]
    for group in range(_GROUPS):
        for distance in _ROTATIONS[group % 2]:
            x = x + y
            y = (y << np.uint32(distance)) | (y >> np.uint32(32 - distance))
            y = x ^ y
        x = x + words[(group + 1) % 3]
        y = y + words[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def _counted(key: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    count = int(np.prod(shape))
    if count >= 2**32:
        raise ValueError(f"{count} numbers of one key: draw them from several keys")
    low = jnp.arange(count, dtype=jnp.uint32).reshape(shape)
    return threefry(key, jnp.zeros_like(low), low)


def _seed(seed: Array) -> Array:
    return jax.random.key_data(jax.random.key(seed, impl=JAX_NAME))


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    return jnp.stack(_counted(key, shape), axis=-1)


def _fold_in(key: Array, data: Array | int) -> Array:
    return jnp.stack(threefry(key, jnp.uint32(0), jnp.asarray(data).astype(jnp.uint32)))


def _bits(key: Array, width: int, shape: tuple[int, ...]) -> Array:
    high, low = _counted(key, shape)
    if width == 64:
        return (high.astype(jnp.uint64) << np.uint64(32)) | low
    return (high ^ low).astype(f"uint{width}")


_IMPLEMENTATION = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_bits,
    fold_in=_fold_in,
    name="iae_jax_threefry",
    tag="iae3f",
)


def with_fast_bits(key: Array) -> Array:
    """The key, or on a CPU one of which JAX draws the same numbers faster, if it is a key of JAX's
    default kind."""
    counted = getattr(jax.config, "jax_threefry_partitionable", True)  # by position: `_counted`
    standard = counted and str(jax.random.key_impl(key)) == JAX_NAME
    if not standard or jax.default_backend() != "cpu":
        return key
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_IMPLEMENTATION)


def written_out(data: Array) -> Array:
    """The key of key data u32[2], drawing JAX's numbers by plain operations on every platform, so
    that a program of it can be kept."""
    return jax.random.wrap_key_data(data, impl=_IMPLEMENTATION)
