"""Every scoring x pairing x player on 1-D linear Gaussians.

encoder z = a x + s e, generator x_hat = b z + t n, x ~ N(MEAN, VARIANCE), p(z) = N(0, 1), and a
discriminator frozen at the log ratio of the two densities. The code under test runs through
`game.own_gradients` in float64 with the nodes of a quadrature as its noise, so that its pathwise
gradient is exact. Oracles, in numpy: the score-function gradient
integral of (d density / d theta) s(T) on a grid, and for the two KL scorings the gradient of the
closed-form KL divergence of two Gaussians.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from games import PAIRINGS

from iae_jax.game import game
from iae_jax.objectives import scoring, terms
from iae_jax.objectives.adversarial import Adversary
from iae_jax.objectives.grid import Objective
from iae_jax.sampling.noise import Noise
from iae_jax.types import (
    Code,
    Discriminator,
    Encoder,
    Encoding,
    Game,
    Generator,
    Players,
    Prior,
)

MEAN, VARIANCE = 0.3, 1.2
THETA = np.array([0.5, 0.9, 0.7, 1.0])  # a, s, b, t
NODES = np.linspace(-9.0, 9.0, 49)  # the trapezoidal rule is spectrally exact on a Gaussian
WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()
GRID = np.linspace(-12.0, 12.0, 161)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


# ---------------------------------------------------------------- the oracle: densities in numpy


def gaussians(theta, mean=MEAN, variance=VARIANCE):
    """(mean, covariance) of (x, z) under each distribution of the slide."""
    a, s, b, t = theta
    data = np.array([mean, 0.0]), np.diag([variance, 1.0])  # p_data(x) p(z)
    q = (
        np.array([mean, a * mean]),
        np.array([[variance, a * variance], [a * variance, a * a * variance + s * s]]),
    )

    def generated(code_mean, code_variance):
        m = np.array([b * code_mean, code_mean])
        c = b * code_variance
        return m, np.array([[b * c + t * t, c], [c, code_variance]])

    r = generated(q[0][1], q[1][1, 1])
    p = generated(0.0, 1.0)
    # p(x) q(z|x), of the model's own x.
    variance, m = p[1][0, 0], p[0][0]
    s_ = np.array([[variance, a * variance], [a * variance, a * a * variance + s * s]])
    return {"q": q, "r": r, "p": p, "independent": data, "s": (np.array([m, a * m]), s_)}


# Which (x, z) distribution is on each side, and which of (x, z) the discriminator reads.
SIDES = {
    "joint_reconstruction": ("q", "r", [0, 1]),
    "joint_code": ("q", "independent", [0, 1]),
    "marginal_code": ("q", "independent", [1]),
    "joint_model": ("q", "p", [0, 1]),
    "marginal_data": ("independent", "p", [0]),
    "flipped_reconstruction": ("p", "s", [0, 1]),
}
COLUMNS = ("joint_code", "marginal_code")


def log_density(gaussian, points):
    mean, covariance = gaussian
    d = points - mean
    return -0.5 * (
        np.sum(d @ np.linalg.inv(covariance) * d, axis=-1)
        + np.log(np.linalg.det(covariance))
        + len(mean) * np.log(2 * np.pi)
    )


def part(gaussian, axes):
    return gaussian[0][axes], gaussian[1][np.ix_(axes, axes)]


def divergence(a, b):
    """KL(a || b) of Gaussians in closed form."""
    inverse, d = np.linalg.inv(b[1]), b[0] - a[0]
    logs = np.log(np.linalg.det(b[1]) / np.linalg.det(a[1]))
    return 0.5 * (np.trace(inverse @ a[1]) + d @ inverse @ d - len(d) + logs)


def derivative(function, theta, h=1e-4):
    """Central differences of fourth order: [parameters, ...]."""
    rows = []
    for unit in np.eye(len(theta)):
        steps = (2 * h * unit, h * unit)
        far, near = (function(theta + step) - function(theta - step) for step in steps)
        rows.append((8 * near - far) / (12 * h))
    return np.array(rows)


def log1p_exp(t):
    return np.logaddexp(0, t)


# s(T) of whoever samples the numerator and of whoever samples the denominator.
SAMPLER_LOSSES = {
    "kl": (lambda t: t, lambda t: -np.exp(t)),
    "kl_numerator": (lambda t: t, lambda t: log1p_exp(-t)),
    "reverse_kl": (lambda t: -np.exp(-t), lambda t: -t),
    "non_saturating": (lambda t: log1p_exp(t), lambda t: log1p_exp(-t)),
    "least_squares": (lambda t: t**2 / 2, lambda t: (t - 1) ** 2 / 2),
    "hinge": (lambda t: t, lambda t: -t),
}


def score_function_gradient(name, pairing):
    """d/dtheta of E_numerator s(T) + E_denominator s(T) at frozen T, by moving the densities."""
    numerator, denominator, axes = SIDES[pairing]
    points = np.stack(np.meshgrid(GRID, GRID, indexing="ij"), axis=-1).reshape(-1, 2)
    now = gaussians(THETA)
    t = log_density(part(now[numerator], axes), points[:, axes]) - log_density(
        part(now[denominator], axes), points[:, axes]
    )

    def expectation(theta):
        moved, total = gaussians(theta), 0.0
        for side, s in zip((numerator, denominator), SAMPLER_LOSSES[name], strict=True):
            log_p = log_density(moved[side], points)
            total += np.sum(np.where(log_p > -80, np.exp(log_p) * s(np.clip(t, -90, 90)), 0.0))
        return total * (GRID[1] - GRID[0]) ** 2

    return derivative(expectation, THETA)


# ------------------------------------------------------------------------- the game under test


def features(x, z):
    columns = [v[:, 0] for v in (x, z) if v is not None]
    squares = [c * c for c in columns]
    cross = [columns[0] * columns[1]] if len(columns) == 2 else []
    return jnp.stack([jnp.ones_like(columns[0]), *columns, *squares, *cross], axis=-1)


def log_ratio(a, b):
    """The coefficients of log a/b on `features`."""

    def coefficients(gaussian):
        mean, precision = gaussian[0], np.linalg.inv(gaussian[1])
        constant = log_density(gaussian, np.zeros(len(mean)))
        cross = [-precision[0, 1]] if len(mean) == 2 else []
        return np.concatenate([[constant], precision @ mean, -np.diag(precision) / 2, cross])

    return coefficients(a) - coefficients(b)


class Nodes(Noise):
    """One example for each node of a quadrature. codes: of what the encoder reads, and of the
    prior. local: of the local codes. flipped: of what the encoder reads beside samples."""

    def __init__(self, codes, local, flipped):
        self.codes, self.local, self.flipped = codes, local, flipped

    def __call__(self, name, sample):
        named = {"encoder": self.codes, "prior": self.codes, "flipped": self.flipped}
        return named.get(name, self.local)


def linear_game(name, pairing, mean=MEAN, variance=VARIANCE, theta=THETA, squash=False):
    """The game, its parameters, its noise and its batch: one example for each node."""
    # Only a reconstruction depends on three at once: x, encoder noise and local code, or the prior
    # and both noises. Elsewhere the local code and x are on different sides and share their nodes.
    dimensions = 3 if pairing.endswith("_reconstruction") else 2
    nodes = [n.reshape(-1, 1) for n in np.meshgrid(*[NODES] * dimensions, indexing="ij")]
    weights = np.prod(np.meshgrid(*[WEIGHTS] * dimensions, indexing="ij"), axis=0).reshape(-1)
    x = mean + np.sqrt(variance) * nodes[0]
    local = nodes[2 if dimensions == 3 else 0]
    noise = Nodes(*(jnp.asarray(one) for one in (nodes[1], local, nodes[0])))
    encoder = Encoder(lambda key: None, lambda w, x, n: Encoding(vector=w["a"] * x + w["s"] * n), 1)
    generator = Generator(lambda key: None, lambda w, z, n: w["b"] * z.vector + w["t"] * n, 1)
    final = jax.nn.sigmoid if squash else (lambda logits: logits)
    network = Discriminator(
        lambda key: None,
        lambda w, x, z: final(features(x, z) @ w)[:, None],
        PAIRINGS[pairing].reads,
    )
    plain = Adversary(scoring.SCORINGS[name])(PAIRINGS[pairing])

    def weighted(draws, discriminate):
        output = plain.loss(draws, discriminate)
        scale = len(weights) * jnp.asarray(weights)  # the game takes the mean over examples
        return output._replace(
            autoencoder=scale * output.autoencoder, discriminator=scale * output.discriminator
        )

    term = plain._replace(loss=weighted)
    if pairing in COLUMNS:
        # Beside a likelihood of 0, so that the encoder and the regularization are all there is.
        generator = generator._replace(log_likelihood=lambda w, z, x: jnp.zeros(len(x)), noise=0)
        objective = Objective(terms.likelihood(), term)
        networks = Players(encoder, generator, None, network)
    else:
        objective = Objective(term, terms.nothing())
        networks = Players(None if pairing == "marginal_data" else encoder, generator, network)
    prior = Prior(lambda key: None, lambda w, nodes: Code(vector=nodes), 1, standard_normal=True)
    a, s, b, t = theta
    now, (numerator, denominator, axes) = gaussians(theta, mean, variance), SIDES[pairing]
    w = jnp.asarray(log_ratio(part(now[numerator], axes), part(now[denominator], axes)))
    params = Players(
        networks.encoder and {"a": a, "s": s},
        {"b": b, "t": t},
        networks.reconstruction_discriminator and w,
        networks.regularization_discriminator and w,
    )
    built = Game(networks, prior, objective, Players(*[optax.sgd(1.0)] * 4))
    return built, jax.tree.map(jnp.asarray, params), noise, {"x": jnp.asarray(x)}


def gradients(built, params, noise, batch):
    """What a step computes: own gradients of the losses."""
    return game.own_gradients(
        lambda p: game.losses(built, p, noise, batch, jnp.int32(0)),
        params,
        game.SIMULTANEOUS[0].movers,
    )[0]


def autoencoder_gradient(found):
    zeros = {"a": 0.0, "s": 0.0}
    both = (found.encoder or zeros) | found.generator
    return np.array([both[name] for name in "asbt"])


CASES = [(name, pairing) for name in SAMPLER_LOSSES for pairing in PAIRINGS]


def test_every_scoring_and_pairing_has_an_oracle():
    """The relativistic one reads both sides at once: see test_scoring."""
    assert {*SAMPLER_LOSSES, "relativistic"} == set(scoring.SCORINGS)
    assert set(PAIRINGS) == set(SIDES)


@pytest.mark.heavy
@pytest.mark.parametrize("name,pairing", CASES)
def test_gradient_of_encoder_and_generator(name, pairing):
    found = autoencoder_gradient(gradients(*linear_game(name, pairing)))
    expected = score_function_gradient(name, pairing)
    np.testing.assert_allclose(found, expected, atol=2e-8)
    assert np.abs(expected).max() > 0.03
    if name in ("kl", "reverse_kl"):
        numerator, denominator, axes = SIDES[pairing]

        def exact(theta):
            now = gaussians(theta)
            pair = part(now[numerator], axes), part(now[denominator], axes)
            return divergence(*pair) if name == "kl" else divergence(*pair[::-1])

        np.testing.assert_allclose(found, derivative(exact, THETA), atol=2e-8)


def test_check_values_of_the_theory():
    """theory.md section 3: joint reconstruction under maximum likelihood, standard normal data."""
    theta = (0.8, 0.7, 0.9, 0.8)
    found = gradients(*linear_game("kl", "joint_reconstruction", 0.0, 1.0, theta))
    np.testing.assert_allclose(
        autoencoder_gradient(found), [0.3142, 0.0768, 0.3391, 0.3217], atol=5e-5
    )


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize(
    "name", ["kl", "kl_numerator", "reverse_kl", "non_saturating", "least_squares"]
)
def test_optimal_discriminator_is_stationary(name, pairing):
    """Oracle: at T = log a/b the logistic loss is least, at T = a/(a+b) the squared one."""
    built, params, *rest = linear_game(name, pairing, squash=name == "least_squares")
    index = 3 if pairing in COLUMNS else 2
    np.testing.assert_allclose(gradients(built, params, *rest)[index], 0, atol=1e-9)
    moved = list(params)
    moved[index] = params[index] + 0.1
    slope = gradients(built, Players(*moved), *rest)[index][0]
    assert slope > 1e-3  # it grew from a minimum
