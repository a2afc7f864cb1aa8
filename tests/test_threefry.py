"""Random numbers that are JAX's own, computed in another way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.sampling.noise import example_keys
from iae_jax.sampling.threefry import threefry, with_fast_bits

KEY = jax.random.key(2**31 + 5)
DRAWS = {
    "normal": lambda key: jax.random.normal(key, (7, 3)),
    "uniform": lambda key: jax.random.uniform(key, (5,), minval=-1.0),
    "integers": lambda key: jax.random.randint(key, (9,), -3, 1000),
    "one": lambda key: jax.random.uniform(key),
    "categories": lambda key: jax.random.categorical(
        key, jnp.log(jnp.array([0.2, 0.5, 0.3])), 0, (8,)
    ),
    "order": lambda key: jax.random.permutation(key, 11),
    "bytes": lambda key: jax.random.bits(key, (6,), jnp.uint8),
    "words": lambda key: jax.random.bits(key, (6,), jnp.uint16),
    "of a part": lambda key: jax.random.normal(jax.random.split(key, (2, 3))[1, 2], (4,)),
    "of a name": lambda key: jax.random.normal(jax.random.fold_in(key, 2**32 - 1), (4,)),
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", DRAWS)
def test_they_are_jaxs_own_bit_for_bit(name):
    """Of one key and of many, compiled and not."""
    draw = DRAWS[name]
    own, other = with_fast_bits(KEY), KEY
    assert jax.random.key_impl(own) != jax.random.key_impl(other)
    np.testing.assert_array_equal(draw(own), draw(other))
    own, other = (jax.jit(jax.vmap(draw))(jax.random.split(key, 4)) for key in (own, other))
    np.testing.assert_array_equal(own, other)


def test_wide_numbers_too():
    with jax.enable_x64(True):
        keys = with_fast_bits(KEY), KEY
        own, other = (jax.random.normal(key, (5,), jnp.float64) for key in keys)
        np.testing.assert_array_equal(own, other)
        own, other = (jax.random.bits(key, (5,), jnp.uint64) for key in keys)
        np.testing.assert_array_equal(own, other)


def test_the_published_vectors():
    """Random123's known answers for threefry2x32 in 20 rounds (Salmon et al. 2011)."""
    full = np.uint32(0xFFFFFFFF)
    pi = [np.uint32(word) for word in (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)]
    for counter, key, expected in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((full, full), (full, full), (0x1CB996FC, 0xBB002BE7)),
        ((pi[0], pi[1]), (pi[2], pi[3]), (0xC4923A9C, 0x483DF7A0)),
    ):
        found = threefry(jnp.array(key, jnp.uint32), *(jnp.uint32(word) for word in counter))
        assert tuple(map(int, found)) == expected


def test_no_loop_is_left_where_examples_draw(monkeypatch):
    def draw(key):
        return jax.vmap(lambda one: jax.random.normal(one, (3,)))(example_keys(key, 5, 4))

    assert "while" not in jax.jit(draw).lower(KEY).as_text()
    before = draw(KEY)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert jax.random.key_impl(with_fast_bits(KEY)) == jax.random.key_impl(KEY)
    np.testing.assert_array_equal(draw(KEY), before)


@pytest.mark.parametrize("kind", ["rbg", "unsafe_rbg"])
def test_keys_of_another_kind_stay(kind):
    key = jax.random.key(3, impl=kind)
    assert with_fast_bits(key) is key
