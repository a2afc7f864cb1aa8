"""The bound of a Gaussian model of scalars against its closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from copying import measured

from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.types import Encoder, Encoding, Game, Generator, Players

RNG = np.random.default_rng(5)


def gaussian_game(likelihood=True):
    """q(z|x) = N(2 x_0, 1/4), p(z) = N(0, 1), p(x|z) = N(x; z, 1) on scalars."""

    def encode(params, x, noise):
        mean = 2 * x
        return Encoding(mean + 0.5 * noise, mean, jnp.full_like(mean, np.log(0.25)))

    def density(params, z, x):
        return jax.scipy.stats.norm.logpdf(x, z.vector, 1.0)[:, 0]

    networks = Players(
        Encoder(lambda key: {}, encode, 1, True),
        Generator(lambda key: {}, lambda p, z, n: z.vector, 0, density if likelihood else None),
    )
    return Game(networks, priors.gaussian(1), cell("none"), Players(), ())


def test_negative_elbo_in_closed_form():
    """-E log p(x|z) = log(2 pi)/2 + ((x - 2x)^2 + 1/4)/2; KL = (1/4 + 4 x^2 - 1 - log 1/4)/2."""
    x = RNG.normal(0.3, 1, (3000, 1)).astype(np.float32)
    found = measured(gaussian_game(), x=x, labels=None, batch_size=1000)["negative_elbo"]
    squares = np.mean(x.astype(np.float64) ** 2)
    expected = (np.log(2 * np.pi) + squares + 0.25) / 2 + (0.25 + 4 * squares - 1 + np.log(4)) / 2
    assert found.value == pytest.approx(expected, abs=0.05)  # 0.5 E|x z| / sqrt(3000): 3 sigma
    assert found.extractor == ""


def test_no_elbo_where_it_is_not_known():
    x = RNG.normal(size=(5, 1)).astype(np.float32)
    assert "negative_elbo" not in measured(gaussian_game(False), x=x, labels=None)
    other = priors.gaussian(1)._replace(standard_normal=False)
    for prior in (other, other._replace(log_density=None)):
        mixture = gaussian_game()._replace(prior=prior)
        assert "negative_elbo" not in measured(mixture, x=x, labels=None)


def test_no_elbo_of_a_relaxed_category():
    """What the decoder reads is a vector of the simplex then, which says more than a category whose
    KL is charged."""
    signs = jnp.array([1.0, -1.0])

    def density(params, z, x):
        return jax.scipy.stats.norm.logpdf(x[:, 0], z.category @ signs, 1.0)

    networks = Players(
        Encoder(lambda key: {}, lambda p, x, n: Encoding(logits=x * signs), 0, True),
        Generator(lambda key: {}, lambda p, z, n: (z.category @ signs)[:, None], 0, density),
    )
    game = Game(networks, priors.categorical(2), cell("none"), Players(), ())
    x = RNG.normal(size=(5, 1)).astype(np.float32)
    assert "negative_elbo" in measured(game, x=x, labels=None)
    assert "negative_elbo" not in measured(game._replace(relaxed=True), x=x, labels=None)


def test_negative_elbo_by_densities():
    """As above, with p(z) = N(3, 1), which has no closed form here."""
    game = gaussian_game()
    inner, outer = game.networks.encoder, priors.gaussian(1)

    def encode(params, x, noise):
        encoding = inner.apply(params, x, noise)
        density = jax.scipy.stats.norm.logpdf(encoding.vector, encoding.mean, 0.5)
        return encoding._replace(log_density=density[:, 0])

    def log_density(params, z):
        return jax.scipy.stats.norm.logpdf(z.vector[:, 0], 3.0)

    prior = outer._replace(standard_normal=False, log_density=log_density)
    networks = game.networks._replace(encoder=inner._replace(apply=encode))
    x = RNG.normal(0.3, 1, (3000, 1)).astype(np.float32)
    options = {"x": x, "labels": None, "batch_size": 1000}
    found = measured(game._replace(prior=prior, networks=networks), **options)["negative_elbo"]
    squares, apart = (np.mean(y.astype(np.float64) ** 2) for y in (x, 2 * x - 3))
    kl = (0.25 + apart - 1 + np.log(4)) / 2
    expected = (np.log(2 * np.pi) + squares + 0.25) / 2 + kl
    # With z = 2x + e/2 the noise is 1.5 (x - 1) e - e^2 / 4, of SD 1.9: 3 sigma of 3000.
    assert found.value == pytest.approx(expected, abs=0.1)
