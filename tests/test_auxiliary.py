"""Auxiliary losses: what is known of KL(q(z) || p(z)), against integrals and entropies, and how
badly a code is read off what was generated from it, against densities and gradients by hand."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from iae_jax.game.check import inspect
from iae_jax.game.game import losses
from iae_jax.game.step import init
from iae_jax.objectives import terms
from iae_jax.objectives.auxiliary import (
    MIN_VARIANCE,
    Aggregated,
    CodeInformation,
    MarginalKL,
    SleepLoss,
    aggregated,
    negative_log_density,
)
from iae_jax.objectives.weights import Weight
from iae_jax.sampling import priors
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.types import Code, Encoder, Encoding, Game, Generator, Players

RNG = np.random.default_rng(12)
B, D, K = 5, 2, 3


def random(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


# ------------------------------------------------------------------------------ marginal KL


def marginal_kl(codes, probabilities=None, step=0, **options):
    """MarginalKL of codes [N, D] and of the categories' probabilities [K]."""
    drawn = games.drawn({"x": jnp.zeros((len(codes), 1))}, step=step, z=Code(jnp.asarray(codes)))
    if probabilities is not None:
        q = aggregated(drawn)._replace(probabilities=probabilities)
        drawn._found[aggregated] = q
    return MarginalKL(**options).loss(drawn)


def test_marginal_kl_of_a_vector_is_the_integral():
    """Oracle: numerical integration of g log g/p over the plane, where g has the mean and the
    covariance that numpy finds for the codes; of a category a sum."""
    codes = np.array(random(9, D)) @ np.array([[0.6, 0.5], [0.0, 1.1]]) + [0.7, -0.4]
    covariance = np.cov(codes.T, bias=True) + MIN_VARIANCE * np.eye(D)
    g = scipy.stats.multivariate_normal(codes.mean(0), covariance)
    p = scipy.stats.multivariate_normal(np.zeros(D))
    side = np.linspace(-12, 12, 801)
    plane = np.stack(np.meshgrid(side, side), axis=-1)
    expected = np.sum(g.pdf(plane) * (g.logpdf(plane) - p.logpdf(plane))) * (side[1] - side[0]) ** 2
    found = marginal_kl(codes)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert expected > 0.2
    q = np.array([0.5, 0.2, 0.3])
    both = marginal_kl(codes, jnp.asarray(q))
    of_category = scipy.stats.entropy(q, np.full(K, 1 / K))
    np.testing.assert_allclose(both - found, of_category, rtol=1e-4)


def test_marginal_kl_of_many_components_is_the_sum_over_disjoint_blocks():
    """Oracle: scipy's entropies of every choice of pairs, of which a step draws one."""
    rng = np.random.default_rng(17)
    codes = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)) + 0.2 * np.arange(5.0)
    mean, covariance = codes.mean(0), np.cov(codes.T, bias=True)
    covariance += MIN_VARIANCE * np.eye(5)

    def kl(part):
        own = covariance[np.ix_(part, part)]
        cross = len(part) * np.log(2 * np.pi) + np.trace(own) + np.sum(mean[list(part)] ** 2)
        return cross / 2 - scipy.stats.multivariate_normal(cov=own).entropy()

    known = {}
    for one in range(5):
        rest = [i for i in range(5) if i != one]
        for other in rest[1:]:
            pairs = [(rest[0], other), tuple(i for i in rest[1:] if i != other), (one,)]
            known[tuple(pairs)] = sum(kl(pair) for pair in pairs)
    found = set()
    for step in range(12):
        number = marginal_kl(codes, step=step, examples_per_component=30)
        (pairs,) = [p for p, total in known.items() if abs(total - number) < 1e-4]
        found.add(pairs)
        assert number < kl(range(5))
    assert len(found) > 3
    whole = marginal_kl(codes, examples_per_component=12)
    np.testing.assert_allclose(whole, kl(range(5)), rtol=1e-4)


def test_marginal_kl_opens_a_collapsed_code():
    """By hand: of codes c u + m, with u of variance 1, it is (c^2 + m^2 - 1)/2 - log c. Where
    all codes are nearly one, a step down its gradient makes them wider, and its value is finite
    where they are one."""
    u = np.array([-1.0, 1.0, -1.0, 1.0])[:, None]

    def kl(scale, shift):
        return marginal_kl(scale * u + shift)

    np.testing.assert_allclose(kl(2.0, 0.5), (4 + 0.25 - 1) / 2 - np.log(2), rtol=1e-3)
    wider, away = jax.grad(kl, argnums=(0, 1))(0.1, 0.5)
    np.testing.assert_allclose([wider, away], [0.1 - 0.1 / (0.01 + 0.001), 0.5], rtol=1e-5)
    np.testing.assert_allclose(kl(0.0, 0.0), (0.001 - 1 - np.log(0.001)) / 2, rtol=1e-5)


def test_a_dead_category_has_a_finite_gradient():
    def kl(q):
        known = {aggregated: Aggregated(probabilities=q)}
        return MarginalKL().loss(games.drawn({"x": jnp.zeros((B, 1))}, known))

    found, gradient = jax.value_and_grad(kl)(jnp.array([0.5, 0.5, 0.0]))
    np.testing.assert_allclose(found, np.log(1.5), rtol=1e-6)
    assert np.isfinite(gradient).all()
    hard = jnp.array([[0.0, 200.0, -1e4]])
    slope = jax.grad(lambda logits: terms.category_entropy(logits)[0])(hard)
    assert np.isfinite(slope).all()


# ------------------------------------------------------------------------- code information


def test_the_density_of_a_code():
    """Oracle: scipy's densities, of a Gaussian whose deviation is known and of one where it is 1,
    and the probability of the category."""
    found = Encoding(random(B, D), random(B, D), 0.7 * random(B, D) - 0.2, random(B, K))
    categories = [0, 2, 1, 1, 2]
    vector, category = random(B, D), jnp.eye(K)[jnp.array(categories)]
    z = Code(vector, category, jnp.full((B, K), 1 / K))
    logits = scipy.special.log_softmax(found.logits, axis=1)
    of_category = logits[np.arange(B), categories]
    known = scipy.stats.norm(found.mean, np.exp(found.log_variance / 2)).logpdf(vector).sum(1)
    unit = scipy.stats.norm(found.vector, 1.0).logpdf(vector).sum(1)
    implicit = found._replace(mean=None, log_variance=None)
    for code, encoding, expected in (
        (z, found, known + of_category),
        (z, implicit, unit + of_category),
        (Code(vector), Encoding(found.vector), unit),
        (Code(category=category), Encoding(logits=found.logits), of_category),
    ):
        np.testing.assert_allclose(negative_log_density(code, encoding), -expected, rtol=1e-5)


def test_no_gradient_passes_through_a_code_that_is_read_off():
    """Nor through a relaxed category, which is the probabilities of the encoder."""
    found = Encoding(random(B, D), logits=random(B, K))
    soft = jax.nn.softmax(random(B, K))

    def loss(vector, category):
        return jnp.sum(negative_log_density(Code(vector, category, category), found))

    for slope in jax.grad(loss, (0, 1))(random(B, D), soft):
        np.testing.assert_array_equal(slope, 0)


def test_code_information_encodes_what_was_generated():
    """q(z|x) = N(a x, s^2) and x_hat = b z + c n: gradients by hand, where neither z as
    a target nor the encoder that reads x_hat learns."""
    a, s, b, c = 0.8, 0.7, 0.9, -0.4

    def sample(params, z, n):
        return params["b"] * z.vector + params["c"] * n

    def linear(params, x, noise):
        return Encoding(params["a"] * x + params["s"] * noise)

    players = Players(Encoder(lambda key: None, linear, 1), Generator(lambda key: None, sample, 1))
    game = Game(players, priors.gaussian(1), None, Players())
    noise = Noise(example_keys(jax.random.key(4), 0, B))
    e, n, again = (
        np.asarray(noise(name, normal(1))) for name in ("encoder", "local", "code_information")
    )
    assert np.abs(again - e).min() > 1e-3  # q(z|x_hat) is drawn from anew
    x = np.asarray(random(B, 1)) + 0.5

    def loss(params):
        return jnp.sum(CodeInformation().loss(Draws(game, params, noise, {"x": x})))

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


def test_the_generator_does_not_learn_from_the_sleep_loss_through_an_encoder_that_reads_it():
    """z = a dE/dz at x, of E = (x - b z)^2 / 2 + z^2 / 2 and constants: slopes by hand."""
    a, b = 0.8, 0.9

    def log_likelihood(params, z, x):
        return jax.scipy.stats.norm.logpdf(x, params["b"] * z.vector)[:, 0]

    def apply(params, x, noise, energy):
        return Encoding(params["a"] * jax.grad(lambda z: jnp.sum(energy(z)))(x))

    players = Players(
        Encoder(lambda key: None, apply, 0, reads_model=True),
        Generator(lambda key: None, lambda p, z, n: p["b"] * z.vector, 0, log_likelihood),
    )
    game = Game(players, priors.gaussian(1), None, Players())
    noise = Noise(example_keys(jax.random.key(4), 0, B))

    def draws(params):
        return Draws(game, params, noise, {"x": jnp.zeros((B, 1))})

    params = Players({"a": a}, {"b": b})
    gradient = jax.grad(lambda params: jnp.sum(SleepLoss().loss(draws(params))))(params)
    z = np.asarray(draws(params).z_prior.vector)
    x = b * z
    slope = x - b * (x - b * x)
    np.testing.assert_allclose(gradient.encoder["a"], np.sum((a * slope - z) * slope), rtol=1e-4)
    assert gradient.generator["b"] == 0


@pytest.mark.heavy
def test_a_game_has_code_information_where_a_loss_asks_for_it():
    keys, x = example_keys(jax.random.key(0), 0, 4), games.batch(2, 4)
    plain = games.build("joint_reconstruction", "marginal_code")
    reads, _ = inspect(plain, {"x": x})
    assert not any("code_information" in one.noise for one in reads.values())
    added = (CodeInformation(Weight(1.0)),)
    game = games.build("joint_reconstruction", "marginal_code", auxiliary=added)
    params, noise = init(game, jax.random.key(1)).params, Noise(keys)
    _, metrics = losses(game, params, noise, {"x": x}, 0)
    encoder, generator, *_ = game.networks
    z = encoder.apply(params.encoder, x, noise("encoder", normal(2))).vector
    x_hat = generator.sample(params.generator, Code(z), noise("local", normal(2)))
    again = noise("code_information", normal(2))
    found = encoder.apply(params.encoder, x_hat, again).vector
    expected = 0.5 * np.sum((z - found) ** 2, axis=1) + np.log(2 * np.pi)  # of two components
    np.testing.assert_allclose(metrics["code_information"], expected, rtol=1e-5)
