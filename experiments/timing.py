"""The command of a benchmark: measurements in fresh processes, written as records and a figure.

A benchmark is a module with `measure(words, seconds)`, which a child process calls and whose result
it prints, `run(options)`, which starts such children and returns rows, and `draw(path, records)`,
which writes the figure. Its last lines call `main`.
"""

import argparse
import importlib.util
import json
import math
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.devices.multihost import cores
from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.git_commit import git_commit
from iae_jax.files.installed import versions
from iae_jax.records.parser import Parser
from iae_jax.records.record import Record, Trainings, locked_records, read_records, record, summary

MAX_BUSY = 0.15  # the share of all cores at work on an idle machine
PATIENCE = 10  # seconds, in one of which it has to be idle
MAX_SECONDS = 1800  # of one measurement
UNSAID = ("results", "figures", "child", "draw")  # flags that a record does not have


class Row(NamedTuple):
    """One metric of one variant. values: one for each round, or one for all."""

    metric: str
    variant: str
    values: list[float]
    n_examples: int


class Timings(NamedTuple):
    """The result of a benchmark. device: its kind, as JAX names it."""

    rows: list[Row]
    device: str


def median_seconds(call: Callable[[], Any], seconds: float, steps: int = 1) -> float:
    """The median time of a call that waits for its end, divided by its steps; of at least 3 calls
    and so many seconds."""
    samples: list[float] = []
    while len(samples) < 3 or sum(samples) < seconds:
        since = time.perf_counter()
        call()
        samples.append(time.perf_counter() - since)
    return statistics.median(samples) / steps


def device_kind() -> str:
    import jax

    return jax.local_devices()[0].device_kind


def child(
    module: str,
    *words: str,
    compiled: Path,
    seconds: float | None = None,
    flags: str = "",
    limit_seconds: float = MAX_SECONDS,
    core: int | None = None,
) -> dict[str, Any]:
    """The result of a module's `measure(words, seconds)` in a fresh process, with `busy`, the share
    of all cores that was at work before it.

    Args:
      module, words, seconds: what to measure.
      compiled: the folder of compiled programs; an empty one makes the child compile.
      flags: of XLA, beside those of this process.
      limit_seconds: the child is stopped after so many.
      core: the number of the one core that it runs on, or None for all.

    Raises:
      InputError: the child failed, with its reason in a line, or took too long.
    """
    of_each = [] if seconds is None else [f"--seconds={seconds}"]
    command = [sys.executable, "-m", module, *of_each, "--child", *words]
    if core is not None:
        command = ["taskset", "--cpu-list", str(core), *command]
    own = {
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(),
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
        "TORCHINDUCTOR_CACHE_DIR": str(compiled / "inductor"),
    }
    before = busy()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | own, timeout=limit_seconds
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{' '.join(words)} took more than {limit_seconds} s: stopped") from error
    if done.returncode:
        raise InputError(f"{' '.join(words)} failed: {_reason(done.stderr)}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"busy": before}


def _reason(stderr: str) -> str:
    """The last line that is not of the stack of a C++ program, which follows its reason."""
    lines = [line.strip() for line in stderr.splitlines()]
    said = [one for one in lines if one and not one.startswith(("@ ", "***", "PC: "))]
    return (said or ["no message"])[-1].removeprefix("error: ")


def busy(seconds: float = 1.0) -> float:
    """The share of all cores that is at work, over so many seconds."""
    import psutil

    share: float = psutil.cpu_percent(interval=seconds)
    return share / 100


def check_idle(busy_allowed: bool) -> None:
    """Raises: InputError if psutil is missing, or the machine is not idle."""
    if importlib.util.find_spec("psutil") is None:
        raise InputError("psutil is not installed: pip install '.[bench]'")
    # At the start only: later work of others goes into the record, and does not end an hour's run.
    if not busy_allowed and all(busy() > MAX_BUSY for _ in range(PATIENCE)):
        raise InputError("the machine is busy: wait until it is idle, or --busy_allowed")


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def parser(module: str, rounds: int, seconds: float | None = None) -> Parser:
    """The parser with the flags that all benchmarks have. seconds: None for one whose measurements
    end by themselves, which has no such flag."""
    made = Parser(prog=f"python -m {module}", allow_abbrev=False)
    made.add_argument("--rounds", type=int, default=rounds, help=f"({rounds})")
    if seconds is not None:
        made.add_argument(
            "--seconds", type=float, default=seconds, help=f"of each measurement ({seconds})"
        )
    elsewhere = "or runs/NAME with other settings"
    made.add_argument("--results", type=Path, help=f"folder of the record (results, {elsewhere})")
    made.add_argument("--figures", type=Path, help=f"folder of the figure (docs, {elsewhere})")
    made.add_argument("--draw", action="store_true", help="measure nothing: draw the records")
    made.add_argument("--busy_allowed", action="store_true", help="time on a busy machine too")
    made.add_argument(
        "--prefix",
        default="",
        help="of the records' variants, as one_core: those with another prefix are kept",
    )
    made.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    return made


def main(
    made: Parser,
    measure: Callable[[list[str], float], dict[str, Any]],
    run: Callable[[argparse.Namespace], Timings],
    draw: Callable[[Path, list[Record]], None],
    arguments: list[str] | None = None,
) -> int:
    """Writes results/NAME.json and docs/NAME.png, or docs/NAME_PREFIX.png, of the records with this
    prefix, without it; returns the exit status."""
    module = made.prog.split()[-1]
    name = module.split(".")[-1]
    try:
        options = made.parse_args(arguments)
        seconds = getattr(options, "seconds", 1.0)
        if not 0 < seconds < math.inf or options.rounds < 1:
            raise InputError("--rounds is at least 1, and --seconds above 0 and finite")
        if options.child:
            print(json.dumps(measure(options.child, seconds)))
            return 0
        settings = [flag for flag in changed(made, options) if not flag.startswith("--prefix=")]
        other = Path("runs") / name if settings else None
        options.results = options.results or other or Path("results")
        options.figures = options.figures or other or Path("docs")
        open_folder(options.results, "--results")
        open_folder(options.figures, "--figures")
        figure = options.figures / f"{'_'.join(filter(None, (name, options.prefix)))}.png"
        prefix = options.prefix and f"{options.prefix}/"
        if options.draw:
            path = options.results / f"{name}.json"
            own = [one for one in read_records(path) if _prefix(one) == options.prefix]
            if not own:
                raise InputError(f"{path} has nothing to draw: measure first, without --draw")
            draw(figure, _without(prefix, own))
            return 0
        source, since = git_commit(), time.perf_counter()
        timings = run(options)
        lasted = round(time.perf_counter() - since, 1)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    device = f"1 x {timings.device}, {cores()} cores"
    command = shlex.join([*made.prog.split(), *changed(made, options)])
    records = []
    for row in timings.rows:
        seeds = list(range(len(row.values)))
        rounds = Trainings(seeds, command, [lasted], device, source, versions=versions())
        variant = f"{prefix}{row.variant}"
        records.append(record(row.metric, variant, row.values, row.n_examples, "", rounds))
    # Of some works only: what else was measured stays.
    some = getattr(options, "works", None) != made.get_default("works")
    measured = {(one["metric"], one["variant"]) for one in records}
    with locked_records(options.results, name) as before:
        others = [one for one in before if _prefix(one) != options.prefix]
        own = [one for one in before if some and _prefix(one) == options.prefix]
        kept = [one for one in own if (one["metric"], one["variant"]) not in measured]
        before[:] = [*others, *kept, *records]
    draw(figure, _without(prefix, [*kept, *records]))
    print(summary(records))
    return 0


def _without(prefix: str, records: list[Record]) -> list[Record]:
    return [{**one, "variant": one["variant"].removeprefix(prefix)} for one in records]


def _prefix(one: Record) -> str:
    """The prefix that a record was measured with."""
    flag = "--prefix="
    words = (word for word in shlex.split(one["command"]) if word.startswith(flag))
    return next(words, flag).removeprefix(flag)


def changed(made: Parser, options: argparse.Namespace) -> list[str]:
    """The flags with another value than the default, but for those that change no number."""
    flags = []
    for flag, value in vars(options).items():
        if value != made.get_default(flag) and flag not in UNSAID:
            flags.append(f"--{flag}" if value is True else f"--{flag}={value}")
    return flags
