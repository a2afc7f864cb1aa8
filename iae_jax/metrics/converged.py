"""The divergences that a trained model's discriminators estimate, once they have been trained
further on their own with encoder and generator frozen."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.devices.parallel import Chunk
from iae_jax.errors import InputError
from iae_jax.game.game import losses
from iae_jax.game.optimizers import Optimizer, optimizer
from iae_jax.game.step import init
from iae_jax.metrics.measurement import Trained
from iae_jax.objectives.grid import cell
from iae_jax.sampling.noise import Noise, example_keys
from iae_jax.types import DISCRIMINATORS, Array, Game, Players, TrainState, Turn

Sample = Callable[[Array, int], Array]  # (key, count) -> x f32[count, ...]


class Training(NamedTuple):
    """Of the discriminators: Adam, from `rate` along a cosine to 0."""

    steps: int = 4000
    batch_size: int = 512
    rate: float = 3e-3


def cell_of(game: Game) -> tuple[str, str]:
    """The names of a game's row and column."""
    return game.objective.reconstruction.name, game.objective.regularization.name


def frozen(game: Game, training: Training) -> Game:
    """The same players, of whom the discriminators alone move; every term at weight 1, without
    penalties."""
    turns = (Turn(DISCRIMINATORS),)
    own = Optimizer(rate=training.rate, b1=0.9, b2=0.999, decay="warmup_cosine", final=0.0)
    optimizers: list[Any] = [
        network and optimizer(own, training.steps, turns, name)
        for name, network in game.networks._asdict().items()
    ]
    return game._replace(
        objective=cell(*cell_of(game)), optimizers=Players(*optimizers), turns=turns
    )


def converged(game: Game, trained: Trained, training: Training, sample: Sample) -> TrainState:
    """The state after so many steps more. game: see `frozen`.

    Raises:
      InputError: a discriminator diverges.
    """
    fresh = init(game, jax.random.key(trained.seed))
    # Discriminators that the trained model does not keep start anew.
    pairs = zip(trained.params, fresh.params, strict=True)
    kept = Players(*(new if own is None else own for own, new in pairs))
    state = dataclasses.replace(fresh, params=jax.tree.map(jnp.copy, kept))
    if not any(game.networks[2:]):
        return state
    chunk = Chunk(game, samplers={"x": lambda key: sample(key, training.batch_size)})
    state, metrics = chunk(state, {}, steps=training.steps)
    if not all(np.isfinite(values).all() for values in jax.device_get(metrics).values()):
        raise InputError("a discriminator of the frozen model diverges: lower its rate")
    return state


def estimates(
    game: Game, state: TrainState, sample: Sample, count: int, key: Array
) -> dict[str, float]:
    """Both terms on `count` fresh examples: E[T] of a discriminator, or the term itself."""
    here, there = jax.random.split(key)
    x, keys = sample(here, count), example_keys(there, 0, count)

    @jax.jit
    def metrics_of(params: Players) -> dict[str, Array]:
        return losses(game, params, Noise(keys), {"x": x}, state.step)[1]

    metrics, found = metrics_of(state.params), {}
    for part in ("reconstruction", "regularization"):
        name = f"{part}_numerator_logit"
        found[part] = float(metrics[name if name in metrics else part].mean())
    return found
