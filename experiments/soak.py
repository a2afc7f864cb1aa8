"""Runs that are killed again and again lose nothing: not a bit of the state, not a line of metrics.

    python -m experiments.soak

One process is killed by SIGKILL at random moments, of which many are inside the writing of a
checkpoint, and started again by the same command; then one of two processes. At last the run is
left to end, and its state and metrics are compared with those of a run that was never killed. The
`bits_lost` are those of the final state that differ; `lines_lost` are lines of metrics.jsonl that
are missing, there twice, or different but for their seconds.

Expected: 0 and 0, in 36 minutes on 2 slow CPU cores that do other work too.
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

from iae_jax.devices import multihost as hosts
from iae_jax.errors import InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.commit import commit
from iae_jax.game.step import init
from iae_jax.records.parser import Parser
from iae_jax.records.record import Trainings, record, table, write_records
from iae_jax.records.references import Reference
from iae_jax.runs.build import build
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.config import Config

CONFIG = "experiments/soak.py"
STEPS = 4000
KILLS = {"single_process": 30, "two_processes": 10}
# For which a process waits for one that was killed before it came, and a process's end is awaited.
JOIN_SECONDS, LIMIT_SECONDS = 20, 180
REFERENCES = {
    "bits_lost": Reference(0, "lower", "aim"),
    "lines_lost": Reference(0, "lower", "aim"),
}


def get_config() -> Config:
    """A small run that writes checkpoints most of its time."""
    config = Config(steps=STEPS, batch_size=16)
    config.code.size, config.generator.noise = 3, 4
    for player in (config.encoder, config.generator, config.reconstruction, config.regularization):
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
    """The run's processes, as its user starts them."""
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
        with workdir.with_name(f"{workdir.name}_{number}.txt").open("wb") as said:
            running.append(subprocess.Popen(command + more, stdout=said, stderr=said))
    return running


def end(running: list[subprocess.Popen[bytes]], workdir: Path, limit: float) -> list[int]:
    """Their exit codes. Errors: InputError, with what it said last, if one does not end within
    `limit` seconds, and is killed."""
    until, codes = time.monotonic() + limit, []
    try:
        for process in running:
            codes.append(process.wait(timeout=max(until - time.monotonic(), 0.1)))
    except subprocess.TimeoutExpired as error:
        for process in running:
            process.kill()
            process.wait()
        said = workdir.with_name(f"{workdir.name}_{len(codes)}.txt").read_text().splitlines()
        raise InputError(
            f"process {len(codes)} did not end within {limit:.0f} seconds: it hangs after "
            f"{(said or ['nothing'])[-1]!r}"
        ) from error
    return codes


def unfinished(workdir: Path) -> set[tuple[str, int]]:
    """Checkpoints that are being written, or were when the run was killed: name and inode."""
    found = set()
    for path in (workdir / "checkpoints").glob("*tmp*"):
        with contextlib.suppress(FileNotFoundError):  # it may be whole by now
            found.add((path.name, path.stat().st_ino))
    return found


def saving(workdir: Path, left: set[tuple[str, int]]) -> bool:
    """Whether there is an unfinished checkpoint that was not `left` before."""
    return bool(unfinished(workdir) - left)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def longer(path: Path, before: int) -> bool:
    return size(path) > before


def wait_until(seen: Callable[[], bool], limit: float) -> bool:
    """Whether it was seen within `limit` seconds."""
    until = time.monotonic() + limit
    while not seen():
        if time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


def killed(workdir: Path, processes: int, words: list[str], kills: int, rng: random.Random) -> int:
    """Kills one process `kills` times, each time at a moment of the run's own, and lets the run
    end. Returns how many struck inside a save."""
    inside, journal = 0, workdir / "metrics.jsonl"
    for number in range(kills):
        left = unfinished(workdir)  # by an earlier kill, until the first save
        running = start(workdir, processes, words)
        before, kind = size(journal), rng.random()
        # Now and then before there is anything; mostly once it has gone on, and often in a save.
        if kind > 0.2 and not wait_until(partial(longer, journal, before), LIMIT_SECONDS):
            running[0].kill()
            end(running, workdir, LIMIT_SECONDS)
            raise InputError(f"the run wrote no line within {LIMIT_SECONDS} seconds")
        time.sleep(rng.uniform(0.0, 3.0))
        if kind > 0.6:
            wait_until(partial(saving, workdir, left), 5)
        rng.choice(running).send_signal(signal.SIGKILL)
        # The other process has to notice.
        codes = end(running, workdir, LIMIT_SECONDS)
        inside += saving(workdir, left)
        print(f"kill {number + 1} of {kills}: exit codes {codes}", file=sys.stderr)
        if 0 in codes:
            raise InputError("the run ended before it was killed often enough: give more --steps")
    codes = end(start(workdir, processes, words), workdir, 1800)
    if any(codes):
        raise InputError(f"the run did not end well after {kills} kills: exit codes {codes}")
    return inside


def final_state(workdir: Path, config: Config, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Every array of the last checkpoint."""
    game = build(config, shape)
    template = jax.eval_shape(lambda: init(game, jax.random.key(config.seed)))
    with Checkpoints(workdir / "checkpoints", config.run.keep) as checkpoints:
        restored = checkpoints.restore(template)
    assert restored is not None and restored.step == config.steps
    key = jax.random.key_data(restored.state.key)
    state = dataclasses.replace(restored.state, key=key)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def bits_lost(found: list[np.ndarray], expected: list[np.ndarray]) -> int:
    pairs = zip(found, expected, strict=True)
    bits = [
        np.frombuffer(one.tobytes(), np.uint8) ^ np.frombuffer(other.tobytes(), np.uint8)
        for one, other in pairs
    ]
    return int(sum(np.unpackbits(each).sum() for each in bits))


def lines_lost(found: Path, expected: Path) -> int:
    """Lines of one journal that are not in the other, or not as often, both ways."""

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
    if any(end(start(whole, processes, words), whole, 1800)):
        raise InputError(f"{name}: the run that is not killed fails")
    seconds = time.perf_counter() - since
    states = [final_state(workdir, config, (8, 8, 1)) for workdir in (folder / name, whole)]
    journals = [workdir / "metrics.jsonl" for workdir in (folder / name, whole)]
    trainings = Trainings(
        [seed],
        f"python -m experiments.soak --seed=SEED --steps={steps}",
        [round(seconds, 1)],
        f"{processes} x cpu, {hosts.cores()} cores",
        commit(),
    )
    return [
        record(metric, name, [float(value)], kills, "", trainings)
        for metric, value in (
            ("bits_lost", bits_lost(*states)),
            ("lines_lost", lines_lost(*journals)),
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
            raise InputError(f"--kinds are of {', '.join(KILLS)}; --kills and --steps are positive")
        open_folder(options.results, "--results")
        records = []
        with tempfile.TemporaryDirectory() as folder:
            for name in kinds:
                kills = options.kills or KILLS[name]
                records += soak(name, kills, options.steps, Path(folder), options.seed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    given = options.kills, options.steps, options.seed
    whole = kinds == list(KILLS) and given == (0, STEPS, 0)
    write_records(options.results, "soak", records, ".json" if whole else ".partial.json")
    print(table(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
