"""Where the arithmetic runs: jit on one device, pmap on several, vmap over seeds."""

import logging
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from iae_jax.devices import multihost
from iae_jax.errors import InputError
from iae_jax.files.own_folder import own_folder
from iae_jax.game.step import train_step
from iae_jax.sampling.noise import example_keys, to_unit
from iae_jax.sampling.threefry import with_fast_bits
from iae_jax.types import Array, Batch, Game, Labelled, Metrics, TrainState

logger = logging.getLogger(__name__)

AXIS = "batch"
# What the run's key is folded with for data drawn on the device; steps fold 1, 2, ..., init 0.
DATA = 2**32 - 1

Step = Callable[..., tuple[TrainState, Metrics]]
Sample = Callable[[Array], Array]  # key -> x f32[B, ...] of the global batch
Draw = Callable[[Array, Array], Array]  # keys [B], x f32[B, ...] -> x f32[B, ...]
Sets = Mapping[str, Array]


def check_divisible(batch_size: int, devices: int, microbatches: int = 1) -> None:
    """Raises: InputError if the global batch cannot be cut into equal slices."""
    if batch_size < 1 or batch_size % (devices * microbatches):
        into = f"{devices} devices"
        into += f" in {microbatches} microbatches each" if microbatches > 1 else ""
        raise InputError(
            f"a batch of {batch_size} is not divisible by {into}: use a multiple of "
            f"{devices * microbatches}"
        )


def compile_step(game: Game, devices: Sequence[jax.Device] | None = None) -> Step:
    """(state, batch) -> (state, metrics): one train_step of a global batch.

    batch: "x" f32[B, ...] (or x alone) and other sources by their names. For an objective that
    reads labels, the `Labelled` images are a third argument. The state is donated.
    """
    chunk = Chunk(game, devices)

    def step(
        state: TrainState, batch: Batch | Array, labelled: Labelled | None = None
    ) -> tuple[TrainState, Metrics]:
        named = batch if isinstance(batch, Mapping) else {"x": batch}
        one = {name: values[None] for name, values in named.items()}
        state, metrics = chunk(state, one, labelled=labelled)
        return state, jax.tree.map(lambda values: values[0], metrics)

    return step


class Chunk:
    """Many steps in one call, by `lax.scan`: (state, batches) -> (state, metrics).

    Called with the state, which is donated, and
      batches: name -> [steps, B, ...], or x alone; of a set that lies on the device (`sets`) the
        positions i32[steps, B] instead.
      sets: name -> [N, ...], whole data sets on the device.
      labelled: for an objective that reads labels.
      steps: how many, where every source is drawn on the device.

    Returns metrics name -> f32[steps]. With seeds, each array of the state, of the batches and of
    the metrics has a leading axis [S], and so have the labelled images.

    On several devices B is cut into contiguous slices, and how many changes a step by the rounding
    of its sums alone, which a long run of Adam's makes more of. Of several processes, each gives
    its own devices, as many as every other, and its own contiguous part of every batch.
    """

    def __init__(
        self,
        game: Game,
        devices: Sequence[jax.Device] | None = None,
        microbatches: int = 1,
        samplers: Mapping[str, Sample] | None = None,
        seeds: bool = False,
        drawn_anew: Mapping[str, Draw] | None = None,
    ) -> None:
        """microbatches: see `train_step`. samplers: sources that are drawn on the device, as a
        function of the run's key and of the step. seeds: several at once, by vmap. drawn_anew: how
        the examples of a source are drawn from those that it has; a key for each of the global
        batch, of the run's key and of the step."""
        self._game, self._microbatches = game, microbatches
        self._samplers, self._drawn_anew = dict(samplers or {}), dict(drawn_anew or {})
        self._devices = list(devices or jax.local_devices()[:1])
        several = len(self._devices) * multihost.count() > 1
        if several and seeds:
            raise InputError("several seeds at once are trained on one device: set run.devices=1")
        self._axis_name = AXIS if several else None
        if not several:
            run = jax.vmap(self._run, in_axes=(0, None, 0, None, 0)) if seeds else self._run
            self._call = jax.jit(run, donate_argnums=0)
            return
        self._call = jax.pmap(
            self._run,
            axis_name=AXIS,
            in_axes=(None, 0, 1, None, None),
            out_axes=(None, None),
            devices=everywhere(self._devices),
            donate_argnums=0,
        )

    def _run(
        self, state: TrainState, steps: Array, batches: Batch, sets: Sets, labelled: Any
    ) -> tuple[TrainState, Metrics]:
        def body(state: TrainState, own: tuple[Array, Batch]) -> tuple[TrainState, Metrics]:
            batch = {
                name: to_unit(sets[name][values] if name in sets else values)
                for name, values in own[1].items()
            }
            key = jax.random.fold_in(
                jax.random.fold_in(with_fast_bits(state.key), DATA), state.step
            )
            for name, sample in self._samplers.items():
                batch[name] = to_unit(self._own_part(sample(_key_of(key, name))))
            for name, draw in self._drawn_anew.items():
                keys = self._own_keys(_key_of(key, name), len(batch[name]))
                batch[name] = draw(keys, batch[name])
            return train_step(
                self._game, state, batch, self._axis_name, labelled, self._microbatches
            )

        return jax.lax.scan(body, state, (steps, batches))

    def _own_part(self, x: Array) -> Array:
        """This device's slice of a global batch that every device has drawn."""
        if self._axis_name is None:
            return x
        size = x.shape[0] // jax.lax.psum(1, self._axis_name)
        return jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(self._axis_name) * size, size)

    def _own_keys(self, key: Array, size: int) -> Array:
        """Of this device's examples: they depend on their place in the global batch alone."""
        first = 0 if self._axis_name is None else jax.lax.axis_index(self._axis_name) * size
        return example_keys(key, first, size)

    def __call__(
        self,
        state: TrainState,
        batches: Batch | Array,
        sets: Sets | None = None,
        labelled: Labelled | None = None,
        steps: int = 0,
    ) -> tuple[TrainState, Metrics]:
        named = batches if isinstance(batches, Mapping) else {"x": batches}
        axis = state.step.ndim  # of the steps: behind that of the seeds
        if named:
            steps = next(iter(named.values())).shape[axis]
        order: Any = jnp.arange(steps)
        if self._axis_name is not None:
            named = {name: self._cut(values) for name, values in named.items()}
            # Each device's own: pmap needs such an argument, and a batch may be all drawn there.
            order = np.tile(np.arange(steps, dtype=np.int32), (len(self._devices), 1))
        return self._call(state, order, named, sets or {}, labelled)

    def _cut(self, values: Array) -> Array:
        steps, size = values.shape[:2]
        count = len(self._devices)
        check_divisible(size, count)
        return values.reshape(steps, count, size // count, *values.shape[2:])


def _key_of(key: Array, name: str) -> Array:
    """The key of a source in a step: of each another one, or two would have the same numbers."""
    return key if name == "x" else jax.random.fold_in(key, zlib.crc32(name.encode()))


def everywhere(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """The devices that all processes give, process by process: as many of each."""
    if multihost.count() == 1:
        return list(devices)
    return [
        device
        for process in range(multihost.count())
        for device in jax.local_devices(process_index=process)[: len(devices)]
    ]


def keep_compiled(cache: Path) -> None:
    """Programs compiled from now on are kept in the folder `compiled` of a cache, and found there
    by later processes, unless JAX_COMPILATION_CACHE_DIR names another. Where the cache cannot be
    made, or somebody else could put programs there, each process compiles its own, after a line."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = cache / "compiled"
        try:
            for one in (cache, folder):
                own_folder(one, "JAX_COMPILATION_CACHE_DIR")
        except InputError as error:
            logger.warning("compiled programs are not kept: %s", error)
            return
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
