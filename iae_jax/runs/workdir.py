"""A run's folder: what is in it, who may write there, and how a trained run is read from it."""

import fcntl
import math
import platform
import re
import resource
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax
import numpy as np
from etils import epath

from iae_jax.devices import multihost as hosts
from iae_jax.errors import InputError, TransientError
from iae_jax.files import figures
from iae_jax.files.metrics_log import Journal, commit, open_folder, write_json
from iae_jax.game.step import init
from iae_jax.runs.build import build, open_split
from iae_jax.runs.checkpoint import Checkpoints, Restored
from iae_jax.runs.config import Config, completed, difference, identity, to_dict
from iae_jax.types import Game, TrainState

LOCK = ".training.lock"
READS = 5  # of checkpoints that a training replaces


class Summary(NamedTuple):
    """What a finished run says of itself; `run.json` holds the same and more."""

    step: int
    steps_per_second: float
    compile_seconds: float
    validation: dict[str, float]
    figure: Path | None


class Position(NamedTuple):
    """Where a run is. seconds: spent in steps. lines: of its journal. measured: what validation
    last said. unlogged: metrics of the steps since the last line."""

    state: TrainState
    seconds: float = 0.0
    lines: int = 0
    measured: dict[str, float] = {}
    unlogged: dict[str, list[float]] = {}


def checkpoints_of(config: Config, path: Path) -> epath.Path:
    """Where the checkpoints of the run in `path` are. Errors: InputError for no such place."""
    try:
        return epath.Path(config.run.checkpoints or path / "checkpoints")
    except KeyError as error:  # a scheme that nobody reads
        raise InputError(
            f"run.checkpoints is a path or gs://BUCKET/FOLDER, not {config.run.checkpoints!r}"
        ) from error


def best_metric(game: Game) -> str | None:
    """What the best checkpoint is best by, which is never an adversarial loss; None where nothing
    is reconstructed and nothing learned from labels."""
    if "labels" in game.objective.needs:
        return "label_error"
    return "pixel_error" if game.networks.encoder and game.networks.generator else None


def check_unchanged(
    saved: dict[str, Any] | None,
    config: Config,
    advice: str = "use another --workdir, or --allow_config_change to go on with the new one",
) -> None:
    """Errors: InputError with the difference if the workdir's run has another config."""
    if saved is None:
        return
    changes = difference(completed(saved, identity(Config())), identity(config))
    if changes:
        raise InputError(
            f"the run in this workdir has another config ({'; '.join(changes)}): {advice}"
        )


def locked(folder: Path, field: str) -> TextIO:
    """The folder, for this process alone until the file is closed. field: what else could be chosen
    instead. Errors: InputError."""
    open_folder(folder, field)
    lock = (folder / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise InputError(
            f"another process trains in {folder}: wait for it, or choose another {field}"
        ) from error
    except OSError as error:
        lock.close()
        raise InputError(
            f"cannot lock a file in {folder} ({error.strerror}): choose a {field} on a file system "
            "that has locks"
        ) from error
    return lock


def _take_back(made: list[Path]) -> None:
    """Removes what was made of a run that is refused before it began: files and empty folders."""
    for path in made:
        with suppress(OSError):  # it did not come so far, or somebody else has put something there
            path.rmdir() if path.is_dir() else path.unlink()


class Workdir:
    """The folder of one run in training, in the hands of the one process that may write there.

    Files: config.json, metrics.jsonl, run.json, checkpoints/, figures/. A context manager. Errors:
    InputError if it cannot be written to, is in use, or holds a run of another config; a folder
    that was not there before is not there then.
    """

    def __init__(self, path: Path, config: Config, game: Game, allow_config_change: bool) -> None:
        self.path, self._config, self._data = path, config, ""
        self._allow_change = allow_config_change
        where = checkpoints_of(config, path)
        self.commit = commit()  # of what runs, whatever is edited meanwhile
        made = [one for one in (path, *path.parents) if not one.exists()]
        with ExitStack() as opened:
            opened.push(lambda kind, *_: _take_back(made) if kind else None)
            opened.enter_context(locked(path, "--workdir"))
            own = [path / name for name in (LOCK, "figures", "checkpoints")] if made else []
            opened.push(lambda kind, *_: _take_back(own) if kind else None)
            open_folder(path / "figures", "--workdir")
            elsewhere = config.run.checkpoints and "://" not in str(where)  # a store has no locks
            if elsewhere and Path(where).resolve() != path.resolve():
                opened.enter_context(locked(Path(where), "run.checkpoints"))
            # Last, so that the folders are let go of after the last save.
            self.checkpoints = Checkpoints(where, config.run.keep, best_metric(game))
            opened.push(self.checkpoints)
            if not allow_config_change:
                check_unchanged(self.checkpoints.config(), config)
            self._opened = opened.pop_all()
        self._journal: Journal | None = None

    def __enter__(self) -> "Workdir":
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    def restore(self, fresh: TrainState, data: str) -> Position:
        """The newest checkpoint that can be read, or the fresh state. data: what the images are
        told by. Errors: InputError if it has learned from others."""
        self._data = data
        restored = self.checkpoints.restore(fresh)
        if restored is None:
            return Position(fresh)
        log(f"resuming from step {restored.step}")
        extra = restored.extra
        if extra.get("data", data) != data and not self._allow_change:
            raise InputError(
                "the data set has other images than this run has learned from: put back those that "
                "were there, or use another --workdir, or --allow_config_change to go on"
            )
        return Position(
            restored.state,
            extra["seconds"],
            extra["lines"],
            restored.metrics,
            extra.get("unlogged", {}),
        )

    def begin(self, position: Position) -> None:
        """From here on the folder is of this run. Lines beyond the position are cut."""
        write_json(self.path / "config.json", to_dict(self._config))
        self._journal = Journal(self.path / "metrics.jsonl", position.lines)
        if lost := position.lines - self._journal.lines:
            log(f"{lost} of {position.lines} lines of {self._journal.path} are no longer there")

    @property
    def journal(self) -> Journal:
        assert self._journal is not None  # begin() comes first
        return self._journal

    def save(
        self,
        state: TrainState,
        seconds: float,
        measured: dict[str, float],
        unlogged: dict[str, list[float]],
    ) -> None:
        extra = {
            "lines": self.journal.lines,
            "seconds": seconds,
            "unlogged": unlogged,
            "data": self._data,
        }
        self.checkpoints.save(state, identity(self._config), measured, extra)

    def figure(
        self, step: int, x: np.ndarray, x_hats: list[np.ndarray], samples: np.ndarray
    ) -> Path:
        path = self.path / "figures" / f"step_{step:07d}.png"
        figures.reconstructions(path, x, x_hats, samples)
        figures.curves(self.path / "figures" / "curves.png", self.journal.records())
        return path

    def newest_figure(self) -> Path | None:
        """The last figure of training, if any."""
        return max((self.path / "figures").glob("step_*.png"), default=None)

    def finish(
        self,
        summary: Summary,
        devices: list[jax.Device],
        seconds: float,
        labelled: list[int] | str | None,
    ) -> None:
        """Writes run.json, once the last checkpoint is whole. labelled: positions of the images
        whose labels were read, or "all"."""
        self.checkpoints.settle()
        speed = summary.steps_per_second
        record: dict[str, Any] = {
            "steps": summary.step,
            # None: every call compiled, so that none can tell.
            "steps_per_second": round(speed, 3) if math.isfinite(speed) else None,
            "compile_seconds": round(summary.compile_seconds, 2),
            "training_seconds": round(seconds, 2),
            "peak_memory_megabytes": round(peak_memory_megabytes(devices[0]), 1),
            "peak_host_megabytes": round(peak_host_megabytes(), 1),
            "validation": summary.validation,
            "device": f"{len(devices) * hosts.count()} x {devices[0].device_kind}",
            "processes": hosts.count(),
            "cores": hosts.cores(),
            "versions": {"python": platform.python_version(), "jax": jax.__version__},
            "commit": self.commit,
            "best_step": self.checkpoints.best_step(),
        }
        if labelled is not None:
            record["labelled"] = labelled
        write_json(self.path / "run.json", record)


def peak_memory_megabytes(device: jax.Device) -> float:
    """The device's peak where it counts it, else the process's peak resident set."""
    stats = device.memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**20
    return peak_host_megabytes()


def peak_host_megabytes() -> float:
    """The process's peak resident set."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def log(message: str) -> None:
    """A plain line, above a progress bar if there is one; of process 0."""
    from tqdm import tqdm

    # A run goes on though whoever read its stderr has gone.
    with suppress(OSError):
        if hosts.first():
            tqdm.write(message, file=sys.stderr)


def trained(config: Config, path: Path, checkpoint: str) -> tuple[Game, Restored]:
    """The game of a trained run and a checkpoint of it: "latest", "best", or a step. Errors:
    InputError, TransientError if a training deletes them faster than they are read."""
    game = build(config, open_split(config, "train").shape)
    for _ in range(READS):
        with suppress(FileNotFoundError):  # of a checkpoint that is not kept any longer
            return game, restored(game, config, path, checkpoint)
    raise TransientError(
        f"a training deletes the checkpoints in {path} while they are read: try it again"
    )


def restored(game: Game, config: Config, path: Path, checkpoint: str) -> Restored:
    """The same for its game. Errors: FileNotFoundError if another process deletes it meanwhile."""
    folder = checkpoints_of(config, path)
    if not folder.is_dir():
        raise InputError(f"there is no trained run in {path}: train one with --mode=train")
    with Checkpoints(folder, config.run.keep, best_metric(game)) as checkpoints:
        check_unchanged(checkpoints.config(), config, "give the flags that it was trained with")
        if checkpoint == "latest":
            step = None
        elif checkpoint == "best":
            step = checkpoints.best_step()
            if step is None:
                raise InputError(f"no checkpoint in {path} was validated: use the latest")
        elif re.fullmatch("[0-9]{1,18}", checkpoint):
            step = int(checkpoint)
        else:
            raise InputError(f"--checkpoint is latest, best or a step, not {checkpoint!r}")
        template = jax.eval_shape(lambda: init(game, jax.random.key(config.seed)))
        found = checkpoints.restore(template, step)
    if found is None:
        raise InputError(f"there is no checkpoint in {path}: train with --mode=train")
    return found
