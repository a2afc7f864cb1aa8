"""Priors that learn in the game of a config: whose gradients they have, what is refused, and that a
loaded model knows them."""

from functools import partial
from types import SimpleNamespace

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.game.game import losses, own_gradients
from iae_jax.game.step import init
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.runs.loaded import Model
from iae_jax.sampling import priors
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Code, Players


def config_of(kind="mixture(components=3)", **fields):
    config = Config(batch_size=6)
    config.code.size, config.prior.kind = 2, kind
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 4
        player.optimizer.kind = "sgd"
    for name, value in fields.items():
        *parts, last = name.split("__")
        part = config
        for one in parts:
            part = getattr(part, one)
        setattr(part, last, value)
    return config


def gradients(game):
    """Of every player at one place, where the prior's parameters are not those of the start; the
    place, and the batch."""
    params = jax.jit(lambda: init(game, jax.random.key(1)).params)()
    own = params.generator["prior"]
    own["log_deviation"] = own["log_deviation"] - 0.7
    x = games.batch(2, 6)

    @jax.jit
    def found(params):
        noise = Noise(example_keys(jax.random.key(2), 0, 6))

        def loss(params):
            return losses(game, params, noise, {"x": x}, 0)

        return own_gradients(loss, params, Players._fields)[0]

    return found(params), params, x


def largest(tree):
    return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


@pytest.mark.heavy
def test_the_fit_moves_the_prior_and_nothing_else_and_nothing_else_moves_the_prior():
    """Oracle: the gradient of -log p(z) by the prior's own parameters, at the encoder's codes."""
    game = build(config_of(), (3,))
    assert [loss.name for loss in game.objective.auxiliary] == ["prior_fit"]
    found, params, x = gradients(game)
    z = game.networks.encoder.apply(params.encoder, x, jnp.zeros((6, 0))).vector
    own = priors.prior("mixture(components=3)", 2)

    def fit(prior):
        return -jnp.mean(own.log_density(prior, Code(z)))

    expected = jax.jit(jax.grad(fit))(params.generator["prior"])
    assert largest(expected) > 0.01
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        found.generator["prior"],
        expected,
    )
    without = game._replace(objective=game.objective._replace(auxiliary=()))
    other, *_ = gradients(without)
    assert largest(other.generator["prior"]) == 0
    # Of two programs, which may round otherwise.
    same = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-7)
    for name in ("encoder", "reconstruction_discriminator", "regularization_discriminator"):
        jax.tree.map(same, getattr(found, name), getattr(other, name))
        assert largest(getattr(found, name)) > 1e-5
    jax.tree.map(same, found.generator["decoder"], other.generator["decoder"])


@pytest.mark.heavy
def test_a_prior_learns_from_discriminators_where_it_is_asked_to():
    config = config_of(prior__adversarial=True, auxiliary__prior_fit__weight__value=0.0)
    game = build(config, (3,))
    assert game.objective.auxiliary == ()
    found, *_ = gradients(game)
    assert largest(found.generator["prior"]["mean"]) > 1e-5


def test_a_kl_fits_the_prior_itself_and_moves_the_encoder_too():
    fields = {
        "reconstruction__kind": "likelihood",
        "generator__likelihood": "bernoulli",
        "encoder__kind": "gaussian",
        "regularization__kind": "sampled_kl",
    }
    game = build(config_of(**fields), (3,))
    assert game.objective.auxiliary == ()
    found, params, x = gradients(game)
    assert largest(found.generator["prior"]) > 0.01
    # The encoder meets another prior than N(0, I).
    fixed = build(config_of("gaussian", **fields), (3,))
    decoder = params._replace(generator=params.generator["decoder"])

    def loss(encoder):
        given = decoder._replace(encoder=encoder)
        noise = Noise(example_keys(jax.random.key(2), 0, 6))
        return losses(fixed, given, noise, {"x": x}, 0)[0].encoder

    other = jax.jit(jax.grad(loss))(params.encoder)
    assert largest(jax.tree.map(jnp.subtract, other, found.encoder)) > 1e-3


def test_the_rate_of_a_prior_multiplies_its_moves_alone():
    ones = build(config_of(), (3,))
    params = jax.jit(lambda: init(ones, jax.random.key(1)).params.generator)()
    updates = {}
    for rate in (1.0, 5.0):
        tx = build(config_of(prior__rate=rate), (3,)).optimizers.generator
        updates[rate], _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    for name, factor in (("decoder", 1), ("prior", 5)):
        jax.tree.map(
            lambda a, b, factor=factor: np.testing.assert_allclose(factor * a, b, rtol=1e-6),
            updates[1.0][name],
            updates[5.0][name],
        )


REFUSED = {
    "closed form": (
        {"regularization__kind": "analytic_kl", "encoder__kind": "gaussian"},
        "use a gaussian prior, or sampled_kl, joint_code or marginal_code",
    ),
    "contrast": (
        {"regularization__kind": "adaptive_contrast", "regularization__scoring": "kl"},
        "contrasts a vector code with N.* or joint_code for the regularization",
    ),
    "no fit": ({"auxiliary__prior_fit__weight__value": 0.0}, "nothing trains the prior: set aux"),
    "no codes": (
        {"reconstruction__kind": "marginal_data", "regularization__kind": "none"},
        "a prior learns from codes and marginal_data has none: use a fixed prior",
    ),
    "fixed": ({"prior__kind": "gaussian", "prior__rate": 2.0}, "prior.rate are of a prior that l"),
    "a rate": ({"prior__rate": -1.0}, "prior.rate is at least 0 and finite, not -1.0"),
    "category": ({"prior__category": "learned"}, "has no categories: set code.categories"),
    "a word": ({"prior__category": "even"}, "prior.category is uniform or learned, not 'even'"),
    "given": ({"prior__conditional": True}, "prior.conditional is of a vector given a category"),
    "lines": (
        {"auxiliary__sliced_wasserstein__directions": 0},
        "auxiliary.sliced_wasserstein.directions is at least 1, not 0",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused(what):
    changes, message = REFUSED[what]
    with pytest.raises(InputError, match=message) as error:
        build(config_of(**changes), (3,))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("column", ["none", "marginal_code", "joint_code"])
def test_every_column_takes_it(column):
    """And a batch's covariance is held at that of N(0, I) beside it."""
    config = config_of(
        regularization__kind=column,
        code__categories=3,
        prior__category="learned",
        prior__conditional=True,
        auxiliary__marginal__weight__value=1.0,
        auxiliary__marginal__examples_per_component=1,
        auxiliary__cramer_wold__weight__value=1.0,
    )
    game = build(config, (3,))
    names = [loss.name for loss in game.objective.auxiliary]
    assert names == ["marginal_kl", "prior_fit", "cramer_wold_distance"]
    parts = jax.eval_shape(game.networks.generator.init, jax.random.key(0))
    assert set(parts["prior"]) == {"mean", "base"}


@pytest.mark.heavy
def test_a_loaded_model_samples_and_scores_it():
    """Oracles: the prior's own functions, on the parameters at their place."""
    config = config_of(code__categories=3, prior__category="learned", prior__conditional=True)
    game = build(config, (3,))
    params = jax.jit(lambda: init(game, jax.random.key(1)).params)()
    params.generator["prior"]["mean"] = 4 * jnp.eye(3, 2)
    model = Model(SimpleNamespace(game=game, local_scale=1.0), params, (3,), "unit", None)
    for category in range(3):
        found = model.prior(300, category)
        assert (found.category == category).all()
        middle = params.generator["prior"]["mean"][category]
        np.testing.assert_allclose(found.vector.mean(axis=0), middle, atol=0.5)
    x = np.asarray(games.batch(3, 5))
    scores, codes = model.score(x), model.encode(x)
    own = priors.prior("mixture(components=3)", 2, 3, "learned", given=True)
    expected = 0.0  # the mean over q(y|x), of which none is certain
    assert codes.probabilities.max() < 0.9
    for category, one_hot in enumerate(jnp.eye(3)):
        z = Code(jnp.asarray(codes.vector), jnp.broadcast_to(one_hot, (len(x), 3)), None)
        density = own.log_density(params.generator["prior"], z)
        expected += codes.probabilities[:, category] * np.asarray(density)
    np.testing.assert_allclose(scores["prior_log_density"], expected, rtol=1e-4)
    np.testing.assert_allclose(scores["prior_log_probability"], -np.log(3), rtol=1e-5)
