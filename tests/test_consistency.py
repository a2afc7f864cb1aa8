"""Consistency: the distance of codes against numpy, the change of a given length that moves a code
most (virtual adversarial training) against its Hessian, and what a game does with them."""

import games
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats

from iae_jax import networks
from iae_jax.errors import InputError
from iae_jax.game.check import check, inspect
from iae_jax.game.game import losses
from iae_jax.game.step import init
from iae_jax.objectives.consistency import (
    Consistency,
    changed_encoding,
    distance,
    teacher_encoding,
    worst_change,
)
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.runs.build import batch_of, build
from iae_jax.runs.config import Config
from iae_jax.sampling import priors
from iae_jax.sampling.augmentation import NUMBERS, Affine, affine
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, uniform
from iae_jax.types import Encoding, Game, Players

RNG = np.random.default_rng(8)
A = 0.6 * RNG.normal(size=(6, 4))
X, START = RNG.normal(size=(5, 2, 3, 1)), RNG.uniform(-1, 1, (5, 2, 3, 1))
RADIUS = 1.5


def encode(x):
    return Encoding(logits=x.reshape(len(x), -1) @ A)


# --------------------------------------------------------------------------------- distance


def consistency(own, changed, taught=None):
    """The loss of a changed image's encoding to the image's own, or to a teacher's."""
    found = {changed_encoding: changed, teacher_encoding: taught}
    drawn = games.drawn({"x": jnp.zeros((2, 1))}, found, encoding=own)
    return Consistency(teacher=taught is not None).loss(drawn)


def test_consistency_of_a_category_is_the_kl_to_a_target_without_gradient():
    target = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    other = np.log([[0.2, 0.2, 0.6], [0.1, 0.1, 0.8]])

    def value(own, changed):
        return consistency(Encoding(logits=own), Encoding(logits=changed))

    # Logits are known up to a constant.
    found = value(jnp.asarray(target) + 3.0, jnp.asarray(other) - 2.0)
    expected = (np.exp(target) * (target - other)).sum(1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    own, changed = jax.grad(lambda *logits: value(*logits).sum(), argnums=(0, 1))(
        jnp.asarray(target), jnp.asarray(other)
    )
    np.testing.assert_array_equal(own, 0)
    np.testing.assert_allclose(changed, np.exp(other) - np.exp(target), atol=1e-6)


def test_consistency_of_a_vector_is_half_the_squared_distance():
    own, other = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([[1.5, 1.0], [2.0, -0.25]])
    logits = np.array([[0.5, 0.3], [-0.1, 0.7]])

    def value(own, changed, both=False):
        here, there = (
            Encoding(z, logits=w if both else None)
            for z, w in ((own, logits), (changed, 2 * logits))
        )
        return consistency(here, there)

    np.testing.assert_allclose(value(own, other), [2.5, 0.125], rtol=1e-6)
    of_own, of_other = jax.grad(lambda *z: value(*z).sum(), argnums=(0, 1))(own, other)
    np.testing.assert_array_equal(of_own, 0)
    np.testing.assert_allclose(of_other, [[1.0, 2.0], [0.0, -0.5]], rtol=1e-6)
    p, q = scipy.special.softmax(logits, axis=1), scipy.special.softmax(2 * logits, axis=1)
    of_category = scipy.stats.entropy(p, q, axis=1)
    np.testing.assert_allclose(value(own, other, True), [2.5, 0.125] + of_category, rtol=1e-5)


def test_a_teacher_is_the_target():
    own, taught, changed = (Encoding(logits=jnp.asarray(RNG.normal(size=(2, 3)))) for _ in range(3))
    for target, teacher in ((own, None), (taught, taught)):
        p, q = (scipy.special.log_softmax(one.logits, axis=1) for one in (target, changed))
        expected = (np.exp(p) * (p - q)).sum(1)
        found = consistency(own, changed, teacher)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


# ----------------------------------------------------------------------------- worst change


def test_the_worst_change_is_one_power_iteration_on_the_hessian():
    """Oracle: the Hessian of KL(p || softmax(A'(x + r))) at r = 0 is A (diag p - pp') A'."""
    found = np.asarray(worst_change(encode, jnp.array(X), encode(X), jnp.array(START), RADIUS))
    assert found.shape == X.shape
    found = found.reshape(5, -1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), RADIUS, rtol=1e-5)
    p = scipy.special.softmax(X.reshape(5, -1) @ A, axis=1)
    for one, start, q in zip(found, START.reshape(5, -1), p, strict=True):
        expected = A @ (np.diag(q) - np.outer(q, q)) @ A.T @ start
        assert one @ expected / (RADIUS * np.linalg.norm(expected)) > 0.995
        assert one @ start / (RADIUS * np.linalg.norm(start)) < 0.99


def test_the_worst_change_moves_the_code_farther_than_where_it_began():
    own = encode(jnp.array(X))
    found = worst_change(encode, jnp.array(X), own, jnp.array(START), RADIUS)
    start = RADIUS * START / np.sqrt((START**2).sum((1, 2, 3), keepdims=True))
    assert (distance(own, encode(X + found)) > distance(own, encode(X + start))).all()


def test_the_worst_change_of_a_vector_is_the_largest_singular_direction():
    """Oracle: half the squared distance has the Hessian A A'."""

    def linear(x):
        return Encoding(vector=x.reshape(len(x), -1) @ A)

    found = worst_change(linear, jnp.array(X), linear(X), jnp.array(START), RADIUS)
    expected = START.reshape(5, -1) @ A @ A.T
    expected *= RADIUS / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.reshape(5, -1), expected, rtol=1e-3, atol=1e-4)


def test_nothing_learns_through_the_worst_change():
    def length(scale):
        def scaled(x):
            return Encoding(logits=scale * x.reshape(len(x), -1) @ A)

        change = worst_change(scaled, jnp.array(X), scaled(X), jnp.array(START), RADIUS)
        return jnp.sum(change * START)

    assert jax.grad(length)(0.7) == 0 and abs(length(0.7)) > 0.1


def test_a_code_that_does_not_move_has_no_worst_change():
    still = Encoding(logits=jnp.zeros((5, 4)))
    found = worst_change(lambda x: still, jnp.array(X), still, jnp.array(START), RADIUS)
    np.testing.assert_array_equal(found, np.zeros(X.shape))


# ------------------------------------------------------------------------------- in a game


def small(size=0, weight=0.0):
    """A config of images [8, 8, 1] with three categories, and consistency of this weight."""
    config = Config(batch_size=4)
    config.code.size, config.code.categories = size, 3
    config.regularization.kind = "none"
    for player in config.players:
        player.network.width, player.network.hidden = 2, 4
    config.auxiliary.consistency.weight.value = weight
    return config


@pytest.mark.heavy
def test_a_game_changes_its_images_where_a_loss_asks_for_it():
    built = build(small(weight=2.0), (8, 8, 1))
    keys = example_keys(jax.random.key(0), 0, 4)
    params, x = init(built, jax.random.key(1)).params, jax.random.uniform(keys[0], (4, 8, 8, 1))
    noise = Noise(keys)
    numbers = noise("augment", uniform(NUMBERS))
    assert float(jnp.abs(numbers).max()) <= 1 and float(numbers.min()) < 0
    _, metrics = losses(built, params, noise, {"x": x}, jnp.int32(0))
    encode = built.networks.encoder.apply
    moved = built.augment.apply(x, numbers, jnp.int32(0))
    p, q = (
        np.asarray(
            jax.nn.log_softmax(encode(params.encoder, one, jnp.zeros((4, 0))).logits), np.float64
        )
        for one in (x, moved)
    )
    expected = 2.0 * (np.exp(p) * (p - q)).sum(1)
    np.testing.assert_allclose(metrics["augmentation_consistency"], expected, atol=1e-6)
    assert expected.max() > 1e-5
    plain = small()
    reads, _ = inspect(build(plain, (8, 8, 1)), batch_of(plain, (8, 8, 1), {}))
    assert not any("augment" in one.noise for one in reads.values())


def test_what_cannot_be_changed_is_refused():
    config = small(weight=1.0)
    for player in config.players:
        player.network.kind = "mlp"
    with pytest.raises(InputError, match="set auxiliary.consistency.weight.value to 0"):
        build(config, (3,))
    layout = networks.Layout("mlp", hidden=3)
    players = Players(
        networks.encoder(layout, (3,), "deterministic", 0, 4),
        networks.generator(layout, (3,), 0, 4, likelihood="bernoulli"),
    )
    objective = cell("likelihood", auxiliary=(Consistency(Weight(1.0)),))
    prior, optimizers = priors.categorical(4), Players(optax.sgd(1.0), optax.sgd(1.0))
    message = "augmentation_consistency compares x with .*: give the game an augment"
    with pytest.raises(InputError, match=message):
        check(Game(players, prior, objective, optimizers), (3,))


@pytest.mark.heavy
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_game_adds_the_worst_change_to_what_an_affine_change_makes(noise):
    """Oracle: the change by hand, begun at the last numbers; pixel noise has others."""
    config = small(size=2, weight=1.0)
    config.affine = Affine(shift=1.0, noise=noise, vat_radius=RADIUS)
    game = build(config, (8, 8, 1))
    drawing = Noise(example_keys(jax.random.key(3), 0, 4))
    x = jax.random.uniform(jax.random.key(5), (4, 8, 8, 1))
    count = NUMBERS + (128 if noise else 64)
    assert game.augment.noise == count
    numbers = drawing("augment", uniform(count))
    encoder = game.networks.encoder
    params = Players(encoder.init(jax.random.key(1)))
    drawn = Draws(game, params, drawing, {"x": x})
    found = changed_encoding(drawn)
    still = affine(Affine(shift=1.0, noise=noise), (8, 8, 1))
    moved = still.apply(x, numbers, jnp.int32(0))

    def own(x):
        return encoder.apply(params.encoder, x, jnp.zeros((4, 0)))

    start = numbers[:, -64:].reshape(x.shape)
    moved += worst_change(own, moved, own(x), start, RADIUS)
    np.testing.assert_allclose(found.vector, own(moved).vector, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.logits, own(moved).logits, rtol=1e-4, atol=1e-5)
