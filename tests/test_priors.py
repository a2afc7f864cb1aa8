"""Priors: samples against densities, and a prior that learns against its gradient by hand."""

import chex
import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.check import check, inspect
from iae_jax.game.game import losses
from iae_jax.game.step import init, train_step
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.sampling import priors
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.types import Code, Game, Players, Prior

MEAN = np.array([0.5, -1.0], np.float32)


def learned(size=2):
    """N(m, I) with a mean that is learned."""

    def log_density(params, z):
        return jnp.sum(jax.scipy.stats.norm.logpdf(z.vector, params["mean"]), axis=-1)

    return Prior(
        normal(size),
        lambda params, numbers: Code(vector=params["mean"] + numbers),
        size,
        log_density=log_density,
        init=lambda key: {"mean": jnp.asarray(MEAN)},
    )


def plane(size):
    """Whatever the size."""
    return priors.gaussian(2)


def sampled(prior, count):
    return prior.sample(None, jax.vmap(prior.draw)(example_keys(jax.random.key(1), 0, count)))


def test_samples_follow_their_density():
    """Oracle: moments and frequencies; vector and category independent."""
    z = sampled(priors.prior("gaussian", 2, 4), 4000)
    chex.assert_trees_all_equal(z.category, z.probabilities)
    assert (z.category.sum(axis=-1) == 1).all() and ((z.category == 0) | (z.category == 1)).all()
    np.testing.assert_allclose(z.category.mean(axis=0), 0.25, atol=0.03)
    np.testing.assert_allclose(np.cov(z.vector.T), np.eye(2), atol=0.09)
    np.testing.assert_allclose(z.category.T @ z.vector / 4000, 0, atol=0.035)


@pytest.mark.parametrize(
    "kind", ["gaussian", "petals", "petals(components=3, radius=1.0, tangential=0.4)"]
)
def test_a_density_is_that_of_the_samples(kind):
    """Oracles: the integral over the plane is 1, and that of p log p is the mean of log p."""
    prior = priors.prior(kind, 2)
    side = np.linspace(-8, 8, 801)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    log_p = np.asarray(prior.log_density(None, Code(vector=jnp.asarray(plane))), np.float64)
    area = (side[1] - side[0]) ** 2
    np.testing.assert_allclose(np.exp(log_p).sum() * area, 1, rtol=1e-3)
    expected = np.sum(np.exp(log_p) * log_p) * area
    found = np.asarray(prior.log_density(None, sampled(prior, 4000)))
    np.testing.assert_allclose(found.mean(), expected, atol=5 * found.std() / np.sqrt(4000))


def test_a_prior_of_another_size_or_name_is_refused():
    with pytest.raises(InputError, match="the prior petals is in the plane: set code.size=2"):
        priors.prior("petals", 3)
    with pytest.raises(InputError, match="is not a prior of 3 components"):
        priors.prior("test_priors:plane", 3)
    with pytest.raises(InputError, match="prior.kind is one of gaussian, petals, swiss_roll"):
        priors.prior("uniform", 3)


# ------------------------------------------------------------------------- a prior that learns


def learning(row, column, categories=0):
    """A cell whose prior learns its mean."""
    code = "product" if categories else "vector"
    players, prior = games.players(row, column, code), learned()
    if column == "sampled_kl":
        encoder = networks.encoder(games.LAYOUT, games.SHAPE, "gaussian", 2, categories)
        players = players._replace(encoder=encoder)
    if categories:
        prior = priors.product(prior, priors.categorical(categories))
    players = players._replace(generator=priors.with_prior(players.generator, prior))
    built = games.build("joint_reconstruction", "marginal_code")
    objective = cell(row, column, regularization_weight=0.7)
    game = built._replace(
        networks=players, prior=priors.in_player(prior), objective=objective, ema_decay=0.5
    )
    return check(game, games.SHAPE)


def stepped(game):
    """(state before, state after a step, batch, its noise)."""
    state, x = init(game, jax.random.key(1)), games.batch(2, 6)
    after, _ = train_step(game, state, x)
    key = jax.random.fold_in(jax.random.fold_in(state.key, 1), 0)
    return state, after, x, Noise(example_keys(key, 0, 6))


def test_a_prior_lives_in_the_player_of_the_generator():
    game = learning("likelihood", "sampled_kl")
    state, after, x, _ = stepped(game)
    assert set(state.params.generator) == {"decoder", "prior"}
    np.testing.assert_array_equal(state.params.generator["prior"]["mean"], MEAN)
    assert len(state.opt_state) == len(Players._fields) == 4
    assert after.params.reconstruction_discriminator is None
    # Averaged as the rest of the player: decay 1/10 at the first step.
    average = 0.1 * MEAN + 0.9 * after.params.generator["prior"]["mean"]
    np.testing.assert_allclose(after.ema.generator["prior"]["mean"], average, rtol=1e-5)
    # The decoder is the generator.
    plain = games.players("likelihood", "sampled_kl").generator
    z, own = Code(vector=games.batch(4, 6)[:, :2]), state.params.generator
    for found, expected in (
        (game.networks.generator.log_likelihood(own, z, x), plain.log_likelihood),
        (game.networks.generator.mean(own, z), lambda params, z, x: plain.mean(params, z)),
    ):
        np.testing.assert_array_equal(found, expected(own["decoder"], z, x))


@pytest.mark.parametrize("categories", [0, 4])
def test_a_prior_learns_from_the_density_of_codes(categories):
    """Oracle: d/dm of -log N(z; m, I) is m - z, and a step of SGD at the generator's rate."""
    game = learning("likelihood", "sampled_kl", categories)
    state, after, x, noise = stepped(game)
    encoder = game.networks.encoder
    z = encoder.apply(state.params.encoder, x, noise("encoder", normal(2))).vector
    expected = MEAN - games.RATES[1] * 0.7 * (MEAN - np.mean(z, axis=0))
    np.testing.assert_allclose(after.params.generator["prior"]["mean"], expected, rtol=1e-5)
    assert np.abs(expected - MEAN).max() > 1e-3


@pytest.mark.parametrize(
    ("row", "column"), [("likelihood", "marginal_code"), ("joint_model", "none")]
)
def test_a_prior_learns_from_a_discriminator(row, column):
    """Oracle: the loss of whoever samples the denominator, as a function of the mean alone."""
    game = learning(row, column)
    state, after, x, noise = stepped(game)
    numbers, own = noise("prior", normal(2)), state.params.generator

    def loss(mean):
        z = Code(vector=mean + numbers)
        if row == "joint_model":
            local = noise("prior_local", normal(2))
            x_prior = game.networks.generator.sample(own, z, local)
            network, theta, weight = game.networks[2], state.params[2], 1.0
            logits = network.apply(theta, x_prior, z.vector)
        else:
            network, theta, weight = game.networks[3], state.params[3], 0.7
            logits = network.apply(theta, None, z.vector)
        return weight * jnp.mean(jnp.logaddexp(0, -logits))

    expected = MEAN - games.RATES[1] * jax.grad(loss)(MEAN)
    np.testing.assert_allclose(after.params.generator["prior"]["mean"], expected, rtol=1e-5)
    assert np.abs(expected - MEAN).max() > 1e-4


def test_a_config_names_a_prior_that_learns():
    config = Config(batch_size=4)
    config.code.size, config.prior.kind = 2, "test_priors:learned"
    config.reconstruction.kind, config.generator.likelihood = "likelihood", "bernoulli"
    config.encoder.kind, config.regularization.kind = "gaussian", "sampled_kl"
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 4
    params = init(build(config, (3,)), jax.random.key(0)).params
    np.testing.assert_array_equal(params.generator["prior"]["mean"], MEAN)


class Near:
    """A loss that reads a code and the prior alone."""

    name = "near"
    weight = Weight(1.0)

    def loss(self, draws):
        return jnp.sum(jnp.square(draws.z.vector - draws.z_prior.vector), axis=-1)


def test_a_prior_that_learns_needs_the_generator_and_another_does_not():
    encoder = networks.encoder(games.LAYOUT, games.SHAPE, "deterministic", 2)
    objective, optimizers = cell("none", auxiliary=(Near(),)), Players(*[optax.sgd(0.1)] * 4)
    fixed = Game(Players(encoder), priors.gaussian(2), objective, optimizers)
    batch = {"x": jax.ShapeDtypeStruct((6, 3), jnp.float32)}

    def not_read():
        raise AssertionError("the generator is made")

    # As a config's game, whose players are made where they are read.
    found, _ = inspect(fixed._replace(networks=Players(encoder, not_read)), batch)
    assert found["near"].players == {"encoder"}
    params = Players(encoder.init(jax.random.key(0)))
    noise = Noise(example_keys(jax.random.key(0), 0, 6))
    metrics = losses(check(fixed, batch), params, noise, {"x": games.batch(2, 6)}, 0)[1]
    assert metrics["near"].shape == (6,)
    with pytest.raises(InputError, match="near needs the generator: give the game one"):
        check(fixed._replace(prior=priors.in_player(learned())), batch)
