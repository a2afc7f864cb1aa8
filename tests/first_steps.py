"""The first 30 steps of every variant and of every kind of game, on small data: what
`test_first_steps.py` compares with `first_steps.npz`, a record from before the core was rebuilt.

    python tests/first_steps.py [NAME ...]     # the largest difference from the record, by game

The record holds f32[30] for each game and metric, from XLA without its optimizations on an x86-64
CPU. Other machines round otherwise, so that bits are compared by this command alone.
"""

import os
import sys
import zlib
from functools import partial
from pathlib import Path
from unittest import mock

if __name__ == "__main__":
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
    sys.path.insert(0, str(Path(__file__).parent.parent))

import jax
import jax.numpy as jnp
import numpy as np
from recorded_games import BATCH, STEPS, Played, code_problems, games, small_problems, variants

from iae_jax.data import Source, load
from iae_jax.devices.parallel import Chunk, Sample
from iae_jax.game.step import init
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.runs.feed import Feed
from iae_jax.sampling.noise import normal
from iae_jax.types import Array, Labelled

RECORD = Path(__file__).parent / "first_steps.npz"
SEEDS = (3, 5)  # of the small problems, at once
# Metrics of the record that have another name now.
RENAMED = {"code_recovery": "code_information", "flipped_recovery": "sleep_loss"}


def data(name: str, shape: tuple[int, ...], categories: int) -> tuple[np.ndarray, Labelled]:
    """Asymmetric images u8[STEPS, BATCH, *shape], and labelled ones."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    exponents = np.linspace(0.5, 3, int(np.prod(shape))).reshape(shape)
    x = (255 * rng.rand(STEPS, BATCH, *shape) ** exponents).astype(np.uint8)
    images = jnp.asarray((255 * rng.rand(20, *shape) ** 2).astype(np.uint8))
    labels = jnp.asarray(np.arange(20) % max(1, categories), jnp.int32)
    return x, Labelled(images, labels)


def metrics_of(name: str, played: Played) -> dict[str, np.ndarray]:
    """metric -> f32[STEPS]."""
    config = played.config
    # Numbers that perturb were JAX's own when the record was made.
    with mock.patch("iae_jax.sampling.draws.quick_normals", normal):
        return _metrics_of(name, played, config)


def _metrics_of(name: str, played: Played, config: Config) -> dict[str, np.ndarray]:
    x, labelled = data(name, played.shape, config.code.categories)
    game = build(config, played.shape)
    chunk = Chunk(game, jax.local_devices()[: played.devices], played.microbatches)
    state = jax.jit(partial(init, game))(jax.random.key(config.seed))
    own = labelled if "labelled" in game.sources else None
    _, metrics = chunk(state, x, labelled=own)
    return {name: np.asarray(values) for name, values in jax.device_get(metrics).items()}


def metrics_of_seeds(config: Config) -> dict[str, np.ndarray]:
    """metric -> f32[SEEDS, STEPS]."""
    feed = Feed(config)
    game = build(config, feed.x.shape, feed.x.values)
    samplers = feed.samplers or {"x": with_replacement(feed.x)}
    chunk = Chunk(game, jax.local_devices()[:1], samplers=samplers, seeds=True)
    keys = jnp.stack([jax.random.key(seed) for seed in SEEDS])
    state = jax.jit(jax.vmap(partial(init, game)))(keys)
    _, metrics = chunk(state, {}, steps=STEPS)
    return {name: np.asarray(values) for name, values in jax.device_get(metrics).items()}


def with_replacement(source: Source) -> Sample:
    """Binarized images as they were drawn when the record was made."""
    assert source.anew is not None
    grey = jnp.asarray(load(source.anew.source).x)

    def sample(key: Array) -> Array:
        where, how = jax.random.split(key)
        unit = grey[jax.random.randint(where, (BATCH,), 0, len(grey))].astype(jnp.float32) / 255
        return (jax.random.uniform(how, unit.shape) < unit).astype(jnp.float32)

    return sample


def recorded(name: str) -> dict[str, np.ndarray]:
    """metric -> f32[STEPS], under today's names."""
    with np.load(RECORD) as file:
        parts = [key.split("|") for key in file.files]
        own = [metric for game, metric in parts if game == name]
        return {RENAMED.get(metric, metric): file[f"{name}|{metric}"] for metric in own}


def main(wanted: list[str]) -> None:
    jax.config.update("jax_disable_most_optimizations", True)
    for name, played in [*variants(), *games(), *small_problems(), *code_problems()]:
        if wanted and name not in wanted:
            continue
        seeds = isinstance(played, Config)
        now = metrics_of_seeds(played) if seeds else metrics_of(name, played)
        then = recorded(name)
        assert now.keys() == then.keys(), (name, sorted(now.keys() ^ then.keys()))
        off = {metric: float(np.abs(now[metric] - then[metric]).max()) for metric in then}
        worst = max(off, key=lambda metric: off[metric])
        same = all(np.array_equal(now[metric], then[metric]) for metric in then)
        print(f"{name:60s} {'equal' if same else f'{worst} off by {off[worst]:.3g}'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
