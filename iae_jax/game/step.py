"""init and train_step: the one function that is jitted and pmapped for every model."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from iae_jax.errors import InputError
from iae_jax.game.game import losses, move, noise_of, own_gradients, whole_of
from iae_jax.sampling.draws import example_keys, pick
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
    Whole,
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
    whole: Whole | None


def _losses(game: Game, turn: _Turn, params: Players) -> tuple[Players, Metrics]:
    return losses(game, params, *turn)


def _mean_over(function: Callable[..., Any], cut: Any, pieces: int) -> Any:
    """The mean of what a function makes of each piece, of which one is in memory at a time. cut: a
    tree of arrays [pieces, ...]."""
    first = jax.tree.map(lambda leaf: leaf[0], cut)
    if pieces == 1:
        return function(first)
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, first)
    )

    def add(total: Any, piece: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(piece)), None

    total, _ = jax.lax.scan(add, zeros, cut)
    return jax.tree.map(lambda leaf: leaf / pieces, total)


def train_step(
    game: Game,
    state: TrainState,
    x: Array,
    axis_name: str | None = None,
    bank: Labelled | None = None,
    pieces: int = 1,
) -> tuple[TrainState, Metrics]:
    """One step of every player, in the game's turns.

    x: f32[B, ...], the batch, or this device's contiguous slice of it when `axis_name` is the
    pmapped axis. bank: all images whose labels may be read, for an objective that needs labels:
    each turn draws B of them. pieces: in how many the gradient is computed, one after the other,
    which needs less memory and is the same gradient. Returns the next state and metrics
    name -> f32[]: losses, means over the batch, in nats per example, lower is better; and the norm
    of each player's gradient and of all together.
    """
    first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * x.shape[0]
    params, opt_state, needs = state.params, state.opt_state, game.objective.needs
    if "labels" in needs and bank is None:
        raise InputError("this objective reads labels: give train_step the labelled images, bank")
    metrics: Metrics = {}
    squares: dict[str, Array] = {}
    teacher = state.average.encoder if "teacher" in needs else None
    for turn, movers in enumerate(game.turns):
        # Folding turn and step separately: no two of them share noise.
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step + 1), turn)
        keys = example_keys(key, first, x.shape[0])
        cut = jax.tree.map(lambda leaf: leaf.reshape(pieces, -1, *leaf.shape[1:]), (x, keys))
        before = params

        def of_whole(piece: tuple[Array, Array], params: Players = before) -> Whole:
            x, keys = piece
            return whole_of(game, params, noise_of(game, keys), state.step, x, axis_name)

        whole = _mean_over(of_whole, cut, pieces) if pieces > 1 and "whole" in needs else None

        def of_piece(
            piece: tuple[Array, Array],
            params: Players = before,
            whole: Whole | None = whole,
            movers: tuple[str, ...] = movers,
        ) -> tuple[Players, Metrics]:
            x, keys = piece
            labelled = None if bank is None else pick(bank, keys)
            noise = noise_of(game, keys)
            turn = _Turn(noise, state.step, x, axis_name, labelled, teacher, whole)
            gradients, vectors = own_gradients(partial(_losses, game, turn), params, movers)
            return gradients, jax.tree.map(jnp.mean, vectors)

        gradients, means = _mean_over(of_piece, cut, pieces)
        if axis_name is not None:
            gradients, means = jax.lax.pmean((gradients, means), axis_name)
        params, opt_state = move(game, params, opt_state, gradients)
        metrics |= means
        squares |= {
            player: jnp.square(optax.global_norm(gradient))
            for player, gradient in gradients._asdict().items()
            if gradient is not None
        }
    metrics |= {f"{player}_gradient_norm": jnp.sqrt(one) for player, one in squares.items()}
    metrics["gradient_norm"] = jnp.sqrt(sum(squares.values(), start=jnp.zeros(())))
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
