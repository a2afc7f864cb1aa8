"""Draws: a value is computed once; means are over the global batch; what a game lacks is refused.

Oracles: counts of calls; one batch on one device (for a batch that is cut).
"""

from dataclasses import dataclass

import games
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iae_jax.devices.parallel import Chunk
from iae_jax.errors import InputError
from iae_jax.game import game as playing
from iae_jax.game.check import check
from iae_jax.game.step import init
from iae_jax.objectives.grid import cell
from iae_jax.objectives.weights import Weight
from iae_jax.sampling import draws, priors
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys, normal
from iae_jax.types import Code, Encoder, Encoding, Game, Generator, Players

B = 6
KEYS = example_keys(jax.random.key(1), 0, B)
X = games.batch(2, B)


def counted(function, calls):
    """The same function, which notes its calls."""

    def call(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return call


def linear(encoder_calls, generator_calls):
    """A game of linear networks that note their calls; its draws."""
    encoder = Encoder(
        None, counted(lambda w, x, n: Encoding(w * x[:, :2] + n), encoder_calls), noise=2
    )
    generator = Generator(
        None,
        counted(lambda w, z, n: w * jnp.pad(z.vector, ((0, 0), (0, 1))) + n, generator_calls),
        noise=3,
    )
    game = Game(Players(encoder, generator), priors.gaussian(2), None, Players())
    return Draws(game, Players(0.5, 2.0), Noise(KEYS), {"x": X})


# ---------------------------------------------------------------------------- computed once


def test_a_value_is_computed_when_it_is_read_and_once():
    encoded, decoded = [], []
    drawn = linear(encoded, decoded)
    assert not encoded and not decoded
    x_hat = drawn.x_hat
    assert len(encoded) == len(decoded) == 1
    assert drawn.x_hat is x_hat and drawn.encoding.vector is drawn.z.vector
    assert len(encoded) == len(decoded) == 1
    assert drawn.x_prior.shape == X.shape and len(decoded) == 2 and len(encoded) == 1
    noise = drawn.noise_source
    np.testing.assert_array_equal(drawn.z.vector, 0.5 * X[:, :2] + noise("encoder", normal(2)))
    z_prior, local = noise("prior", normal(2)), noise("prior_local", normal(3))
    np.testing.assert_array_equal(drawn.x_prior[:, :2], 2 * z_prior + local[:, :2])


def test_a_draw_of_a_loss_is_computed_once_for_all_who_read_it():
    calls = []

    def draw(drawn):
        calls.append(drawn)
        return drawn.x + 1

    drawn = linear([], [])
    first = drawn.of(draw)
    assert drawn.of(draw) is first and calls == [drawn]
    other = linear([], [])
    assert other.of(draw) is not first and calls == [drawn, other]


def test_a_draw_with_settings_is_known_by_its_equality():
    calls = []

    @dataclass(frozen=True)
    class Shifted:
        by: float

        def __call__(self, drawn):
            calls.append(self.by)
            return drawn.x + self.by

    drawn = linear([], [])
    assert drawn.of(Shifted(0.5)) is drawn.of(Shifted(0.5))
    assert drawn.of(Shifted(0.25)) is not drawn.of(Shifted(0.5))
    assert calls == [0.5, 0.25]


# -------------------------------------------------------------------- means of the global batch


class Spread:
    """A loss of one's own: log of the determinant of the codes' second moments, and a product of
    means of two names. No mean of losses of parts is the loss of the whole."""

    name = "spread"
    weight = Weight(3.0)

    def loss(self, drawn):
        z = drawn.z.vector
        second = drawn.batch_mean("second", z.T @ z / len(z) + jnp.eye(2))
        both = drawn.batch_mean("both", {"z": jnp.mean(z), "x": jnp.mean(drawn.x_hat)})
        return jnp.linalg.slogdet(second)[1] + both["z"] * both["x"]


@pytest.fixture(scope="module")
def spreading():
    return games.build("likelihood", "none", auxiliary=(Spread(),))


@pytest.fixture(scope="module")
def by_hand(spreading):
    """A step of SGD down the loss of the whole batch, written without Draws; and the loss."""
    encoder, generator, *_ = spreading.networks
    state, x = init(spreading, jax.random.key(1)), games.batch(5, 12)
    keys = example_keys(jax.random.fold_in(jax.random.fold_in(state.key, 1), 0), 0, 12)
    noise = Noise(keys)("encoder", normal(2))

    def loss(theta):
        encoding = encoder.apply(theta[0], x, noise)
        z = encoding.vector
        code = Code(vector=z)
        x_hat = generator.sample(theta[1], code, jnp.zeros((12, 0)))
        own = jnp.linalg.slogdet(z.T @ z / 12 + jnp.eye(2))[1] + jnp.mean(z) * jnp.mean(x_hat)
        return 3 * own - jnp.mean(generator.log_likelihood(theta[1], code, x)), 3 * own

    gradient, own = jax.grad(loss, has_aux=True)(tuple(state.params[:2]))
    moved = [
        jax.tree.map(lambda p, g, rate=rate: p - rate * g, params, own_gradient)
        for params, own_gradient, rate in zip(state.params, gradient, games.RATES, strict=False)
    ]
    return moved, float(own)


@pytest.mark.heavy
@pytest.mark.parametrize(("devices", "microbatches"), [(1, 1), (1, 3), (2, 1), (2, 3)])
def test_a_mean_is_over_the_global_batch_and_has_its_gradient(
    spreading, by_hand, devices, microbatches
):
    chunk = Chunk(spreading, jax.devices("cpu")[:devices], microbatches)
    state, metrics = chunk(init(spreading, jax.random.key(1)), games.batch(5, 1, 12))
    moved, loss = by_hand
    np.testing.assert_allclose(metrics["spread"][0], loss, rtol=1e-5)
    for found, expected in zip(
        jax.tree.leaves(tuple(state.params[:2])), jax.tree.leaves(tuple(moved)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.heavy
def test_the_mean_of_parts_is_not_the_whole(spreading, by_hand, monkeypatch):
    """What the test above would see of parts that had their own means."""
    monkeypatch.setattr(draws.BatchMeans, "__call__", lambda self, name, value: value)
    chunk = Chunk(spreading, jax.devices("cpu")[:1], 3)
    state, metrics = chunk(init(spreading, jax.random.key(1)), games.batch(5, 1, 12))
    assert abs(metrics["spread"][0] - by_hand[1]) > 1e-3


@pytest.mark.heavy
def test_two_means_of_one_name_are_refused(spreading):
    """They would be one mean of a batch that is cut."""

    class Other(Spread):
        name = "other"

    both = spreading._replace(objective=cell("likelihood", auxiliary=(Spread(), Other())))
    params, noise = init(both, jax.random.key(1)).params, Noise(KEYS)
    with pytest.raises(InputError, match="two means are called 'second': rename one, or read"):
        playing.losses(both, params, noise, {"x": X}, 0)


# ------------------------------------------------------------------------- what a game may lack


def bare(**fields):
    """Draws of a game that has nothing but a prior."""
    return Draws(
        Game(Players(), priors.gaussian(2), None, Players(), **fields),
        Players(),
        Noise(KEYS),
        {"x": X},
    )


LACKING = {
    "encoder": (lambda d: d.z, "needs the encoder: give the game one"),
    "generator": (lambda d: d.x_prior, "needs the generator: give the game one"),
    "discriminator": (
        lambda d: playing.discriminate(d, "regularization_discriminator"),
        "needs the regularization_discriminator: give the game one",
    ),
    "augment": (lambda d: d.augment, "compares x with a changed x: give the game an augment"),
    "ema": (lambda d: d.ema, "reads the averaged encoder: set the game's ema_decay above 0"),
    "labels": (
        lambda d: d.data("labelled"),
        "needs 'labelled' in the batch, which has x: set data.labels_per_class, or give it one",
    ),
    "another set": (
        lambda d: d.data("y"),
        "needs 'y' in the batch, which has x: set data.also=y=SET, or give it one",
    ),
}


@pytest.mark.parametrize("name", LACKING)
def test_what_a_game_lacks_is_refused_with_the_fix(name):
    read, message = LACKING[name]
    with pytest.raises(InputError) as error:
        read(bare())
    assert message in str(error.value) and "\n" not in str(error.value)


class Second:
    """A loss that reads a second set."""

    name = "second"
    weight = Weight(1.0)

    def loss(self, drawn):
        return jnp.sum(jnp.square(drawn.z.vector), -1) * jnp.mean(drawn.data("y"))


def test_a_source_that_is_missing_is_refused_with_the_loss_that_reads_it():
    built = games.build("likelihood", "none")
    built = built._replace(objective=cell("likelihood", auxiliary=(Second(),)))
    with pytest.raises(InputError, match="second needs 'y' in the batch, which has x"):
        check(built, games.SHAPE)
    y = jax.ShapeDtypeStruct((B, 4), jnp.float32)
    x = jax.ShapeDtypeStruct((B, *games.SHAPE), jnp.float32)
    assert check(built, {"x": x, "y": y}).sources == {"x", "y"}
