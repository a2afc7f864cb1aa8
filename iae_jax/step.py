"""init and train_step: the one function that is jitted and pmapped for every model."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.draws import example_keys, pick
from iae_jax.game import losses, move, noise_of, own_gradients
from iae_jax.types import (
    DISCRIMINATORS,
    Array,
    Game,
    Labelled,
    Metrics,
    Noise,
    Params,
    Players,
    TrainState,
)


def _averaged(params: Players) -> Players:
    """Encoder and generator: what evaluation reads."""
    return params._replace(**dict.fromkeys(DISCRIMINATORS))


def init(game: Game, key: Array) -> TrainState:
    """A fresh state; the key is kept as the run's key. Works under eval_shape and vmap."""
    keys = jax.random.split(jax.random.fold_in(key, 0), len(Players._fields))
    networks = [network and network.init(k) for network, k in zip(game.networks, keys, strict=True)]
    params = Players(*networks)
    opt_state = Players(
        *(tx and tx.init(theta) for tx, theta in zip(game.optimizers, params, strict=True))
    )
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=key,
        params=params,
        opt_state=opt_state,
        # A copy: a donated state may not hold one buffer twice.
        average=jax.tree.map(jnp.copy, _averaged(params)),
    )


class _Turn(NamedTuple):
    """What the losses of a turn depend on beside the parameters."""

    noise: Noise
    step: Array
    x: Array
    axis_name: str | None
    labelled: Labelled | None
    teacher: Params


def _losses(game: Game, turn: _Turn, params: Players) -> tuple[Players, Metrics]:
    return losses(game, params, *turn)


def train_step(
    game: Game, state: TrainState, x: Array, axis_name: str | None = None,
    bank: Labelled | None = None,
) -> tuple[TrainState, Metrics]:
    """One step of every player, in the game's turns.

    x: f32[B, ...], the batch, or this device's contiguous slice of it when `axis_name` is the
    pmapped axis. bank: all images whose labels may be read, for an objective that needs labels:
    each turn draws B of them. Returns the next state and metrics name -> f32[], means over the
    batch: losses in nats per example, lower is better.
    """
    first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * x.shape[0]
    params, opt_state = state.params, state.opt_state
    metrics: Metrics = {}
    teacher = state.average.encoder if "teacher" in game.objective.needs else None
    for turn, movers in enumerate(game.turns):
        # Folding turn and step separately: no two of them share noise.
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step + 1), turn)
        keys = example_keys(key, first, x.shape[0])
        labelled = None if bank is None else pick(bank, keys)
        noise = noise_of(game, keys)
        # partial, not a lambda: every turn has noise of its own.
        loss_fn = partial(
            _losses, game, _Turn(noise, state.step, x, axis_name, labelled, teacher)
        )
        gradients, vectors = own_gradients(loss_fn, params, movers)
        means = jax.tree.map(jnp.mean, vectors)
        if axis_name is not None:
            gradients, means = jax.lax.pmean((gradients, means), axis_name)
        params, opt_state = move(game, params, opt_state, gradients)
        metrics |= means
    average = _averaged(params)
    if game.decay:
        # A young average would remember the initial parameters for 1 / (1 - decay) steps.
        decay = jnp.minimum(game.decay, (state.step + 1) / (state.step + 10))
        average = jax.tree.map(
            lambda old, new: decay * old + (1 - decay) * new, state.average, average
        )
    return (
        TrainState(state.step + 1, state.key, params, opt_state, average),
        metrics,
    )
