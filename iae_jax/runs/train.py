"""The loop: restore, step, log, validate, draw, save."""

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from iae_jax.data import ALL, Source, bank, indices, load, stream
from iae_jax.devices import multihost as hosts
from iae_jax.devices.parallel import check_divisible, compile_chunk, place
from iae_jax.errors import InputError
from iae_jax.files.figures import drawable
from iae_jax.game.step import init
from iae_jax.metrics.evaluate import validate
from iae_jax.objectives.terms import at
from iae_jax.runs.build import build, open_split
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.interruption import Interrupted, Wish, awaited
from iae_jax.runs.stopwatch import Stopwatch
from iae_jax.runs.workdir import Position, Summary, Workdir, log
from iae_jax.sampling.draws import to_unit
from iae_jax.sampling.model import generate, reconstruct
from iae_jax.types import Array, Game, Labelled, Players, TrainState

VALIDATION_IMAGES = 1000
FINGERPRINT_IMAGES = 256
FIGURE_IMAGES = 12  # what a row of the figure holds
STOCHASTIC_ROWS = 3


class Diverged(InputError):
    """A loss or a parameter is no longer a number."""


def devices_of(config: Config) -> list[jax.Device]:
    """This process's devices that the run asks for. Errors: InputError if there are not as many."""
    found = jax.local_devices()
    wanted = config.run.devices or len(found)
    if wanted > len(found):
        raise InputError(f"run.devices is {wanted} and there are {len(found)}: ask for fewer")
    check_divisible(config.batch_size, wanted * hosts.count(), config.run.pieces)
    return found[:wanted]


def next_stop(step: int, config: Config) -> int:
    """The step at which the next call must end: a multiple of every interval is a stop.

    Depends on `step` only, so that a resumed run makes the same calls.
    """
    run = config.run
    intervals = (
        run.steps_per_call,
        run.log_steps,
        run.validate_steps,
        run.figure_steps,
        run.checkpoint_steps,
    )
    return min(config.steps, *((step // every + 1) * every for every in intervals))


def not_finite(metrics: dict[str, np.ndarray], first_step: int) -> str:
    """Which terms are not finite, and at which step first; "" if all are. metrics: name ->
    f32[steps]."""
    bad = {name: ~np.isfinite(values) for name, values in metrics.items()}
    steps = np.any(list(bad.values()), axis=0)
    if steps.any():
        at_step = int(np.argmax(steps))
        names = ", ".join(name for name, where in bad.items() if where[at_step])
        return f"{names} is not finite at step {first_step + at_step}"
    return ""


@partial(jax.jit, static_argnums=0)
def pictures(game: Game, params: Players, x: Array, scale: Array) -> tuple[list[Array], Array]:
    """Reconstructions of x, one array for each draw of the noise, and twice as many prior samples.

    x: f32[B, ...]. Returns lists of f32[B, ...] (empty without an encoder), f32[2 B, ...].
    """
    key, networks = jax.random.key(0), game.networks
    samples = generate(game, params, jax.random.fold_in(key, 0), 2 * x.shape[0], scale)
    if networks.encoder is None:
        return [], samples
    rows = STOCHASTIC_ROWS if networks.encoder.noise or networks.generator.noise else 1
    keys = [jax.random.fold_in(key, 1 + row) for row in range(rows)]
    return [reconstruct(game, params, x, row_key, scale) for row_key in keys], samples


def draw_figure(
    workdir: Workdir, game: Game, state: TrainState, step: int, images: np.ndarray
) -> Path:
    """Originals, stochastic reconstructions, prior samples, by the averaged parameters."""
    x = to_unit(jax.numpy.asarray(images[:FIGURE_IMAGES]))
    scale = at(game.noise_scale, jax.numpy.float32(step))
    drawn = pictures(game, jax.device_get(state.average), x, jax.numpy.float32(scale))
    return workdir.figure(step, np.asarray(x), *jax.device_get(drawn))


def calls(
    config: Config,
    source: Source,
    devices: list[jax.Device],
    start: int,
    known: Labelled | None = None,
) -> tuple[bool, Iterator[tuple[int, tuple[Any, ...]]]]:
    """Whether the set is resident, and (steps, arguments of the next call) without end. known:
    the last argument, if the game needs labels."""
    size = len(source)
    resident = source.nbytes <= config.run.resident_megabytes * 2**20

    given = () if known is None else (known,)
    own = (hosts.index(), hosts.count())  # this process's part of every batch

    def resident_calls() -> Iterator[tuple[int, tuple[Any, ...]]]:
        images, step = place(load(source).images, devices), start
        while step < config.steps:
            stop = next_stop(step, config)
            order = [
                indices(size, config.seed, at_step, config.batch_size, own)
                for at_step in range(step, stop)
            ]
            yield stop - step, (np.stack(order).astype(np.int32), images, *given)
            step = stop

    def streamed_calls() -> Iterator[tuple[int, tuple[Any, ...]]]:
        # The next call's batches are read while this one computes.
        ahead = config.run.steps_per_call
        steps, step = stream(source, config.seed, start, config.batch_size, ahead, own), start
        while step < config.steps:
            stop = next_stop(step, config)
            batches = np.stack([next(steps).images for _ in range(stop - step)])
            yield stop - step, (batches, *given)
            step = stop

    return resident, resident_calls() if resident else streamed_calls()


def fingerprint(source: Source, known: tuple[np.ndarray, Labelled] | None) -> str:
    """A hash of how many images there are, of which shape, and of some of them; of the labels that
    may be read, and of no other."""
    some = source.read(np.unique(np.linspace(0, len(source) - 1, FINGERPRINT_IMAGES).astype(int)))
    told = f"{len(source)} {source.shape}".encode() + some.images.tobytes()
    if known is not None:
        told += known[0].tobytes() + np.asarray(known[1].label).tobytes()
    return hashlib.sha256(told).hexdigest()[:16]


class Setup(NamedTuple):
    """What a run is made of before its first step. validation: images and labels. known: positions
    of the images whose labels may be read, and these images. data: what the images of the source
    are told by."""

    game: Game
    devices: list[jax.Device]
    source: Source
    validation: tuple[np.ndarray, np.ndarray]
    known: tuple[np.ndarray, Labelled] | None
    data: str


def set_up(config: Config) -> Setup:
    """Errors: InputError that says what does not fit."""
    source, held_out = open_split(config, "train"), open_split(config, "validation")
    game, devices = build(config, source.shape), devices_of(config)
    try:
        open_split(config, "test")  # what the run is measured by later cannot be given then
    except InputError as error:
        raise InputError(f"data.test, for --mode=evaluate: {error}") from error
    validation = held_out.read(np.arange(min(len(held_out), VALIDATION_IMAGES)))
    seed = config.seed if config.data.draw < 0 else config.data.draw
    known = bank(source, config.data.labels_per_class, seed, config.code.categories)
    if ("labels" in game.objective.needs) != (known is not None):
        raise InputError(
            "labels are read where code.label_weight or code.labelled_share and "
            "data.labels_per_class are set: set both or neither"
        )
    return Setup(game, devices, source, validation, known, fingerprint(source, known))


def start(setup: Setup, config: Config, workdir: Workdir | None, profile: bool) -> Position:
    """Where the run goes on, the state on its devices and the same in all processes."""
    fresh = jax.jit(partial(init, setup.game))(jax.random.key(config.seed))
    with hosts.together():
        position = Position(fresh) if workdir is None else workdir.restore(fresh, setup.data)
        step = int(position.state.step)
        if profile and (step >= config.steps or next_stop(step, config) >= config.steps):
            raise InputError(
                f"--profile traces the second call of steps, and of {config.steps} steps there is "
                f"at most one call left after {step}: use a new --workdir and fewer "
                "run.steps_per_call"
            )
    state = place(hosts.share(position.state), setup.devices)
    hosts.check_same(state.params, "the parameters at the start")
    return position._replace(state=state)


def train(
    config: Config, path: Path, allow_config_change: bool = False, profile: bool = False
) -> Summary:
    """Trains to `config.steps`, from the newest checkpoint in the folder `path` if there is one.

    Writes metrics.jsonl, config.json, run.json, checkpoints/ and figures/ there, and with `profile`
    a trace of the second call of steps, the first that does not compile, to profile/. Of several
    processes, which all call this, the first does. Errors: InputError for what the user gave,
    Diverged for a loss that is not finite (the last good checkpoint stays), Interrupted after
    SIGTERM or SIGINT, once the steps under way are saved.
    """
    with hosts.watched():
        with hosts.together():
            setup = set_up(config)
        own = np.array(jax.tree.leaves(jax.tree.map(str, to_dict(config))))
        hosts.check_same(own, "the configs")
        # Another order of other images would be no error that anyone sees.
        hosts.check_same(np.array(setup.data), "the data sets")
        with hosts.together():
            workdir = None
            if hosts.first():
                workdir = Workdir(path, config, setup.game, allow_config_change)
        with workdir or nullcontext(), awaited(_say) as wish:
            position = start(setup, config, workdir, profile)
            trace = path / "profile" if profile and hosts.first() else None
            return loop(setup, config, workdir, position, wish, trace)


def _say(number: int) -> None:
    # Not by print: the signal may have come while it writes. Whoever read it may have gone.
    with suppress(OSError):
        os.write(2, b"stopping after these steps; once more to stop at once\n")


def loop(
    setup: Setup,
    config: Config,
    workdir: Workdir | None,
    position: Position,
    wish: Wish,
    trace: Path | None,
) -> Summary:
    """Every step from the position on. trace: where the second call is traced to, if anywhere."""
    from tqdm import tqdm

    run, (game, devices, source, (images, labels), known, _) = config.run, setup
    state, measured = position.state, position.measured
    step = begun = int(state.step)
    unlogged = {name: list(values) for name, values in position.unlogged.items()}
    if step >= config.steps:
        log(f"this run is trained to step {step} already")
    if workdir is not None:
        workdir.begin(position)
    figure = None if workdir is None else workdir.newest_figure()
    resident, work = calls(config, source, devices, step, known and place(known[1], devices))
    chunk, watch = compile_chunk(game, devices, resident, run.pieces), Stopwatch()
    terminal = sys.stderr.isatty() and hosts.first()
    bar = tqdm(total=config.steps, initial=step, unit="step", disable=not terminal)
    for number, (steps, arguments) in enumerate(work):
        with jax.profiler.trace(trace) if trace and number == 1 else nullcontext():
            state, on_device = watch.time(steps, partial(chunk, state, *arguments))
        metrics: dict[str, np.ndarray] = jax.device_get(on_device)
        if bad := not_finite(metrics, step):
            raise diverged(bad, workdir)
        if workdir is not None:
            for name, values in metrics.items():
                unlogged.setdefault(name, []).extend(values.tolist())
        step += steps
        bar.update(steps)
        seconds = position.seconds + watch.seconds
        stopping = bool(hosts.largest(wish.asked)) and step < config.steps
        validate_now, log_now, draw_now, save_now = (
            step % every == 0 or step == config.steps
            for every in (run.validate_steps, run.log_steps, run.figure_steps, run.checkpoint_steps)
        )
        if save_now or stopping:
            if bad := parameter_not_finite(state):
                raise diverged(bad, workdir)
            hosts.check_same(state.params, f"the parameters at step {step}")
        with hosts.together():
            if workdir is not None:
                if validate_now:
                    average = jax.device_get(state.average)
                    scale = at(game.noise_scale, jax.numpy.float32(step))
                    measured = validate(game, average, images, scale, config.seed, labels=labels)
                if log_now:
                    means = {name: float(np.mean(values)) for name, values in unlogged.items()}
                    unlogged = {}
                    held_out = {f"validation_{name}": value for name, value in measured.items()}
                    line = {"step": step, **means, "seconds": round(seconds, 3)}
                    workdir.journal.write(line | (held_out if validate_now else {}))
                    shown = {name: means[name] for name in ("reconstruction", "regularization")}
                    text = "  ".join(f"{k} {v:.4f}" for k, v in {**shown, **measured}.items())
                    bar.set_postfix_str(text, refresh=False)
                    if not terminal:
                        left = pace(watch, config.steps - step)
                        log(f"step {step}/{config.steps}  {text}  {left}")
                if draw_now and game.networks.generator is not None and drawable(source.shape):
                    figure = draw_figure(workdir, game, state, step, images)
                if save_now or stopping:
                    workdir.save(state, seconds, measured if validate_now else {}, unlogged)
        if stopping or step == config.steps:
            # The others wait here for the file, and not, for a short while only, at JAX's exit.
            with hosts.together():
                if workdir is not None:
                    workdir.checkpoints.settle()
        if stopping:
            code = 128 + (wish.asked or signal.SIGTERM)
            raise Interrupted(f"stopped at step {step} and saved: the same command goes on", code)
    bar.close()
    summary = Summary(step, *watch.summary(), measured, figure)
    if workdir is not None and (step > begun or not (workdir.path / "run.json").exists()):
        labelled: list[int] | str | None = None
        if known is not None:
            every = config.data.labels_per_class == ALL
            labelled = "all" if every else known[0].tolist()
        workdir.finish(summary, devices, position.seconds + watch.seconds, labelled)
    return summary


def diverged(bad: str, workdir: Workdir | None) -> Diverged:
    """The end of all processes, once the last save is whole; what to do, and what is not lost."""
    kept = "process 0 says what is kept"
    with hosts.together():
        if workdir is not None:
            workdir.checkpoints.settle()
            good = workdir.checkpoints.latest_step()
            none = "there is no checkpoint yet"
            kept = none if good is None else f"the checkpoint of step {good} is good"
    return Diverged(f"{bad}: lower the learning rates or raise r1; {kept}")


def pace(watch: Stopwatch, steps_left: int) -> str:
    """Speed and time left."""
    if not watch.steps_per_second:
        return "compiled"
    seconds = steps_left / watch.steps_per_second
    return f"{watch.steps_per_second:.1f} steps/s  eta {seconds:.0f} s"


def parameter_not_finite(state: TrainState) -> str:
    """Whose parameters are not finite, so that no such checkpoint is saved; "" if all are."""
    for name, parameters in state.params._asdict().items():
        leaves = jax.tree.leaves(jax.device_get(parameters))
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            return f"a parameter of the {name} is not finite at step {int(state.step)}"
    return ""
