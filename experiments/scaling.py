"""What a step costs as the work grows: with the batch, the image's side, the devices, the seeds.

    python -m experiments.scaling

Each measurement is a fresh process. Batch, side and devices are of the convolutional IAE of the
README, the side with 1 channel; the devices are virtual, so that on a CPU they show what a step
loses to being cut, not what more devices would gain. Seeds are of two problems of the plane, under
`vmap`. An exponent is the slope of log time over log size, by least squares: 1 is proportional.

Expected: 15 minutes on 2 idle CPU cores; it has not been run as a whole yet.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from iae_jax import results
from iae_jax.journal import commit, open_folder
from iae_jax.results import Reference
from iae_jax.study import Parser
from iae_jax.types import InputError

SIZES = {
    "batch": (16, 32, 64, 128, 256),
    "side": (16, 32, 64),
    "devices": (1, 2, 4, 8),
    "seeds_of_gaussian_mixture": (1, 2, 4, 8, 16),
    "seeds_of_elbo_grid": (1, 2, 4, 8, 16),
}
EIGHT = {"seeds_of_gaussian_mixture", "seeds_of_elbo_grid"}
REFERENCES = {("cost_of_eight", name): Reference(3.0, "lower", "aim") for name in EIGHT}


def runner(kind: str, size: int) -> tuple[Callable[[], Any], int]:
    """(a call that takes steps and waits for them, how many steps it takes)."""
    import jax

    from experiments import elbo_grid, gaussian_mixture, works
    from iae_jax.seeds import compile_seeds, init_seeds

    if kind.startswith("seeds"):
        if kind == "seeds_of_elbo_grid":
            grid = elbo_grid.Settings()
            game = elbo_grid.game(grid, "joint_reconstruction", "marginal_code")
            batch = partial(elbo_grid.batch, grid.batch_size)
        else:
            mixture, scale = gaussian_mixture.SETS["grid25"]
            settings = gaussian_mixture.Settings()
            game = gaussian_mixture.iae(settings, len(mixture.centres))
            batch = partial(gaussian_mixture.batch, mixture.scaled(scale), settings.batch_size)
        step, states = compile_seeds(game, batch), [init_seeds(game, range(size))]
        numbers = jax.numpy.arange(50)

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


def measure(kind: str, size: int, seconds: float) -> dict[str, Any]:
    """Seconds a step, the median of the calls after two."""
    import jax

    call, steps = runner(kind, size)
    call()
    call()
    samples: list[float] = []
    while len(samples) < 3 or sum(samples) < seconds:
        since = time.perf_counter()
        call()
        samples.append(time.perf_counter() - since)
    device = jax.local_devices()[0].device_kind
    return {"seconds": statistics.median(samples) / steps, "device": device}


def child(kind: str, size: int, seconds: float) -> dict[str, Any]:
    """What a fresh process measures. Errors: InputError with its last line."""
    command = [sys.executable, "-m", "experiments.scaling", "--child", kind, str(size)]
    flags = os.environ.get("XLA_FLAGS", "")
    if kind == "devices":
        flags += f" --xla_force_host_platform_device_count={size}"
    done = subprocess.run(
        [*command, f"--seconds={seconds}"], capture_output=True, text=True,
        env=os.environ | {"XLA_FLAGS": flags.strip()},
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise InputError(f"{kind} {size} failed: {last.removeprefix('error: ')}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def exponent(sizes: np.ndarray, seconds: np.ndarray) -> float:
    """The slope of log seconds over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def draw(path: Path, found: dict[str, dict[int, list[float]]]) -> None:
    """A panel for each kind: milliseconds a step over the size, both logarithmic."""
    from iae_jax.figures import COLORS, panels

    with panels(path, 1, len(found), [kind.replace("_", " ") for kind in found], 260) as axes:
        for ax, of_size in zip(axes[0], found.values(), strict=True):
            sizes = np.array(list(of_size))
            step = np.array([1e3 * statistics.median(each) for each in of_size.values()])
            ax.loglog(sizes, step, "o-", color=COLORS[0])
            slope = exponent(sizes, step)
            ax.loglog(sizes, step[0] * (sizes / sizes[0]), ":", color=COLORS[6])
            ax.set(xlabel=f"exponent {slope:.2f}", xticks=sizes, xticklabels=sizes)
            ax.minorticks_off()
        axes[0][0].set_ylabel("milliseconds a step; dotted: proportional")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.scaling", allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--figures", type=Path, default=Path("docs"))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    try:
        options = parser.parse_args(arguments)
        if options.child:
            kind, size = options.child
            print(json.dumps(measure(kind, int(size), options.seconds)))
            return 0
        return report(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def report(options: argparse.Namespace) -> int:
    if options.rounds < 1 or not options.seconds > 0:
        raise InputError("--rounds is at least 1 and --seconds above 0")
    open_folder(options.results, "--results")
    open_folder(options.figures, "--figures")
    words = ["python", "-m", "experiments.scaling", f"--rounds={options.rounds}"]
    if options.seconds != 2.0:
        words.append(f"--seconds={options.seconds}")
    source, since, device = commit(), time.perf_counter(), ""
    found: dict[str, dict[int, list[float]]] = {
        kind: {size: [] for size in sizes} for kind, sizes in SIZES.items()
    }
    for number in range(options.rounds):
        for kind, sizes in SIZES.items():
            for size in sizes:
                one = child(kind, size, options.seconds)
                device = one["device"]
                found[kind][size].append(one["seconds"])
                print(
                    f"round {number}  {kind} {size}  {1e3 * one['seconds']:.3f} ms",
                    file=sys.stderr, flush=True,
                )
    rows: list[tuple[str, str, list[float]]] = []
    for kind, of_size in found.items():
        middle = {size: statistics.median(each) for size, each in of_size.items()}
        for size, each in of_size.items():
            step = [1e3 * value for value in each]
            rows.append(("milliseconds_per_step", f"{kind}/{size}", step))
        fitted = exponent(np.array(list(middle)), np.array(list(middle.values())))
        rows.append(("exponent", kind, [fitted]))
        if kind in EIGHT:
            rows.append(("cost_of_eight", kind, [middle[8] / middle[1]]))
    seconds = round(time.perf_counter() - since, 1)
    records = [
        results.record(
            metric, variant, values, list(range(len(values))), options.rounds, "",
            shlex.join(words), [seconds], f"1 x {device}, {os.cpu_count()} cores", source,
        )
        for metric, variant, values in rows
    ]
    results.write(options.results, "scaling", records)
    draw(options.figures / "scaling.png", found)
    print(results.table(records))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
