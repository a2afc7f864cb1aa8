"""Curve writers: a run's metrics in TensorBoard and in W&B, beside metrics.jsonl.

Each is an extra of the package. What is written follows from metrics.jsonl alone, of which a
resumed run keeps the lines up to its checkpoint: a writer is opened with these lines and brings its
curves to them, so that every step is there once however often the run was killed.
"""

import importlib.util
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from iae_jax.errors import InputError, first_line
from iae_jax.files.atomic import write_text
from iae_jax.files.curves import VALIDATION
from iae_jax.files.own_file import own_file

Line = Mapping[str, Any]  # of metrics.jsonl: "step", "seconds" and numbers
OWN = ".iae_jax"  # ends the names of event files


class CurveWriter(Protocol):
    """Opened as `Writer(folder, lines, config)`: the folder of the run, the lines that it has so
    far, and its config as nested data."""

    def write(self, line: Line) -> None: ...

    def close(self) -> None: ...


def curves_of(line: Line) -> dict[str, float]:
    """The numbers of a line by the names of their curves; those of held-out images are a group."""
    return {
        name.replace(VALIDATION, "validation/", 1) if name.startswith(VALIDATION) else name: value
        for name, value in line.items()
        if name not in ("step", "seconds") and isinstance(value, int | float)
    }


class TensorBoard:
    """Event files in FOLDER/tensorboard, written anew when they are opened. A TensorBoard that is
    open meanwhile drops what it has read, since the file says that it starts from step 0."""

    package, extra = "tensorboardX", "tensorboard"

    def __init__(self, folder: Path, lines: Sequence[Line], config: Mapping[str, Any]) -> None:
        # Not SummaryWriter, whose thread may not have written yet what is flushed.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        own = folder / "tensorboard"
        own.mkdir(exist_ok=True)
        old = sorted(own.glob(f"events.out.tfevents.*{OWN}"))
        for path in old[:-1]:
            path.unlink()
        for path in old[-1:]:
            with open(path, "ab", opener=own_file) as file:
                file.truncate(0)  # a TensorBoard that reads it goes on from here to the next
        # The axis of time is that of training.
        self._begun = time.time() - (lines[-1]["seconds"] if lines else 0.0)
        self._writer = EventsWriter(str(own / "events"), OWN)
        start = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(wall_time=self._begun, step=0, session_log=start))
        for line in lines:
            self._add(line)
        self._writer.flush()

    def _add(self, line: Line) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=x) for tag, x in curves_of(line).items()]
        moment = self._begun + line["seconds"]
        summary = Summary(value=values)
        self._writer.write_event(Event(wall_time=moment, step=line["step"], summary=summary))

    def write(self, line: Line) -> None:
        self._add(line)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandB:
    """A run of W&B, whose id is kept in FOLDER/wandb_id; WANDB_MODE=offline, WANDB_PROJECT and so
    on are read as always. Steps that W&B has are not sent again. Offline it has none at the start,
    so that this process's folder, FOLDER/wandb/offline-run-*, has all of them and replaces those of
    earlier ones."""

    package, extra = "wandb", "wandb"

    def __init__(self, folder: Path, lines: Sequence[Line], config: Mapping[str, Any]) -> None:
        import wandb

        kept = folder / "wandb_id"
        if not kept.is_file():
            write_text(kept, uuid.uuid4().hex[:12])
        own = kept.read_text().strip()
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "iae_jax"),
                id=own,
                name=folder.resolve().name,
                dir=str(folder),
                config=json.loads(json.dumps(config)),
                resume="allow",
                settings=wandb.Settings(console="off"),
            )
        except wandb.Error as error:
            raise InputError(
                f"W&B does not start ({first_line(error)}): log in with `wandb login`, set "
                "WANDB_MODE=offline, or leave wandb out of run.curves"
            ) from error
        self._first = self._run.step  # that it does not have
        if self._run.offline:
            for old in (folder / "wandb").glob(f"offline-run-*-{own}"):
                if old.resolve() != Path(self._run.dir).resolve().parent:
                    shutil.rmtree(old)
        for line in lines:
            self.write(line)

    def write(self, line: Line) -> None:
        if line["step"] >= self._first:
            self._run.log(curves_of(line), step=line["step"])

    def close(self) -> None:
        self._run.finish()


WRITERS: dict[str, type[TensorBoard] | type[WandB]] = {"tensorboard": TensorBoard, "wandb": WandB}


def writers_of(names: str) -> list[type[TensorBoard] | type[WandB]]:
    """The writers of a list "tensorboard,wandb"; "" is none.

    Raises:
      InputError: for an unknown name, or one whose package is not installed.
    """
    found = []
    for name in filter(None, names.split(",")):
        if name not in WRITERS:
            raise InputError(f"run.curves is a list of {', '.join(WRITERS)}, not {names!r}")
        writer = WRITERS[name]
        if importlib.util.find_spec(writer.package) is None:
            raise InputError(
                f"run.curves={name} needs {writer.package}: pip install 'iae_jax[{writer.extra}]'"
            )
        found.append(writer)
    return found
