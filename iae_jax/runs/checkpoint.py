"""Checkpoints of a run. Orbax writes and reads the files; what is added here is a reason to trust
them: a checksum of every array, so that a restore is bitwise what was saved, or falls back.

A checkpoint is a directory named after its step: `state` (every array of the TrainState by its
path, in Orbax's OCDBT format) and `record` (JSON: config, metrics, extra, what each array is, and
its SHA-256); `files.json` has the SHA-256 of the files. Only `save` writes: an evaluation may read
a directory that a training writes to.
"""

import json
import logging
import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import checkpoint_managers as policies

from iae_jax.errors import InputError, TransientError, first_line
from iae_jax.files import checksums
from iae_jax.files.metrics_log import write_json
from iae_jax.types import TrainState

_log = logging.getLogger(__name__)

FILES = "files.json"  # of a checkpoint: the SHA-256 of each of its files
# What Orbax calls a save; under way, and in an object store from the start as when it is whole.
_SAVE = re.compile(r"\d+(\.orbax-checkpoint-tmp.*)?")


def _quiet(entry: logging.LogRecord) -> bool:
    """Orbax tells dozens of lines a save; its errors are raised too, and told in one line here."""
    return "orbax" not in entry.pathname


logging.getLogger("absl").addFilter(_quiet)


def _unraisable(entry: Any, others: Any = sys.unraisablehook) -> None:
    """When one array of many cannot be written or read, Orbax raises that and closes the loop to
    which the others report: each would tell so in a traceback."""
    if str(entry.exc_value) != "Event loop is closed":
        others(entry)


sys.unraisablehook = _unraisable


class Restored(NamedTuple):
    """What `save` was given, arrays bitwise so, and the step."""

    state: TrainState
    config: dict[str, Any]
    metrics: dict[str, float]
    extra: dict[str, Any]
    step: int


def _named(state: TrainState) -> dict[str, Any]:
    """Leaves by their path, as in "params/encoder/params/Dense_0/kernel"; no absent players."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _of_this_process() -> ocp.options.MultiprocessingOptions:
    """Of several, whose states are the same, one reads and writes, and does not wait."""
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )


class Checkpoints:
    """The checkpoints in `directory`: the last `keep`, and the best one so far.

    directory: a path, or what Orbax accepts in its place, such as gs://BUCKET/FOLDER. best: name of
    the validation metric that the best one is lowest in (None: only the last are kept); a
    checkpoint saved without it, or with NaN, is never the best. Errors: InputError if the directory
    cannot be made. Use as a context manager.
    """

    def __init__(
        self, directory: str | os.PathLike[str], keep: int, best: str | None = None
    ) -> None:
        if keep < 1:
            raise InputError(f"keep={keep} would keep no checkpoint: keep at least 1")
        self.directory = epath.Path(directory)
        if "://" not in str(directory):
            self.directory = self.directory.absolute()
        self._best = best
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            # What was here before, and what this process has written: all else is another job's.
            self._known = {path.name for path in self._entries()}
        except ImportError as error:  # of what reads an object store
            raise InputError(
                f"{first_line(error)}: install that; for gs://, pip install 'iae_jax[gcs]'"
            ) from error
        except Exception as error:  # OSError, and each object store has its own
            why = getattr(error, "strerror", None) or first_line(error)
            raise InputError(
                f"cannot make the directory {self.directory} ({why}): choose a workdir that can be "
                "written to"
            ) from error
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                create=False,
                multiprocessing_options=_of_this_process(),
                enable_async_checkpointing=True,
                # Orbax's own metadata stops its constructor when it is garbled; nothing needs it.
                lightweight_initialize=True,
                preservation_policy=policies.AnyPreservationPolicy(
                    [policies.LatestN(keep), _Best(self)]
                ),
            ),
        )
        self._pending: int | None = None  # the step that is being written
        self._records: dict[int, dict[str, Any]] = {}  # of the checkpoints not known to be broken
        for step in sorted(int(path.name) for path in self._broken()):  # until proved readable
            try:
                self._records[step] = self._read_record(step)
            except InputError:
                raise
            except Exception as error:  # whatever a damaged file makes Orbax raise
                self._accuse(step, error)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits for the last save. Errors: as `settle`."""
        try:
            self.settle()
        finally:
            self._manager.close()

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are not known to be broken, rising."""
        return sorted(self._records)

    def latest_step(self) -> int | None:
        return max(self._records, default=None)

    def best_step(self) -> int | None:
        """The step that is best by the metric (the earliest of equals); None if none has it."""
        return self._best_of(self.steps())

    def config(self) -> dict[str, Any] | None:
        """Config of the newest checkpoint, or None if there is none. Reads no array."""
        step = self.latest_step()
        return None if step is None else self._records[step]["config"]

    def save(
        self,
        state: TrainState,
        config: dict[str, Any],
        metrics: dict[str, float],
        extra: dict[str, Any],
    ) -> None:
        """Writes a checkpoint at int(state.step), whole or not at all, while the caller goes on and
        may donate the state.

        config, extra: what JSON can hold. Saving the newest step's very state again does nothing.
        Broken checkpoints are renamed STEP.broken, since a person may still want what is in them.
        Errors: as `settle`, of this save or the one before; InputError if the directory holds a
        later step (it belongs to another continuation of the run).
        """
        self.settle()
        named = _named(state)
        host = jax.device_get(
            {k: jax.random.key_data(v) if _is_key(v) else v for k, v in named.items()}
        )
        # Copies: on a CPU device_get gives views of what the next step may write over.
        arrays = {name: np.array(value) for name, value in host.items()}
        record = {
            "config": config,
            "metrics": {name: float(value) for name, value in metrics.items()},
            "extra": extra,
            "arrays": {
                name: [checksums.kind(leaf), checksums.of_array(arrays[name])]
                for name, leaf in named.items()
            },
            "keys": {k: str(jax.random.key_impl(v)) for k, v in named.items() if _is_key(v)},
        }
        record = json.loads(json.dumps(record))  # as it will be read back: tuples are lists
        record["sha256"] = checksums.of_record(record)
        step, latest = int(arrays["step"]), self.latest_step()
        if latest is not None and step <= latest:
            if step == latest and record["arrays"] == self._records[latest]["arrays"]:
                return
            raise InputError(
                f"{self.directory} already holds checkpoint {latest}, and this is step {step} of "
                "another continuation: move the later ones away, or choose a new workdir"
            )
        try:
            self._clear_the_way()
            self._records[step], self._pending = record, step
            self._known.add(str(step))
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    # Orbax refuses arrays without elements; the template has all there is to know.
                    state=ocp.args.StandardSave({k: v for k, v in arrays.items() if v.size}),
                    record=ocp.args.JsonSave(record),
                ),
                force=True,
            )
        except InputError:
            raise
        except Exception as error:  # OSError, or whatever TensorStore makes of it
            raise self._lost(step, error) from error

    def settle(self) -> None:
        """Waits for the save under way. Errors: InputError if it could not be written; the
        checkpoints before are as they were."""
        step = self._pending
        if step is None:
            return
        try:
            self._manager.wait_until_finished()
            folder = self.directory / str(step)
            write_json(folder / FILES, checksums.of_files(folder, FILES))
        except Exception as error:  # OSError, or whatever TensorStore makes of it
            raise self._lost(step, error) from error
        self._pending = None
        self._records = {s: r for s, r in self._records.items() if s in self._manager.all_steps()}

    def _lost(self, step: int, error: Exception) -> TransientError:
        self._pending = None
        self._records.pop(step, None)
        return TransientError(
            f"cannot write checkpoint {step} to {self.directory} ({first_line(error)}): mend that "
            "(the disk may be full, or not writable), then run the same command again to resume"
        )

    def restore(self, template: TrainState, step: int | None = None) -> Restored | None:
        """The newest checkpoint that can be read, or the one at `step`; None if there is none.

        template: a state, or jax.eval_shape of one. The arrays are on the default device. One
        warning names each broken checkpoint that was passed over. Errors: InputError if none can
        be read, if `step` cannot, or if the checkpoint's arrays are not those of the template.
        """
        self.settle()
        for candidate in reversed(self.steps()) if step is None else [step]:
            if candidate not in self._records:
                raise InputError(
                    f"no readable checkpoint {step} in {self.directory}: it has {self.steps()}"
                )
            self._check(candidate, template)
            try:
                state = self._read_state(candidate, template)
            except Exception as error:  # whatever a damaged file makes Orbax raise
                self._accuse(candidate, error)
                del self._records[candidate]
                continue
            record = self._records[candidate]
            return Restored(state, record["config"], record["metrics"], record["extra"], candidate)
        if broken := [path.name for path in self._broken()]:
            raise InputError(
                f"cannot read checkpoint {', '.join(sorted(broken, key=int))} in "
                f"{self.directory}: put back a copy, or choose another step or workdir"
            )
        return None

    def _damage(self, step: int) -> str | None:
        """Which file is not what was saved; "" for none, None where nobody knows: a save that was
        killed after it was whole has no FILES. Before Orbax reads: what it meets in a damaged file,
        its threads go on to complain of for hundreds of lines. Errors: as `checksums.read`."""
        path = self.directory / str(step) / FILES
        found = checksums.of_files(path.parent, FILES)  # says if something cannot be read now
        if not path.exists():
            return None
        saved = json.loads(checksums.read(path))
        if not isinstance(saved, dict):
            return FILES
        differ = (n for n in sorted(saved.keys() | found.keys()) if saved.get(n) != found.get(n))
        return next(differ, "")

    def _read_record(self, step: int) -> dict[str, Any]:
        if damaged := self._damage(step):
            raise ValueError(f"{damaged} is not what was saved")
        args = ocp.args.Composite(record=ocp.args.JsonRestore())
        record = self._manager.restore(step, args=args)["record"]
        if record["sha256"] != checksums.of_record(record):
            raise ValueError("its record does not have the checksum that it was saved with")
        return record

    def _check(self, step: int, template: TrainState) -> None:
        saved = {name: kind for name, (kind, _) in self._records[step]["arrays"].items()}
        wanted = {name: checksums.kind(leaf) for name, leaf in _named(template).items()}
        for name in sorted(saved.keys() | wanted.keys()):
            there, here = saved.get(name, "absent"), wanted.get(name, "absent")
            if there != here:
                raise InputError(
                    f"checkpoint {step} in {self.directory} is of another config: {name} is "
                    f"{there} there and {here} here; go back to it, or choose a new workdir"
                )

    def _read_state(self, step: int, template: TrainState) -> TrainState:
        record = self._records[step]
        # As numpy, on the host, whatever device and sharding the state was saved from.
        args = ocp.args.Composite(state=ocp.args.StandardRestore())
        arrays = self._manager.restore(step, args=args)["state"]
        leaves = []
        for name, leaf in _named(template).items():
            array = arrays[name] if leaf.size else np.empty(leaf.shape, leaf.dtype)
            if checksums.of_array(array) != record["arrays"][name][1]:
                raise ValueError(f"{name} does not have the checksum that it was saved with")
            # A copy: on a CPU the array might share numpy's memory, and the state is donated.
            value = jnp.array(array, copy=True)
            impl = record["keys"].get(name)
            leaves.append(jax.random.wrap_key_data(value, impl=impl) if impl else value)
        return jax.tree.unflatten(jax.tree.structure(template), leaves)

    def _best_of(self, steps: Iterable[int]) -> int | None:
        known = [step for step in steps if step in self._records]
        scores = [self._records[step]["metrics"].get(self._best, math.nan) for step in known]
        ranked = [(x, s) for x, s in zip(scores, known, strict=True) if x == x]
        return min(ranked)[1] if ranked else None

    def _entries(self) -> list[epath.Path]:
        """What is in the directory; in an object store, an empty one is not there."""
        return list(self.directory.iterdir()) if self.directory.is_dir() else []

    def _broken(self) -> list[epath.Path]:
        """Directories named after a step that is not among the readable ones."""
        named = [path for path in self._entries() if path.name.isdecimal()]
        return [
            path
            for path in named
            # In an object store, what a killed save left has the name of the whole, without a mark.
            if int(path.name) not in self._records and ocp.utils.is_checkpoint_finalized(path)
        ]

    def _clear_the_way(self) -> None:
        """Renames what is broken and removes what a killed save left, so that a save can follow.
        Errors: InputError if another job has begun to write here, which a store has no lock for."""
        for path in self._entries():
            if (
                _SAVE.fullmatch(path.name)
                and not {path.name, path.name.partition(".")[0]} & self._known
            ):
                raise InputError(
                    f"another job writes to {self.directory} ({path.name} has come since this one "
                    "began): end one of them, or choose another run.checkpoints"
                )
        for path in self._broken():
            aside = path.with_name(f"{path.name}.broken")
            aside.rmtree(missing_ok=True)
            path.rename(aside)
        for path in self._entries():  # what has another name is somebody's
            if _SAVE.fullmatch(path.name) and not ocp.utils.is_checkpoint_finalized(path):
                checksums.remove(path)
        self._manager.reload()

    def _accuse(self, step: int, error: Exception) -> None:
        """Warns of a broken checkpoint. Errors: InputError if its files are what was saved, so that
        something else keeps them from being read, such as a store that does not answer."""
        try:
            whole = self._damage(step) == ""
        except ValueError:  # FILES is not JSON
            whole = False
        if whole:
            raise TransientError(
                f"cannot read checkpoint {step} in {self.directory} ({first_line(error)}): mend "
                "that, then run the same command again"
            ) from error
        text = "checkpoint %d in %s is broken and is passed over (%s)"
        _log.warning(text, step, self.directory, first_line(error))


class _Best:
    """An Orbax preservation policy: BestN of n=1, by the records, which are checked."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def should_preserve(
        self, checkpoints: Sequence[policies.PolicyCheckpointInfo], *, context: Any
    ) -> list[bool]:
        best = self._checkpoints._best_of(info.step for info in checkpoints)
        return [info.step == best for info in checkpoints]
