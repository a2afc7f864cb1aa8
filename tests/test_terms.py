"""Terms against scipy, enumeration and hand differentiation; pairings against a typed table."""

import functools
import itertools

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from games import PAIRINGS

from iae_jax import networks
from iae_jax.game import game, step
from iae_jax.objectives import adversarial, auxiliary, scoring, terms
from iae_jax.objectives.adaptive_contrast import DRAWS_FOR_MOMENTS, adaptive_contrast, moments
from iae_jax.objectives.adversarial import R1, Adversary
from iae_jax.objectives.auxiliary import Aggregated, ConditionalEntropy, MarginalKL
from iae_jax.sampling import priors
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.types import Code, Encoder, Encoding, Game, Players

RNG = np.random.default_rng(11)
B, D, K = 5, 2, 3


def random(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def one_hot(*categories):
    return jnp.eye(K)[jnp.array(categories)]


LOGITS = 2 * random(B, K)
Q = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
X = random(B, 4)
VALUES = {
    "z": Code(random(B, D), one_hot(0, 2, 1, 1, 2), jnp.asarray(Q)),
    "x_hat": random(B, 4) + 3,
    "z_prior": Code(random(B, D) - 2, one_hot(1, 1, 0, 2, 0), one_hot(1, 1, 0, 2, 0)),
    "x_prior": random(B, 4) - 5,
    "encoding": Encoding(random(B, D), random(B, D), 0.7 * random(B, D) - 0.2, LOGITS),
}
Z, ENCODING = VALUES["z"], VALUES["encoding"]
LOG_LIKELIHOOD = random(B, K) - 2
FOUND = {
    terms.log_likelihood: LOG_LIKELIHOOD,
    auxiliary.aggregated: Aggregated(probabilities=jnp.asarray(Q.mean(axis=0))),
}
# With a density of q(z|x), and nothing that is computed.
GAME = Game(
    Players(Encoder(None, None, 0, factorized=True)),
    priors.prior("gaussian", D, K),
    None,
    Players(),
)


def sample(step=0, found=None, **values):
    """One joint sample; values: other ones."""
    return games.drawn({"x": X}, FOUND | (found or {}), step, GAME, **(VALUES | values))


def value(term, draws=None):
    """The loss of encoder and generator of a term, or an auxiliary loss."""
    draws = sample() if draws is None else draws
    if isinstance(term, terms.Term):
        return term.loss(draws, None).autoencoder
    return term.loss(draws)


# ---------------------------------------------------------------------- without a discriminator


def test_analytic_kl_is_the_integral():
    """Oracle: numerical integration of q log q/p for each component, and a sum over categories."""
    mean, deviation = ENCODING.mean, np.exp(ENCODING.log_variance / 2)
    expected = np.zeros(B)
    for i, j in itertools.product(range(B), range(D)):
        q, p = scipy.stats.norm(mean[i, j], deviation[i, j]), scipy.stats.norm()
        expected[i] += scipy.integrate.quad(
            lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -15, 15
        )[0]
    vector = sample(encoding=ENCODING._replace(logits=None))
    np.testing.assert_allclose(value(terms.analytic_kl(), vector), expected, rtol=1e-5)
    expected += [scipy.stats.entropy(q, np.full(K, 1 / K)) for q in Q]
    np.testing.assert_allclose(value(terms.analytic_kl()), expected, rtol=1e-5)


def test_category_terms_are_enumerations():
    entropy = [-sum(p * np.log(p) for p in q) for q in Q]
    np.testing.assert_allclose(value(ConditionalEntropy()), entropy, rtol=1e-5)
    marginal = [np.mean([q[k] for q in Q]) for k in range(K)]
    kl = sum(p * np.log(p * K) for p in marginal)
    np.testing.assert_allclose(value(MarginalKL()), kl, rtol=1e-5)
    conditional = [np.log(K) - h for h in entropy]
    np.testing.assert_allclose(terms.category_kl(LOGITS), conditional, rtol=1e-5)


def test_likelihood_is_the_expectation_over_the_category():
    expected = [-sum(Q[i, k] * float(LOG_LIKELIHOOD[i, k]) for k in range(K)) for i in range(B)]
    np.testing.assert_allclose(value(terms.likelihood()), expected, rtol=1e-5)
    vector = sample(found={terms.log_likelihood: LOG_LIKELIHOOD[:, :1]}, z=Code(Z.vector))
    np.testing.assert_allclose(value(terms.likelihood(), vector), -LOG_LIKELIHOOD[:, 0], rtol=1e-6)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_densities_against_scipy(likelihood):
    shape = (3, 2)
    layout = networks.Layout("mlp", hidden=4)
    own = networks.Likelihood(likelihood, deviation=0.3)
    generator = networks.generator(layout, shape, D, likelihood=own)
    params = generator.init(jax.random.key(0))
    z = Code(3 * Z.vector)
    mean = np.asarray(generator.sample(params, z, jnp.zeros((B, 0))), np.float64)
    x = RNG.integers(0, 2, (B, *shape)) if likelihood == "bernoulli" else RNG.random((B, *shape))
    density = {
        "bernoulli": lambda: scipy.stats.bernoulli.logpmf(x, mean),
        "gaussian": lambda: scipy.stats.norm.logpdf(x, mean, 0.3),
    }[likelihood]()
    found = generator.log_likelihood(params, z, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(found, density.sum(axis=(1, 2)), rtol=1e-5)


def test_log_likelihood_of_every_category():
    """Oracle: the generator asked about one category after the other."""
    layout = networks.Layout("mlp", hidden=4)
    generator = networks.generator(layout, (4,), D, K, likelihood="gaussian")
    drawn = games.drawn({"x": X}, game=GAME._replace(networks=Players(None, generator)), z=Z)
    drawn.params = Players(None, generator.init(jax.random.key(0)))
    found = terms.log_likelihood(drawn)
    assert found.shape == (B, K)
    for k in range(K):
        z = Z._replace(category=one_hot(*[k] * B))
        expected = generator.log_likelihood(drawn.params.generator, z, X)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-5)


def test_sampled_kl_is_the_log_ratio_at_the_sample():
    """Oracle: scipy's densities, of a Gaussian q(z|x) and of a mixture of two as the prior."""
    q = scipy.stats.norm(ENCODING.mean, np.exp(ENCODING.log_variance / 2))
    log_q = jnp.asarray(q.logpdf(Z.vector).sum(axis=1))
    halves = [scipy.stats.norm(mean).logpdf(Z.vector).sum(axis=1) for mean in (-2.0, 2.0)]
    log_p = scipy.special.logsumexp(halves, axis=0) - np.log(2)
    prior = priors.gaussian(D)

    def mixture(params, z):
        shifted = [prior.log_density(None, Code(z.vector + by)) for by in (2.0, -2.0)]
        return jax.nn.logsumexp(jnp.stack(shifted), axis=0) - jnp.log(2)

    of_mixture = GAME._replace(prior=prior._replace(log_density=mixture))
    encoding = Encoding(Z.vector, log_density=log_q)
    drawn = games.drawn({"x": X}, game=of_mixture, encoding=encoding, z=Code(Z.vector))
    np.testing.assert_allclose(value(terms.sampled_kl(), drawn), log_q - log_p, rtol=1e-5)
    both = encoding._replace(logits=LOGITS)
    drawn = games.drawn({"x": X}, game=of_mixture, encoding=both, z=Z)
    expected = log_q - log_p + scipy.stats.entropy(Q, np.full(K, 1 / K), axis=1)
    np.testing.assert_allclose(value(terms.sampled_kl(), drawn), expected, rtol=1e-5)


def test_nothing_and_scaled():
    np.testing.assert_array_equal(value(terms.nothing()), np.zeros(B))
    plain = value(terms.analytic_kl())
    np.testing.assert_allclose(value(terms.scaled(0.3, terms.analytic_kl())), 0.3 * plain)
    scheduled = terms.scaled(lambda step: 0.1 * step, terms.analytic_kl())
    np.testing.assert_allclose(value(scheduled, sample(4)), 0.4 * plain, rtol=1e-6)


@pytest.mark.parametrize("row", ["likelihood", "joint_reconstruction"])
def test_a_relaxed_category_is_read_as_its_probabilities(row):
    """Oracle: the networks called by hand; the gradient, which a sampled category does not pass."""
    built = games.build(row, "none", "product")._replace(relaxed=True)
    params = step.init(built, jax.random.key(1)).params
    x, noise = games.batch(2, B), Noise(example_keys(jax.random.key(3), 0, B))
    encoder, generator, discriminator, _ = built.networks

    def by_hand(theta):
        encoding = encoder.apply(theta, x, noise("encoder", normal(2)))
        q = jax.nn.softmax(encoding.logits)
        z = Code(encoding.vector, q)
        if row == "likelihood":
            return -generator.log_likelihood(params.generator, z, x), q
        x_hat = generator.sample(params.generator, z, noise("local", normal(2)))
        a, b = (
            discriminator.apply(params.reconstruction_discriminator, image, z.vector)
            for image in (x, x_hat)
        )
        return jnp.sum(q * (jnp.logaddexp(0, a) + jnp.logaddexp(0, -b)), axis=-1), q

    def term(built, theta):
        metrics = game.losses(built, params._replace(encoder=theta), noise, {"x": x}, 0)[1]
        return metrics["reconstruction"]

    expected, q = by_hand(params.encoder)
    assert float(q.max()) < 0.95
    np.testing.assert_allclose(term(built, params.encoder), expected, rtol=1e-5)
    gradient, by_hand_gradient, sampled = (
        jax.grad(lambda theta, value=value: jnp.sum(value(theta)))(params.encoder)
        for value in (
            functools.partial(term, built),
            lambda theta: by_hand(theta)[0],
            functools.partial(term, built._replace(relaxed=False)),
        )
    )
    found, expected, other = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
        for tree in (gradient, by_hand_gradient, sampled)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(other - expected).max() > 1e-2 * np.abs(expected).max()


# ------------------------------------------------------------------------------------ adversarial

WEIGHTS = RNG.normal(size=(6, K))


def discriminate(x, vector):
    """A discriminator that tells every input apart: f32[B, K]."""
    parts = [p for p in (x, vector) if p is not None]
    read = jnp.concatenate(parts, axis=-1)
    return read @ WEIGHTS[: read.shape[-1]] + jnp.sum(read, axis=-1, keepdims=True) ** 2 / 9


# pairing -> (x, z vector, category weights) of each side; theory.md section 2. A generated x
# was made from the sampled category, data from none yet.
SAMPLED, DRAWN = Z.category, VALUES["z_prior"].category
TABLE = {
    "joint_reconstruction": (("x", "z", Q), ("x_hat", "z", SAMPLED)),
    "joint_code": (("x", "z", Q), ("x", "z_prior", DRAWN)),
    "marginal_code": ((None, "z", Q), (None, "z_prior", DRAWN)),
    "joint_model": (("x", "z", Q), ("x_prior", "z_prior", DRAWN)),
    "marginal_data": (("x", None, None), ("x_prior", None, None)),
}


def side_expectation(side, function):
    """Brute force: the sum over the category, one at a time."""
    x, z, weights = side
    image = (VALUES | {"x": X})[x] if x else None
    logits = np.asarray(discriminate(image, z and VALUES[z].vector), np.float64)
    if weights is None:
        return function(logits[:, 0])
    return sum(np.asarray(weights)[:, k] * function(logits[:, k]) for k in range(K))


@pytest.mark.parametrize("pairing", TABLE)
def test_adversarial_term_is_an_exact_expectation(pairing):
    """Least squares by hand, each side with a weight of its own."""
    numerator, denominator = TABLE[pairing]
    adversary = Adversary(
        scoring.LEAST_SQUARES, numerator_weight=0.1, denominator_weight=lambda step: 2.0 + step
    )
    output = adversary(PAIRINGS[pairing]).loss(sample(3), discriminate)
    autoencoder = 0.1 * side_expectation(numerator, lambda t: t**2 / 2) + 5.0 * side_expectation(
        denominator, lambda t: (t - 1) ** 2 / 2
    )
    own = side_expectation(numerator, lambda t: (t - 1) ** 2 / 2) + side_expectation(
        denominator, lambda t: t**2 / 2
    )
    np.testing.assert_allclose(output.autoencoder, autoencoder, rtol=1e-4)
    np.testing.assert_allclose(output.discriminator, own, rtol=1e-4)
    np.testing.assert_allclose(output.metrics["discriminator"], own, rtol=1e-4)
    for name, side in (("numerator", numerator), ("denominator", denominator)):
        logit = side_expectation(side, lambda t: t)
        np.testing.assert_allclose(output.metrics[f"{name}_logit"], logit, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("on", ["numerator", "denominator"])
@pytest.mark.parametrize("interval,step,factor", [(1, 3, 1), (4, 3, 0), (4, 8, 4)])
def test_r1_of_a_quadratic_discriminator(on, interval, step, factor):
    """T(x, z, k) = x'Ax/2 + c_k b'z + x_0 z_1: the gradient by hand, its square by enumeration."""
    a = np.array([[2.0, 0.3, 0, 0], [0.3, -1, 0, 0.7], [0, 0, 0.4, 0], [0, 0.7, 0, 1.1]])
    b, c = np.array([0.6, -1.3]), np.array([1.0, -2.0, 0.5])

    def quadratic(x, z):
        shared = jnp.einsum("bi,ij,bj->b", x, a, x) / 2 + x[:, 0] * z[:, 1]
        return shared[:, None] + (z @ b)[:, None] * c

    adversary = Adversary(scoring.NON_SATURATING, (R1(0.9, interval, on),))
    output = adversary(adversarial.JOINT_RECONSTRUCTION).loss(sample(step), quadratic)
    x = np.asarray(X if on == "numerator" else VALUES["x_hat"], np.float64)
    z = np.asarray(Z.vector, np.float64)
    mean_c = (Q if on == "numerator" else np.asarray(SAMPLED)) @ c  # E over the category
    by_x = x @ a + np.stack([z[:, 1], *np.zeros((3, B))], axis=1)
    by_z = mean_c[:, None] * b + np.stack([np.zeros(B), x[:, 0]], axis=1)
    square = (by_x**2).sum(axis=1) + (by_z**2).sum(axis=1)
    penalty = output.discriminator - output.metrics["discriminator"]
    np.testing.assert_allclose(penalty, 0.5 * 0.9 * factor * square, rtol=1e-3, atol=1e-4)


def test_r1_of_categories_alone_is_nothing():
    drawn = sample(**{name: VALUES[name]._replace(vector=None) for name in ("z", "z_prior")})
    term = Adversary(scoring.KL, (R1(2.0),))(adversarial.MARGINAL_CODE)
    output = term.loss(drawn, lambda x, z: jnp.array([[0.2, -0.4, 1.0]]))
    np.testing.assert_array_equal(output.discriminator, output.metrics["discriminator"])


def joint_term(vector, probabilities, shift=0.0):
    """The joint reconstruction of z, where x_hat depends on z as a generator makes it."""
    z = Z._replace(vector=vector, probabilities=probabilities)
    x_hat = jnp.concatenate([vector, jnp.sin(vector)], axis=-1) + shift
    term = Adversary(scoring.LEAST_SQUARES)(adversarial.JOINT_RECONSTRUCTION)
    return jnp.sum(term.loss(sample(z=z, x_hat=x_hat), discriminate).autoencoder)


def test_the_encoder_learns_through_both_sides():
    """Oracle: finite differences in float64, which see every place where the code appears; and
    the share of the positive side, which shows that they would miss it."""
    with jax.enable_x64(True):
        vector, probabilities = (jnp.asarray(v, jnp.float64) for v in (Z.vector, Q))
        found = jax.jit(jax.grad(joint_term, (0, 1)))(vector, probabilities)
        term = jax.jit(joint_term)
        for argument, array in enumerate((vector, probabilities)):
            expected = np.zeros(array.shape)
            for index in np.ndindex(array.shape):
                ends = []
                for h in (1e-5, -1e-5):
                    moved = [vector, probabilities]
                    moved[argument] = array.at[index].add(h)
                    ends.append(float(term(*moved)))
                expected[index] = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(found[argument], expected, rtol=1e-6, atol=1e-7)
        assert np.median(np.abs(expected)) > 1e-2

        # z alone on the positive side, x and T fixed: what a stop_gradient there would drop.
        def positive(z):
            return jnp.sum(Q * discriminate(X, z) ** 2 / 2)

        share = np.abs(jax.grad(positive)(vector)) / np.abs(found[0])
        assert share.min() > 0.01


# ---------------------------------------------------------------------- adaptive contrast


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
