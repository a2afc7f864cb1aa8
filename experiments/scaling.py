"""What a step costs as the work grows: with the batch, the image's side, the devices, the seeds.

    python -m experiments.scaling

Each measurement is a fresh process. Batch, side and devices are of the convolutional IAE of the
README, the side with 1 channel; the devices are virtual, so that on a CPU they show what a step
loses to being cut, not what more devices would gain. Seeds are of the problems of the plane, under
`vmap`. An exponent is the slope of log time over log size, by least squares: 1 is proportional.

Expected: 23 minutes on 2 idle CPU cores.
"""

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import (
    ali,
    avb_four_points,
    elbo_grid,
    gaussian_mixture,
    regression,
    timing,
    works,
)
from experiments.timing import Row, Timings, device_kind, median_seconds, say
from iae_jax.devices.seeds import Batch, compile_seeds, init_seeds
from iae_jax.records.references import Reference
from iae_jax.types import Game

SIZES = {
    "batch": (16, 32, 64, 128, 256),
    "side": (16, 32, 64),
    "devices": (1, 2, 4, 8),
}
PROBLEMS = ("elbo_grid", "regression", "gaussian_mixture", "avb_four_points", "ali")
SIZES |= {f"seeds_of_{problem}": (1, 2, 4, 8, 16) for problem in PROBLEMS}
REFERENCES = {("cost_of_eight", problem): Reference(3.0, "lower", "aim") for problem in PROBLEMS}
SHOWN = ("exponent", "cost_of_eight")


def planar(problem: str) -> tuple[Game, Batch]:
    """The game of an experiment of the plane, with its own settings, and its data."""
    if problem == "elbo_grid":
        settings = elbo_grid.Settings()
        game = elbo_grid.game(settings, "joint_reconstruction", "marginal_code")
        return game, partial(elbo_grid.batch, settings.batch_size)
    if problem == "regression":
        regressed = regression.Settings()
        game = regression.game(regressed, adversarial=True)
        return game, partial(regression.batch, regressed.batch_size)
    if problem == "gaussian_mixture":
        mixed, (mixture, scale) = gaussian_mixture.Settings(), gaussian_mixture.SETS["grid25"]
        game = gaussian_mixture.iae(mixed, len(mixture.centres))
        return game, partial(gaussian_mixture.batch, mixture.scaled(scale), mixed.batch_size)
    if problem == "avb_four_points":
        four = avb_four_points.Settings()
        return avb_four_points.game(four, "avb"), partial(avb_four_points.batch, four.batch_size)
    plane = ali.sets(ali.Settings())["plane"]
    return ali.game(ali.Settings(), plane, "iae"), plane.batch


def runner(kind: str, size: int) -> tuple[Callable[[], Any], int]:
    """(a call that takes steps and waits for them, how many steps it takes)."""
    if kind.startswith("seeds_of_"):
        game, batch = planar(kind.removeprefix("seeds_of_"))
        step, states = compile_seeds(game, batch), [init_seeds(game, range(size))]
        numbers = jnp.arange(50)

        def call() -> None:
            states[0], metrics = step(states[0], numbers)
            jax.block_until_ready(metrics)

        return call, len(numbers)
    batch_size = size if kind == "batch" else works.CONV_BATCH
    side = size if kind == "side" else 28
    devices = size if kind == "devices" else 1
    data = np.random.default_rng(0).integers(0, 256, (1000, side, side, 1), dtype=np.uint8)
    game = works.conv((side, side, 1), r1=False)
    steps = works.steps_of(works.call_of(game, data, batch_size, 10, devices))
    return partial(steps.run, 10), 10


def measure(words: list[str], seconds: float) -> dict[str, Any]:
    """Seconds a step, the median of the calls after two."""
    kind, size = words
    call, steps = runner(kind, int(size))
    call()
    call()
    return {"seconds": median_seconds(call, seconds, steps), "device": device_kind()}


def child(kind: str, size: int, seconds: float, compiled: Path) -> dict[str, Any]:
    """What a fresh process measures."""
    devices = f"--xla_force_host_platform_device_count={size}" if kind == "devices" else ""
    return timing.child(
        "experiments.scaling", kind, str(size), seconds=seconds, compiled=compiled, flags=devices
    )


def exponent(sizes: np.ndarray, seconds: np.ndarray) -> float:
    """The slope of log seconds over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def draw(found: dict[str, dict[int, list[float]]], path: Path) -> None:
    """A panel for each kind: milliseconds a step over the size, both logarithmic."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    rows, columns = 2, -(-len(found) // 2)
    titles = [kind.replace("_", " ") for kind in found]
    titles += [""] * (rows * columns - len(found))
    with panels(path, rows, columns, titles, 260) as axes:
        for ax, of_size in zip(itertools.chain(*axes), found.values(), strict=False):
            sizes = np.array(list(of_size))
            step = np.array([1e3 * statistics.median(each) for each in of_size.values()])
            ax.loglog(sizes, step, "o-", color=COLORS[0])
            slope = exponent(sizes, step)
            ax.loglog(sizes, step[0] * (sizes / sizes[0]), ":", color=COLORS[6])
            ax.set(xlabel=f"exponent {slope:.2f}", xticks=sizes, xticklabels=sizes)
            ax.minorticks_off()
            ax.set_yticks(step[[0, -1]].round(1), step[[0, -1]].round(1))
        for row in axes:
            row[0].set_ylabel("ms a step; dotted: proportional")


def run(options: argparse.Namespace) -> Timings:
    timing.check_idle(options.busy_allowed)
    every = [(kind, size) for kind, sizes in SIZES.items() for size in sizes]
    found: dict[str, dict[int, list[float]]] = {
        kind: {size: [] for size in sizes} for kind, sizes in SIZES.items()
    }
    device, idle = "", []
    with tempfile.TemporaryDirectory() as compiled:
        for number, (kind, size) in itertools.product(range(options.rounds), every):
            one = child(kind, size, options.seconds, Path(compiled))
            device = one["device"]
            idle.append(one["busy"])
            found[kind][size].append(one["seconds"])
            say(f"round {number}  {kind} {size}  {1e3 * one['seconds']:.3f} ms")
    rows = [Row("busy_share", "all", [max(idle)], len(idle))]
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
    return Timings(rows, device, partial(draw, found))


def main(arguments: list[str] | None = None) -> int:
    return timing.main(
        timing.parser("experiments.scaling", rounds=3, seconds=2.0), measure, run, arguments
    )


if __name__ == "__main__":
    raise SystemExit(main())
