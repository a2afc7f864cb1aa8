"""How fast the steps are, beside PyTorch doing the same work.

    pip install '.[bench]'        # PyTorch (its CPU build will do on a CPU), pythae, psutil
    python -m experiments.benchmark

Each side of each work runs in a fresh process, the sides in turn, for several rounds; a ratio is of
the medians. Before anything is timed, both sides must have as many parameters and, from the same
ones, the same losses (`peers.py`). The machine has to be idle at the start; how busy it was before
any process is in the record (`busy_share`, the most). TFDS's mnist has to be prepared (README.md).

Expected: an hour on 2 idle CPU cores.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments import timing
from experiments.timing import Row, Timings, device_kind, median_seconds, say
from iae_jax.errors import InputError
from iae_jax.records.references import Reference

MLP, CONV = ("mlp_vae", "mlp_aae"), ("conv_mnist", "conv32", "conv64")
WORKS = (*MLP, *(f"{name}{r1}" for name in CONV for r1 in ("", "_r1")), "evaluation_mnist")
SIDES = {
    work: ("ours", "pythae", "pythae_bare") if work in MLP else ("ours", "torch_twin")
    for work in WORKS
}
COMPILED = "torch_twin_compiled"
OF_A_RUN = "conv_mnist"  # the work whose input pipeline and starts are timed
PIPELINES = ("resident", "streamed")
GEMM = "gemm"  # its own child: the rate of a large product
GEMM_SIZE = 2048
TICKS = (0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10)  # of the figure's ratios

REFERENCES = {
    ("throughput_ratio", "mlp_vae/pythae"): Reference(2.5, "higher", "aim"),
    ("throughput_ratio", "mlp_aae/pythae"): Reference(2.5, "higher", "aim"),
    **{
        ("throughput_ratio", f"{work}/torch_twin"): Reference(1.2, "higher", "aim")
        for work in ("conv_mnist", "conv_mnist_r1", "conv32", "conv32_r1")
    },
    ("gemm_share", "conv_mnist"): Reference(0.6, "higher", "aim"),
    ("input_pipeline_share", "resident"): Reference(0.97, "higher", "aim"),
    ("input_pipeline_share", "streamed"): Reference(0.97, "higher", "aim"),
    ("compile_seconds", "second_start"): Reference(5.0, "lower", "aim"),
}
SHOWN = (
    "throughput_ratio",
    "milliseconds_per_step",
    "gemm_share",
    "input_pipeline_share",
    "compile_seconds",
    "break_even_steps",
    "busy_share",
)


# --------------------------------------------------------------------------------- in a child


def measure(words: list[str], seconds: float) -> dict[str, Any]:
    """What a child is asked for: a product, a check, a part of a run, or a side of a work."""
    import jax

    if jax.default_backend() != "cpu":
        # As of PyTorch's side. What a GPU does by default has 10 bits and not the 23 of float32.
        jax.config.update("jax_default_matmul_precision", "float32")
    what = words[0]
    if what == GEMM:
        return gemm(seconds)
    if what == "check":
        from experiments.peers import check

        return {"compared": check(words[1])}
    if what in PIPELINES:
        from experiments.works import pipeline

        on_device, from_set = pipeline(what == "streamed", rounds=3)
        return {"on_device": on_device, "from_set": from_set}
    if what == "start":
        from experiments.works import first_step

        return {"seconds": first_step(Path(words[1]))}
    return of_side(what, words[1], seconds)


def of_side(work: str, side: str, seconds: float) -> dict[str, Any]:
    """One side of one work, timed for some seconds."""
    if side == "ours":
        from experiments.works import ours

        runner = ours(work)
    else:
        from experiments import peers

        if work == "evaluation_mnist":
            runner = peers.evaluation()
        elif side.startswith("torch_twin"):
            runner = peers.twin(work, compiled=side == COMPILED)
        else:
            runner = {"pythae": peers.pythae, "pythae_bare": peers.pythae_bare}[side](work)
    steps = 1 if work == "evaluation_mnist" else 100 if work in MLP else 10
    ready = time.perf_counter()
    runner.run(steps)
    first = time.perf_counter() - ready
    runner.run(steps)
    step = median_seconds(partial(runner.run, steps), seconds, steps)
    return {
        "seconds": step,
        "first": max(first - steps * step, 0.0),
        "parameters": runner.parameters,
        "floats": runner.floats() if runner.floats else 0.0,
    }


def gemm(seconds: float) -> dict[str, Any]:
    """Floating-point operations a second of a large float32 product."""
    import jax

    a, b = (jax.random.normal(jax.random.key(i), (GEMM_SIZE, GEMM_SIZE)) for i in range(2))
    product = jax.jit(lambda a, b: a @ b)
    product(a, b).block_until_ready()
    one = median_seconds(lambda: product(a, b).block_until_ready(), seconds)
    return {"rate": 2 * GEMM_SIZE**3 / one, "device": device_kind()}


# -------------------------------------------------------------------------------- in the parent


child = partial(timing.child, "experiments.benchmark")


Measured = dict[tuple[str, str], list[dict[str, Any]]]  # of a side of a work, by round
Ratios = dict[tuple[str, str], tuple[float, float, float]]


def of_works(
    wanted: list[str], rounds: int, seconds: float, compiled: bool, programs: Path
) -> tuple[Measured, list[dict[str, Any]]]:
    """(what each side of each work measured, the products), by round.

    compiled: whether torch.compile is tried. programs: an empty folder for compiled programs, so
    that the first round compiles and the later ones do not wait for it."""
    sides = {work: list(SIDES[work]) for work in wanted}

    def one_of(*words: str) -> dict[str, Any]:
        return child(*words, seconds=seconds, compiled=programs / words[0])

    if compiled:
        for work in wanted:
            if work not in MLP and work != "evaluation_mnist":
                # Apart: what is compiled here must not be there in the first round.
                trial = partial(child, work, seconds=seconds, compiled=programs / f"{work}_trial")
                try:
                    plain, fused = (trial(side)["seconds"] for side in ("torch_twin", COMPILED))
                except InputError as error:
                    say(f"torch.compile is left out: {error}")
                    continue
                say(f"{work}: twin {1e3 * plain:.2f} ms, compiled {1e3 * fused:.2f} ms")
                if fused < plain:
                    sides[work] = ["ours", COMPILED]
    found: Measured = {}
    products = []
    for number in range(rounds):
        products.append(one_of(GEMM))
        for work in wanted:
            # In turn, so that none has the better place.
            for side in sides[work][:: 1 if number % 2 == 0 else -1]:
                one = one_of(work, side)
                found.setdefault((work, side), []).append(one)
                say(f"round {number}  {work}/{side}  {1e3 * one['seconds']:.3f} ms")
    return found, products


def median(measured: list[dict[str, Any]], what: str) -> float:
    return statistics.median(one[what] for one in measured)


def figures_of(found: Measured, products: list[dict[str, Any]]) -> list[Row]:
    """The rows of what was measured."""
    rate = median(products, "rate")
    idle = [one["busy"] for measured in found.values() for one in measured]
    spread = ranges(found)
    rows = [
        Row("gemm_gflops", "all", [one["rate"] / 1e9 for one in products], GEMM_SIZE),
        Row("busy_share", "all", [max(idle)], len(idle)),
    ]
    for (work, side), measured in found.items():
        step = [1e3 * one["seconds"] for one in measured]
        rows.append(Row("milliseconds_per_step", f"{work}/{side}", step, len(step)))
        if side == "ours":
            ours = measured
            # Of the first round, in which there were no compiled programs.
            rows.append(Row("compile_seconds", work, [measured[0]["first"]], 1))
            if ours[0]["floats"]:
                share = ours[0]["floats"] / median(ours, "seconds") / rate
                rows.append(Row("gflop_per_step", work, [ours[0]["floats"] / 1e9], 1))
                rows.append(Row("gemm_share", work, [share], 1))
            continue
        variant = f"{work}/{side.removesuffix('_compiled')}"
        own, other = median(ours, "seconds"), median(measured, "seconds")
        middle, low, high = spread[work, side]
        for metric, ratio in (("", middle), ("_lowest", low), ("_highest", high)):
            rows.append(Row(f"throughput_ratio{metric}", variant, [ratio], len(measured)))
        if other > own:
            saved = (ours[0]["first"] - measured[0]["first"]) / (other - own)
            rows.append(Row("break_even_steps", variant, [max(saved, 0.0)], len(measured)))
    return rows


def of_a_run(rounds: int, seconds: float) -> list[Row]:
    """The same for what surrounds the steps: the input pipeline, and the first step of a run that
    was compiled before. Of the convolutional IAE on TFDS's mnist, its real training config."""
    rows = []
    for kind in PIPELINES:
        with tempfile.TemporaryDirectory() as folder:
            measured = [child(kind, seconds=seconds, compiled=Path(folder)) for _ in range(rounds)]
        share = median(measured, "on_device") / median(measured, "from_set")
        rows.append(Row("input_pipeline_share", kind, [share], rounds))
        say(f"input pipeline, {kind}: {share:.3f}")
    first: list[float] = []
    second: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for starts in (first, second):
                one = child("start", folder, seconds=seconds, compiled=Path(folder))
                starts.append(one["seconds"])
        say(f"first step after {first[-1]:.1f} s, with compiled programs {second[-1]:.1f} s")
    rows.append(Row("compile_seconds", "first_start", first, 1))
    rows.append(Row("compile_seconds", "second_start", second, 1))
    return rows


def draw(found: Ratios, path: Path) -> None:
    """A bar for each comparison: the ratio of medians, and the range over rounds."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    ratios = {" / ".join(sides): each for sides, each in found.items()}
    names = list(ratios)[::-1]
    with panels(path, 1, 1, [""], size=640) as axes:
        ax = axes[0][0]
        middle = np.array([ratios[name][0] for name in names])
        low, high = (np.array([ratios[name][i] for name in names]) for i in (1, 2))
        colors = [COLORS[0] if ratio >= 1 else COLORS[1] for ratio in middle]
        ax.barh(names, middle, color=colors, xerr=[middle - low, high - middle])
        ax.axvline(1.0, color="black", linewidth=0.8)
        ax.set(xlabel="our throughput / theirs", xscale="log")
        ticks = [tick for tick in TICKS if min(0.8, *low) <= tick <= max(1.25, *high)]
        ax.set(xticks=ticks, xticklabels=ticks)
        ax.minorticks_off()


def ranges(found: Measured) -> Ratios:
    """Of each side but ours: (ratio of medians, smallest and largest ratio within a round)."""
    shown: Ratios = {}
    for (work, side), measured in found.items():
        if side == "ours":
            continue
        ours = found[work, "ours"]
        each = [b["seconds"] / a["seconds"] for a, b in zip(ours, measured, strict=True)]
        middle = median(measured, "seconds") / median(ours, "seconds")
        shown[work, side] = (middle, min(*each, middle), max(*each, middle))
    return shown


def run(options: argparse.Namespace) -> Timings:
    wanted = options.works.split(",")
    for work in wanted:
        if work not in WORKS:
            raise InputError(f"--works are of {', '.join(WORKS)}, not {work!r}")
    for name in ("pythae", "torch"):
        if importlib.util.find_spec(name) is None:
            raise InputError(f"{name} is not installed: pip install '.[bench]'")
    timing.check_idle(options.busy_allowed)
    # First what can be refused: sides that differ, and a set that is not prepared.
    for work in wanted:
        with tempfile.TemporaryDirectory() as folder:
            compared = child("check", work, seconds=options.seconds, compiled=Path(folder))
        say(f"{work}: {compared['compared']} agree")
    of_runs = of_a_run(options.rounds, options.seconds) if OF_A_RUN in wanted else []
    with tempfile.TemporaryDirectory() as programs:
        found, products = of_works(
            wanted, options.rounds, options.seconds, not options.no_compiled, Path(programs)
        )
    rows = figures_of(found, products) + of_runs
    return Timings(rows, products[0]["device"], partial(draw, ranges(found)))


def main(arguments: list[str] | None = None) -> int:
    parser = timing.parser("experiments.benchmark", rounds=5, seconds=2.0)
    parser.add_argument("--works", default=",".join(WORKS), help="which, separated by commas")
    parser.add_argument("--no_compiled", action="store_true", help="do not try torch.compile")
    return timing.main(parser, measure, run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
