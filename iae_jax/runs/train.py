"""The training loop: restore, step, log, validate, draw, save."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax.devices import multihost
from iae_jax.devices.parallel import place
from iae_jax.errors import InputError
from iae_jax.metrics.evaluate import Trained, validate
from iae_jax.objectives.weights import at
from iae_jax.runs import pictures
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.console import log
from iae_jax.runs.divergence import Diverged, not_finite, parameter_not_finite
from iae_jax.runs.feed import initial_state, next_stop, seeds_of, step_of
from iae_jax.runs.health import READ, Health, Sign
from iae_jax.runs.interruption import Interrupted, StopRequest, awaited
from iae_jax.runs.run_folder import folder_of
from iae_jax.runs.setup import Setup, set_up
from iae_jax.runs.stopwatch import Stopwatch
from iae_jax.runs.workdir import Position, Summary, Workdir

Callback = Callable[[int, dict[str, float]], None]


def start(setup: Setup, config: Config, workdir: Workdir | None, profile: bool) -> Position:
    """Where the run goes on, the state on its devices and the same in all processes."""
    fresh = initial_state(setup.game, config, setup.feed)
    with multihost.together():
        position = Position(fresh) if workdir is None else workdir.restore(fresh, setup.data)
        step = step_of(position.state)
        if profile and (step >= config.steps or next_stop(step, config) >= config.steps):
            raise InputError(
                f"--profile traces the second call of steps, and of {config.steps} steps there is "
                f"at most one call left after {step}: use a new --workdir and fewer "
                "run.steps_per_call"
            )
    state = place(multihost.share(position.state), setup.devices)
    multihost.check_same(state.params, "the parameters at the start")
    return position._replace(state=state)


def seed_of(tree: Any, index: int, seeds: int) -> Any:
    """The part of one seed of a state, or of its parameters."""
    return tree if seeds == 1 else jax.tree.map(lambda leaf: leaf[index], tree)


def train(
    config: Config,
    path: str | Path,
    allow_config_change: bool = False,
    profile: bool = False,
    callback: Callback | None = None,
) -> Summary:
    """Trains to `config.steps`, from the newest checkpoint in the folder `path` if there is one.

    Writes metrics.jsonl, config.json, run.json, checkpoints/ and figures/ there, and with `profile`
    a trace of the second call of steps, the first that does not compile, to profile/. Of several
    processes, which all call this, the first does.

    Args:
      callback: called with the step and the metrics of each line of metrics.jsonl, every
        `run.log_steps` steps and at the last one, once the line is written: after this step's
        validation, if one was due, and before its figure and checkpoint. In the first process
        alone. What it raises ends the training; the checkpoint before stays.

    Raises:
      InputError: for what the user gave.
      Diverged: a loss is not finite (the last good checkpoint stays).
      Interrupted: after SIGTERM or SIGINT, once the steps under way are saved.
    """
    if not isinstance(config, Config):
        raise InputError(f"config is an iae_jax.Config, not {type(config).__name__}")
    if callback is not None and not callable(callback):
        raise InputError(f"callback is a function, not {type(callback).__name__}")
    path = folder_of(path)
    with multihost.watched():
        with multihost.together():
            setup = set_up(config)
        own = np.array(jax.tree.leaves(jax.tree.map(str, to_dict(config))))
        multihost.check_same(own, "the configs")
        # Another order of other images would be no error that anyone sees.
        multihost.check_same(np.array(setup.data), "the data sets")
        with multihost.together():
            workdir = None
            if multihost.first():
                workdir = Workdir(path, config, setup.game, allow_config_change)
        with workdir or nullcontext(), awaited(_announce) as wish, Stopwatch() as watch:
            position = start(setup, config, workdir, profile)
            for line in setup.about:
                log(line)
            trace = path / "profile" if profile and multihost.first() else None
            return Loop(setup, config, workdir, position, watch, callback).run(wish, trace)


def _announce(number: int) -> None:
    # Not by print: the signal may have come while it writes. The reader may have gone.
    with suppress(OSError):
        os.write(2, b"stopping after these steps; once more to stop at once\n")


class Loop:
    """Every step from a position on."""

    def __init__(
        self,
        setup: Setup,
        config: Config,
        workdir: Workdir | None,
        position: Position,
        watch: Stopwatch,
        callback: Callback | None = None,
    ) -> None:
        self.setup, self.config, self.workdir, self.watch = setup, config, workdir, watch
        self.state, self.measured = position.state, position.measured
        self.callback = callback
        self.health = Health(config, setup.game, setup.validation.x)
        self.told: Sign | None = None
        self.earlier_seconds, self.step = position.seconds, step_of(position.state)
        self.begun = self.step
        self.unlogged = {name: list(values) for name, values in position.unlogged.items()}
        self.figure = None if workdir is None else workdir.newest_figure()
        if self.step >= config.steps:
            log(f"this run is trained to step {self.step} already")
        with multihost.together():
            # What is trained already, by another config or on other images than these, is not
            # described by their words.
            if workdir is not None and (self.step < config.steps or workdir.same_run):
                feed = setup.feed
                workdir.begin(position, feed.x, feed.shapes, setup.held_out)

    @property
    def seconds(self) -> float:
        return self.earlier_seconds + self.watch.seconds

    def run(self, wish: StopRequest, trace: Path | None) -> Summary:
        """trace: the folder where the second call is traced to, if anywhere."""
        from tqdm import tqdm

        config, (game, devices, feed, *_) = self.config, self.setup
        chunk = feed.chunk(game, devices)
        self.terminal = sys.stderr.isatty() and multihost.first()
        self.bar = tqdm(
            total=config.steps, initial=self.step, unit="step", disable=not self.terminal
        )
        for number, (steps, arguments) in enumerate(feed.calls(devices, self.step)):
            with jax.profiler.trace(trace) if trace and number == 1 else nullcontext():
                call = partial(chunk, self.state, **arguments)
                self.state, on_device = self.watch.time(steps, call)
            metrics: dict[str, np.ndarray] = jax.device_get(on_device)
            if bad := not_finite(metrics, self.step):
                raise self.diverged(bad)
            if self.workdir is not None:
                for name, values in metrics.items():
                    means = values if config.run.seeds == 1 else values.mean(axis=0)
                    self.unlogged.setdefault(name, []).extend(means.tolist())
            self.step += steps
            self.bar.update(steps)
            self.after(bool(multihost.largest(wish.asked)) and self.step < config.steps, wish.asked)
        self.bar.close()
        return self.finish()

    def due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.steps

    def after(self, stopping: bool, signalled: int) -> None:
        """After a call of steps: what is due then, and the end of a run that is to stop."""
        run, save = self.config.run, stopping or self.due(self.config.run.checkpoint_steps)
        if save:
            if bad := parameter_not_finite(self.state):
                raise self.diverged(bad)
            multihost.check_same(self.state.params, f"the parameters at step {self.step}")
        with multihost.together():
            if self.workdir is not None:
                validated = self.due(run.validate_steps)
                if validated:
                    self.measured = self.validate()
                if self.due(run.log_steps):
                    self.log(self.workdir, validated)
                if self.due(run.figure_steps) and pictures.shows(
                    self.setup.game, self.setup.feed.x.shape
                ):
                    ema = jax.device_get(seed_of(self.state.ema, 0, run.seeds))
                    x = self.setup.validation.x
                    self.figure = pictures.draw(self.workdir, self.setup.game, ema, self.step, x)
                if save:
                    measured = self.measured if validated else {}
                    self.workdir.save(self.state, self.seconds, measured, self.unlogged)
        if stopping or self.step == self.config.steps:
            # The others wait here for the file, and not, for a short while only, at JAX's exit.
            with multihost.together():
                if self.workdir is not None:
                    self.workdir.checkpoints.settle()
        if stopping:
            text = f"stopped at step {self.step} and saved: the same command goes on"
            raise Interrupted(text, 128 + (signalled or signal.SIGTERM))

    def validate(self) -> dict[str, float]:
        """Validation metrics, means over the seeds."""
        config, game = self.config, self.setup.game
        ema, scale = jax.device_get(self.state.ema), at(game.local_scale, jnp.float32(self.step))
        x, labels = self.setup.validation
        found = [
            validate(
                Trained(
                    game, seed_of(ema, i, config.run.seeds), x, labels, "validation", seed, scale
                )
            )
            for i, seed in enumerate(seeds_of(config))
        ]
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    def log(self, workdir: Workdir, validated: bool) -> None:
        """A line of metrics.jsonl, and one for whoever watches."""
        means = {name: float(np.mean(values)) for name, values in self.unlogged.items()}
        self.unlogged = {}
        held_out = {f"validation_{name}": value for name, value in self.measured.items()}
        line = {"step": self.step, **means, "seconds": round(self.seconds, 3)}
        line |= held_out if validated else {}
        workdir.write(line)
        if self.callback is not None:
            self.callback(self.step, {k: float(v) for k, v in line.items() if k != "step"})
        terms = {name: means[name] for name in ("reconstruction", "regularization")}
        text = "  ".join(f"{k} {v:.4f}" for k, v in {**terms, **self.measured}.items())
        sign = self.health.sign(self.step, {**means, **held_out})
        text += f"  {self.health.words(self.step, sign)}"
        if sign is not None and sign is not self.told:
            log(f"{sign.words}: {sign.when}. What to do: {READ}, {sign.section!r}")
        self.told = sign
        self.bar.set_postfix_str(text, refresh=False)
        if not self.terminal:
            log(f"step {self.step}/{self.config.steps}  {text}  {self.pace()}")

    def pace(self) -> str:
        """Speed and time left."""
        speed = self.watch.steps_per_second
        if not speed:
            return "compiled"
        return f"{speed:.1f} steps/s  eta {(self.config.steps - self.step) / speed:.0f} s"

    def diverged(self, bad: str) -> Diverged:
        """The end of all processes, once the last save is whole; what to do, and what is kept."""
        kept = "process 0 says what is kept"
        with multihost.together():
            if self.workdir is not None:
                self.workdir.checkpoints.settle()
                good = self.workdir.checkpoints.latest_step()
                none = "there is no checkpoint yet"
                kept = none if good is None else f"the checkpoint of step {good} is good"
        return Diverged(f"{bad}: lower the learning rates or raise r1; {kept}")

    def finish(self) -> Summary:
        """The end of a run that is trained to its last step."""
        summary = Summary(self.step, *self.watch.summary(), self.measured, self.figure)
        workdir = self.workdir
        new = self.step > self.begun
        if workdir is not None and (new or not (workdir.path / "run.json").exists()):
            positions = self.setup.feed.labelled_positions()
            workdir.finish(summary, self.setup.devices, self.seconds, positions)
        return summary
