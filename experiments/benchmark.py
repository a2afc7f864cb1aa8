"""Speed of training steps compared with PyTorch on the same workloads.

    pip install '.[bench]'        # PyTorch (its CPU build will do on a CPU), pythae, psutil
    python -m experiments.benchmark

Each side of each workload runs in a fresh process, the sides in turn, for several rounds; ratios
are of medians. Before anything is timed, both sides must have the same number of parameters and,
with the same parameters, the same losses (`agreement.py`). The machine has to be idle at the start;
the largest share of its cores that was at work before any process is recorded (`busy_share`).
Needs MNIST (`python -m iae_jax.data.prepare mnist`).

Expected: an hour on 2 idle CPU cores.
"""

import argparse
import importlib.util
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments import timing
from experiments.sides import COMPILED, CONV, GEMM, GEMM_SIZE, MLP, PIPELINES, measure
from experiments.timing import Row, Timings, say
from iae_jax.errors import InputError
from iae_jax.records.record import Record
from iae_jax.records.references import Headline, Reference

WORKS = (*MLP, *(f"{name}{r1}" for name in CONV for r1 in ("", "_r1")), "evaluation_mnist")
SIDES = {
    work: ("ours", "pythae", "pythae_bare") if work in MLP else ("ours", "torch_twin")
    for work in WORKS
}
OF_A_RUN = "conv_mnist"  # the workload whose input pipeline and starts are timed
RATIO = "throughput_ratio"
TICKS = (0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10)  # of the figure's ratios

REFERENCES = {
    (RATIO, "mlp_vae/pythae"): Reference(2.5, "higher", "aim"),
    (RATIO, "mlp_aae/pythae"): Reference(2.5, "higher", "aim"),
    **{
        (RATIO, f"{work}/torch_twin"): Reference(aim, "higher", "aim")
        for work in WORKS
        if work not in MLP
        for aim in [1.15 if work.startswith("conv_mnist") else 1.0]
    },
    **{(RATIO, f"{work}/pythae_bare"): Reference(2.2, "higher", "aim") for work in MLP},
    ("gemm_share", "conv_mnist"): Reference(0.6, "higher", "aim"),
    ("input_pipeline_share", "resident"): Reference(0.97, "higher", "aim"),
    ("input_pipeline_share", "streamed"): Reference(0.97, "higher", "aim"),
    ("compile_seconds", "second_start"): Reference(4.0, "lower", "aim"),
}
SHOWN = (
    RATIO,
    "milliseconds_per_step",
    "gemm_share",
    "input_pipeline_share",
    "compile_seconds",
    "break_even_steps",
    "busy_share",
)
HEADLINE = tuple(
    Headline("our steps per second over theirs", RATIO, variant)
    for variant in ("mlp_vae/pythae", "conv_mnist/torch_twin", "conv64/torch_twin")
)


child = partial(timing.child, "experiments.benchmark")

Measured = dict[tuple[str, str], list[dict[str, Any]]]  # (workload, side) -> one a round
Ratios = dict[tuple[str, str], tuple[float, float, float]]


def of_works(
    wanted: list[str], rounds: int, seconds: float, compiled: bool, programs: Path
) -> tuple[Measured, list[dict[str, Any]]]:
    """Measures every side of the workloads, and the product, in each round.

    Args:
      wanted: the workloads.
      rounds: how many.
      seconds: of each measurement.
      compiled: whether torch.compile is tried.
      programs: an empty folder for compiled programs, so that only the first round compiles.

    Returns:
      (of each side of each workload, of the products).
    """
    sides = {work: list(SIDES[work]) for work in wanted}

    def one_of(*words: str) -> dict[str, Any]:
        return child(*words, seconds=seconds, compiled=programs / words[0])

    if compiled:
        for work in wanted:
            if work not in MLP and work != "evaluation_mnist":
                # In a folder of its own: the first round has to compile.
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
            # In turn, so that no side is always first.
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
    shares = [one["busy"] for measured in found.values() for one in measured]
    ratios = ranges(found)
    rows = [
        Row("gemm_gflops", "all", [one["rate"] / 1e9 for one in products], GEMM_SIZE),
        Row("busy_share", "all", [max(shares)], len(shares)),
    ]
    for (work, side), measured in found.items():
        step = [1e3 * one["seconds"] for one in measured]
        rows.append(Row("milliseconds_per_step", f"{work}/{side}", step, len(step)))
        if side == "ours":
            ours = measured
            # Of the first round: later ones have compiled programs.
            rows.append(Row("compile_seconds", work, [measured[0]["first"]], 1))
            if ours[0]["flops"]:
                share = ours[0]["flops"] / median(ours, "seconds") / rate
                rows.append(Row("gflop_per_step", work, [ours[0]["flops"] / 1e9], 1))
                rows.append(Row("gemm_share", work, [share], 1))
            continue
        variant = f"{work}/{side.removesuffix('_compiled')}"
        own, other = median(ours, "seconds"), median(measured, "seconds")
        middle, low, high = ratios[work, side]
        for metric, ratio in (("", middle), ("_lowest", low), ("_highest", high)):
            rows.append(Row(f"{RATIO}{metric}", variant, [ratio], len(measured)))
        if other > own:
            saved = (ours[0]["first"] - measured[0]["first"]) / (other - own)
            rows.append(Row("break_even_steps", variant, [max(saved, 0.0)], len(measured)))
    return rows


def of_a_run(rounds: int, seconds: float) -> list[Row]:
    """The rows of what surrounds the steps, of the convolutional IAE in its real training config on
    TFDS's mnist: the input pipeline, and the first step of a run, compiled or not before."""
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


def draw(path: Path, records: list[Record]) -> None:
    """Our steps per second over those of another program, for each workload and program: the ratio
    of medians, and as a line the range over rounds. Right of 1 we are faster; the axis is
    logarithmic.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import panels

    means = {(one["metric"], one["variant"]): one["mean"] for one in records}
    names = sorted((name for metric, name in means if metric == RATIO), key=_place)[::-1]
    middle, low, high = (
        np.array([means[f"{RATIO}{which}", name] for name in names])
        for which in ("", "_lowest", "_highest")
    )
    with panels(path, 1, 1, [""], size=640) as axes:
        ax, spread = axes[0][0], [middle - low, high - middle]
        ax.barh(names, middle - 1, left=1, color=MODELS["ours"], xerr=spread)
        ax.axvline(1.0, color="black", linewidth=0.8)
        ax.set(xlabel="our steps per second over theirs", xscale="log")
        ticks = [tick for tick in TICKS if min(0.8, *low) <= tick <= max(1.25, *high)]
        ax.set(xticks=ticks, xticklabels=ticks)
        ax.minorticks_off()


def _place(name: str) -> int:
    """Of a comparison in the order of the works."""
    *_, work, side = name.split("/")
    return 2 * WORKS.index(work) + (side == "pythae_bare")


def ranges(found: Measured) -> Ratios:
    """The ratios of each other side to ours: of the medians, and the smallest and largest of a
    round."""
    ratios: Ratios = {}
    for (work, side), measured in found.items():
        if side == "ours":
            continue
        ours = found[work, "ours"]
        each = [b["seconds"] / a["seconds"] for a, b in zip(ours, measured, strict=True)]
        middle = median(measured, "seconds") / median(ours, "seconds")
        ratios[work, side] = (middle, min(*each, middle), max(*each, middle))
    return ratios


def run(options: argparse.Namespace) -> Timings:
    wanted = options.works.split(",")
    for work in wanted:
        if work not in WORKS:
            raise InputError(f"--works are some of {', '.join(WORKS)}, not {work!r}")
    for name in ("pythae", "torch"):
        if importlib.util.find_spec(name) is None:
            raise InputError(f"{name} is not installed: pip install '.[bench]'")
    timing.check_idle(options.busy_allowed)
    # First what can fail: sides that differ, and a data set that is not prepared.
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
    return Timings(rows, products[0]["device"])


def main(arguments: list[str] | None = None) -> int:
    parser = timing.parser("experiments.benchmark", rounds=5, seconds=2.0)
    parser.add_argument(
        "--works", default=",".join(WORKS), help="workloads, separated by commas (all)"
    )
    parser.add_argument("--no_compiled", action="store_true", help="do not try torch.compile")
    return timing.main(parser, measure, run, draw, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
