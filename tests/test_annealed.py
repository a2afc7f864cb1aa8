"""log p(x) from both sides as a measure: of a linear Gaussian model, whose evidence is known, and
of models whose p(x|z) can be drawn or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_evidence import EVIDENCE, NOISE, W, log_normal, trained

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.step import init
from iae_jax.metrics.annealed import bounds, from_both_sides
from iae_jax.metrics.evaluate import named
from iae_jax.metrics.measurement import Trained
from iae_jax.networks.generators import Likelihood
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.types import Code

ENTROPY = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * EVIDENCE)[1]


def draw(params, z, key):
    mean = z.vector @ W.T.astype(np.float32)
    return mean + NOISE * jax.random.normal(key, mean.shape)


def drawing(model, own=draw):
    """The linear Gaussian model with a sampler of p(x|z)."""
    players = model.game.networks
    generator = players.generator._replace(draw=own)
    return model._replace(game=model.game._replace(networks=players._replace(generator=generator)))


@pytest.mark.heavy
def test_bounds_of_given_images_hold_the_evidence_between_them():
    """Oracles: the exact evidence; and weights whose means are p(x) and 1 / p(x), which are sharper
    than bounds."""
    model, n = drawing(trained()), 500
    rng = np.random.default_rng(8)
    z = rng.normal(size=(n, 2))
    x = z @ W.T + NOISE * rng.normal(size=(n, 3))
    given = (jnp.asarray(one, jnp.float32) for one in (z, x))
    found = from_both_sides(model.game, model.params, *given, jax.random.key(4), 3, 60, 4)
    exact = log_normal(x, EVIDENCE)
    lower, upper = (np.asarray(one, np.float64) for one in found)
    assert lower.mean() < exact.mean() < upper.mean() < lower.mean() + 0.4
    for weight in (np.exp(lower - exact), np.exp(exact - upper)):
        assert weight.shape == (n,) and weight.std() > 0.01
        assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(n)


@pytest.mark.heavy
def test_of_images_that_the_model_generates():
    """Oracle: E log p(x) of a Gaussian is less its entropy. Images and their z belong together: the
    reverse would begin far from p(z|x) otherwise."""
    kind = "iae_jax.metrics.annealed:bounds(images=600, chains=3, temperatures=60, leapfrogs=4)"
    (measure,) = named([kind])
    found = {one.name: one for one in measure(drawing(trained()))}
    lower, upper, gap = (found[f"ais_{name}"] for name in ("lower", "upper", "gap"))
    off = 4 * np.sqrt(1.5 / 600)  # of log p(x), whose variance is D / 2
    assert lower.value - off < -ENTROPY < upper.value + off
    assert 0 < gap.value < 0.4 and gap.n == lower.n == 600
    assert gap.value == pytest.approx(upper.value - lower.value)


def test_what_cannot_be_drawn_is_not_measured():
    model = trained()
    assert list(bounds(model, 3, 1, 2, 1)) == []
    implicit = model.game.networks.generator._replace(log_likelihood=None)
    networks_of = model.game.networks._replace(generator=implicit)
    assert list(bounds(model._replace(game=model.game._replace(networks=networks_of)))) == []
    dark = model.game._replace(prior=model.game.prior._replace(log_density=None))
    assert list(bounds(drawing(model._replace(game=dark)))) == []
    with pytest.raises(InputError, match="chains of annealed importance sampling are 1 or more"):
        list(bounds(model, chains=0))


def test_draws_of_a_factorized_likelihood():
    """Oracles: its mean, and the variance of Bernoulli or Gaussian numbers."""
    layout, n = networks.Layout("mlp", hidden=6, depth=1), 40_000
    for kind, values in (("bernoulli", "unit"), (Likelihood("gaussian", 0.7), "real")):
        made = networks.generator(layout, (3,), 2, likelihood=kind, values=values)
        params = made.init(jax.random.key(1))
        z = Code(jnp.broadcast_to(jnp.array([1.5, -0.8]), (n, 2)))
        x = np.asarray(made.draw(params, z, jax.random.key(2)), np.float64)
        mean = np.asarray(made.mean(params, z))[0]
        variance = mean * (1 - mean) if kind == "bernoulli" else np.full(3, 0.49)
        assert np.ptp(mean) > 0.01
        np.testing.assert_allclose(x.mean(axis=0), mean, atol=4 * 0.7 / np.sqrt(n))
        np.testing.assert_allclose(x.var(axis=0), variance, atol=0.02)
    assert set(np.unique(x)) != {0.0, 1.0}
    assert networks.generator(layout, (3,), 2).draw is None


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("generator", "prior"), [("network", "mixture(components=3)"), ("made(width=6)", "gaussian")]
)
def test_of_a_learned_prior_and_of_an_autoregressive_decoder(generator, prior):
    """Oracle: a masked decoder that has not learned gives each of 12 pixels a half, whatever z is;
    of the other, log p(x) is near that and the bounds are near each other."""
    config = Config(batch_size=4, turns="simultaneous")
    config.code.size, config.prior.kind, config.encoder.kind = 2, prior, "gaussian"
    config.reconstruction.kind, config.regularization.kind = "likelihood", "sampled_kl"
    config.generator.kind, config.generator.likelihood = generator, "bernoulli"
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 5
    game = build(config, (3, 4, 1))
    params = init(game, jax.random.key(0)).ema
    model = Trained(game, params, np.zeros((2, 3, 4, 1), np.uint8))
    found = {one.name: one for one in bounds(model, 5, 2, 8, 2)}
    assert found["ais_gap"].n == 5
    chance, off = -12 * np.log(2), 3.0 if generator == "network" else 1e-4
    assert found["ais_lower"].value == pytest.approx(chance, abs=off)
    assert found["ais_upper"].value == pytest.approx(chance, abs=off)
