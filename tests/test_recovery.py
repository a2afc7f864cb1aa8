"""What it charges that a code cannot be read off what was generated from it."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from iae_jax.game.game import losses, noise_of
from iae_jax.game.step import init
from iae_jax.objectives import auxiliary as charges
from iae_jax.sampling import draws, priors
from iae_jax.types import Code, Draws, Encoder, Encoding, Generator, Players

pytestmark = pytest.mark.usefixtures("quick_compile")

RNG = np.random.default_rng(12)
B, D, K = 5, 2, 3
STEP = jnp.int32(0)


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def value(z, recovered):
    drawn = Draws(
        jnp.zeros((B, 4)), z, None, z, jnp.zeros((B, 4)), None, None, None, recovered=recovered
    )
    return charges.code_recovery().loss(None, drawn, STEP).path


def test_recovery_is_the_density_of_the_code():
    """Oracle: scipy's densities, of a Gaussian whose deviation is known and of one where it is 1,
    and the probability of the category that x_hat was made from."""
    found = Encoding(normal(B, D), normal(B, D), 0.7 * normal(B, D) - 0.2, normal(B, K))
    categories = [0, 2, 1, 1, 2]
    vector, category = normal(B, D), jnp.eye(K)[jnp.array(categories)]
    z = Code(vector, category, jnp.full((B, K), 1 / K))
    logits = scipy.special.log_softmax(found.logits, axis=1)
    of_category = logits[np.arange(B), categories]
    known = scipy.stats.norm(found.mean, np.exp(found.log_variance / 2)).logpdf(vector).sum(1)
    unit = scipy.stats.norm(found.vector, 1.0).logpdf(vector).sum(1)
    np.testing.assert_allclose(value(z, found), -known - of_category, rtol=1e-5)
    implicit = found._replace(mean=None, log_variance=None)
    np.testing.assert_allclose(value(z, implicit), -unit - of_category, rtol=1e-5)
    np.testing.assert_allclose(value(Code(vector), Encoding(found.vector)), -unit, rtol=1e-5)
    alone = value(Code(category=category), Encoding(logits=found.logits))
    np.testing.assert_allclose(alone, -of_category, rtol=1e-5)


def test_recovery_encodes_what_was_generated():
    """q(z|x) = N(a x, s^2) and x_hat = b z + c n: gradients by hand, where neither z as
    a target nor the encoder that reads x_hat learns."""
    a, s, b, c = 0.8, 0.7, 0.9, -0.4

    def sample(params, z, n):
        return params["b"] * z.vector + params["c"] * n

    def linear(params, x, noise):
        return Encoding(params["a"] * x + params["s"] * noise)

    encoder = Encoder(lambda key: None, linear, 1, factorized=False)
    players = Players(encoder, Generator(lambda key: None, sample, 1))
    keys = draws.example_keys(jax.random.key(4), 0, B)
    noise = draws.draw_noise(players, priors.gaussian(1), keys, frozenset({"recovery"}))
    e, n, again = (np.asarray(one) for one in (noise.encoder, noise.local, noise.recovery))
    assert np.abs(again - e).min() > 1e-3  # q(z|x_hat) is drawn from anew
    x = np.asarray(normal(B, 1)) + 0.5

    def loss(params):
        drawn = draws.draw(players, params, noise, x)
        return jnp.sum(charges.code_recovery().loss(None, drawn, STEP).path)

    params = Players({"a": a, "s": s}, {"b": b, "c": c})
    gradient = jax.grad(loss)(params)
    z = a * x + s * e
    x_hat = b * z + c * n
    off = a * x_hat + s * again - z
    expected = Players(
        {"a": off * a * b * x, "s": off * a * b * e},
        {"b": off * a * z, "c": off * a * n},
    )
    for name in ("encoder", "generator"):
        for key, each in getattr(expected, name).items():
            np.testing.assert_allclose(getattr(gradient, name)[key], each.sum(), rtol=1e-4)


def test_a_game_recovers_where_a_term_needs_it():
    keys = draws.example_keys(jax.random.key(0), 0, 4)
    plain = games.build("joint_reconstruction", "marginal_code")
    assert noise_of(plain, keys).recovery is None
    game = games.build("joint_reconstruction", "marginal_code", charges=(charges.code_recovery(),))
    params = init(game, jax.random.key(1)).params
    noise, x = noise_of(game, keys), games.batch(2, 4)
    _, metrics = losses(game, params, noise, STEP, x)
    networks = game.networks
    z = networks.encoder.apply(params.encoder, x, noise.encoder).vector
    x_hat = networks.generator.sample(params.generator, Code(z), noise.local)
    found = networks.encoder.apply(params.encoder, x_hat, noise.recovery).vector
    expected = 0.5 * np.sum((z - found) ** 2, axis=1) + np.log(2 * np.pi)  # of two components
    np.testing.assert_allclose(metrics["code_recovery"], expected, rtol=1e-5)
