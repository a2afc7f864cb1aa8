"""Several seeds of one game at once: `vmap` over init and train_step, data drawn on the device.

For problems small enough that one seed does not fill the machine. Nothing here is about a model:
the same `Game` that the loop trains once is trained S times.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.errors import InputError
from iae_jax.game.step import init, train_step
from iae_jax.types import Array, Game, Metrics, TrainState

# What the run's key is folded with for the data; steps fold 1, 2, ... and init folds 0.
DATA = 2**32 - 1

Batch = Callable[[Array], Array]  # key -> x f32[B, ...], the key is consumed


def init_seeds(game: Game, seeds: Sequence[int]) -> TrainState:
    """A fresh state for each seed: every array has a leading axis [S]."""
    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    return jax.jit(jax.vmap(lambda key: init(game, key)))(keys)


def compile_seeds(game: Game, batch: Batch) -> Callable[[TrainState, Array], tuple]:
    """(states [S], steps i32[N]) -> (states [S], metrics name -> f32[S, N]).

    `steps` holds the numbers of the steps to take; only its length and the state's own step count.
    Seed s trains on batches of its own, a pure function of its key and of the step. The states are
    donated.
    """

    def one(state: TrainState, steps: Array) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, DATA)

        def body(state: TrainState, _: Array) -> tuple[TrainState, Metrics]:
            return train_step(game, state, batch(jax.random.fold_in(key, state.step)))

        return jax.lax.scan(body, state, steps)

    return jax.jit(jax.vmap(one, in_axes=(0, None)), donate_argnums=0)


def train_seeds(
    game: Game,
    batch: Batch,
    steps: int,
    seeds: Sequence[int],
    report: Callable[[int, dict[str, np.ndarray]], None] | None = None,
    calls: int = 20,
    states: TrainState | None = None,
) -> tuple[TrainState, dict[str, np.ndarray]]:
    """Trains every seed for `steps` steps: (states [S], metrics name -> f32[S, steps]).

    report: called about `calls` times with the step and the newest metrics name -> f32[S].
    states: where to start (donated), instead of fresh ones. Errors: InputError if steps is not
    positive, or when a loss is no longer a number.
    """
    if steps < 1:
        raise InputError(f"steps is at least 1, not {steps}")
    chunk = compile_seeds(game, batch)
    states = init_seeds(game, seeds) if states is None else states
    size, parts, done = max(1, steps // calls), [], 0
    while done < steps:
        numbers = jnp.arange(done, min(done + size, steps))
        states, metrics = chunk(states, numbers)
        parts.append(jax.device_get(metrics))
        for name, values in parts[-1].items():
            if not np.isfinite(values).all():
                lost = [seeds[int(s)] for s in np.flatnonzero(~np.isfinite(values).all(axis=1))]
                raise InputError(
                    f"{name} is not finite by step {done + len(numbers)} in the seeds {lost}: "
                    "lower the learning rates or raise r1"
                )
        done += len(numbers)
        if report:
            report(done, {name: values[:, -1] for name, values in parts[-1].items()})
    return states, {
        name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]
    }


def seed_of(states: TrainState, index: int) -> TrainState:
    """The state of one seed."""
    return jax.tree.map(lambda leaf: leaf[index], states)
