"""Annealed importance sampling, forward and in reverse: stochastic bounds of log p(x) (Neal 2001;
Grosse et al. 2015, bidirectional Monte Carlo).

Records. ais_lower, ais_upper: bounds of log p(x) in the mean, of images that the model itself
generates: the posterior p(z|x) then has a sample that is exact, the z of each image, with which the
reverse begins. ais_gap: the upper one less the lower one.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.networks.hamiltonian import leapfrog, slope_of
from iae_jax.sampling.draws import Draws
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import Array, Code, Energy, Game, Players

MAX_CHAINS = 500  # at once
FIRST_STEP = 0.1
TARGET = 0.65  # of the share of accepted moves, to which a step's length is adapted
FASTER = 1.02
SLOWER = FASTER ** (-TARGET / (1 - TARGET))


class Annealed(NamedTuple):
    """log_weight: f32[B] in nats. accepted: the share of each temperature's moves that were,
    f32[T]."""

    log_weight: Array
    accepted: Array


def _path(temperatures: int) -> Array:
    """b from 0 to 1, dense near the prior: f32[T + 1]."""
    return jnp.square(jnp.linspace(0.0, 1.0, temperatures + 1))


def moved(energy: Energy, z: Array, step: Array, key: Array, leapfrogs: int) -> tuple[Array, Array]:
    """A move of Hamiltonian Monte Carlo for each row of z f32[B, D], which leaves exp(-energy) as
    it is: the next z, and whether it is another, bool[B]. step: the leapfrogs' length, f32[]."""
    drawn, decided = jax.random.split(key)
    momentum, slope = jax.random.normal(drawn, z.shape, z.dtype), slope_of(energy)

    def again(_: int, now: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        return leapfrog(slope, step, *now)

    end, last, _ = jax.lax.fori_loop(0, leapfrogs, again, (z, momentum, slope(z)))
    kinetic = 0.5 * jnp.sum(jnp.square(momentum) - jnp.square(last), axis=-1)
    log_ratio = energy(z) - energy(end) + kinetic
    taken = jnp.log(jax.random.uniform(decided, log_ratio.shape)) < log_ratio  # not where it is NaN
    return jnp.where(taken[:, None], end, z), taken


def step_lengths(
    prior: Energy, likelihood: Energy, z: Array, key: Array, temperatures: int, leapfrogs: int
) -> Array:
    """Lengths of the leapfrogs at each temperature, found by chains that are then thrown away: what
    adapts itself to its own past would not leave the distribution as it is. f32[T]."""

    def move(
        now: tuple[Array, Array], given: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], Array]:
        (z, step), (b, key) = now, given
        z, taken = moved(lambda z: prior(z) + b * likelihood(z), z, step, key, leapfrogs)
        rate = jnp.where(taken, jnp.log(FASTER), jnp.log(SLOWER))
        return (z, step * jnp.exp(jnp.mean(rate))), step

    start = (z, jnp.asarray(FIRST_STEP, z.dtype))
    given = (_path(temperatures)[1:], jax.random.split(key, temperatures))
    _, found = jax.lax.scan(move, start, given)
    return found


def annealed(
    prior: Energy,
    likelihood: Energy,
    z: Array,
    key: Array,
    steps: Array,
    leapfrogs: int = 10,
    reverse: bool = False,
) -> Annealed:
    """The log weight of each of B chains between p(z) and p(z|x), through exp(-prior - b
    likelihood) for b from 0 to 1, with a move of Hamiltonian Monte Carlo at each.

    Args:
      prior, likelihood: z f32[B, D] -> -log p(z) and -log p(x|z) in nats, of an x for each chain.
      z: f32[B, D], samples of p(z); reverse: exact samples of p(z|x).
      key: of the moves.
      steps: see `step_lengths`; as many as there are temperatures.
      leapfrogs: of each move.
      reverse: from 1 to 0.

    Returns:
      log weights, whose mean is a lower bound of log p(x); in reverse, the negative ones, whose
      mean is an upper bound.
    """
    path = _path(len(steps))

    def move(
        now: tuple[Array, Array], given: tuple[Array, Array, Array, Array]
    ) -> tuple[tuple[Array, Array], Array]:
        (z, log_weight), (before, b, step, key) = now, given
        if reverse:  # a move at b, then the weight of going back
            z, taken = moved(lambda z: prior(z) + b * likelihood(z), z, step, key, leapfrogs)
            return (z, log_weight + (before - b) * likelihood(z)), jnp.mean(taken)
        log_weight += (before - b) * likelihood(z)
        z, taken = moved(lambda z: prior(z) + b * likelihood(z), z, step, key, leapfrogs)
        return (z, log_weight), jnp.mean(taken)

    keys = jax.random.split(key, len(steps))
    start = (z, jnp.zeros(z.shape[0], z.dtype))
    given = (path[:-1], path[1:], steps, keys)
    (_, log_weight), accepted = jax.lax.scan(move, start, given, reverse=reverse)
    return Annealed(log_weight, accepted)


@partial(jax.jit, static_argnames=("game", "images"))
def _generated(game: Game, params: Players, key: Array, images: int) -> tuple[Array, Array] | None:
    """z ~ p(z) f32[N, D] and x ~ p(x|z) f32[N, ...]; None if the latter cannot be drawn."""
    first, second = jax.random.split(key)
    draws = Draws(game, params, Noise(example_keys(first, 0, images)), {})
    generator, z = draws.generator, draws.z_prior
    assert z.vector is not None  # `bounds` has asked
    if not generator.factorized:
        return z.vector, draws.x_prior
    if generator.draw is None:
        return None
    return z.vector, generator.draw(params.generator, z, second)


@partial(jax.jit, static_argnames=("game", "chains", "temperatures", "leapfrogs"))
def from_both_sides(
    game: Game,
    params: Players,
    z: Array,
    x: Array,
    key: Array,
    chains: int,
    temperatures: int,
    leapfrogs: int,
) -> tuple[Array, Array]:
    """A lower and an upper bound of log p(x), each in the mean, of every x f32[N, ...] that was
    generated from z f32[N, D]: f32[N] both."""

    def densities(key: Array, x: Array) -> tuple[Energy, Energy, Array]:
        """-log p(z), -log p(x|z) for x f32[C, ...], and C samples of p(z)."""
        draws = Draws(game, params, Noise(example_keys(key, 0, len(x))), {})
        log_p, log_likelihood = draws.prior.log_density, draws.generator.log_likelihood
        start = draws.z_prior.vector
        assert log_p is not None and log_likelihood is not None and start is not None

        def prior(z: Array) -> Array:
            return -log_p(draws.prior_params, Code(vector=z))

        def likelihood(z: Array) -> Array:
            return -log_likelihood(params.generator, Code(vector=z), x)

        return prior, likelihood, start

    first, search, every = jax.random.split(key, 3)
    steps = step_lengths(*densities(first, x[:MAX_CHAINS]), search, temperatures, leapfrogs)

    def of(given: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        z, x, key = given
        begin, ahead, back = jax.random.split(key, 3)
        prior, likelihood, start = densities(begin, jnp.broadcast_to(x, (chains, *x.shape)))
        forward = annealed(prior, likelihood, start, ahead, steps, leapfrogs)
        own = jnp.broadcast_to(z, (chains, *z.shape))
        reverse = annealed(prior, likelihood, own, back, steps, leapfrogs, reverse=True)
        # Of the chains' mean weights, p(x) and, in reverse, 1 / p(x) are the means.
        lower = jax.nn.logsumexp(forward.log_weight) - jnp.log(chains)
        return lower, jnp.log(chains) - jax.nn.logsumexp(-reverse.log_weight)

    keys = jax.random.split(every, len(x))
    batch = min(len(x), max(1, MAX_CHAINS // chains))
    found: tuple[Array, Array] = jax.lax.map(of, (z, x, keys), batch_size=batch)
    return found


def bounds(
    trained: Trained,
    images: int = 50,
    chains: int = 8,
    temperatures: int = 500,
    leapfrogs: int = 10,
) -> Iterator[Measurement]:
    """log p(x) from both sides, of so many images that the model generates.

    Args:
      chains: of each image, in each direction.
      temperatures: between p(z) and p(z|x); the more, the narrower.
      leapfrogs: of the move at each temperature, of which each is a gradient of the generator.

    Raises:
      InputError: a number below 1.
    """
    for name, number in (
        ("images", images),
        ("chains", chains),
        ("temperatures", temperatures),
        ("leapfrogs", leapfrogs),
    ):
        if not (isinstance(number, int) and number > 0):
            raise InputError(
                f"{name} of annealed importance sampling are 1 or more, not {number!r}"
            )
    generator, prior = trained.game.networks.generator, trained.game.prior
    if generator is None or generator.log_likelihood is None:
        return
    if prior.log_density is None or not prior.size or prior.categories:
        return
    # Terms and optimizers change nothing here, and would compile again.
    game = trained.game._replace(objective=None, optimizers=Players(), turns=(), local_scale=1.0)
    begin, key = jax.random.split(jax.random.key(trained.seed))
    if (generated := _generated(game, trained.params, begin, images)) is None:
        return
    found = from_both_sides(game, trained.params, *generated, key, chains, temperatures, leapfrogs)
    lower, upper = (float(np.asarray(one, np.float64).mean()) for one in found)
    yield Measurement("ais_lower", lower, images)
    yield Measurement("ais_upper", upper, images)
    yield Measurement("ais_gap", upper - lower, images)
