"""Images of 0 and 1: drawn once where they are measured, and anew at each step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.data import ArraySource, Dataset, load
from iae_jax.data.binarized import Binarized, pixels
from iae_jax.devices.parallel import place
from iae_jax.errors import InputError
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.feed import Feed, initial_state

# Of each image a share of its own, in three places each with another value.
SHARES = np.array([0.1, 0.5, 0.8])


def images(dtype):
    x = np.tile(SHARES, (4, 50, 20, 1)).astype(np.float32)
    return (255 * x).round().astype(np.uint8) if dtype == np.uint8 else x


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_image_is_drawn_once(dtype):
    """Oracle: the shares; 4 standard errors of 4,000 draws."""
    source = Binarized(ArraySource(Dataset(images(dtype), np.arange(4)), 4))
    found = load(source)
    assert found.x.dtype == np.float32 and set(np.unique(found.x)) == {0, 1}
    shares = (found.x > 0).mean(axis=(0, 1, 2))
    np.testing.assert_array_less(np.abs(shares - SHARES), 4 * np.sqrt(0.25 / 4000))
    assert (found.x[0] != found.x[1]).any()
    again = source.read([3, 1])
    np.testing.assert_array_equal(again.x, found.x[[3, 1]])
    np.testing.assert_array_equal(again.labels, [3, 1])
    assert source.shape == (50, 20, 3) and source.classes == 4 and len(source) == 4


def test_vectors_are_not_binarized():
    source = ArraySource(Dataset(np.ones((4, 2), np.float32), np.full(4, -1)), None, "real")
    with pytest.raises(InputError, match="data.binarize is of images with values in"):
        Binarized(source)


def test_each_example_of_a_set_has_a_draw_of_its_own():
    """Of two splits of equal images, and in any cut of them the same."""

    def cut(*slices):
        count = sum(last - first for _, first, last in slices)
        source = ArraySource(
            Dataset(np.tile(images(np.uint8)[:1], (count, 1, 1, 1)), np.zeros(count, int)), 1
        )
        source.slices = slices
        return load(Binarized(source)).x

    train, test = cut(("train", 0, 3)), cut(("test", 0, 3))
    assert (train[0] != test[0]).any() and (train[0] != train[1]).any()
    np.testing.assert_array_equal(cut(("test", 1, 3), ("train", 2, 3)), [*test[1:], train[2]])


def test_pixels_are_drawn_by_their_values():
    """Oracle: the shares; 4 standard errors of 4,000 draws."""
    x = jnp.asarray(images(np.float32))
    keys = jax.random.split(jax.random.key(2), 4)
    found = np.asarray(pixels(keys, x))
    assert set(np.unique(found)) == {0, 1} and (found[0] != found[1]).any()
    shares = found.mean(axis=(0, 1, 2))
    np.testing.assert_array_less(np.abs(shares - SHARES), 4 * np.sqrt(0.25 / 4000))
    np.testing.assert_array_equal(found[2], pixels(keys[2:3], x[2:3])[0])
    np.testing.assert_array_equal(pixels(keys, jnp.round(x)), jnp.round(x))


def config_of(data_directory, **run):
    config = Config(batch_size=8, steps=6)
    config.reconstruction.kind, config.regularization.kind = "likelihood", "none"
    config.generator.likelihood, config.generator.noise = "bernoulli", 0
    for player in config.players:
        player.network.kind, player.network.hidden, player.network.depth = "mlp", 4, 1
    config.data.directory, config.data.binarize = data_directory, True
    for name, value in run.items():
        setattr(config.run, name, value)
    return config


def trained(config, devices=1):
    """metric -> f32[steps] of a run's calls."""
    feed = Feed(config)
    game = build(config, feed.x.shape, feed.x.values)
    own = jax.local_devices()[:devices]
    chunk, state, found = feed.chunk(game, own), initial_state(game, config, feed), []
    for _, arguments in feed.calls(own, 0):
        state, metrics = chunk(place(state, own), **arguments)
        found.append(np.asarray(metrics["reconstruction"]))
    return np.concatenate(found)


@pytest.mark.heavy
def test_a_step_draws_anew_wherever_the_images_are(data_directory):
    """In memory, streamed, on two devices: the same numbers; of grey images others."""
    found = trained(config_of(data_directory))
    streamed = trained(config_of(data_directory, resident_megabytes=0))
    np.testing.assert_allclose(streamed, found, rtol=1e-6)
    np.testing.assert_allclose(trained(config_of(data_directory), 2), found, rtol=1e-5)
    plain = config_of(data_directory)
    plain.data.binarize = False
    assert (np.abs(trained(plain) - found) > 1e-3).all()


def test_the_set_stays_out_of_the_program(data_directory):
    config = config_of(data_directory)
    feed = Feed(config)
    game = build(config, feed.x.shape, feed.x.values)
    assert feed.samplers == {}
    _, arguments = next(feed.calls(jax.local_devices()[:1], 0))
    assert arguments["sets"]["x"].dtype == np.uint8
    assert feed.chunk(game, jax.local_devices()[:1]) is feed.chunk(game, jax.local_devices()[:1])


def test_what_is_measured_is_drawn_once(data_directory):
    config = config_of(data_directory)
    for split in ("train", "validation"):
        found = load(open_split(config, split)).x
        assert set(np.unique(found)) == {0, 1}
        np.testing.assert_array_equal(load(open_split(config, split)).x, found)
    config.data.binarize = False
    assert len(np.unique(load(open_split(config, "validation")).x)) > 2
