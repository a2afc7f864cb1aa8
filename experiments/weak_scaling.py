"""The share of a training step that collectives take, with the same batch on each of more devices.

    python -m experiments.weak_scaling

The convolutional IAE of the README, 16 images on each virtual device of one process. A step is
timed with its collectives and without them, in turn; the share is the difference over the whole.
On a CPU the devices share the cores, so that a step of eight devices takes as long as eight steps:
only the share means something. Each measurement is a fresh process.

Expected: 17 minutes on 2 idle CPU cores.
"""

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import timing, works
from experiments.timing import Row, Timings, device_kind, median_seconds, say
from iae_jax import Game, init, train_step
from iae_jax.devices.parallel import AXIS, place
from iae_jax.records.record import Record
from iae_jax.records.references import Headline, Reference
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array, TrainState

DEVICES = (1, 2, 4, 8)
BATCH = 16  # of each device
STEPS, IMAGES = 10, 1000  # of a call; of the data set
REFERENCES = {
    ("collective_share", f"devices/{count}"): Reference(0.1, "lower", "aim") for count in DEVICES
}
HEADLINE = (Headline("share of a step that collectives take", "collective_share", "devices/8"),)


def chunk(game: Game, axis_name: str | None, devices: list[jax.Device]) -> Any:
    """As `parallel.Chunk` on resident images; without an axis, every device steps alone."""

    def run(state: TrainState, positions: Array, images: Array) -> Any:
        def body(state: TrainState, batch: Array) -> Any:
            return train_step(game, state, to_unit(images[batch]), axis_name)

        return jax.lax.scan(body, state, positions)

    return jax.pmap(
        run,
        axis_name=AXIS,
        in_axes=(None, 1, None),
        out_axes=(None, None),
        devices=devices,
        donate_argnums=0,
    )


def measure(words: list[str], seconds: float) -> dict[str, Any]:
    """Seconds for a step with and without collectives: medians of calls in turn."""
    devices = jax.local_devices()[: int(words[0])]
    rng = np.random.default_rng(0)
    images = place(rng.integers(0, 256, (IMAGES, 28, 28, 1), dtype=np.uint8), devices)
    positions = rng.integers(0, IMAGES, (STEPS, len(devices), BATCH)).astype(np.int32)
    game = works.conv((28, 28, 1), r1=False)
    state = jax.jit(partial(init, game))(jax.random.key(0))
    calls = {}
    for name, axis_name in (("with", AXIS), ("without", None)):
        compiled, states = chunk(game, axis_name, devices), [place(jax.device_get(state), devices)]

        def call(compiled: Any = compiled, states: list[TrainState] = states) -> None:
            states[0], metrics = compiled(states[0], positions, images)
            jax.block_until_ready(metrics)

        call()
        call()
        calls[name] = call
    found: dict[str, list[float]] = {name: [] for name in calls}
    while len(found["with"]) < 5 or sum(map(sum, found.values())) * STEPS < seconds:
        for name, call in calls.items():
            found[name].append(median_seconds(call, 0.0, STEPS))
    return {name: statistics.median(each) for name, each in found.items()} | {
        "device": device_kind()
    }


def draw(path: Path, records: list[Record]) -> None:
    """The share of a step that collectives take, over the number of devices: median of the rounds,
    and their range as a shade.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import band, panels

    shares = {
        int(one["variant"].removeprefix("devices/")): one["values"]
        for one in records
        if one["metric"] == "collective_share"
    }
    each = [np.quantile(one, (0.5, 0, 1)) for one in shares.values()]
    with panels(path, 1, 1, ["collectives' share of a step"], 320) as axes:
        ax, devices = axes[0][0], list(shares)
        band(ax, np.array(devices), *np.transpose(each), color=MODELS["IAE"])
        ax.set(xscale="log", xlabel="virtual devices", xticks=devices, xticklabels=devices)
        ax.set(ylabel="share of the step's time")
        ax.axhline(0, color="black", linewidth=0.8)
        ax.minorticks_off()


def run(options: argparse.Namespace) -> Timings:
    timing.check_idle(options.busy_allowed)
    found: dict[int, list[dict[str, Any]]] = {count: [] for count in DEVICES}
    with tempfile.TemporaryDirectory() as compiled:
        for number in range(options.rounds):
            for count in DEVICES:
                flags = f"--xla_force_host_platform_device_count={count}"
                one = timing.child(
                    "experiments.weak_scaling",
                    str(count),
                    seconds=options.seconds,
                    compiled=Path(compiled),
                    flags=flags,
                )
                found[count].append(one)
                say(
                    f"round {number}  {count} devices  {1e3 * one['with']:.1f} ms with, "
                    f"{1e3 * one['without']:.1f} ms without"
                )
    everything = [one for each in found.values() for one in each]
    rows = [Row("busy_share", "all", [max(one["busy"] for one in everything)], len(everything))]
    shares = {
        count: [1 - one["without"] / one["with"] for one in each] for count, each in found.items()
    }
    for count, each in found.items():
        variant, step = f"devices/{count}", [1e3 * one["with"] for one in each]
        rows.append(Row("milliseconds_per_step", variant, step, count * BATCH))
        rows.append(Row("collective_share", variant, shares[count], count * BATCH))
    return Timings(rows, everything[0]["device"])


def main(arguments: list[str] | None = None) -> int:
    parser = timing.parser("experiments.weak_scaling", rounds=5, seconds=10.0)
    return timing.main(parser, measure, run, draw, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
