"""Adversarial terms: pairings against a typed table, R1 and gradients by hand."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from games import PAIRINGS
from samples import VALUES, WEIGHTS, B, K, Q, X, Z, sample

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.check import check
from iae_jax.objectives import adversarial, scoring
from iae_jax.objectives.adversarial import R1, Adversary
from iae_jax.objectives.grid import cell
from iae_jax.sampling import priors
from iae_jax.types import Game


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


def test_several_pairings_have_a_head_each():
    """The first is of codes alone, with the logits as they are; the second's are -1.5 times those
    of the pairs."""

    def heads(x, vector, head=0):
        return (1 - 2.5 * head) * discriminate(x, vector)

    adversary = Adversary(scoring.LEAST_SQUARES, numerator_weight=0.1)
    term = adversarial.several(adversary, PAIRINGS["marginal_code"], PAIRINGS["joint_model"])
    output = term.loss(sample(3), heads)
    autoencoder, own = np.zeros(B), np.zeros(B)
    for pairing, scale in (("marginal_code", 1.0), ("joint_model", -1.5)):
        numerator, denominator = TABLE[pairing]
        autoencoder += 0.1 * side_expectation(numerator, lambda t, s=scale: (s * t) ** 2 / 2)
        autoencoder += side_expectation(denominator, lambda t, s=scale: (s * t - 1) ** 2 / 2)
        own += side_expectation(numerator, lambda t, s=scale: (s * t - 1) ** 2 / 2)
        own += side_expectation(denominator, lambda t, s=scale: (s * t) ** 2 / 2)
    np.testing.assert_allclose(output.autoencoder, autoencoder, rtol=1e-4)
    np.testing.assert_allclose(output.discriminator, own, rtol=1e-4)
    assert (term.reads, term.heads) == (("x", "z"), (("z",), ("x", "z")))
    assert {"discriminator", "joint_model_numerator_logit"} < set(output.metrics)


def test_each_head_is_a_discriminator_of_its_own():
    own = [
        networks.discriminator(games.LAYOUT, games.SHAPE, reads, 2) for reads in (("z",), ("x",))
    ]
    both = networks.with_heads(own)
    params = both.init(jax.random.key(4))
    x, z = games.batch(1, 5), jax.random.normal(jax.random.key(2), (5, 2))
    np.testing.assert_array_equal(both.apply(params, x, z), own[0].apply(params[0], None, z))
    np.testing.assert_array_equal(both.apply(params, x, z, 1), own[1].apply(params[1], x, None))
    assert (both.reads, both.heads) == (("x", "z"), (("z",), ("x",)))


def test_heads_that_are_missing_are_refused():
    one = games.players("flipped_reconstruction", "cycle_marginals")
    with pytest.raises(InputError, match="has 2 heads of a discriminator, and the reconstruction"):
        check(
            Game(one, priors.gaussian(2), cell("cycle_reconstruction", "cycle_marginals"), one),
            games.SHAPE,
        )
