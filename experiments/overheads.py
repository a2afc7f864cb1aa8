"""What a run spends beside its steps: on its input pipeline, and before the first step ends. Timed
for `benchmark.py`, of the convolutional IAE in its real training config."""

import time
from pathlib import Path

import jax

from experiments.mnist_reconstruction import get_config
from experiments.works import call_of, images, shape_of
from iae_jax.devices.parallel import keep_compiled, place
from iae_jax.runs.build import build
from iae_jax.runs.feed import Feed, initial_state

WORK = "conv_mnist"  # whose images stand for MNIST's


def pipeline(streamed: bool, rounds: int) -> tuple[float, float]:
    """Seconds for a step of a training with and without its input pipeline, on TFDS's mnist.

    Args:
      streamed: the set is read from disk, as a larger set is, and not resident on the device.
      rounds: how many calls in a row.

    Returns:
      (on a batch that already lies on the device, from the prepared set).

    Raises:
      InputError: the set is not prepared.
    """
    config = get_config("deterministic_20")
    config.run.resident_megabytes = 0 if streamed else 1024
    # Shorter calls than a training's: what a call costs beside its steps weighs more here.
    config.run.steps_per_call = 20
    feed, devices = Feed(config), jax.local_devices()[:1]
    game = build(config, feed.x.shape)
    chunk, calls = feed.chunk(game, devices), feed.calls(devices, 0)
    states = [place(initial_state(game, config, feed), devices)]
    first, arguments = next(calls)
    ready = arguments | {"batches": place(arguments["batches"], devices)}

    def block(fresh: bool, count: int) -> float:
        """Seconds for a step, of so many calls in a row: a loader that has time to run ahead
        between them would look faster than it is."""
        since, taken = time.perf_counter(), 0
        for _ in range(count):
            steps, given = next(calls) if fresh else (first, ready)
            states[0], metrics = chunk(states[0], **given)
            jax.device_get(metrics)
            taken += steps
        return (time.perf_counter() - since) / taken

    block(False, 1), block(True, 1)
    return block(False, rounds), block(True, rounds)


def first_step(folder: Path) -> float:
    """Seconds from here to the end of the first step of the README's run on MNIST. folder: where
    compiled programs are kept."""
    keep_compiled(folder)
    since = time.perf_counter()
    config = get_config("deterministic_20")
    game = build(config, shape_of(WORK))
    call = call_of(game, images(WORK), config.batch_size, 1)
    jax.block_until_ready(call.chunk(call.state, **call.arguments))
    return time.perf_counter() - since
