"""Checkpoints of a run, written and read by Orbax, with a checksum for every array: what is
restored is bitwise what was saved, or an earlier checkpoint is used instead.

A checkpoint is a folder named after its step. `state` holds the arrays by name in Orbax's OCDBT
format, `record` is JSON (`checkpoint_record`), `files.json` has the checksum of each file. Only
`save` writes, so an evaluation may read a folder that a training writes to.
"""

import logging
import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import orbax.checkpoint as ocp
from etils import epath

from iae_jax.errors import InputError, TransientError, first_line
from iae_jax.files import checksums
from iae_jax.runs import checkpoint_record, orbax_manager
from iae_jax.types import TrainState

_log = logging.getLogger(__name__)

# Orbax's names of a save: finished or under way. In an object store both have the first form.
_SAVE = re.compile(r"\d+(\.orbax-checkpoint-tmp.*)?")


class Restored(NamedTuple):
    """What `save` was given, arrays bitwise the same, and the step."""

    state: TrainState
    config: dict[str, Any]
    metrics: dict[str, float]
    extra: dict[str, Any]
    step: int


class Checkpoints:
    """The checkpoints in a folder: the last ones and the best one. A context manager.

    Args:
      directory: a path, or what Orbax accepts instead, such as gs://BUCKET/FOLDER.
      keep: how many of the last ones are kept.
      best: the validation metric that the best one is lowest in; None keeps only the last ones. A
        checkpoint without this metric, or with NaN, is never the best.

    Raises:
      InputError: the folder cannot be made.
    """

    def __init__(
        self, directory: str | os.PathLike[str], keep: int, best: str | None = None
    ) -> None:
        if keep < 1:
            raise InputError(f"keep={keep} would keep no checkpoint: keep at least 1")
        self.directory = epath.Path(directory)
        if "://" not in str(directory):
            self.directory = self.directory.absolute()
        self._best_metric = best
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            # Present before, or written by this process. Anything else is another job's.
            self._own_names = {path.name for path in self._entries()}
        except ImportError as error:  # the package that reads an object store
            raise InputError(
                f"{first_line(error)}: install that; for gs://, pip install 'iae_jax[gcs]'"
            ) from error
        except Exception as error:  # OSError, and each object store has its own
            why = getattr(error, "strerror", None) or first_line(error)
            raise InputError(
                f"cannot make the directory {self.directory} ({why}): choose a workdir that can be "
                "written to"
            ) from error
        self._manager = orbax_manager.manager(self.directory, keep, self._best_of)
        self._pending: int | None = None  # the step that is being written
        self._records: dict[int, dict[str, Any]] = {}  # of checkpoints not known to be broken
        for step in sorted(int(path.name) for path in self._broken()):  # until proved readable
            try:
                self._records[step] = self._read_record(step)
            except InputError:
                raise
            except Exception as error:  # whatever a damaged file makes Orbax raise
                self._report_broken(step, error)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits for the last save.

        Raises:
          TransientError: as `settle`.
        """
        try:
            self.settle()
        finally:
            self._manager.close()

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are not known to be broken, in ascending order."""
        return sorted(self._records)

    def latest_step(self) -> int | None:
        return max(self._records, default=None)

    def best_step(self) -> int | None:
        """The step that is best by the metric, the earliest of equals; None if none has it."""
        return self._best_of(self.steps())

    def config(self) -> dict[str, Any] | None:
        """The config saved with the newest checkpoint; None without one. Reads no array."""
        step = self.latest_step()
        return None if step is None else self._records[step]["config"]

    def save(
        self,
        state: TrainState,
        config: dict[str, Any],
        metrics: dict[str, float],
        extra: dict[str, Any],
    ) -> None:
        """Writes a checkpoint at the state's step, whole or not at all, in the background.

        The caller may donate the state meanwhile. Saving the state of the newest checkpoint again
        does nothing. Broken checkpoints are renamed STEP.broken: somebody may still need them.

        Args:
          state: the state.
          config, extra: anything that JSON can hold.
          metrics: validation metrics at this step.

        Raises:
          TransientError: as `settle`, for this save or the one before.
          InputError: the folder holds a later step, of another continuation of the run.
        """
        self.settle()
        named = checkpoint_record.named_arrays(state)
        arrays = checkpoint_record.host_copies(named)
        record = checkpoint_record.make(named, arrays, config, metrics, extra)
        # Seeds that are trained at once have a step each, all equal.
        step, latest = int(arrays["step"].flat[0]), self.latest_step()
        if latest is not None and step <= latest:
            if step == latest and record["arrays"] == self._records[latest]["arrays"]:
                return
            raise InputError(
                f"{self.directory} already holds checkpoint {latest}, and this is step {step} of "
                "another continuation: move the later ones away, or choose a new workdir"
            )
        try:
            self._make_way()
            self._records[step], self._pending = record, step
            self._own_names.add(str(step))
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    # Orbax refuses arrays without elements; `state_of` makes them again.
                    state=ocp.args.StandardSave({k: v for k, v in arrays.items() if v.size}),
                    record=ocp.args.JsonSave(record),
                ),
                force=True,
            )
        except InputError:
            raise
        except Exception as error:  # OSError, or whatever TensorStore makes of it
            raise self._save_failed(step, error) from error

    def settle(self) -> None:
        """Waits for the save under way.

        Raises:
          TransientError: it could not be written. Earlier checkpoints are as they were.
        """
        step = self._pending
        if step is None:
            return
        try:
            self._manager.wait_until_finished()
            checksums.write_manifest(self.directory / str(step))
        except Exception as error:  # OSError, or whatever TensorStore makes of it
            raise self._save_failed(step, error) from error
        self._pending = None
        self._records = {s: r for s, r in self._records.items() if s in self._manager.all_steps()}

    def restore(self, template: TrainState, step: int | None = None) -> Restored | None:
        """The newest checkpoint that can be read, or the one at `step`; None if there is none.

        Each broken checkpoint that is passed over is reported in one warning.

        Args:
          template: a state, or jax.eval_shape of one. The result is on the default device.
          step: which one; None for the newest.

        Raises:
          InputError: none can be read, `step` cannot, or the arrays are not those of the template.
        """
        self.settle()
        for candidate in reversed(self.steps()) if step is None else [step]:
            if candidate not in self._records:
                raise InputError(
                    f"no readable checkpoint {step} in {self.directory}: it has {self.steps()}"
                )
            record, which = self._records[candidate], f"checkpoint {candidate} in {self.directory}"
            checkpoint_record.check_template(record, template, which)
            try:
                # As numpy, on the host, whatever device and sharding the state was saved from.
                args = ocp.args.Composite(state=ocp.args.StandardRestore())
                saved = self._manager.restore(candidate, args=args)["state"]
                state = checkpoint_record.state_of(record, saved, template)
            except Exception as error:  # whatever a damaged file makes Orbax raise
                self._report_broken(candidate, error)
                del self._records[candidate]
                continue
            return Restored(state, record["config"], record["metrics"], record["extra"], candidate)
        if broken := [path.name for path in self._broken()]:
            raise InputError(
                f"cannot read checkpoint {', '.join(sorted(broken, key=int))} in "
                f"{self.directory}: put back a copy, or choose another step or workdir"
            )
        return None

    def _best_of(self, steps: Iterable[int]) -> int | None:
        return orbax_manager.best_step(self._records, self._best_metric, steps)

    def _save_failed(self, step: int, error: Exception) -> TransientError:
        self._pending = None
        self._records.pop(step, None)
        return TransientError(
            f"cannot write checkpoint {step} to {self.directory} ({first_line(error)}): fix that "
            "(the disk may be full, or not writable), then run the same command again to resume"
        )

    def _read_record(self, step: int) -> dict[str, Any]:
        # First: for a damaged file, Orbax's threads would print hundreds of lines.
        if damaged := checksums.damaged_file(self.directory / str(step)):
            raise ValueError(f"{damaged} is not what was saved")
        args = ocp.args.Composite(record=ocp.args.JsonRestore())
        return checkpoint_record.checked(self._manager.restore(step, args=args)["record"])

    def _report_broken(self, step: int, error: Exception) -> None:
        """Logs a warning for a broken checkpoint.

        Raises:
          TransientError: its files are what was saved, so something else keeps them from being
            read, such as a store that does not answer.
        """
        try:
            whole = checksums.damaged_file(self.directory / str(step)) == ""
        except ValueError:
            whole = False
        if whole:
            raise TransientError(
                f"cannot read checkpoint {step} in {self.directory} ({first_line(error)}): fix "
                "that, then run the same command again"
            ) from error
        text = "checkpoint %d in %s is broken and is passed over (%s)"
        _log.warning(text, step, self.directory, first_line(error))

    def _entries(self) -> list[epath.Path]:
        """What is in the folder. In an object store, an empty folder does not exist."""
        return list(self.directory.iterdir()) if self.directory.is_dir() else []

    def _broken(self) -> list[epath.Path]:
        """Folders named after a step that is not among the readable ones."""
        named = [path for path in self._entries() if path.name.isdecimal()]
        return [
            path
            for path in named
            # In an object store, a killed save has the name of a finished one, without its mark.
            if int(path.name) not in self._records and ocp.utils.is_checkpoint_finalized(path)
        ]

    def _make_way(self) -> None:
        """Renames broken checkpoints and removes what killed saves left, so that a save can follow.

        Raises:
          InputError: another job has begun to write here, which a store has no lock against.
        """
        for path in self._entries():
            if (
                _SAVE.fullmatch(path.name)
                and not {path.name, path.name.partition(".")[0]} & self._own_names
            ):
                raise InputError(
                    f"another job writes to {self.directory} ({path.name} has appeared since this "
                    "one began): end one of them, or choose another run.checkpoints"
                )
        for path in self._broken():
            aside = path.with_name(f"{path.name}.broken")
            aside.rmtree(missing_ok=True)
            path.rename(aside)
        for path in self._entries():  # files with other names are somebody's
            if _SAVE.fullmatch(path.name) and not ocp.utils.is_checkpoint_finalized(path):
                checksums.remove(path)
        self._manager.reload()
