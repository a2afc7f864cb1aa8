"""init and train_step: the one function that is jitted and pmapped for every model."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from iae_jax.errors import InputError
from iae_jax.game.game import LossFn, losses, move, own_gradients
from iae_jax.sampling.batch_means import BatchMeans
from iae_jax.sampling.noise import Noise, example_keys, number_of, to_unit
from iae_jax.types import (
    DISCRIMINATORS,
    Array,
    Batch,
    Game,
    Labelled,
    Metrics,
    Players,
    TrainState,
    Turn,
)

MAX_IN_TURN = 46_000  # labels: the square is still an int32


def _averaged(params: Players) -> Players:
    """Encoder and generator: what evaluation reads."""
    return params._replace(**dict.fromkeys(DISCRIMINATORS))


def init(game: Game, key: Array, x: Array | None = None) -> TrainState:
    """A fresh state; the key is kept as the run's key. Works under eval_shape and vmap. x: f32[N,
    ...], some of the training set, for an encoder that starts from them (`Encoder.start`)."""
    keys = jax.random.split(jax.random.fold_in(key, 0), len(Players._fields))
    networks = [network and network.init(k) for network, k in zip(game.networks, keys, strict=True)]
    encoder = game.networks.encoder
    if encoder is not None and encoder.start is not None and x is not None:
        size = encoder.noise + encoder.perturbations
        numbers = jax.random.normal(jax.random.fold_in(keys[0], 0), (len(x), size))
        networks[0] = encoder.start(keys[0], x, numbers)
    params: Players = Players(*networks)
    opt_state: Players = Players(
        *(tx and tx.init(theta) for tx, theta in zip(game.optimizers, params, strict=True))
    )
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=key,
        params=params,
        opt_state=opt_state,
        # A copy: a donated state may not hold one buffer twice.
        ema=jax.tree.map(jnp.copy, _averaged(params)),
    )


def _mean_over(function: Callable[..., Any], cut: Any, microbatches: int) -> Any:
    """The mean of a function's values over the microbatches, of which one is in memory at a time.
    cut: a tree of arrays [microbatches, ...]."""
    first = jax.tree.map(lambda leaf: leaf[0], cut)
    if microbatches == 1:
        return function(first)
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(function, first)
    )
    if not jax.tree.leaves(zeros):
        return zeros

    def add(total: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(part)), None

    total, _ = jax.lax.scan(add, zeros, cut)
    return jax.tree.map(lambda leaf: leaf / microbatches, total)


def _mean_over_devices(tree: Any, axis_name: str) -> Any:
    """The mean of each array, exchanged as one vector: between processes every array would be an
    exchange of its own, each as slow as the network answers."""
    vector, arrays_of = ravel_pytree(tree)
    return arrays_of(jax.lax.pmean(vector, axis_name))


def _with_labelled(
    batch: Batch, labelled: Labelled | None, keys: Array, first: Array | None = None
) -> Batch:
    """The batch with a labelled image and its label for each example: drawn uniformly, or in turn
    from the first."""
    if labelled is None:
        return batch
    size, number = labelled.label.shape[0], number_of("labelled")
    if first is None:
        draw = partial(jax.random.randint, shape=(), minval=0, maxval=size)
        chosen = jax.vmap(lambda key: draw(jax.random.fold_in(key, number)))(keys)
    else:
        chosen = (first + jnp.arange(len(keys))) % size
    return {**batch, "labelled": to_unit(labelled.x[chosen]), "labels": labelled.label[chosen]}


def _in_turn(labelled: Labelled | None, step: Array, batch: int) -> Array | None:
    """Which labelled image a step's batch begins with, where the last one has ended."""
    if labelled is None:
        return None
    size = labelled.label.shape[0]
    if size > MAX_IN_TURN:
        raise InputError(
            f"at most {MAX_IN_TURN} labels are read in turn, not {size}: set data.labels_in_turn "
            "to False"
        )
    return step % size * (batch % size) % size


def train_step(
    game: Game,
    state: TrainState,
    batch: Batch | Array,
    axis_name: str | None = None,
    labelled: Labelled | None = None,
    microbatches: int = 1,
) -> tuple[TrainState, Metrics]:
    """One step of every player, in the game's turns.

    Args:
      batch: "x" f32[B, ...] (or x alone) and other sources by their names: the batch, or this
        device's contiguous slice of it when `axis_name` is the pmapped axis.
      labelled: all images whose labels may be read: each turn draws B of them.
      microbatches: into how many the gradient's computation is cut, one after the other, which
        needs less memory and is the same gradient.

    Returns:
      the next state and metrics name -> f32[]: losses, means over the batch, in nats per example,
      lower is better; and the norm of each player's gradient and of all together.

    Raises:
      InputError: a term reads what the game or the batch lacks.
    """
    batch = batch if isinstance(batch, Mapping) else {"x": batch}
    size = batch["x"].shape[0]
    chex.assert_equal_shape_prefix(list(batch.values()), 1)
    first: Array | int = 0 if axis_name is None else jax.lax.axis_index(axis_name) * size
    devices = 1 if axis_name is None else jax.lax.psum(1, axis_name)
    in_turn = _in_turn(labelled, state.step, size * devices) if game.labels_in_turn else None
    params, opt_state = state.params, state.opt_state
    metrics: Metrics = {}
    squares: dict[str, Array] = {}
    for number, turn in enumerate(game.turns):
        # Folding turn and step separately: no two of them share noise.
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step + 1), number)
        keys = example_keys(key, first, size)
        cut = jax.tree.map(
            lambda leaf: leaf.reshape(microbatches, -1, *leaf.shape[1:]), (dict(batch), keys)
        )
        cut = (*cut, first // size * microbatches + jnp.arange(microbatches))

        def losses_of(
            part: tuple[Batch, Array, Array], whole: dict[str, Any] | None, turn: Turn = turn
        ) -> tuple[LossFn, BatchMeans]:
            """The losses of a microbatch as a function of the parameters, and the means over it."""
            means = BatchMeans(axis_name, devices * microbatches, whole, part[2])
            # All randomness is drawn here, outside of the gradients.
            noise, count = Noise(part[1]), len(part[1])
            begins = None if in_turn is None else in_turn + part[2] * count
            own = _with_labelled(part[0], labelled, part[1], begins)
            return lambda p: losses(game, p, noise, own, state.step, state.ema, means, turn), means

        def means_of(part: tuple[Batch, Array, Array], params: Players = params) -> dict[str, Any]:
            loss_fn, means = losses_of(part, None)
            loss_fn(params)
            return means.own

        whole = _mean_over(means_of, cut, microbatches) if microbatches > 1 else {}

        def gradients_of(
            part: tuple[Batch, Array, Array],
            params: Players = params,
            whole: dict[str, Any] = whole,
            movers: tuple[str, ...] = turn.movers,
        ) -> tuple[Players, Metrics]:
            gradients, vectors = own_gradients(losses_of(part, whole)[0], params, movers)
            return gradients, jax.tree.map(jnp.mean, vectors)

        gradients, means = _mean_over(gradients_of, cut, microbatches)
        if axis_name is not None:
            gradients, means = _mean_over_devices((gradients, means), axis_name)
        params, opt_state = move(game, params, opt_state, gradients, number)
        metrics |= means
        # Behind a barrier: XLA would write squares that Adam needs too to memory, for both.
        apart = jax.lax.optimization_barrier(gradients)
        for player, gradient in apart._asdict().items():
            if gradient is not None:
                square = jnp.square(optax.global_norm(gradient))
                # Of turns by the same losses the last one; of others the sum.
                before = squares.get(player, 0.0) if turn.losses else 0.0
                squares[player] = before + square
    metrics |= {f"{player}_gradient_norm": jnp.sqrt(one) for player, one in squares.items()}
    metrics["gradient_norm"] = jnp.sqrt(sum(squares.values(), start=jnp.zeros(())))
    ema = _ema(game, state, params)
    return TrainState(state.step + 1, state.key, params, opt_state, ema), metrics


def _ema(game: Game, state: TrainState, params: Players) -> Players:
    """The next exponential moving average."""
    now = _averaged(params)
    if not game.ema_decay:
        return now
    # A young average would remember the initial parameters for 1 / (1 - decay) steps.
    decay = jnp.minimum(game.ema_decay, (state.step + 1) / (state.step + 10))
    return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.ema, now)
