"""Noise: by name and by example of the global batch, whose keys are folded by hand."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.sampling.noise import NUMBERS, Noise, example_keys, normal, to_unit, uniform

B = 6
KEYS = example_keys(jax.random.key(1), 0, B)


def test_noise_of_one_name_is_one_array_and_of_another_is_another():
    noise = Noise(KEYS)
    first = noise("my_loss", normal(3))
    assert noise("my_loss", normal(3)) is first and first.shape == (B, 3)
    for other in ("my_los", "other/my_loss", "my_loss/other", "encoder"):
        assert not np.isclose(noise(other, normal(3)), first).any()


def test_the_numbers_of_names_are_part_of_the_seed():
    """Oracle: keys that are folded by hand, with the numbers of recorded runs, or a crc32."""
    noise, folded = Noise(KEYS), jax.vmap(jax.random.fold_in, (0, None))
    numbers = {
        "encoder": 0, "category": 1, "local": 2, "prior": 3, "prior_local": 4, "moments": 5,
        "augment": 6, "code_information": 7, "labelled": 8, "labelled_augment": 9, "sleep": 10,
        "diffaugment": 11, "perturbation": 12, "my_loss": zlib.crc32(b"my_loss"),
    }  # fmt: skip
    for name, number in numbers.items():
        expected = jax.vmap(lambda key: jax.random.normal(key, (2,)))(folded(KEYS, number))
        np.testing.assert_array_equal(noise(name, normal(2)), expected)
    within = folded(folded(KEYS, 12), 10)
    expected = jax.vmap(lambda key: jax.random.normal(key, (2,)))(within)
    np.testing.assert_array_equal(noise("perturbation/sleep", normal(2)), expected)


def test_two_names_of_one_number_are_refused():
    one, other = "plumless", "buckeroo"
    assert zlib.crc32(one.encode()) == zlib.crc32(other.encode())
    noise = Noise(KEYS)
    noise(one, normal(2))
    with pytest.raises(InputError, match=f"the noise '{other}' has the number of '{one}': rename"):
        noise(other, normal(2))
    with pytest.raises(InputError, match=f"the noise '{other}' has the number of '{one}': rename"):
        noise(f"encoder/{other}", normal(2))
    Noise(KEYS)(other, normal(2))


def test_a_name_of_the_number_of_a_recorded_one_is_refused(monkeypatch):
    monkeypatch.setattr("iae_jax.sampling.noise.number_of", lambda name: 3)
    with pytest.raises(InputError, match="the noise 'mine' has the number of 'prior': rename it"):
        Noise(KEYS)("mine", normal(2))


@pytest.mark.parametrize("other", [normal(3), lambda key: (key, key)], ids=["size", "tree"])
def test_one_name_in_two_shapes_is_refused(other):
    noise = Noise(KEYS)
    noise("mine", normal(2))
    with pytest.raises(InputError, match="the noise 'mine' is read in two shapes: use another"):
        noise("mine", other)


@pytest.mark.heavy
def test_noise_does_not_depend_on_how_a_batch_is_cut():
    """To the rounding that differs between sizes of arrays."""
    key, whole = jax.random.key(7), {}
    for parts in (1, 2, 3):
        size = B // parts
        cut = [Noise(example_keys(key, part * size, size)) for part in range(parts)]
        for name, sample in (("local", normal(3)), ("mine", uniform(2)), ("a/b", normal(1))):
            found = np.concatenate([noise(name, sample) for noise in cut])
            np.testing.assert_array_max_ulp(whole.setdefault(name, found), found, maxulp=2)


def test_noise_belongs_to_the_example_of_the_global_batch():
    """Every example has its own noise, wherever the batch is cut; every name another."""
    key = jax.random.key(7)
    keys = example_keys(key, 0, 8)
    cut = [example_keys(key, start, 2) for start in (0, 2, 4, 6)]
    bits = np.concatenate([jax.random.key_data(part) for part in cut])
    np.testing.assert_array_equal(jax.random.key_data(keys), bits)
    # The keys are the same bits; what a processor makes of them may be rounded by the array's size.
    whole = Noise(keys)("local", normal(3))
    parts = np.concatenate([Noise(part)("local", normal(3)) for part in cut])
    np.testing.assert_array_max_ulp(np.asarray(whole), parts, maxulp=2)
    assert len(np.unique(whole)) == whole.size
    kinds = [Noise(keys)(name, normal(3)) for name in NUMBERS]
    assert len(np.unique(np.stack(kinds))) == len(NUMBERS) * 8 * 3
    many = Noise(example_keys(key, 0, 4000))("encoder", normal(2))
    np.testing.assert_allclose(many.mean(axis=0), 0, atol=0.06)  # 4 standard errors
    np.testing.assert_allclose(np.cov(many.T), np.eye(2), atol=0.09)


def test_bytes_are_scaled_to_the_unit_interval_and_floats_are_not():
    scaled = to_unit(jnp.array([0, 51, 255], jnp.uint8))
    np.testing.assert_allclose(scaled, [0, 0.2, 1], rtol=2e-7)  # one ulp
    np.testing.assert_array_equal(to_unit(jnp.array([-3.0, 7.0])), [-3.0, 7.0])
