"""Adaptive contrast, against the KL of Gaussians and its gradient in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from iae_jax import networks
from iae_jax.objectives.adaptive_contrast import DRAWS_FOR_MOMENTS, adaptive_contrast, moments
from iae_jax.sampling import priors
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Encoder, Encoding, Game, Players


def affine_encoder():
    """q(z|x) = N(a x, s^2) in one dimension, as a function of noise."""

    def apply(params, x, noise):
        return Encoding(vector=params["a"] * x[:, :1] + params["s"] * noise)

    params = {"a": jnp.float32(0.8), "s": jnp.float32(0.7)}
    return Encoder(lambda key: params, apply, 1, factorized=False)


def affine_game():
    generator = networks.generator(networks.Layout("mlp", hidden=3), (2,), 1)
    players = Players(affine_encoder(), generator)
    params = Players(players.encoder.init(None), generator.init(jax.random.key(3)))
    return Game(players, priors.gaussian(1), None, Players()), params


def test_adaptive_contrast_is_the_kl_and_has_its_gradient():
    """q(z|x) is Gaussian here, so that r is q, T = 0 is the best discriminator, and what is left
    must be KL(N(a x, s^2) || N(0, 1)) and its gradient, in closed form."""
    built, params = affine_game()
    x = np.random.default_rng(1).normal([0.5, 0.0], [0.4, 1.0], (4000, 2)).astype(np.float32)
    noise = Noise(example_keys(jax.random.key(2), 0, len(x)))

    def autoencoder(encoder, t):
        drawn = Draws(built, params._replace(encoder=encoder), noise, {"x": x})
        output = adaptive_contrast().loss(drawn, lambda x, z: t + 0 * z)
        return jnp.mean(output.autoencoder), output

    def kl(encoder):
        a, s = encoder["a"], encoder["s"]
        return jnp.mean(0.5 * (s**2 + (a * x[:, 0]) ** 2 - 1) - jnp.log(s))

    encoder = params.encoder
    (value, output), gradient = jax.value_and_grad(autoencoder, has_aux=True)(encoder, 0.0)
    truth, expected = jax.value_and_grad(kl)(encoder)
    # -E[e^T] is -1 at T = 0, a constant. Mean and deviation come from M draws: what that leaves for
    # the discriminator is known from Student's and the chi-squared distribution.
    m = DRAWS_FOR_MOMENTS
    inflated = (m - 1) / (m - 3)  # E[s^2 / estimate^2]
    log_ratio = 0.5 * (scipy.special.digamma((m - 1) / 2) - np.log((m - 1) / 2))
    left = 0.5 * ((1 + 1 / m) * inflated - 1) + log_ratio
    assert float(value) + 1 == pytest.approx(float(truth) - left, abs=0.01)
    assert float(gradient["a"]) == pytest.approx(float(expected["a"]), abs=0.03)
    of_deviation = float(expected["s"]) - (inflated - 1) / 0.7
    assert float(gradient["s"]) == pytest.approx(of_deviation, abs=0.03)
    # The discriminator's estimate of the rest is added, and it reads the standardized codes.
    added = float(value) + 0.3 - (np.exp(0.3) - 1)
    assert float(autoencoder(encoder, 0.3)[0]) == pytest.approx(added, abs=1e-5)
    assert output.metrics["numerator_logit"].shape == (4000,)


def test_adaptive_contrast_is_of_standardized_codes():
    built, params = affine_game()
    x = jnp.stack([3 + jnp.arange(500.0), jnp.zeros(500)], axis=-1)
    noise = Noise(example_keys(jax.random.key(2), 0, len(x)))
    drawn = Draws(built, params, noise, {"x": x})
    read = []
    adaptive_contrast().loss(drawn, lambda x, z: read.append((x, z)) or jnp.zeros((len(z), 1)))
    (first, numerator), (second, denominator) = read[:2]
    np.testing.assert_array_equal(first, x)
    np.testing.assert_array_equal(second, x)
    np.testing.assert_array_equal(denominator, drawn.z_prior.vector)
    assert abs(float(numerator.mean())) < 0.15  # a x is 2 to 400
    assert float(numerator.std()) == pytest.approx(1.0, abs=0.1)
    assert drawn.reads.noise == {"encoder", "prior", "moments"}


def test_moments_of_a_gaussian():
    built, params = affine_game()
    many = jnp.broadcast_to(jnp.array([2.0, 0.0]), (3000, 2))
    noise = Noise(example_keys(jax.random.key(2), 0, 3000))
    found = Draws(built, params, noise, {"x": many}).of(moments)
    assert float(found.mean.mean()) == pytest.approx(1.6, abs=0.01)
    assert float(jnp.sqrt((found.deviation**2).mean())) == pytest.approx(0.7, abs=0.01)
    # Means of 32 independent draws.
    assert float(found.mean.std()) == pytest.approx(0.7 / np.sqrt(32), rel=0.05)
