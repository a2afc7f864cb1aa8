"""Annealed importance sampling, forward and in reverse: stochastic bounds of log p(x) (Neal 2001;
Grosse et al. 2015, bidirectional Monte Carlo)."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.networks.hamiltonian import leapfrog, slope_of
from iae_jax.types import Array, Energy

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

    def again(_: int, both: tuple[Array, Array]) -> tuple[Array, Array]:
        return leapfrog(slope, step, *both)

    end, last = jax.lax.fori_loop(0, leapfrogs, again, (z, momentum))
    kinetic = 0.5 * jnp.sum(jnp.square(momentum) - jnp.square(last), axis=-1)
    log_ratio = energy(z) - energy(end) + kinetic
    taken = jnp.log(jax.random.uniform(decided, log_ratio.shape)) < log_ratio  # not where it is NaN
    return jnp.where(taken[:, None], end, z), taken


@partial(jax.jit, static_argnames=("prior", "likelihood", "temperatures", "leapfrogs"))
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


@partial(jax.jit, static_argnames=("prior", "likelihood", "leapfrogs", "reverse"))
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
