"""An experiment on several seeds as one command: its settings as flags, its records, its figure.

An experiment is a module with a NamedTuple of settings and a function `run(settings, seeds)` that
yields what it has measured, as soon as it has, and returns what draws its figure; its last lines
call `main`.
"""

import argparse
import math
import shlex
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from iae_jax.devices import multihost as hosts
from iae_jax.errors import InputError
from iae_jax.files.metrics_log import commit, open_folder
from iae_jax.records import results

MOST_SEEDS = 1000  # at once: they are all in memory


class Measured(NamedTuple):
    """One metric of one variant. values: one a seed. n_examples: that each value was measured on.
    seconds: to train and measure the variant, all seeds together."""

    metric: str
    variant: str
    values: Sequence[float] | np.ndarray
    n_examples: int
    seconds: float
    extractor: str = ""


# What a run is: it yields Measured and returns a function that draws to a path.
Running = Generator[Measured, None, Callable[[Path], None]]


class Parser(argparse.ArgumentParser):
    """One whose errors are one line: InputError."""

    def error(self, message: str) -> Any:
        raise InputError(f"{message}: see --help")


class Clock:
    """Seconds of each lap."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def lap(self) -> float:
        """Seconds since it was made, or since the last lap; the next one begins."""
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
    name: str, measured: Sequence[Measured], seeds: Sequence[int], command: str, source: str
) -> list[dict[str, Any]]:
    """What was measured as records of results/NAME.json. Errors: InputError if a value is missing
    or is not a number."""
    devices = jax.local_devices()
    device = f"{len(devices)} x {devices[0].device_kind}, {hosts.cores()} cores"
    found = []
    for one in measured:
        if len(one.values) != len(seeds):
            raise InputError(
                f"{name}: {one.metric} of {one.variant} has {len(one.values)} values for "
                f"{len(seeds)} seeds"
            )
        if not np.all(np.isfinite(one.values)):
            raise InputError(
                f"{name}: {one.metric} of {one.variant} is not finite: train longer, lower the "
                "rates, or measure on more samples"
            )
        found.append(
            results.record(
                one.metric,
                one.variant,
                [float(value) for value in one.values],
                list(seeds),
                one.n_examples,
                one.extractor,
                command,
                [round(one.seconds, 1)],
                device,
                source,
            )
        )
    return found


def check(settings: Any) -> None:
    """Errors: InputError for a count below 1, a number below 0 or not finite, or a rate of 0."""
    for field, value in settings._asdict().items():
        if isinstance(value, int) and value < 1:
            raise InputError(f"--{field} is at least 1, not {value}")
        if isinstance(value, float):
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"--{field} is a number from 0 up, not {value}")
            if value == 0 and field.endswith("rate"):
                raise InputError(f"--{field} is above 0: a player has to move")


def main(
    path: str,
    run: Callable[[Any, Sequence[int]], Running],
    settings: Any,
    seeds: int,
    arguments: list[str] | None = None,
    first_seed: int = 0,
) -> int:
    """The command of an experiment: every setting is a flag.

    path: the experiment's file. seeds: how many, unless --seeds says. first_seed: the first of
    them, so that those reported need not be those that settings were chosen on. Writes
    results/NAME.json and docs/NAME.png; a run with other settings or seeds is a trial, and writes
    to runs/NAME/ so that it does not replace the reported one (--results and --figures choose for
    themselves). What was measured before a run ended early, however it did, stays in
    NAME.json.partial. Returns the exit status.
    """
    name = Path(path).stem
    parser = Parser(
        prog=f"python -m experiments.{name}",
        allow_abbrev=False,
        description=(sys.modules[run.__module__].__doc__ or "").split("\n\n")[0],
    )
    parser.add_argument("--seeds", type=int, default=seeds, help=f"how many ({seeds})")
    parser.add_argument(
        "--first_seed", type=int, default=first_seed, help=f"the first of them ({first_seed})"
    )
    for flag, what in (("results", "the record"), ("figures", "the figure")):
        own = {"results": "results", "figures": "docs"}[flag]
        parser.add_argument(
            f"--{flag}", type=Path, help=f"folder of {what} ({own}; runs/{name} for a trial)"
        )
    for field, default in settings._asdict().items():
        shown = default if default != "" else "none"
        parser.add_argument(f"--{field}", type=type(default), default=default, help=f"({shown})")
    try:
        options = vars(parser.parse_args(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen = settings._replace(**{field: options[field] for field in settings._fields})
    changed = [
        f"--{field}={value}"
        for field, value in chosen._asdict().items()
        if value != getattr(settings, field)
    ]
    words = ["python", "-m", f"experiments.{name}", f"--seeds={options['seeds']}"]
    if options["first_seed"] != first_seed:
        words.append(f"--first_seed={options['first_seed']}")
    words += changed
    own_seeds = (options["seeds"], options["first_seed"]) == (seeds, first_seed)
    trial = None if own_seeds and not changed else Path("runs") / name
    folder = options["results"] or trial or Path("results")
    figures = options["figures"] or trial or Path("docs")
    measured: list[Measured] = []
    try:
        if not 1 <= options["seeds"] <= MOST_SEEDS:
            raise InputError(f"--seeds is from 1 to {MOST_SEEDS}, not {options['seeds']}")
        if not 0 <= options["first_seed"] < 2**31:
            raise InputError(f"--first_seed is from 0 to below 2^31, not {options['first_seed']}")
        check(chosen)
        # Before the run: what cannot be written to must not cost a training.
        for flag, where, file in (
            ("results", folder, f"{name}.json"),
            ("figures", figures, f"{name}.png"),
        ):
            open_folder(where, f"--{flag}")
            if (where / file).is_dir():
                raise InputError(f"{where / file} is a folder: choose another --{flag}")
        # Before the run: what is measured is this code, whatever is edited meanwhile.
        source = commit()
        numbers = range(options["first_seed"], options["first_seed"] + options["seeds"])
        left = folder / f"{name}.json.partial"
        left.unlink(missing_ok=True)

        def keep() -> None:
            finite = [one for one in measured if np.all(np.isfinite(one.values))]
            parts = records(name, finite, numbers, shlex.join(words), source)
            results.write(folder, name, parts, suffix=".json.partial")

        try:
            draw = yield_to(measured, run(chosen, numbers), keep)
            found = records(name, measured, numbers, shlex.join(words), source)
        except BaseException:  # also when it is interrupted
            if left.exists():
                print(f"what was measured before is in {left}", file=sys.stderr)
            raise
        results.write(folder, name, found)
        left.unlink(missing_ok=True)
        draw(figures / f"{name}.png")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(results.table(found))
    return 0


def yield_to(
    measured: list[Measured], running: Running, keep: Callable[[], None] = lambda: None
) -> Callable[[Path], None]:
    """Appends what a run yields, as it does, and calls `keep`; returns what draws its figure."""
    while True:
        try:
            measured.append(next(running))
            keep()
        except StopIteration as end:
            draw: Callable[[Path], None] = end.value
            return draw
