"""The semi-supervised GAN by hand, who learns from which part of it, and its means of a batch that
is cut; who learns from the sleep loss."""

import functools

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from labelled_games import gradient_of, largest, semi

from iae_jax.devices.parallel import Chunk
from iae_jax.game.step import init
from iae_jax.objectives.auxiliary import sleep_encoding
from iae_jax.objectives.improved_gan import improved_gan, mean_features, perturbed_encoding
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.types import Encoding


def test_improved_gan_by_hand():
    logits, matched = (np.random.default_rng(21).normal(size=size) for size in ((2, 5, 3), (2, 4)))
    real, fake = (Encoding(logits=jnp.asarray(one)) for one in logits)
    known = {perturbed_encoding: real, sleep_encoding: fake, mean_features: matched}
    drawn = games.drawn({"x": jnp.zeros((5, 4))}, known)
    found = improved_gan().loss(drawn, None).autoencoder
    odds, odds_prior = (np.log(np.exp(one.logits).sum(1)) for one in (real, fake))
    expected = np.logaddexp(0, -odds) + np.logaddexp(0, odds_prior)
    expected += ((matched[0] - matched[1]) ** 2).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_who_learns_from_the_sleep_loss():
    """The encoder, and not the generator that made the images."""
    built, _ = semi("none", "sleep")
    params = init(built, jax.random.key(1)).params
    gradient = gradient_of(built, params)
    assert largest(gradient.encoder) > 1e-4
    assert largest(gradient.generator) == 0


def test_each_player_of_the_improved_gan_learns_from_its_own_part():
    """Oracle: the gradient of each part alone, the other player's parameters held."""
    built, _ = semi("improved_gan")
    params = init(built, jax.random.key(1)).params
    gradient = gradient_of(built, params)
    encode, sample = built.networks.encoder.apply, built.networks.generator.sample
    x, noise = games.batch(3, 6), Noise(example_keys(jax.random.key(2), 0, 6))
    z_prior = built.prior.sample(None, noise("prior", built.prior.draw))
    local, nothing = noise("prior_local", normal(2)), jnp.zeros((6, 0))

    def discriminates(encoder):
        fake = sample(params.generator, z_prior, local)
        odds = [jax.nn.logsumexp(encode(encoder, one, nothing).logits, -1) for one in (x, fake)]
        return jnp.mean(jnp.log1p(jnp.exp(-odds[0])) + jnp.log1p(jnp.exp(odds[1])))

    def matches(generator):
        fake = sample(generator, z_prior, local)
        means = [encode(params.encoder, one, nothing).features.mean(0) for one in (x, fake)]
        return jnp.sum((means[0] - means[1]) ** 2)

    for found, expected in (
        (gradient.encoder, jax.grad(discriminates)(params.encoder)),
        (gradient.generator, jax.grad(matches)(params.generator)),
    ):
        assert largest(expected) > 1e-4
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected
        )


@functools.cache
def stepped(devices, microbatches):
    """(parameters, metrics) after a step of the improved GAN with labels."""
    built, images = semi("improved_gan", "labels")
    chunk = Chunk(built, jax.devices("cpu")[:devices], microbatches)
    x = games.batch(3, 1, 6)
    state, metrics = chunk(init(built, jax.random.key(1)), x, labelled=images)
    return jax.device_get((state.params, metrics))


@pytest.mark.heavy
@pytest.mark.parametrize(("devices", "microbatches"), [(2, 1), (1, 3), (2, 3)])
def test_the_improved_gan_matches_features_of_the_global_batch(devices, microbatches):
    """Oracle: one device, the batch as a whole."""
    built, _ = semi("improved_gan", "labels")
    found, whole = stepped(devices, microbatches), stepped(1, 1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, whole)
    before = init(built, jax.random.key(1)).params
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), whole[0], before)
    assert min(jax.tree.leaves(moved.generator)) > 1e-5
