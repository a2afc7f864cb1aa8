"""Terms against scipy, enumeration and hand differentiation; pairings against a typed table."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from iae_jax import networks
from iae_jax.objectives import auxiliary as charges
from iae_jax.objectives import scoring, terms
from iae_jax.sampling import draws, priors
from iae_jax.types import Aggregated, Code, Draws, Encoder, Encoding, Players

pytestmark = pytest.mark.usefixtures("quick_compile")

RNG = np.random.default_rng(11)
B, D, K = 5, 2, 3
STEP = jnp.int32(0)


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def one_hot(*categories):
    return jnp.eye(K)[jnp.array(categories)]


LOGITS = 2 * normal(B, K)
Q = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
SAMPLE = Draws(
    x=normal(B, 4),
    z=Code(normal(B, D), one_hot(0, 2, 1, 1, 2), jnp.asarray(Q)),
    x_hat=normal(B, 4) + 3,
    z_prior=Code(normal(B, D) - 2, one_hot(1, 1, 0, 2, 0), one_hot(1, 1, 0, 2, 0)),
    x_prior=normal(B, 4) - 5,
    encoding=Encoding(normal(B, D), normal(B, D), 0.7 * normal(B, D) - 0.2, LOGITS),
    log_likelihood=normal(B, K) - 2,
    aggregated=Aggregated(probabilities=jnp.asarray(Q.mean(axis=0))),
)


def value(term, sample=SAMPLE):
    return term.loss(None, sample, STEP).path


# ---------------------------------------------------------------------- without a discriminator


def test_analytic_kl_is_the_integral():
    """Oracle: numerical integration of q log q/p for each component, and a sum over categories."""
    mean, deviation = SAMPLE.encoding.mean, np.exp(SAMPLE.encoding.log_variance / 2)
    expected = np.zeros(B)
    for i, j in itertools.product(range(B), range(D)):
        q, p = scipy.stats.norm(mean[i, j], deviation[i, j]), scipy.stats.norm()
        expected[i] += scipy.integrate.quad(
            lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -15, 15
        )[0]
    vector = SAMPLE._replace(encoding=SAMPLE.encoding._replace(logits=None))
    np.testing.assert_allclose(value(terms.analytic_kl(), vector), expected, rtol=1e-5)
    expected += [scipy.stats.entropy(q, np.full(K, 1 / K)) for q in Q]
    np.testing.assert_allclose(value(terms.analytic_kl()), expected, rtol=1e-5)


def test_category_terms_are_enumerations():
    entropy = [-sum(p * np.log(p) for p in q) for q in Q]
    np.testing.assert_allclose(value(charges.conditional_entropy()), entropy, rtol=1e-5)
    marginal = [np.mean([q[k] for q in Q]) for k in range(K)]
    kl = sum(p * np.log(p * K) for p in marginal)
    np.testing.assert_allclose(value(charges.marginal_kl()), np.full(B, kl), rtol=1e-5)
    conditional = [np.log(K) - h for h in entropy]
    np.testing.assert_allclose(terms.category_conditional_kl(LOGITS), conditional, rtol=1e-5)


def test_likelihood_is_the_expectation_over_the_category():
    expected = [
        -sum(Q[i, k] * float(SAMPLE.log_likelihood[i, k]) for k in range(K)) for i in range(B)
    ]
    np.testing.assert_allclose(value(terms.likelihood()), expected, rtol=1e-5)
    vector = SAMPLE._replace(z=Code(SAMPLE.z.vector), log_likelihood=SAMPLE.log_likelihood[:, :1])
    np.testing.assert_allclose(
        value(terms.likelihood(), vector), -SAMPLE.log_likelihood[:, 0], rtol=1e-6
    )


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_densities_against_scipy(likelihood):
    shape = (3, 2)
    layout = networks.Layout("mlp", hidden=4)
    generator = networks.generator(layout, shape, D, likelihood=likelihood, deviation=0.3)
    params = jax.jit(generator.init)(jax.random.key(0))
    z = Code(3 * SAMPLE.z.vector)
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
    generator = networks.generator(networks.Layout("mlp"), (4,), D, K, likelihood="gaussian")
    params = Players(None, jax.jit(generator.init)(jax.random.key(0)))
    found = draws.log_likelihood(Players(None, generator), params, SAMPLE.z, SAMPLE.x)
    assert found.shape == (B, K)
    for k in range(K):
        z = SAMPLE.z._replace(category=one_hot(*[k] * B))
        expected = generator.log_likelihood(params.generator, z, SAMPLE.x)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-5)


def test_nothing_and_scaled():
    np.testing.assert_array_equal(value(terms.nothing()), np.zeros(B))
    plain = value(charges.conditional_entropy())
    np.testing.assert_allclose(value(terms.scaled(0.3, charges.conditional_entropy())), 0.3 * plain)
    scheduled = terms.scaled(lambda step: 0.1 * step, charges.conditional_entropy())
    np.testing.assert_allclose(
        scheduled.loss(None, SAMPLE, jnp.int32(4)).path, 0.4 * plain, rtol=1e-6
    )


# ------------------------------------------------------------------------------------ adversarial

WEIGHTS = RNG.normal(size=(6, K))


def shown(x, vector):
    """A discriminator that tells every input apart: f32[B, K]."""
    parts = [p for p in (x, vector) if p is not None]
    read = jnp.concatenate(parts, axis=-1)
    return read @ WEIGHTS[: read.shape[-1]] + jnp.sum(read, axis=-1, keepdims=True) ** 2 / 9


# pairing -> (x, z vector, category weights) of each side; theory.md section 2. A generated x
# was made from the sampled category, data from none yet.
SAMPLED, DRAWN = SAMPLE.z.category, SAMPLE.z_prior.category
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
    logits = np.asarray(
        shown(x and getattr(SAMPLE, x), z and getattr(SAMPLE, z).vector), np.float64
    )
    if weights is None:
        return function(logits[:, 0])
    return sum(np.asarray(weights)[:, k] * function(logits[:, k]) for k in range(K))


@pytest.mark.parametrize("pairing", TABLE)
def test_adversarial_term_is_an_exact_expectation(pairing):
    """Least squares by hand, each side with a weight of its own."""
    numerator, denominator = TABLE[pairing]
    term = terms.adversarial(
        terms.PAIRINGS[pairing],
        scoring.LEAST_SQUARES,
        numerator_weight=0.1,
        denominator_weight=lambda step: 2.0 + step,
    )
    output = term.loss(shown, SAMPLE, jnp.int32(3))
    path = 0.1 * side_expectation(numerator, lambda t: t**2 / 2) + 5.0 * side_expectation(
        denominator, lambda t: (t - 1) ** 2 / 2
    )
    told = side_expectation(numerator, lambda t: (t - 1) ** 2 / 2) + side_expectation(
        denominator, lambda t: t**2 / 2
    )
    np.testing.assert_allclose(output.path, path, rtol=1e-4)
    np.testing.assert_allclose(output.discriminator, told, rtol=1e-4)
    np.testing.assert_allclose(output.metrics["discriminator"], told, rtol=1e-4)
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

    term = terms.adversarial(
        terms.JOINT_RECONSTRUCTION, scoring.NON_SATURATING, terms.R1(0.9, interval, on)
    )
    output = term.loss(quadratic, SAMPLE, jnp.int32(step))
    x = np.asarray(SAMPLE.x if on == "numerator" else SAMPLE.x_hat, np.float64)
    z = np.asarray(SAMPLE.z.vector, np.float64)
    mean_c = (Q if on == "numerator" else np.asarray(SAMPLED)) @ c  # E over the category
    by_x = x @ a + np.stack([z[:, 1], *np.zeros((3, B))], axis=1)
    by_z = mean_c[:, None] * b + np.stack([np.zeros(B), x[:, 0]], axis=1)
    square = (by_x**2).sum(axis=1) + (by_z**2).sum(axis=1)
    penalty = output.discriminator - output.metrics["discriminator"]
    np.testing.assert_allclose(penalty, 0.5 * 0.9 * factor * square, rtol=1e-3, atol=1e-4)


def test_r1_of_categories_alone_is_nothing():
    sample = SAMPLE._replace(
        z=SAMPLE.z._replace(vector=None), z_prior=SAMPLE.z_prior._replace(vector=None)
    )
    term = terms.adversarial(terms.MARGINAL_CODE, scoring.KL, terms.R1(2.0))
    output = term.loss(lambda x, z: jnp.array([[0.2, -0.4, 1.0]]), sample, STEP)
    np.testing.assert_array_equal(output.discriminator, output.metrics["discriminator"])


def joint_term(vector, probabilities, shift=0.0):
    """The joint reconstruction of z, where x_hat depends on z as a generator makes it."""
    z = SAMPLE.z._replace(vector=vector, probabilities=probabilities)
    x_hat = jnp.concatenate([vector, jnp.sin(vector)], axis=-1) + shift
    sample = SAMPLE._replace(z=z, x_hat=x_hat)
    term = terms.adversarial(terms.JOINT_RECONSTRUCTION, scoring.LEAST_SQUARES)
    return jnp.sum(term.loss(shown, sample, STEP).path)


def test_the_encoder_learns_through_both_sides():
    """Oracle: finite differences in float64, which see every place where the code appears; and
    the share of the positive side, which shows that they would miss it."""
    with jax.enable_x64(True):
        vector, probabilities = (jnp.asarray(v, jnp.float64) for v in (SAMPLE.z.vector, Q))
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
            return jnp.sum(Q * shown(SAMPLE.x, z) ** 2 / 2)

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
    return Players(affine_encoder(), generator), priors.gaussian(1)


def drawn_with_moments(players, prior, params, keys, x):
    noise = draws.draw_noise(players, prior, keys, frozenset({"moments"}))
    return draws.draw(players, params, noise, x)


def test_adaptive_contrast_is_the_kl_and_has_its_gradient():
    """q(z|x) is Gaussian here, so that r is q, T = 0 is the best discriminator, and what is left
    must be KL(N(a x, s^2) || N(0, 1)) and its gradient, in closed form."""
    players, prior = affine_game()
    x = np.random.default_rng(1).normal([0.5, 0.0], [0.4, 1.0], (4000, 2)).astype(np.float32)
    keys = draws.example_keys(jax.random.key(2), 0, len(x))
    generator = players.generator.init(jax.random.key(3))

    def path(encoder, t):
        drawn = drawn_with_moments(players, prior, Players(encoder, generator), keys, x)
        term = terms.adaptive_contrast()
        output = term.loss(lambda x, z: t + 0 * z, drawn, STEP)
        return jnp.mean(output.path), output

    def kl(encoder):
        a, s = encoder["a"], encoder["s"]
        return jnp.mean(0.5 * (s**2 + (a * x[:, 0]) ** 2 - 1) - jnp.log(s))

    encoder = players.encoder.init(None)
    (value, output), gradient = jax.value_and_grad(path, has_aux=True)(encoder, 0.0)
    truth, expected = jax.value_and_grad(kl)(encoder)
    # -E[e^T] is -1 at T = 0, a constant. Mean and deviation come from M draws: what that leaves for
    # the discriminator is known from Student's and the chi-squared distribution.
    m = draws.DRAWS_FOR_MOMENTS
    inflated = (m - 1) / (m - 3)  # E[s^2 / estimate^2]
    log_ratio = 0.5 * (scipy.special.digamma((m - 1) / 2) - np.log((m - 1) / 2))
    left = 0.5 * ((1 + 1 / m) * inflated - 1) + log_ratio
    assert float(value) + 1 == pytest.approx(float(truth) - left, abs=0.01)
    assert float(gradient["a"]) == pytest.approx(float(expected["a"]), abs=0.03)
    of_deviation = float(expected["s"]) - (inflated - 1) / 0.7
    assert float(gradient["s"]) == pytest.approx(of_deviation, abs=0.03)
    # The discriminator's estimate of the rest is added, and it is told the standardized codes.
    told = float(value) + 0.3 - (np.exp(0.3) - 1)
    assert float(path(encoder, 0.3)[0]) == pytest.approx(told, abs=1e-5)
    assert output.metrics["numerator_logit"].shape == (4000,)


def test_adaptive_contrast_shows_standardized_codes():
    players, prior = affine_game()
    x = jnp.stack([3 + jnp.arange(500.0), jnp.zeros(500)], axis=-1)
    keys = draws.example_keys(jax.random.key(2), 0, len(x))
    params = Players(players.encoder.init(None), players.generator.init(jax.random.key(3)))
    drawn = drawn_with_moments(players, prior, params, keys, x)
    shown = []
    terms.adaptive_contrast().loss(
        lambda x, z: shown.append((x, z)) or jnp.zeros((len(z), 1)), drawn, STEP
    )
    (first, numerator), (second, denominator) = shown[:2]
    np.testing.assert_array_equal(first, x)
    np.testing.assert_array_equal(second, x)
    np.testing.assert_array_equal(denominator, drawn.z_prior.vector)
    assert abs(float(numerator.mean())) < 0.15  # a x is 2 to 400
    assert float(numerator.std()) == pytest.approx(1.0, abs=0.1)
    assert "moments" in terms.adaptive_contrast().needs


def test_moments_are_drawn_where_needed_only():
    players, prior = affine_game()
    params = Players(players.encoder.init(None), players.generator.init(jax.random.key(3)))
    keys = draws.example_keys(jax.random.key(2), 0, 3)
    noise = draws.draw_noise(players, prior, keys)
    assert draws.draw(players, params, noise, jnp.ones((3, 2))).moments is None
    many = jnp.broadcast_to(jnp.array([2.0, 0.0]), (3000, 2))
    keys = draws.example_keys(jax.random.key(2), 0, 3000)
    found = drawn_with_moments(players, prior, params, keys, many).moments
    assert float(found.mean.mean()) == pytest.approx(1.6, abs=0.01)
    assert float(jnp.sqrt((found.deviation**2).mean())) == pytest.approx(0.7, abs=0.01)
    # Means of 32 independent draws.
    assert float(found.mean.std()) == pytest.approx(0.7 / np.sqrt(32), rel=0.05)
