"""The change of a given length that moves a code most: virtual adversarial training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from iae_jax import noise_of
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.sampling import draws
from iae_jax.sampling.augmentation import NUMBERS, Affine, affine, distance, worst_change
from iae_jax.types import Encoding

RNG = np.random.default_rng(8)
A = 0.6 * RNG.normal(size=(6, 4))
X, START = RNG.normal(size=(5, 2, 3, 1)), RNG.uniform(-1, 1, (5, 2, 3, 1))
RADIUS = 1.5


def encode(x):
    return Encoding(logits=x.reshape(len(x), -1) @ A)


def test_it_is_one_power_iteration_on_the_hessian():
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


def test_it_moves_the_code_farther_than_where_it_began():
    own = encode(jnp.array(X))
    found = worst_change(encode, jnp.array(X), own, jnp.array(START), RADIUS)
    start = RADIUS * START / np.sqrt((START**2).sum((1, 2, 3), keepdims=True))
    assert (distance(own, encode(X + found)) > distance(own, encode(X + start))).all()


def test_of_a_vector_it_is_the_largest_singular_direction():
    """Oracle: half the squared distance has the Hessian A A'."""

    def linear(x):
        return Encoding(vector=x.reshape(len(x), -1) @ A)

    found = worst_change(linear, jnp.array(X), linear(X), jnp.array(START), RADIUS)
    expected = START.reshape(5, -1) @ A @ A.T
    expected *= RADIUS / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.reshape(5, -1), expected, rtol=1e-3, atol=1e-4)


def test_nothing_learns_through_it():
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


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_game_adds_it_to_what_an_affine_change_makes(noise):
    """Oracle: the change by hand, begun at the last numbers; pixel noise has others."""
    config = Config(batch_size=4)
    config.code.size, config.code.categories, config.code.consistency_weight = 2, 3, 1.0
    config.affine = Affine(shift=1.0, noise=noise, worst=RADIUS)
    game = build(config, (8, 8, 1))
    keys = draws.example_keys(jax.random.key(3), 0, 4)
    noises, x = noise_of(game, keys), jax.random.uniform(jax.random.key(5), (4, 8, 8, 1))
    assert noises.augment.shape == (4, NUMBERS + (128 if noise else 64))
    encoder, generator = game.networks.encoder, game.networks.generator
    params = game.networks._replace(
        encoder=encoder.init(jax.random.key(1)), generator=generator.init(jax.random.key(2))
    )
    drawn = draws.draw(game.networks, params, noises, x, augment=game.augment)
    moved = affine(Affine(shift=1.0, noise=noise), (8, 8, 1)).apply(x, noises.augment)

    def own(x):
        return encoder.apply(params.encoder, x, noises.encoder)

    start = noises.augment[:, -64:].reshape(x.shape)
    moved += worst_change(own, moved, own(x), start, RADIUS)
    np.testing.assert_allclose(drawn.augmented.vector, own(moved).vector, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(drawn.augmented.logits, own(moved).logits, rtol=1e-4, atol=1e-5)
