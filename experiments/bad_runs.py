"""One good run of the digits and four bad ones, each by flags: the page on troubleshooting.

    python -m experiments.bad_runs                # trains all, writes docs/bad_runs.json and .png
    python -m experiments.bad_runs --only=good    # one of them; the others stay as recorded
    python -m experiments.bad_runs --draw         # the picture alone, from docs/bad_runs.json

A minute each on two idle cores.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from iae_jax.files import canvas, figures
from iae_jax.files.atomic import write_json
from iae_jax.runs import ledger

SHORT = "--config.steps=1500"  # half of the preset's
RUNS: dict[str, tuple[str, ...]] = {
    "good": (SHORT,),
    # Both players are random from the first step, and the encoder gains by sharing nothing.
    "generator ignores z": (
        SHORT,
        "--config.generator.ramp_start_steps=0",
        "--config.generator.ramp_steps=0",
        "--config.encoder.kind=implicit",
        "--config.encoder.noise=32",
        "--config.reconstruction.numerator_weight=2",
    ),
    # Images and changed ones are to have one code, and nothing holds codes apart.
    "collapsed codes": (
        SHORT,
        "--config.auxiliary.consistency.weight.value=30",
        "--config.regularization.kind=none",
    ),
    # It learns so slowly that it never tells anything apart.
    "discriminator at chance": (SHORT, "--config.reconstruction.optimizer.rate=1e-6"),
    # The players give all for codes that look like the prior.
    "over-regularized": (SHORT, "--config.regularization.weight=1000"),
}
# What is logged and drawn, with its unit.
SHOWN = {
    "reconstruction_discriminator": "loss, nats",
    "regularization_discriminator": "loss, nats",
    "encoder_gradient_norm": "L2 norm",
    "validation_pixel_error": "mean |x̂ − x|, x in 0 to 1",
}
# What is logged and not drawn.
FURTHER = ("generator_gradient_norm", "reconstruction", "regularization")
MEASURED = (
    "pixel_error_ratio", "label_agreement", "local_spread", "code_standard_deviation",
    "two_sample_accuracy",
)  # fmt: skip
OFTEN = ("--config.run.validate_steps=100", "--config.run.figure_steps=5000")
PAGE = Path("docs/bad_runs.json")
DIGITS = 4  # of a number
LEDGER = Path("results") / ledger.FILE
CHANCE = 1.386  # 2 log 2: of a discriminator that says nothing


def launch(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "iae_jax.launch", *words], check=True)


def run(flags: tuple[str, ...], workdir: Path, *noted: str) -> dict[str, Any]:
    """Trains and evaluates: its flags, curves (name -> values, steps among them) and measures.
    noted: flags that say where the measurement on the test split is noted, if not in the
    workdir."""
    launch("--config=digits", f"--workdir={workdir}", *flags, *OFTEN)
    launch(f"--workdir={workdir}", "--mode=evaluate", *noted)
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").open()]
    names = [name for name in ("step", *SHOWN, *FURTHER) if name in lines[-1]]
    curves = {name: [short(line[name]) for line in lines] for name in names}
    records = json.loads((workdir / "evaluation_test.json").read_text())["records"]
    found = {one["metric"]: short(one["value"]) for one in records}
    return {
        "flags": list(flags),
        "curves": curves,
        "measured": {name: found[name] for name in MEASURED if name in found},
    }


def short(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")


def draw(path: Path, runs: dict[str, Any]) -> None:
    """A panel for each logged name, a line for each run."""
    with figures.panels(path, 2, 2, list(SHOWN), size=320) as axes:
        for ax, (name, unit) in zip(itertools.chain(*axes), SHOWN.items(), strict=True):
            for title, color in zip(runs, canvas.COLORS, strict=False):
                curves = runs[title]["curves"]
                values = curves.get(name, [])
                ax.plot(curves["step"][: len(values)], values, color=color, label=title)
            ax.set(xlabel="training step", ylabel=unit)
        for ax in axes[0]:
            ax.axhline(CHANCE, color="grey", linewidth=0.8, linestyle=":")
        axes[1][0].set_yscale("log")
        named = axes[0][0].get_legend_handles_labels()
        axes[0][0].figure.legend(*named, loc="outside lower center", ncols=2, frameon=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.bad_runs")
    parser.add_argument("--draw", action="store_true", help="train nothing")
    parser.add_argument("--only", choices=RUNS, help="one of the runs")
    parser.add_argument("--runs", type=Path, help="folder of the runs (a temporary one)")
    options = parser.parse_args(arguments)
    found = json.loads(PAGE.read_text()) if options.draw or options.only else {}
    names = [] if options.draw else [options.only] if options.only else list(RUNS)
    with tempfile.TemporaryDirectory() as folder:
        where = options.runs or Path(folder)
        for name in names:
            noted = (f"--test_reads={LEDGER}", f"--read_as={PAGE.stem}:{name}")
            found[name] = run(RUNS[name], where / name.replace(" ", "_"), *noted)
    if names:
        write_json(PAGE, {name: found[name] for name in RUNS if name in found})
    draw(PAGE.with_suffix(".png"), json.loads(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
