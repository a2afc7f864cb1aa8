"""An experiment on several seeds as one command: its settings as flags, its records, its figure.

An experiment is a module with a NamedTuple of settings and a function
`run(settings, seeds) -> Outcome`; its last lines call `main`.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from iae_jax import results
from iae_jax.journal import commit, open_folder
from iae_jax.types import InputError


class Measured(NamedTuple):
    """One metric of one variant. values: one a seed. n_examples: that each value was measured on.
    seconds: to train and measure the variant, all seeds together."""

    metric: str
    variant: str
    values: Sequence[float] | np.ndarray
    n_examples: int
    seconds: float
    extractor: str = ""


class Outcome(NamedTuple):
    """measured: what goes to results/NAME.json. draw: writes the experiment's figure to a path."""

    measured: list[Measured]
    draw: Callable[[Path], None]


class Clock:
    """Seconds since it was made or last read."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def read(self) -> float:
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        return seconds


def progress(name: str) -> Callable[[int, dict[str, np.ndarray]], None]:
    """A plain line now and then: step and the seeds' mean losses."""

    def report(step: int, metrics: dict[str, np.ndarray]) -> None:
        shown = {key: metrics[key].mean() for key in ("reconstruction", "regularization")}
        text = "  ".join(f"{key} {value:.4f}" for key, value in shown.items())
        print(f"{name}  step {step}  {text}", file=sys.stderr, flush=True)

    return report


def records(
    name: str, outcome: Outcome, seeds: Sequence[int], command: str, source: str
) -> list[dict[str, Any]]:
    """The outcome as records of results/NAME.json. Errors: InputError if a value is missing or is
    not a number."""
    devices = jax.local_devices()
    device = f"{len(devices)} x {devices[0].device_kind}, {os.cpu_count()} cores"
    found = []
    for measured in outcome.measured:
        if len(measured.values) != len(seeds):
            raise InputError(
                f"{name}: {measured.metric} of {measured.variant} has {len(measured.values)} "
                f"values for {len(seeds)} seeds"
            )
        if not np.all(np.isfinite(measured.values)):
            raise InputError(
                f"{name}: {measured.metric} of {measured.variant} is not finite: train longer, or "
                "lower the rates"
            )
        found.append(
            results.record(
                measured.metric,
                measured.variant,
                [float(value) for value in measured.values],
                list(seeds),
                measured.n_examples,
                measured.extractor,
                command,
                [round(measured.seconds, 1)],
                device,
                source,
            )
        )
    return found


def main(
    path: str,
    run: Callable[[Any, Sequence[int]], Outcome],
    settings: Any,
    seeds: int,
    arguments: list[str] | None = None,
) -> int:
    """The command of an experiment: every setting is a flag.

    path: the experiment's file. seeds: how many, unless --seeds says. Writes results/NAME.json and
    docs/NAME.png (elsewhere with --results and --figures). Returns the exit status.
    """
    name = Path(path).stem
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}")
    parser.add_argument("--seeds", type=int, default=seeds, help="how many: 0, 1, ...")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--figures", type=Path, default=Path("docs"))
    for field, default in settings._asdict().items():
        parser.add_argument(f"--{field}", type=type(default), default=default)
    options = vars(parser.parse_args(arguments))
    chosen = settings._replace(**{field: options[field] for field in settings._fields})
    changed = [
        f"--{field}={value}"
        for field, value in chosen._asdict().items()
        if value != getattr(settings, field)
    ]
    command = " ".join([f"python -m experiments.{name} --seeds={options['seeds']}", *changed])
    try:
        if options["seeds"] < 1:
            raise InputError(f"--seeds is at least 1, not {options['seeds']}")
        for field, value in chosen._asdict().items():
            if isinstance(value, int) and value < 1:
                raise InputError(f"--{field} is at least 1, not {value}")
        # Before the run: a folder that cannot be written to must not cost a training.
        for flag in ("results", "figures"):
            open_folder(options[flag], f"--{flag}")
        # Before the run: what is measured is this code, whatever is edited meanwhile.
        source = commit()
        numbers = range(options["seeds"])
        outcome = run(chosen, numbers)
        found = records(name, outcome, numbers, command, source)
        results.write(options["results"], name, found)
        outcome.draw(options["figures"] / f"{name}.png")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(results.table(found))
    return 0
