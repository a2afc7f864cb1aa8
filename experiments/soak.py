"""A soak test: runs that are killed at random moments lose no bit of the state and no metrics.

    python -m experiments.soak

A run of one process is killed by SIGKILL at random moments, often while it writes a checkpoint,
and started again by the same command; then the same with two processes, one of which is killed. In
the end the run is left alone, and its state and metrics are compared with those of a run that was
never killed. `bits_lost` is the number of bits of the final state that differ; `lines_lost` counts
the lines of metrics.jsonl that are missing, repeated, or different in anything but their seconds.

Expected: 0 and 0, in 36 minutes on 2 slow CPU cores that do other work at the same time.
"""

import contextlib
import dataclasses
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from iae_jax.devices import multihost
from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.git_commit import git_commit
from iae_jax.files.installed import versions
from iae_jax.game.step import init
from iae_jax.records.parser import Parser
from iae_jax.records.record import Trainings, record, summary, write_records
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.build import build
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.shared_config import shared_digest

CONFIG = "experiments/soak.py"
STEPS = 4000
KILLS = {"single_process": 30, "two_processes": 10}
JOIN_SECONDS = 20  # a process waits so long for others, which may have been killed at their start
LIMIT_SECONDS, MAX_RUN_SECONDS = 180, 1800  # in which a process and a whole run have to end
REFERENCES = {
    "bits_lost": Reference(0, "lower", "aim"),
    "lines_lost": Reference(0, "lower", "aim"),
}
HEADLINE = (Headline("bits of the state lost by kills", "bits_lost", "single_process"),)


def get_config() -> Config:
    """A small run that spends most of its time writing checkpoints."""
    config = Config(steps=STEPS, batch_size=16)
    config.code.size, config.generator.noise = 3, 4
    for player in config.players:
        player.network.kind, player.network.hidden = "mlp", 24
    run = config.run
    run.devices = 1
    run.steps_per_call, run.log_steps, run.checkpoint_steps = 5, 10, 10
    run.validate_steps, run.figure_steps = 1000, 100_000
    return config


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return int(one.getsockname()[1])


def start(
    workdir: Path, processes: int, words: list[str], config: str = CONFIG
) -> list[subprocess.Popen[bytes]]:
    """Starts the processes of a run as a user does."""
    command = [
        sys.executable,
        "-m",
        "iae_jax.launch",
        f"--config={config}",
        f"--workdir={workdir}",
        *words,
    ]
    port = free_port()
    several = [
        [
            f"--coordinator=localhost:{port}",
            f"--processes={processes}",
            f"--process={process}",
            f"--join_seconds={JOIN_SECONDS}",
        ]
        for process in range(processes)
    ]
    running = []
    for number, more in enumerate(several if processes > 1 else [[]]):
        with output_of(workdir, number).open("wb") as output:
            running.append(subprocess.Popen(command + more, stdout=output, stderr=output))
    return running


def output_of(workdir: Path, process: int) -> Path:
    """The file with what a process of the run prints."""
    return workdir.with_name(f"{workdir.name}_{process}.txt")


def end(running: list[subprocess.Popen[bytes]], workdir: Path, limit: float) -> list[int]:
    """Waits for processes; returns their exit codes.

    Raises:
      InputError: one does not end within `limit` seconds; all are killed.
    """
    until, codes = time.monotonic() + limit, []
    try:
        for process in running:
            codes.append(process.wait(timeout=max(until - time.monotonic(), 0.1)))
    except subprocess.TimeoutExpired as error:
        for process in running:
            process.kill()
            process.wait()
        lines = output_of(workdir, len(codes)).read_text().splitlines()
        raise InputError(
            f"process {len(codes)} did not end within {limit:.0f} seconds: it hangs after "
            f"{(lines or ['nothing'])[-1]!r}"
        ) from error
    return codes


def unfinished(workdir: Path) -> set[tuple[str, int]]:
    """(name, inode) of each checkpoint that is being written, or was when the run was killed."""
    found = set()
    for path in (workdir / "checkpoints").glob("*tmp*"):
        with contextlib.suppress(FileNotFoundError):  # it may be finished by now
            found.add((path.name, path.stat().st_ino))
    return found


def saving(workdir: Path, before: set[tuple[str, int]]) -> bool:
    """Whether there is an unfinished checkpoint that is not one of `before`."""
    return bool(unfinished(workdir) - before)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def longer(path: Path, before: int) -> bool:
    return size(path) > before


def wait_until(condition: Callable[[], bool], limit: float) -> bool:
    """Waits for a condition; returns whether it was true within `limit` seconds."""
    until = time.monotonic() + limit
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def killed(workdir: Path, processes: int, words: list[str], kills: int, rng: random.Random) -> int:
    """Kills one process `kills` times, at random moments, and then lets the run end.

    Returns:
      how many kills were during a save.
    """
    inside, log = 0, workdir / "metrics.jsonl"
    for number in range(kills):
        left = unfinished(workdir)  # of an earlier kill, until the first save
        running = start(workdir, processes, words)
        before, kind = size(log), rng.random()
        # Sometimes before the run has begun; mostly after a line of metrics, and often in a save.
        if kind > 0.2 and not wait_until(partial(longer, log, before), LIMIT_SECONDS):
            running[0].kill()
            end(running, workdir, LIMIT_SECONDS)
            raise InputError(f"the run wrote no line within {LIMIT_SECONDS} seconds")
        time.sleep(rng.uniform(0.0, 3.0))
        if kind > 0.6:
            wait_until(partial(saving, workdir, left), 5)
        rng.choice(running).send_signal(signal.SIGKILL)
        # The other process has to notice and end too.
        codes = end(running, workdir, LIMIT_SECONDS)
        inside += saving(workdir, left)
        print(f"kill {number + 1} of {kills}: exit codes {codes}", file=sys.stderr)
        if 0 in codes:
            raise InputError("the run ended before it was killed often enough: give more --steps")
    codes = end(start(workdir, processes, words), workdir, MAX_RUN_SECONDS)
    if any(codes):
        raise InputError(f"the run did not end well after {kills} kills: exit codes {codes}")
    return inside


def final_state(workdir: Path, config: Config, shape: tuple[int, ...]) -> list[np.ndarray]:
    """The arrays of the last checkpoint."""
    game = build(config, shape)
    template = jax.eval_shape(lambda: init(game, jax.random.key(config.seed)))
    with Checkpoints(workdir / "checkpoints", config.run.keep) as checkpoints:
        restored = checkpoints.restore(template)
    assert restored is not None and restored.step == config.steps
    key = jax.random.key_data(restored.state.key)
    state = dataclasses.replace(restored.state, key=key)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def bits_lost(found: list[np.ndarray], expected: list[np.ndarray]) -> int:
    """How many bits of the arrays differ."""
    pairs = zip(found, expected, strict=True)
    bits = [
        np.frombuffer(one.tobytes(), np.uint8) ^ np.frombuffer(other.tobytes(), np.uint8)
        for one, other in pairs
    ]
    return int(sum(np.unpackbits(each).sum() for each in bits))


def lines_lost(found: Path, expected: Path) -> int:
    """How many lines of one metrics log are missing in the other, or are there less often, both
    ways."""

    def lines(path: Path) -> list[dict[str, Any]]:
        read = [json.loads(line) for line in path.read_text().splitlines()]
        return [{name: value for name, value in line.items() if name != "seconds"} for line in read]

    one, other = lines(found), lines(expected)
    missing = sum(line not in one for line in other)
    return missing + len(one) - (len(other) - missing)


def soak(name: str, kills: int, steps: int, folder: Path, seed: int) -> list[dict[str, Any]]:
    """The records of one kind of run."""
    processes = 1 if name == "single_process" else 2
    config = get_config()
    config.steps = steps
    words = [f"--config.steps={steps}"]
    since = time.perf_counter()
    inside = killed(folder / name, processes, words, kills, random.Random(seed))
    print(f"{name}: the same run, never killed", file=sys.stderr)
    whole = folder / f"{name}_whole"
    if any(end(start(whole, processes, words), whole, MAX_RUN_SECONDS)):
        raise InputError(f"{name}: the run that is not killed fails")
    seconds = time.perf_counter() - since
    states = [final_state(workdir, config, (8, 8, 1)) for workdir in (folder / name, whole)]
    logs = [workdir / "metrics.jsonl" for workdir in (folder / name, whole)]
    trainings = Trainings(
        [seed],
        f"python -m experiments.soak --seed=SEED --steps={steps}",
        [round(seconds, 1)],
        f"{processes} x cpu, {multihost.cores()} cores",
        git_commit(),
        shared_digest(to_dict(config)),
        versions(),
    )
    return [
        record(metric, name, [float(value)], kills, "", trainings)
        for metric, value in (
            ("bits_lost", bits_lost(*states)),
            ("lines_lost", lines_lost(*logs)),
            ("inside_a_save", inside),
        )
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.soak", allow_abbrev=False)
    parser.add_argument("--kinds", default=",".join(KILLS), help="separated by commas (all)")
    parser.add_argument("--kills", type=int, default=0, help="of each kind (30 and 10)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of the run ({STEPS})")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the records")
    try:
        options = parser.parse_args(arguments)
        kinds = options.kinds.split(",")
        if not set(kinds) <= set(KILLS) or options.kills < 0 or options.steps < 1:
            raise InputError(
                f"--kinds are some of {', '.join(KILLS)}; --kills and --steps are positive"
            )
        open_folder(options.results, "--results")
        records = []
        with tempfile.TemporaryDirectory() as folder:
            for name in kinds:
                kills = options.kills or KILLS[name]
                records += soak(name, kills, options.steps, Path(folder), options.seed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    settings = options.kills, options.steps, options.seed
    whole = kinds == list(KILLS) and settings == (0, STEPS, 0)
    write_records(options.results, "soak", records, ".json" if whole else ".partial.json")
    print(summary(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
