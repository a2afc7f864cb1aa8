"""Scorings: slopes by hand, the vector field of the DiracGAN, sums over pairs of categories."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.errors import InputError
from iae_jax.game import game
from iae_jax.objectives import scoring
from iae_jax.objectives.adversarial import R1, Adversary, scored
from iae_jax.objectives.grid import cell
from iae_jax.runs.build import adversary
from iae_jax.runs.config import Term
from iae_jax.sampling.noise import Noise
from iae_jax.types import (
    Code,
    Discriminator,
    Game,
    Generator,
    Players,
    Prior,
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


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


ONE_SIDED = [name for name in scoring.SCORINGS if name != "relativistic"]


@pytest.mark.parametrize("name", ONE_SIDED)
@pytest.mark.parametrize("side", ["positive", "negative", "numerator", "denominator"])
def test_large_logits_stay_finite(name, side):
    logits = jnp.array([-1e3, -90.0, 0.0, 90.0, 1e3], jnp.float32)
    values, slopes = jax.vmap(jax.value_and_grad(loss_of(name, side)))(logits)
    assert values.dtype == jnp.float32
    assert np.isfinite(values).all() and np.isfinite(slopes).all()


@pytest.mark.parametrize("name", ONE_SIDED)
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


def test_a_relativistic_scoring_reads_differences_and_moves_one_side_each():
    """Slopes by hand, of pairs of logits."""
    a, b = np.array([0.3, -1.0, 2.0, 90.0]), np.array([1.1, -0.2, -0.5, -90.0])
    losses = scoring.SCORINGS["relativistic"].losses
    wrong, right = logistic(b - a), logistic(a - b)
    nothing = np.zeros(4)
    for side, of_a, of_b in (
        ("discriminator", -wrong, wrong),
        ("numerator", right, nothing),
        ("denominator", nothing, -right),
    ):
        slopes = jax.grad(lambda a, b, side=side: getattr(losses(a, b), side).sum(), (0, 1))(
            jnp.asarray(a), jnp.asarray(b)
        )
        np.testing.assert_allclose(slopes[0], of_a, atol=1e-12)
        np.testing.assert_allclose(slopes[1], of_b, atol=1e-12)
    values = losses(jnp.asarray(a[:2]), jnp.asarray(b[:2]))
    np.testing.assert_allclose(values.discriminator, np.log1p(np.exp(b - a)[:2]))
    np.testing.assert_allclose(values.numerator, np.log1p(np.exp(a - b)[:2]))
    np.testing.assert_allclose(values.denominator, np.log1p(np.exp(a - b)[:2]))


@pytest.mark.parametrize("steps", [0, -3, 2**31])
def test_an_interval_of_penalties_is_a_number_of_steps(steps):
    with pytest.raises(InputError, match=rf"r1_interval_steps is at least 1 .*, not {steps}"):
        adversary(Term("marginal_data", r1=0.3, r1_interval_steps=steps), 10, "reconstruction")


@pytest.mark.heavy
@pytest.mark.parametrize("r1", [None, (0.6, 1), (0.6, 4), "both"])
@pytest.mark.parametrize("data", [0.0, 0.5])
@pytest.mark.parametrize("name", ONE_SIDED)
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
        lambda p: game.losses(built, p, noise, batch, jnp.int32(step)),
        params,
        game.SIMULTANEOUS[0].movers,
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


def test_a_side_of_a_relativistic_scoring_moves_its_own_category_alone():
    """Both losses are E softplus(T_a - T_b), linear in the probabilities of either side: slopes by
    hand, of which each is counted once."""
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    p, q = (rng.dirichlet(np.ones(count), 5) for count in (3, 4))
    pairs = np.log1p(np.exp(a[:, :, None] - b[:, None, :]))
    by_p, by_q = (pairs * q[:, None, :]).sum(axis=2), (pairs * p[:, :, None]).sum(axis=1)
    for side, of_p, of_q in (("numerator", by_p, 0 * by_q), ("denominator", 0 * by_p, by_q)):

        def loss(p, q, side=side):
            codes = Code(probabilities=p), Code(probabilities=q)
            found = scored(scoring.RELATIVISTIC, jnp.asarray(a), jnp.asarray(b), *codes)
            return getattr(found, side).sum()

        slopes = jax.grad(loss, (0, 1))(jnp.asarray(p), jnp.asarray(q))
        np.testing.assert_allclose(slopes[0], of_p, rtol=1e-12)
        np.testing.assert_allclose(slopes[1], of_q, rtol=1e-12)
