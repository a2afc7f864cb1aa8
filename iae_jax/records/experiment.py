"""An experiment on several seeds as one command: settings as flags, records, a figure.

The experiment is a module with a NamedTuple of settings and a function `run(settings, seeds)` that
yields each `Measured` as soon as it has it, and returns a function that draws the figure. Its last
lines call `main`.
"""

import math
import shlex
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from iae_jax.devices import multihost
from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.commit import commit
from iae_jax.records.parser import Parser
from iae_jax.records.record import Record, Trainings, record, table, write_records

MAX_SEEDS = 1000  # at once: they are all in memory


class Measured(NamedTuple):
    """One metric of one variant.

    values: one for each seed.
    n_examples: that each value was measured on.
    seconds: to train and measure the variant, all seeds together.
    extractor: whose features the metric uses; "" for none.
    """

    metric: str
    variant: str
    values: Sequence[float] | np.ndarray
    n_examples: int
    seconds: float
    extractor: str = ""


# A run in progress: yields Measured, returns a function that draws the figure to a path.
Running = Generator[Measured, None, Callable[[Path], None]]


class Clock:
    def __init__(self) -> None:
        self._since = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last call, or since the clock was made."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        return seconds


def progress(name: str) -> Callable[[int, dict[str, np.ndarray]], None]:
    """A function that prints a step and the seeds' mean losses as one line."""

    def report(step: int, metrics: dict[str, np.ndarray]) -> None:
        means = {key: metrics[key].mean() for key in ("reconstruction", "regularization")}
        text = "  ".join(f"{key} {value:.4f}" for key, value in means.items())
        print(f"{name}  step {step}  {text}", file=sys.stderr, flush=True)

    return report


def records(
    name: str, measured: Sequence[Measured], seeds: Sequence[int], command: str, source: str
) -> list[Record]:
    """The records of results/NAME.json.

    Args:
      name: of the experiment.
      measured: the metrics.
      seeds: that they have values of.
      command: how to get the same.
      source: the commit.

    Raises:
      InputError: a value is missing or is not finite.
    """
    devices = jax.local_devices()
    device = f"{len(devices)} x {devices[0].device_kind}, {multihost.cores()} cores"
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
                "learning rates, or measure on more samples"
            )
        values = [float(value) for value in one.values]
        trainings = Trainings(list(seeds), command, [round(one.seconds, 1)], device, source)
        found.append(
            record(one.metric, one.variant, values, one.n_examples, one.extractor, trainings)
        )
    return found


def check(settings: Any) -> None:
    """Checks that counts are at least 1, numbers finite and not negative, and rates not 0.

    Raises:
      InputError: a setting is something else.
    """
    for field, value in settings._asdict().items():
        if isinstance(value, int) and value < 1:
            raise InputError(f"--{field} is at least 1, not {value}")
        if isinstance(value, float):
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"--{field} is a number from 0 up, not {value}")
            if value == 0 and field.endswith("rate"):
                raise InputError(f"--{field} is above 0: every player has to learn")


def _parser(path: str, run: Callable[..., Running], defaults: dict[str, Any]) -> Parser:
    """The parser of the command: every default is a flag, beside --results and --figures."""
    name = Path(path).stem
    parser = Parser(
        prog=f"python -m experiments.{name}",
        allow_abbrev=False,
        description=(sys.modules[run.__module__].__doc__ or "").split("\n\n")[0],
    )
    for flag, what, folder in (
        ("results", "the records", "results"),
        ("figures", "the figure", "docs"),
    ):
        parser.add_argument(
            f"--{flag}", type=Path, help=f"folder of {what} ({folder}; runs/{name} for a trial)"
        )
    for field, default in defaults.items():
        shown = default if default != "" else "none"
        parser.add_argument(f"--{field}", type=type(default), default=default, help=f"({shown})")
    return parser


def main(
    path: str,
    run: Callable[[Any, Sequence[int]], Running],
    settings: Any,
    seeds: int,
    arguments: list[str] | None = None,
    first_seed: int = 0,
) -> int:
    """The command of an experiment. Every setting is a flag.

    Writes results/NAME.json and docs/NAME.png. A run with other settings or seeds is a trial and
    writes to runs/NAME/, so that it does not replace the reported one; --results and --figures
    choose for themselves. What was measured before a run ended early stays in NAME.json.partial.

    Args:
      path: the experiment's file.
      run: the experiment.
      settings: its default settings.
      seeds: the default number of seeds.
      arguments: of the command line; those of the process by default.
      first_seed: the default of the first seed, so that seeds that are reported need not be those
        that the settings were chosen with.

    Returns:
      The exit status.
    """
    name = Path(path).stem
    defaults = {"seeds": seeds, "first_seed": first_seed, **settings._asdict()}
    try:
        options = vars(_parser(path, run, defaults).parse_args(arguments))
        changed = [field for field, default in defaults.items() if options[field] != default]
        chosen = settings._replace(**{field: options[field] for field in settings._fields})
        trial = Path("runs") / name if changed else None
        folder = options["results"] or trial or Path("results")
        figures = options["figures"] or trial or Path("docs")
        if not 1 <= options["seeds"] <= MAX_SEEDS:
            raise InputError(f"--seeds is from 1 to {MAX_SEEDS}, not {options['seeds']}")
        if not 0 <= options["first_seed"] < 2**31:
            raise InputError(f"--first_seed is from 0 to below 2^31, not {options['first_seed']}")
        check(chosen)
        # Before the run, which is lost if its outcome cannot be written.
        for flag, where, file in (
            ("results", folder, f"{name}.json"),
            ("figures", figures, f"{name}.png"),
        ):
            open_folder(where, f"--{flag}")
            if (where / file).is_dir():
                raise InputError(f"{where / file} is a folder: choose another --{flag}")
        source = commit()  # before the run, during which the source tree may be edited
        numbers = range(options["first_seed"], options["first_seed"] + options["seeds"])
        flags = ["seeds", *(field for field in changed if field != "seeds")]
        command = shlex.join(
            ["python", "-m", f"experiments.{name}", *(f"--{one}={options[one]}" for one in flags)]
        )
        measured: list[Measured] = []
        partial = folder / f"{name}.json.partial"
        partial.unlink(missing_ok=True)

        def keep() -> None:
            finite = [one for one in measured if np.all(np.isfinite(one.values))]
            parts = records(name, finite, numbers, command, source)
            write_records(folder, name, parts, suffix=".json.partial")

        try:
            draw = run_to_end(measured, run(chosen, numbers), keep)
            found = records(name, measured, numbers, command, source)
        except BaseException:  # an interruption too
            if partial.exists():
                print(f"what was measured before is in {partial}", file=sys.stderr)
            raise
        write_records(folder, name, found)
        partial.unlink(missing_ok=True)
        draw(figures / f"{name}.png")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    print(table(found))
    return 0


def run_to_end(
    measured: list[Measured], running: Running, keep: Callable[[], None] = lambda: None
) -> Callable[[Path], None]:
    """Appends what a run yields to `measured` and calls `keep` each time; returns what the run
    returns, the function that draws its figure."""
    while True:
        try:
            measured.append(next(running))
            keep()
        except StopIteration as end:
            draw: Callable[[Path], None] = end.value
            return draw
