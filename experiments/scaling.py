"""The time of a training step as a function of the batch, the image size, devices and seeds.

    python -m experiments.scaling

Each measurement is a fresh process. Batch, side and devices are those of the convolutional IAE of
the README, with images of 1 channel; the devices are virtual, so that on a CPU they show the cost
of cutting a step, not the gain of more devices. Seeds are those of the problems of the plane, at
once by `vmap`. An exponent is the slope of log time over log size, by least squares: 1 is
proportional.

Expected: 23 to 35 minutes on 2 idle CPU cores.
"""

import argparse
import importlib
import itertools
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import timing, works
from experiments.timing import Row, Timings, device_kind, median_seconds, say
from iae_jax import init
from iae_jax.devices.parallel import Chunk, place
from iae_jax.records.record import Record
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.build import build
from iae_jax.runs.feed import Feed

SIZES = {
    "batch": (16, 32, 64, 128, 256),
    "side": (16, 32, 64),
    "devices": (1, 2, 4, 8),
}
# Of a size, on its axis; of others, seeds.
UNITS = {"batch": "images", "side": "pixels a side", "devices": "virtual devices"}
# Experiment -> variant.
PROBLEMS = {
    "elbo_grid": "joint_reconstruction/marginal_code",
    "regression": "adversarial",
    "gaussian_mixture": "grid25/iae",
    "avb_four_points": "avb",
    "ali": "plane/iae",
}
SEED_STEPS, CONV_STEPS = 50, 10  # of one call
SIZES |= {f"seeds_of_{problem}": (1, 2, 4, 8, 16) for problem in PROBLEMS}
REFERENCES = {("cost_of_eight", problem): Reference(5.0, "lower", "aim") for problem in PROBLEMS}
SHOWN = ("exponent", "cost_of_eight")
HEADLINE = (Headline("time of eight seeds over one's", "cost_of_eight", "regression"),)


def seeds_of(problem: str, count: int) -> works.Call:
    """Steps of so many seeds of a problem of the plane at once, with its own config."""
    module = importlib.import_module(f"experiments.{problem}")
    config = module.get_config(PROBLEMS[problem])
    feed, devices = Feed(config), jax.local_devices()[:1]
    game = build(config, feed.x.shape, feed.x.values)
    states = jax.jit(jax.vmap(partial(init, game)))(jax.vmap(jax.random.key)(jnp.arange(count)))
    # Every set is drawn on the device: nothing is left to pass.
    chunk = Chunk(game, devices, samplers=feed.samplers, seeds=True)
    return works.Call(chunk, place(states, devices), {"batches": {}}, SEED_STEPS)


def call_of(kind: str, size: int) -> works.Call:
    """The steps of one measurement."""
    if kind.startswith("seeds_of_"):
        return seeds_of(kind.removeprefix("seeds_of_"), size)
    batch_size = size if kind == "batch" else works.CONV_BATCH
    side = size if kind == "side" else 28
    devices = size if kind == "devices" else 1
    data = np.random.default_rng(0).integers(0, 256, (1000, side, side, 1), dtype=np.uint8)
    game = works.conv((side, side, 1), r1=False)
    return works.call_of(game, data, batch_size, CONV_STEPS, devices)


def measure(words: list[str], seconds: float) -> dict[str, Any]:
    """Seconds for a step: the median of the calls after the first two."""
    kind, size = words
    call = call_of(kind, int(size))
    run = partial(works.steps_of(call).run, call.steps)
    run()
    run()
    return {"seconds": median_seconds(run, seconds, call.steps), "device": device_kind()}


def child(kind: str, size: int, seconds: float, compiled: Path) -> dict[str, Any]:
    """`measure` in a fresh process."""
    devices = f"--xla_force_host_platform_device_count={size}" if kind == "devices" else ""
    return timing.child(
        "experiments.scaling", kind, str(size), seconds=seconds, compiled=compiled, flags=devices
    )


def exponent(sizes: np.ndarray, seconds: np.ndarray) -> float:
    """The slope of log seconds over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def draw(path: Path, records: list[Record]) -> None:
    """Milliseconds for a training step over its size, both logarithmic: medians of the rounds, and
    their range as a shade. Dotted: in proportion to the size.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import band, panels

    found: dict[str, dict[int, list[float]]] = {}
    for one in records:
        if one["metric"] == "milliseconds_per_step":
            kind, size = one["variant"].split("/")
            found.setdefault(kind, {})[int(size)] = one["values"]
    titles = [kind.replace("_", " ") for kind in found]
    with panels(path, -(-len(found) // 2), 2, titles, 260) as axes:
        for ax, (kind, of_size) in zip(itertools.chain(*axes), found.items(), strict=False):
            sizes = np.array(list(of_size))
            each = [np.quantile(one, (0.5, 0, 1)) for one in of_size.values()]
            step, low, high = np.transpose(each)
            band(ax, sizes, step, low, high, color=MODELS["IAE"])
            ax.plot(sizes, step[0] * (sizes / sizes[0]), ":", color="black")
            slope, unit = exponent(sizes, step), UNITS.get(kind, "seeds at once")
            ax.set(xscale="log", yscale="log", xticks=sizes, xticklabels=sizes)
            ax.set(xlabel=f"{unit}: exponent {slope:.2f}")
            ax.minorticks_off()
            ax.set_yticks(step[[0, -1]].round(1), step[[0, -1]].round(1))
        for row in axes:
            row[0].set_ylabel("milliseconds a step")


def run(options: argparse.Namespace) -> Timings:
    timing.check_idle(options.busy_allowed)
    every = [(kind, size) for kind, sizes in SIZES.items() for size in sizes]
    found: dict[str, dict[int, list[float]]] = {
        kind: {size: [] for size in sizes} for kind, sizes in SIZES.items()
    }
    device, busy = "", []
    with tempfile.TemporaryDirectory() as compiled:
        for number, (kind, size) in itertools.product(range(options.rounds), every):
            one = child(kind, size, options.seconds, Path(compiled))
            device = one["device"]
            busy.append(one["busy"])
            found[kind][size].append(one["seconds"])
            say(f"round {number}  {kind} {size}  {1e3 * one['seconds']:.3f} ms")
    rows = [Row("busy_share", "all", [max(busy)], len(busy))]
    for kind, of_size in found.items():
        middle = {size: statistics.median(each) for size, each in of_size.items()}
        for size, each in of_size.items():
            step = [1e3 * value for value in each]
            rows.append(Row("milliseconds_per_step", f"{kind}/{size}", step, len(step)))
        fitted = exponent(np.array(list(middle)), np.array(list(middle.values())))
        rows.append(Row("exponent", kind, [fitted], options.rounds))
        if kind.startswith("seeds_of_"):
            problem, cost = kind.removeprefix("seeds_of_"), middle[8] / middle[1]
            rows.append(Row("cost_of_eight", problem, [cost], options.rounds))
    return Timings(rows, device)


def main(arguments: list[str] | None = None) -> int:
    parser = timing.parser("experiments.scaling", rounds=3, seconds=2.0)
    return timing.main(parser, measure, run, draw, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
