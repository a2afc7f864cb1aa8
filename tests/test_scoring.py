"""Every scoring x pairing x player on 1-D linear Gaussians, and the DiracGAN vector field.

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

from iae_jax.errors import InputError
from iae_jax.game import game
from iae_jax.objectives import scoring, terms
from iae_jax.objectives.adversarial import R1, Adversary, scored
from iae_jax.objectives.grid import REGULARIZATIONS, Objective, cell
from iae_jax.runs.build import adversary
from iae_jax.runs.config import Term
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
    return {"q": q, "r": r, "p": generated(0.0, 1.0), "independent": data}


# Which (x, z) distribution is on each side, and which of (x, z) the discriminator reads.
SIDES = {
    "joint_reconstruction": ("q", "r", [0, 1]),
    "joint_code": ("q", "independent", [0, 1]),
    "marginal_code": ("q", "independent", [1]),
    "joint_model": ("q", "p", [0, 1]),
    "marginal_data": ("independent", "p", [0]),
}


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
    prior. local: of the local codes."""

    def __init__(self, codes, local):
        self.codes, self.local = codes, local

    def __call__(self, name, sample):
        return {"encoder": self.codes, "prior": self.codes}.get(name, self.local)


def linear_game(name, pairing, mean=MEAN, variance=VARIANCE, theta=THETA, squash=False):
    """The game, its parameters, its noise and its batch: one example for each node."""
    # Only a reconstruction depends on x, encoder noise and local code at once; elsewhere the local
    # code and x appear on different sides and share their nodes.
    dimensions = 3 if pairing == "joint_reconstruction" else 2
    nodes = [n.reshape(-1, 1) for n in np.meshgrid(*[NODES] * dimensions, indexing="ij")]
    weights = np.prod(np.meshgrid(*[WEIGHTS] * dimensions, indexing="ij"), axis=0).reshape(-1)
    x = mean + np.sqrt(variance) * nodes[0]
    noise = Nodes(jnp.asarray(nodes[1]), jnp.asarray(nodes[2 if dimensions == 3 else 0]))
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
    if pairing in REGULARIZATIONS:
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
        lambda p: game.losses(built, p, noise, batch, jnp.int32(0)), params, game.SIMULTANEOUS[0]
    )[0]


def autoencoder_gradient(found):
    zeros = {"a": 0.0, "s": 0.0}
    both = (found.encoder or zeros) | found.generator
    return np.array([both[name] for name in "asbt"])


CASES = [(name, pairing) for name in scoring.SCORINGS for pairing in PAIRINGS]


def test_every_scoring_and_pairing_has_an_oracle():
    assert set(scoring.SCORINGS) == set(SAMPLER_LOSSES) == set(SLOPES) and set(PAIRINGS) == set(
        SIDES
    )


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
    index = 3 if pairing in REGULARIZATIONS else 2
    np.testing.assert_allclose(gradients(built, params, *rest)[index], 0, atol=1e-9)
    moved = list(params)
    moved[index] = params[index] + 0.1
    slope = gradients(built, Players(*moved), *rest)[index][0]
    assert slope > 1e-3  # it grew from a minimum


# ------------------------------------------------------------------------------- all the rest


def loss_of(name, side):
    """A loss of a scoring as a function of the side's logit: "positive" and "negative" are the
    discriminator's, of the numerator and of the denominator."""
    losses = scoring.SCORINGS[name].losses
    return {
        "positive": lambda t: losses(t, jnp.zeros(())).discriminator[0],
        "negative": lambda t: losses(jnp.zeros(()), t).discriminator[1],
        "numerator": lambda t: losses(t, jnp.zeros(())).numerator,
        "denominator": lambda t: losses(jnp.zeros(()), t).denominator,
    }[side]


@pytest.mark.parametrize("name", scoring.SCORINGS)
@pytest.mark.parametrize("side", ["positive", "negative", "numerator", "denominator"])
def test_large_logits_stay_finite(name, side):
    logits = jnp.array([-1e3, -90.0, 0.0, 90.0, 1e3], jnp.float32)
    values, slopes = jax.vmap(jax.value_and_grad(loss_of(name, side)))(logits)
    assert values.dtype == jnp.float32
    assert np.isfinite(values).all() and np.isfinite(slopes).all()


@pytest.mark.parametrize("name", scoring.SCORINGS)
def test_each_side_wants_what_its_name_says(name):
    """The discriminator wants positive high and negative low; the others want the opposite."""
    positive, negative, numerator, denominator = (
        float(jax.grad(loss_of(name, side))(0.4))
        for side in ("positive", "negative", "numerator", "denominator")
    )
    assert positive < 0 < negative
    assert denominator < 0 < numerator


def logistic(t):
    return 1 / (1 + np.exp(-t))


# Slopes by hand: of the discriminator's loss on the numerator and on the denominator, and of the
# loss of whoever samples the denominator.
SLOPES = {
    "kl": (lambda t: -logistic(-t), logistic, lambda t: -np.exp(t)),
    "kl_numerator": (lambda t: -logistic(-t), logistic, lambda t: -logistic(-t)),
    "reverse_kl": (lambda t: -logistic(-t), logistic, lambda t: -1.0),
    "non_saturating": (lambda t: -logistic(-t), logistic, lambda t: -logistic(-t)),
    "least_squares": (lambda t: t - 1, lambda t: t, lambda t: t - 1),
    "hinge": (lambda t: -float(t < 1), lambda t: float(t > -1), lambda t: -1.0),
}


@pytest.mark.parametrize("r1", [None, (0.6, 1), (0.6, 4), "both"])
@pytest.mark.parametrize("data", [0.0, 0.5])
@pytest.mark.parametrize("name", scoring.SCORINGS)
def test_dirac_gan_vector_field(name, data, r1):
    """Mescheder et al. 2018: data at one point, generator at theta, D(x) = psi x. Data at 0 is
    theirs; data at 0.5 also shows the numerator. Oracle: v(theta, psi) by hand. R1 on both sides is
    that of a config, twice as strong here, where D has one slope."""
    network = Discriminator(lambda key: None, lambda psi, x, z: psi * x, ("x",))
    generator = Generator(lambda key: None, lambda theta, z, n: theta + 0 * z.vector, 0)
    prior = Prior(lambda key: jnp.zeros(1), lambda w, zeros: Code(vector=zeros), 1)
    if r1 == "both":
        term = Term("marginal_data", scoring=name, r1=0.3, r1_interval_steps=4, r1_on="both")
        played, strength = adversary(term, 10, "reconstruction"), 2 * 0.3 * 4
    else:
        penalties = () if r1 is None else (R1(*r1),)
        played, strength = Adversary(scoring.SCORINGS[name], penalties), np.prod(r1 or 0.0)
    objective = cell("marginal_data", "none", played)
    built = Game(Players(None, generator, network), prior, objective, Players())
    theta, psi, step = 0.7, 1.1, 8
    params = Players(None, jnp.array(theta), jnp.array(psi))
    noise = Noise(jax.random.split(jax.random.key(0), 2))
    batch = {"x": jnp.full((2, 1), data)}
    found, _ = game.own_gradients(
        lambda p: game.losses(built, p, noise, batch, jnp.int32(step)), params, game.SIMULTANEOUS[0]
    )
    positive, negative, denominator = SLOPES[name]
    np.testing.assert_allclose(found.generator, psi * denominator(psi * theta), rtol=1e-10)
    expected = data * positive(psi * data) + theta * negative(psi * theta) + strength * psi
    np.testing.assert_allclose(found.reconstruction_discriminator, expected, rtol=1e-10)


def test_r1_on_an_unknown_side_is_refused():
    with pytest.raises(InputError, match="'numerator' or on 'denominator'"):
        R1(1.0, on="real")


def relativistic(a, b):
    """Three losses of pairs of logits that no sum of one-sided losses is."""
    return scoring.Losses(jnp.square(a - 2 * b), a * jnp.sin(b), jnp.logaddexp(a, 3 * b))


@pytest.mark.parametrize(("left", "right"), [(3, 4), (3, 1), (1, 4), (1, 1)])
def test_a_scoring_of_pairs_is_exact_over_the_categories_of_both(left, right):
    """Oracle: the double sum over the categories, one pair at a time."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5, left)), rng.normal(size=(5, right))
    p, q = (rng.dirichlet(np.ones(count), 5) for count in (left, right))
    codes = [Code(probabilities=jnp.asarray(one)) if one.shape[1] > 1 else None for one in (p, q)]
    found = scored(scoring.Scoring("pairs", relativistic), jnp.asarray(a), jnp.asarray(b), *codes)
    for one, by_hand in zip(
        found,
        (
            lambda s, t: (s - 2 * t) ** 2,
            lambda s, t: s * np.sin(t),
            lambda s, t: np.logaddexp(s, 3 * t),
        ),
        strict=True,
    ):
        expected = [
            sum(
                p[i, k] * q[i, m] * by_hand(a[i, k], b[i, m])
                for k in range(left)
                for m in range(right)
            )
            for i in range(5)
        ]
        np.testing.assert_allclose(one, expected, rtol=1e-12)
