"""The loop: restore, step, log, validate, draw, save."""

import math
import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from iae_jax import figures
from iae_jax.assembly import build
from iae_jax.checkpoint import Checkpoints, Restored, difference
from iae_jax.config import Config, completed, identity, to_dict
from iae_jax.data import Dataset, Source, bank, indices, load, open_source, stream
from iae_jax.draws import to_unit
from iae_jax.evaluate import validate
from iae_jax.journal import Journal, commit, open_folder, write_json
from iae_jax.parallel import check_divisible, compile_chunk, place
from iae_jax.sampling import generate, reconstruct
from iae_jax.step import init
from iae_jax.stopwatch import Stopwatch
from iae_jax.terms import at
from iae_jax.types import Array, Game, InputError, Labelled, Players, TrainState

VALIDATION_METRIC = "pixel_error"  # what "best" means; never an adversarial loss
VALIDATION_IMAGES = 1000
FIGURE_IMAGES = 12  # what a row of the figure holds
STOCHASTIC_ROWS = 3

class Diverged(InputError):
    """A loss or a parameter is no longer a number."""


class Summary(NamedTuple):
    """What a finished run says of itself; `run.json` holds the same and more."""

    step: int
    steps_per_second: float
    compile_seconds: float
    validation: dict[str, float]
    figure: Path | None


def log(message: str) -> None:
    """A plain line, above a progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(message, file=sys.stderr)


def check_unchanged(saved: dict[str, Any] | None, config: Config, allowed: bool) -> None:
    """Errors: InputError with the difference if the workdir's run has another config."""
    if saved is None or allowed:
        return
    changes = difference(completed(saved, identity(Config())), identity(config))
    if changes:
        raise InputError(
            f"the run in this workdir has another config ({'; '.join(changes)}): use another "
            "--workdir, or --allow_config_change to go on with the new one"
        )


def devices_of(config: Config) -> list[jax.Device]:
    """The devices that the run asks for. Errors: InputError if there are not as many."""
    found = jax.local_devices()
    wanted = config.run.devices or len(found)
    if wanted > len(found):
        raise InputError(f"run.devices is {wanted} and there are {len(found)}: ask for fewer")
    check_divisible(config.batch_size, wanted, config.run.pieces)
    return found[:wanted]


def open_split(config: Config, split: str) -> Source:
    """One of the config's splits: "train", "validation" or "test"."""
    data, part = config.data, getattr(config.data, split)
    return open_source(data.name, part, data.directory or None, data.label_pattern)


def peak_memory_megabytes(device: jax.Device) -> float:
    """The device's peak where it counts it, else the process's peak resident set."""
    stats = device.memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def next_stop(step: int, config: Config) -> int:
    """The step at which the next call must end: a multiple of every interval is a stop.

    Depends on `step` only, so that a resumed run makes the same calls.
    """
    run = config.run
    intervals = (
        run.steps_per_call, run.log_steps, run.validate_steps, run.figure_steps,
        run.checkpoint_steps,
    )
    return min(config.steps, *((step // every + 1) * every for every in intervals))


def check_finite(metrics: dict[str, np.ndarray], first_step: int, advice: str) -> None:
    """metrics: name -> f32[steps]. Errors: Diverged that names the first bad step and its terms."""
    bad = {name: ~np.isfinite(values) for name, values in metrics.items()}
    steps = np.any(list(bad.values()), axis=0)
    if steps.any():
        at_step = int(np.argmax(steps))
        names = ", ".join(name for name, where in bad.items() if where[at_step])
        raise Diverged(f"{names} is not finite at step {first_step + at_step}: {advice}")


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


def draw_figure(path: Path, game: Game, state: TrainState, images: np.ndarray) -> None:
    """Originals, stochastic reconstructions, prior samples, by the averaged parameters."""
    x = to_unit(jax.numpy.asarray(images[:FIGURE_IMAGES]))
    scale = at(game.noise_scale, jax.numpy.float32(state.step))
    drawn = pictures(game, jax.device_get(state.average), x, jax.numpy.float32(scale))
    x_hats, samples = jax.device_get(drawn)
    figures.reconstructions(path, np.asarray(x), x_hats, samples)


def calls(
    config: Config, source: Source, devices: list[jax.Device], start: int,
    known: Labelled | None = None,
) -> tuple[bool, Iterator[tuple[int, tuple[Any, ...]]]]:
    """Whether the set is resident, and (steps, arguments of the next call) without end. known:
    the last argument, if the game needs labels."""
    size = len(source)
    resident = source.nbytes <= config.run.resident_megabytes * 2**20

    given = () if known is None else (known,)

    def resident_calls() -> Iterator[tuple[int, tuple[Any, ...]]]:
        images, step = place(load(source).images, devices), start
        while step < config.steps:
            stop = next_stop(step, config)
            order = [
                indices(size, config.seed, at_step, config.batch_size)
                for at_step in range(step, stop)
            ]
            yield stop - step, (np.stack(order).astype(np.int32), images, *given)
            step = stop

    def streamed_calls() -> Iterator[tuple[int, tuple[Any, ...]]]:
        # The next call's batches are read while this one computes.
        ahead = config.run.steps_per_call
        steps, step = stream(source, config.seed, start, config.batch_size, ahead), start
        while step < config.steps:
            stop = next_stop(step, config)
            batches = np.stack([next(steps).images for _ in range(stop - step)])
            yield stop - step, (batches, *given)
            step = stop

    return resident, resident_calls() if resident else streamed_calls()


class Position(NamedTuple):
    """Where a run is: its state, its step, seconds spent in steps, lines of its journal, and what
    validation last said."""

    state: TrainState
    step: int
    seconds: float
    lines: int
    measured: dict[str, float]


def start(game: Game, config: Config, checkpoints: Checkpoints) -> Position:
    """The newest checkpoint that can be read, or a fresh state."""
    key = jax.random.key(config.seed)
    restored = checkpoints.restore(jax.eval_shape(lambda: init(game, key)))
    if restored is None:
        return Position(jax.jit(partial(init, game))(key), 0, 0.0, 0, {})
    log(f"resuming from step {restored.step}")
    extra = restored.extra
    return Position(
        restored.state, restored.step, extra["seconds"], extra["lines"], restored.metrics
    )


def train(
    config: Config, workdir: Path, allow_config_change: bool = False, profile: bool = False
) -> Summary:
    """Trains to `config.steps`, from the newest checkpoint in `workdir` if there is one.

    Writes metrics.jsonl, config.json, run.json, checkpoints/ and figures/ there, and with `profile`
    a trace of the second call of steps, the first that does not compile, to profile/. Errors:
    InputError for what the user gave, Diverged for a loss that is not finite (the last good
    checkpoint stays).
    """
    from tqdm import tqdm

    run = config.run
    source, held_out = open_split(config, "train"), open_split(config, "validation")
    game, devices = build(config, source.shape), devices_of(config)
    for folder in (workdir, workdir / "figures"):
        open_folder(folder, "--workdir")
    validation, validation_labels = held_out.read(
        np.arange(min(len(held_out), VALIDATION_IMAGES))
    )
    best = VALIDATION_METRIC if game.networks.encoder and game.networks.generator else None
    seed = config.seed if config.data.draw < 0 else config.data.draw
    known = bank(source, config.data.labels_per_class, seed, config.code.categories)
    if ("labels" in game.objective.needs) != (known is not None):
        raise InputError(
            "labels are read where code.label_weight or code.labelled_share and "
            "data.labels_per_class are set: set both or neither"
        )
    with Checkpoints(workdir / "checkpoints", run.keep, best) as checkpoints:
        check_unchanged(checkpoints.config(), config, allow_config_change)
        state, step, seconds_before, lines, measured = start(game, config, checkpoints)
        if profile and (step >= config.steps or next_stop(step, config) >= config.steps):
            raise InputError(
                f"--profile traces the second call of steps, and of {config.steps} steps there is "
                f"at most one call left after {step}: use a new --workdir and fewer "
                "run.steps_per_call"
            )
        state = place(state, devices)
        if step >= config.steps:
            log(f"{workdir} is trained to step {step} already")
        write_json(workdir / "config.json", to_dict(config))
        journal = Journal(workdir / "metrics.jsonl", lines)
        resident, work = calls(config, source, devices, step, known and place(known[1], devices))
        chunk, watch = compile_chunk(game, devices, resident, run.pieces), Stopwatch()
        figure = newest_figure(workdir)
        unlogged: list[dict[str, np.ndarray]] = []
        terminal = sys.stderr.isatty()
        bar = tqdm(total=config.steps, initial=step, unit="step", disable=not terminal)
        for number, (steps, arguments) in enumerate(work):
            traced = profile and number == 1
            with jax.profiler.trace(workdir / "profile") if traced else nullcontext():
                state, on_device = watch.time(steps, partial(chunk, state, *arguments))
            metrics: dict[str, np.ndarray] = jax.device_get(on_device)
            check_finite(metrics, step, advice(checkpoints.latest_step()))
            unlogged.append(metrics)
            step += steps
            bar.update(steps)
            validate_now, log_now, draw_now, save_now = (
                step % every == 0 or step == config.steps
                for every in (
                    run.validate_steps, run.log_steps, run.figure_steps, run.checkpoint_steps
                )
            )
            if validate_now:
                average = jax.device_get(state.average)
                scale = at(game.noise_scale, jax.numpy.float32(step))
                measured = validate(
                    game, average, validation, scale, config.seed, labels=validation_labels
                )
            if log_now:
                means = {
                    name: float(np.concatenate([part[name] for part in unlogged]).mean())
                    for name in metrics
                }
                unlogged = []
                held_out_means = {f"validation_{name}": value for name, value in measured.items()}
                seconds = round(seconds_before + watch.seconds, 3)
                journal.write(
                    {"step": step, **means, "seconds": seconds}
                    | (held_out_means if validate_now else {})
                )
                shown = {name: means[name] for name in ("reconstruction", "regularization")}
                text = "  ".join(f"{k} {v:.4f}" for k, v in {**shown, **measured}.items())
                bar.set_postfix_str(text, refresh=False)
                if not terminal:
                    log(f"step {step}/{config.steps}  {text}  {pace(watch, config.steps - step)}")
            if draw_now and game.networks.generator is not None:
                figure = workdir / "figures" / f"step_{step:07d}.png"
                draw_figure(figure, game, state, validation)
                figures.curves(workdir / "figures" / "curves.png", journal.records())
            if save_now:
                check_parameters(state)
                checkpoints.save(
                    state,
                    identity(config),
                    measured if validate_now else {},
                    {"lines": journal.lines, "seconds": seconds_before + watch.seconds},
                )
        bar.close()
        speed, compile_seconds = watch.summary()
        summary = Summary(step, speed, compile_seconds, measured, figure)
        if watch.speeds or not (workdir / "run.json").exists():
            record = record_of(summary, devices, seconds_before + watch.seconds)
            of_labels = {} if known is None else {"labelled": known[0].tolist()}
            best_step = {"best_step": checkpoints.best_step()}
            write_json(workdir / "run.json", record | best_step | of_labels)
    return summary


def advice(good: int | None) -> str:
    """What to do about a divergence, and what is not lost."""
    none = "there is no checkpoint yet"
    kept = none if good is None else f"the checkpoint of step {good} is good"
    return f"lower the learning rates or raise r1; {kept}"


def pace(watch: Stopwatch, steps_left: int) -> str:
    """Speed and time left."""
    if not watch.steps_per_second:
        return "compiled"
    seconds = steps_left / watch.steps_per_second
    return f"{watch.steps_per_second:.1f} steps/s  eta {seconds:.0f} s"


def check_parameters(state: TrainState) -> None:
    """Errors: Diverged if a parameter is not finite, so that no such checkpoint is saved."""
    for name, parameters in state.params._asdict().items():
        leaves = jax.tree.leaves(jax.device_get(parameters))
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            raise Diverged(
                f"a parameter of the {name} is not finite at step {int(state.step)}: lower the "
                "learning rates or raise r1; the checkpoint before is good"
            )


def record_of(summary: Summary, devices: list[jax.Device], seconds: float) -> dict[str, Any]:
    """What run.json says."""
    speed = summary.steps_per_second
    return {
        "steps": summary.step,
        # None: every call compiled, so that none can tell.
        "steps_per_second": round(speed, 3) if math.isfinite(speed) else None,
        "compile_seconds": round(summary.compile_seconds, 2),
        "training_seconds": round(seconds, 2),
        "peak_memory_megabytes": round(peak_memory_megabytes(devices[0]), 1),
        "validation": summary.validation,
        "device": f"{len(devices)} x {devices[0].device_kind}",
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), "jax": jax.__version__},
        "commit": commit(),
    }


def newest_figure(workdir: Path) -> Path | None:
    """The last figure of training, if any."""
    return max((workdir / "figures").glob("step_*.png"), default=None)


def trained(config: Config, workdir: Path, checkpoint: str) -> tuple[Game, Restored]:
    """The game and a checkpoint of it: "latest", "best", or a step. Errors: InputError."""
    game = build(config, open_split(config, "train").shape)
    if not (workdir / "checkpoints").is_dir():
        raise InputError(f"there is no trained run in {workdir}: train one with --mode=train")
    best = VALIDATION_METRIC if game.networks.encoder is not None else None
    with Checkpoints(workdir / "checkpoints", config.run.keep, best) as checkpoints:
        check_unchanged(checkpoints.config(), config, allowed=False)
        if checkpoint == "latest":
            step = None
        elif checkpoint == "best":
            step = checkpoints.best_step()
            if step is None:
                raise InputError(f"no checkpoint in {workdir} was validated: use the latest")
        elif checkpoint.isdigit():
            step = int(checkpoint)
        else:
            raise InputError(f"--checkpoint is latest, best or a step, not {checkpoint!r}")
        template = jax.eval_shape(lambda: init(game, jax.random.key(config.seed)))
        restored = checkpoints.restore(template, step)
    if restored is None:
        raise InputError(f"there is no checkpoint in {workdir}: train with --mode=train")
    return game, restored


def load_split(config: Config, split: str) -> Dataset:
    """All images of one of the config's splits."""
    return load(open_split(config, split))
