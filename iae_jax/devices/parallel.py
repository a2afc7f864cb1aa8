"""Where the arithmetic runs: jit on one device, pmap on several. The only file that names one."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from iae_jax.devices import multihost as hosts
from iae_jax.errors import InputError
from iae_jax.game.step import train_step
from iae_jax.sampling.draws import to_unit
from iae_jax.types import Array, Game, Labelled, Metrics, TrainState

AXIS = "batch"

Step = Callable[..., tuple[TrainState, Metrics]]
Chunk = Callable[..., tuple[TrainState, Metrics]]


def check_divisible(batch_size: int, devices: int, pieces: int = 1) -> None:
    """Errors: InputError if the global batch cannot be cut into equal slices."""
    if batch_size < 1 or batch_size % (devices * pieces):
        into = f"{devices} devices" + (f" in {pieces} pieces each" if pieces > 1 else "")
        raise InputError(
            f"a batch of {batch_size} is not divisible by {into}: use a multiple of "
            f"{devices * pieces}"
        )


def compile_step(game: Game, devices: Sequence[jax.Device] | None = None) -> Step:
    """(state, x [B, ...]) -> (state, metrics): one train_step of a global batch.

    For an objective that needs labels, the `Labelled` bank is a third argument. The state is
    donated.
    """
    chunk = compile_chunk(game, devices)

    def step(state: TrainState, x: Array, *bank: Labelled) -> tuple[TrainState, Metrics]:
        state, metrics = chunk(state, x[None], *bank)
        return state, jax.tree.map(lambda values: values[0], metrics)

    return step


def compile_chunk(
    game: Game,
    devices: Sequence[jax.Device] | None = None,
    resident: bool = False,
    pieces: int = 1,
) -> Chunk:
    """Many steps in one call, by `lax.scan`.

    (state, x [steps, B, ...]) -> (state, metrics name -> f32[steps]); with `resident`,
    (state, indices i32[steps, B], images [N, ...]) -> the same, with the whole data set on the
    device; for an objective that needs labels, the `Labelled` bank is the last argument of either.
    pieces: see `train_step`. The state is donated. On several devices B is cut into contiguous
    slices, and how many changes a step by the rounding of its sums alone, which a long run of
    Adam's makes more of. Of several processes, each gives its own devices, as many as every other,
    and its own contiguous part of every batch.
    """
    devices = list(devices or jax.local_devices()[:1])
    several = len(devices) * hosts.count() > 1
    axis_name = AXIS if several else None

    labelled = "labels" in game.objective.needs

    def run(state: TrainState, batches: Array, *given: Any) -> tuple[TrainState, Metrics]:
        bank = given[-1] if labelled else None

        def body(state: TrainState, batch: Array) -> tuple[TrainState, Metrics]:
            x = given[0][batch] if resident else batch
            return train_step(game, state, to_unit(x), axis_name, bank, pieces)

        return jax.lax.scan(body, state, batches)

    if not several:
        return jax.jit(run, donate_argnums=0)
    pmapped = jax.pmap(
        run,
        axis_name=AXIS,
        in_axes=(None, 1) + (None,) * (resident + labelled),
        out_axes=(None, None),
        devices=everywhere(devices),
        donate_argnums=0,
    )

    def call(state: TrainState, batches: Array, *given: Any) -> tuple[TrainState, Metrics]:
        steps, size = batches.shape[:2]
        check_divisible(size, len(devices))
        cut = batches.reshape(steps, len(devices), size // len(devices), *batches.shape[2:])
        return pmapped(state, cut, *given)

    return call


def everywhere(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """The devices that all processes give, process by process: as many of each."""
    return (
        [
            device
            for process in range(hosts.count())
            for device in jax.local_devices(process_index=process)[: len(devices)]
        ]
        if hosts.count() > 1
        else list(devices)
    )


def keep_compiled(folder: Path) -> None:
    """Programs compiled from now on are kept in a folder, and found there by later processes,
    unless JAX_COMPILATION_CACHE_DIR names another."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def place(tree: Any, devices: Sequence[jax.Device]) -> Any:
    """The arrays on one device, or a copy of them on each of several.

    A state must be placed too: one that is on no device by choice comes back from its first step
    on the images' device by choice, and the step would be compiled again for it.
    """
    if len(devices) == 1:
        return jax.device_put(tree, devices[0])
    mesh = Mesh(np.array(devices), (AXIS,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))
