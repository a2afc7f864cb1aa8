"""The folder of a run in training: config.json, metrics.jsonl, run.json, checkpoints/, figures/."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from iae_jax.data.dataset import Source
from iae_jax.devices import multihost
from iae_jax.errors import InputError
from iae_jax.files import curves, figures
from iae_jax.files.atomic import open_folder, write_json
from iae_jax.files.curve_writers import CurveWriter, writers_of
from iae_jax.files.git_commit import git_commit
from iae_jax.files.installed import versions
from iae_jax.files.metrics_log import MetricsLog
from iae_jax.metrics.evaluate import best_metric
from iae_jax.runs.checkpoint import Checkpoints
from iae_jax.runs.config import Config, from_dict, identity, to_dict, without_places
from iae_jax.runs.config_changes import completed, difference
from iae_jax.runs.console import log
from iae_jax.runs.feed import step_of
from iae_jax.runs.memory import peak_host_megabytes, peak_memory_megabytes
from iae_jax.runs.rate_change import rate_changes
from iae_jax.runs.renamed import translated
from iae_jax.runs.run_folder import LOCK, check_no_links, checkpoints_of, locked, undo
from iae_jax.types import Game, TrainState

DATA_FILE = "data.json"  # what a game is built from beside the config


class Summary(NamedTuple):
    """The outcome of a finished run; run.json has the same and more."""

    step: int
    steps_per_second: float
    compile_seconds: float
    validation: dict[str, float]
    figure: Path | None


class Position(NamedTuple):
    """Where a run is.

    seconds: spent in steps so far.
    lines: of the metrics log.
    measured: the last validation metrics.
    unlogged: metrics of the steps since the last line.
    """

    state: TrainState
    seconds: float = 0.0
    lines: int = 0
    measured: dict[str, float] = {}
    unlogged: dict[str, list[float]] = {}


def changes_since(saved: dict[str, Any] | None, config: Config) -> list[str]:
    """What differs between a run's config and the one saved with it, which may have old field
    names. Files may lie elsewhere than they did."""
    if saved is None:
        return []
    old, new = completed(translated(saved), identity(Config())), identity(config)
    return difference(without_places(old), without_places(new))


def check_unchanged(
    saved: dict[str, Any] | None,
    config: Config,
    advice: str = "use another --workdir, or --allow_config_change to continue with the new one",
) -> None:
    """Compares a run's config with the one saved with it, as `changes_since`.

    Raises:
      InputError: they differ; the message has the difference and the advice.
    """
    if changes := changes_since(saved, config):
        raise InputError(
            f"the run in this workdir has another config ({'; '.join(changes)}): {advice}"
        )


def check_images(saved: str | None, found: str, name: str, advice: str) -> None:
    """Compares the fingerprint of a run's images, None of an old run, with that of the data set
    `name`.

    Raises:
      InputError: they differ; the message has the advice.
    """
    if saved not in (None, found):
        raise InputError(
            f"{name}: the data set has other images than this run was trained on: {advice}"
        )


class Workdir:
    """The folder of one run in training, held by the one process that may write there. A context
    manager.

    Args:
      path: the folder. If the run is refused, it is removed again unless it existed before.
      config, game: of the run.
      allow_config_change: accept a run of another config.

    Raises:
      InputError: the folder cannot be written to, is in use, or holds a run of another config.
    """

    def __init__(self, path: Path, config: Config, game: Game, allow_config_change: bool) -> None:
        self.path, self._config, self._data = path, config, ""
        self._allow_change = allow_config_change
        self.same_run = True  # config and images are those of the training before, if any
        where = checkpoints_of(config, path)
        self.commit = git_commit()  # now: the source tree may be edited during the run
        check_no_links(path)
        made = [one for one in (path, *path.parents) if not one.exists()]
        with ExitStack() as opened:
            opened.push(lambda kind, *_: undo(made) if kind else None)
            opened.enter_context(locked(path, "--workdir"))
            own = [path / name for name in (LOCK, "figures", "checkpoints")] if made else []
            opened.push(lambda kind, *_: undo(own) if kind else None)
            open_folder(path / "figures", "--workdir")
            elsewhere = config.run.checkpoints and "://" not in str(where)  # a store has no locks
            if elsewhere and Path(where).resolve() != path.resolve():
                check_no_links(Path(where))
                opened.enter_context(locked(Path(where), "run.checkpoints"))
            # Last, so that the locks are released after the last save.
            self.checkpoints = Checkpoints(where, config.run.keep, best_metric(game))
            opened.push(self.checkpoints)
            if not allow_config_change:
                check_unchanged(self.checkpoints.config(), config)
            self._opened = opened.pop_all()
        self._metrics_log: MetricsLog | None = None
        self._writers: list[CurveWriter] = []

    def __enter__(self) -> "Workdir":
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    def restore(self, fresh: TrainState, data: str) -> Position:
        """The position of the newest checkpoint that can be read, or the start.

        Args:
          fresh: the state at the start.
          data: a fingerprint of the training images.

        Raises:
          InputError: the run has been trained on other images.
        """
        self._data = data
        restored = self.checkpoints.restore(fresh)
        if restored is None:
            return Position(fresh)
        log(f"resuming from step {restored.step}")
        extra = restored.extra
        saved = self.checkpoints.config()
        same_images = extra.get("data") in (None, data)
        self.same_run = same_images and not changes_since(saved, self._config)
        if saved is not None and self._allow_change:
            old = from_dict(completed(translated(saved), identity(Config())))
            if changed := rate_changes(old, self._config, restored.step):
                log(changed)
        if not self._allow_change:
            advice = "name those, use another --workdir, or --allow_config_change to go on"
            check_images(extra.get("data"), data, self._config.data.name, advice)
        return Position(
            restored.state,
            extra["seconds"],
            extra["lines"],
            restored.metrics,
            extra.get("unlogged", {}),
        )

    def begin(
        self,
        position: Position,
        source: Source,
        shapes: Mapping[str, Any],
        held_out: Mapping[str, str],
    ) -> None:
        """Writes config.json and data.json, and cuts the lines of the metrics log after the
        position.

        Args:
          source: the training data.
          shapes: of one example of each set in the batch.
          held_out: split -> a hash of its images.
        """
        write_json(self.path / "config.json", to_dict(self._config))
        if step_of(position.state) < self._config.steps:
            (self.path / "run.json").unlink(missing_ok=True)  # of a shorter training
        data: dict[str, Any] = {
            "shapes": shapes,
            "values": source.values,
            "classes": source.classes,
        }
        if held_out:
            data["held_out"] = dict(held_out)
        if source.class_names:
            data["class_names"] = list(source.class_names)
        write_json(self.path / DATA_FILE, data)
        self._metrics_log = MetricsLog(self.path / "metrics.jsonl", position.lines)
        if lost := position.lines - self._metrics_log.lines:
            log(f"{lost} of {position.lines} lines of {self._metrics_log.path} are missing")
        lines = self._metrics_log.records()
        for writer in writers_of(self._config.run.curves):
            self._writers.append(writer(self.path, lines, to_dict(self._config)))
            self._opened.callback(self._writers[-1].close)

    @property
    def metrics_log(self) -> MetricsLog:
        assert self._metrics_log is not None  # begin() comes first
        return self._metrics_log

    def write(self, line: dict[str, Any]) -> None:
        """Adds a line to the metrics log, and its numbers to the curves."""
        self.metrics_log.write(line)
        for writer in self._writers:
            writer.write(line)

    def save(
        self,
        state: TrainState,
        seconds: float,
        measured: dict[str, float],
        unlogged: dict[str, list[float]],
    ) -> None:
        """Saves a checkpoint. The arguments are fields of `Position`."""
        extra = {
            "lines": self.metrics_log.lines,
            "seconds": seconds,
            "unlogged": unlogged,
            "data": self._data,
        }
        self.checkpoints.save(state, identity(self._config), measured, extra)

    def figure(
        self, step: int, x: np.ndarray, x_hats: list[np.ndarray], samples: np.ndarray
    ) -> Path:
        """Draws this step's images and the curves so far; returns the path of the images."""
        path = self.path / "figures" / f"step_{step:07d}.png"
        figures.reconstructions(path, x, x_hats, samples)
        curves.draw(self.path / "figures" / "curves.png", self.metrics_log.records())
        return path

    def newest_figure(self) -> Path | None:
        found = (self.path / "figures").glob("step_*.png")
        return max(found, default=None, key=lambda path: (len(path.name), path.name))

    def finish(
        self,
        summary: Summary,
        devices: list[jax.Device],
        seconds: float,
        labelled: list[Any] | str | None,
    ) -> None:
        """Writes run.json, once the last checkpoint is whole.

        Args:
          summary: of the run.
          devices: of this process.
          seconds: spent in steps.
          labelled: positions of the labelled images, or "all".
        """
        self.checkpoints.settle()
        speed = summary.steps_per_second
        record: dict[str, Any] = {
            "steps": summary.step,
            # None if every call compiled, so that none shows the speed.
            "steps_per_second": round(speed, 3) if math.isfinite(speed) else None,
            "compile_seconds": round(summary.compile_seconds, 2),
            "training_seconds": round(seconds, 2),
            "peak_memory_megabytes": round(peak_memory_megabytes(devices[0]), 1),
            "peak_host_megabytes": round(peak_host_megabytes(), 1),
            "validation": summary.validation,
            "device": f"{len(devices) * multihost.count()} x {devices[0].device_kind}",
            "processes": multihost.count(),
            "cores": multihost.cores(),
            "versions": versions(),
            "commit": self.commit,
            "best_step": self.checkpoints.best_step(),
        }
        if labelled is not None:
            record["labelled"] = labelled
        write_json(self.path / "run.json", record)
