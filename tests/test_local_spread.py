"""How much reconstructions of one image differ: against closed forms, and a loop over all pairs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from copying import IMAGES, RNG, SHAPE, copying_game, measured

from iae_jax.metrics.reconstruction import REPEATED
from iae_jax.sampling.noise import NUMBERS
from iae_jax.types import Generator


def test_the_local_spread_is_that_of_the_local_code():
    """Two independent N(0, s^2) differ by 2 s / sqrt(pi) on average."""
    images = RNG.integers(0, 255, (400, *SHAPE), dtype=np.uint8)
    for scale in (0.2, 0.6):
        found = measured(
            copying_game(local=12), x=images, labels=None, local_scale=scale, batch_size=100
        )
        expected = 2 * scale / np.sqrt(np.pi)
        assert found["local_spread"].value == pytest.approx(expected, rel=0.03)


@pytest.mark.heavy
def test_the_spread_of_colour_images_is_also_that_of_each_channel():
    images = RNG.integers(0, 255, (400, 2, 2, 3), dtype=np.uint8)
    scales = jnp.array([0.1, 0.5, 0.3])

    def spread(params, z, noise):
        return z.vector.reshape(-1, 2, 2, 3) + scales * noise.reshape(-1, 2, 2, 3)

    networks = copying_game().networks._replace(generator=Generator(lambda key: {}, spread, 12))
    game = copying_game()._replace(networks=networks)
    found = measured(game, x=images, labels=None, batch_size=100)
    for colour, scale in (("red", 0.1), ("green", 0.5), ("blue", 0.3)):
        expected = 2 * scale / np.sqrt(np.pi)
        assert found[f"local_spread_{colour}"].value == pytest.approx(expected, rel=0.05)
        # The mean of four pixels has half the deviation.
        assert found[f"local_tint_{colour}"].value == pytest.approx(expected / 2, rel=0.06)
    assert found["local_spread"].value == pytest.approx(0.6 / np.sqrt(np.pi), rel=0.03)


def test_pairs_are_all_pairs():
    """The spread's oracle: a loop over every pair of the four reconstructions."""
    game = copying_game(local=12)
    found = measured(game, x=IMAGES[:1], labels=None)["local_spread"].value
    key = jax.random.fold_in(jax.random.key(3), 0)
    codes = []
    for repeat in range(4):
        again = jax.random.fold_in(key, REPEATED + repeat) if repeat else key
        noise_key = jax.random.fold_in(again, NUMBERS["local"])
        codes.append(np.asarray(jax.random.normal(noise_key, (12,))))
    pairs = [np.abs(a - b).mean() for a, b in itertools.combinations(codes, 2)]
    assert len(pairs) == 6
    assert found == pytest.approx(np.mean(pairs), rel=1e-5)
