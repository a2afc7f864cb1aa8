"""What a training step costs with two processes that exchange gradients (gloo), on one machine.

    python -m experiments.processes

Each process has a core of its own and the batch of one device. Three calls are timed in turn, in
both processes at once: a step with its collectives, the same step without them, and a bare
all-reduce of as many numbers as the parameters have, in one array. So the two cores are equally at
work in all three, and what the collectives cost beyond the bare exchange is
`with - without - all-reduce`.

Expected: 10 minutes on 2 idle CPU cores.
"""

import argparse
import os
import socket
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import timing, works
from experiments.timing import Row, Timings, device_kind, median_seconds, say
from experiments.weak_scaling import chunk
from iae_jax import init
from iae_jax.devices import multihost
from iae_jax.devices.parallel import AXIS, everywhere, place
from iae_jax.errors import InputError
from iae_jax.records.record import Record
from iae_jax.records.references import Headline, Reference

PROCESSES = 2
WORKS = ("mlp_vae", "mlp_aae", "conv_mnist", "conv32")
IMAGES, STEPS = 1000, 10  # of the data set; of a call
JOIN_SECONDS = 120
SIDES = ("with", "without", "all_reduce")
HEADLINE = (
    Headline("a step's exchange beyond a bare all-reduce (share)", "overhead_share", "conv_mnist"),
)
REFERENCES = {("overhead_share", work): Reference(0.2, "lower", "aim") for work in WORKS}


def measure(words: list[str], seconds: float) -> dict[str, Any]:
    """words: the workload, the coordinator, which process this is. Seconds of each of SIDES for a
    step: medians of calls in turn, as many in each process."""
    work, coordinator, process = words[0], words[1], int(words[2])
    multihost.join(coordinator, PROCESSES, process, JOIN_SECONDS, partial(multihost.leave, 1))
    _wait()  # before one compiles for longer than the first exchange of gloo waits, 30 s
    devices, game = jax.local_devices()[:1], works.game_of(work)
    images = place(works.images(work)[:IMAGES], devices)
    state = jax.device_get(jax.jit(partial(init, game))(jax.random.key(0)))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    positions = np.random.default_rng(process).integers(
        0, IMAGES, (STEPS, 1, works.batch_size(work)), dtype=np.int32
    )
    calls: dict[str, Callable[[], None]] = {}
    for name, axis_name in (("with", AXIS), ("without", None)):
        own = everywhere(devices) if axis_name else devices
        compiled, states = chunk(game, axis_name, own), [place(state, devices)]

        def step(compiled: Any = compiled, states: list[Any] = states) -> None:
            states[0], metrics = compiled(states[0], positions, images)
            jax.block_until_ready(metrics)

        calls[name] = step
    numbers = jnp.ones((1, parameters))
    exchanged = jax.pmap(_exchanged, axis_name=AXIS, devices=everywhere(devices))

    def exchange() -> None:
        jax.block_until_ready(exchanged(numbers))

    calls["all_reduce"] = exchange
    rounds = _rounds(calls, seconds)
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(rounds):
        for name, call in calls.items():
            _wait()
            found[name].append(median_seconds(call, 0.0, STEPS))
    _wait()  # for who leaves ends the exchange of the others
    return {name: statistics.median(each) for name, each in found.items()} | {
        "parameters": parameters,
        "device": device_kind(),
    }


def _exchanged(numbers: jax.Array) -> jax.Array:
    """STEPS all-reduces, one after the other."""
    return jax.lax.fori_loop(0, STEPS, lambda _, one: jax.lax.pmean(one, AXIS), numbers)


def _rounds(calls: dict[str, Any], seconds: float) -> int:
    """How many rounds fill so many seconds, the same number in all processes."""
    for call in calls.values():
        call()
    taken = sum(median_seconds(call, 0.0) for call in calls.values())
    return max(3, multihost.largest(int(seconds / (3 * taken))))


def _wait() -> None:
    """Until all processes are here."""
    multihost.largest(0)


def _free_port() -> int:
    with socket.socket() as own:
        own.bind(("localhost", 0))
        port: int = own.getsockname()[1]
        return port


def together(work: str, seconds: float, compiled: Path) -> list[dict[str, Any]]:
    """`measure` in PROCESSES processes at once, a core each."""
    coordinator, cores = f"localhost:{_free_port()}", sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(PROCESSES) as pool:
        waiting = [
            pool.submit(
                timing.child,
                "experiments.processes",
                work,
                coordinator,
                str(process),
                seconds=seconds,
                compiled=compiled / str(process),
                flags="--xla_cpu_multi_thread_eigen=false",
                core=cores[process],
            )
            for process in range(PROCESSES)
        ]
        errors = [str(one.exception()) for one in waiting if one.exception()]
        if errors:  # one has failed, and the others because of it
            raise InputError("; ".join(errors))
        return [one.result() for one in waiting]


def draw(path: Path, records: list[Record]) -> None:
    """For each workload, the time of a step of two processes by what it goes to: medians."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    found: dict[str, dict[str, float]] = {}
    for one in records:
        if one["metric"] == "milliseconds_per_step":
            work, side = one["variant"].split("/")
            found.setdefault(work, {})[side] = statistics.median(one["values"])
    with panels(path, 1, 1, ["a step of two processes"], 480) as axes:
        ax, names = axes[0][0], list(found)[::-1]
        left = np.zeros(len(names))
        for index, label in enumerate(("computing", "bare all-reduce", "beyond it")):
            width = np.array([max(_parts(found[name])[index], 0.0) for name in names])
            ax.barh(names, width, left=left, color=COLORS[index], label=label)
            left += width
        ax.set(xlabel="milliseconds")
        ax.legend(frameon=False)


def _parts(step: dict[str, float]) -> tuple[float, float, float]:
    """The time of a step of each of SIDES -> what computing, the bare all-reduce, and the
    collectives beyond it take."""
    whole, without, bare = (step[side] for side in SIDES)
    return without, bare, whole - without - bare


def run(options: argparse.Namespace) -> Timings:
    if multihost.cores() < PROCESSES:
        raise InputError(f"this needs {PROCESSES} cores")
    timing.check_idle(options.busy_allowed)
    found: dict[str, list[dict[str, Any]]] = {work: [] for work in options.works.split(",")}
    for work in found:
        if work not in WORKS:
            raise InputError(f"--works are some of {', '.join(WORKS)}, not {work!r}")
    with tempfile.TemporaryDirectory() as compiled:
        for number in range(options.rounds):
            for work, each in found.items():
                try:
                    both = together(work, options.seconds, Path(compiled))
                except InputError as error:  # not an hour's work for one process that was lost
                    say(f"round {number}  {work}  again: {error}")
                    both = together(work, options.seconds, Path(compiled))
                each += both
                said = ", ".join(f"{side} {1e3 * both[0][side]:.2f} ms" for side in SIDES)
                say(f"round {number}  {work}  {said}")
    everything = [one for each in found.values() for one in each]
    rows = [Row("busy_share", "all", [max(one["busy"] for one in everything)], len(everything))]
    for work, each in found.items():
        rows.append(Row("parameters", work, [each[0]["parameters"]], 1))
        for side in SIDES:
            step = [1e3 * one[side] for one in each]
            rows.append(Row("milliseconds_per_step", f"{work}/{side}", step, len(step)))
        without, bare, beyond = _parts(
            {side: statistics.median(one[side] for one in each) for side in SIDES}
        )
        rows.append(Row("overhead_share", work, [beyond / (without + bare)], len(each)))
    return Timings(rows, everything[0]["device"])


def main(arguments: list[str] | None = None) -> int:
    parser = timing.parser("experiments.processes", rounds=5, seconds=10.0)
    parser.add_argument(
        "--works", default=",".join(WORKS), help="workloads, separated by commas (all)"
    )
    return timing.main(parser, measure, run, draw, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
