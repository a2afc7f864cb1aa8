"""The ledger of the test split: a line for each time that a command has measured a trained model on
it.

A measurement is what gives a number of that split, or its labels beside what the model says of each
image: the modes evaluate, score and encode. No measurements are: pictures of a few of its images;
the accuracy of the feature classifier, which is the same for all models; and `iae_jax.load`, which
does not know where its images come from.
"""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.errors import InputError
from iae_jax.files.git_commit import git_commit
from iae_jax.files.home import expanded
from iae_jax.files.json_lines import append_line, check_appendable, read_lines
from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.shared_config import shared_digest

FILE = "test_reads.jsonl"  # of a run's folder, or beside the records of a sweep

Line = dict[str, Any]


class Ledger(NamedTuple):
    """path: of the file. experiment, variant: what the records call the model, "" if it is in
    none."""

    path: Path
    experiment: str = ""
    variant: str = ""

    def note(
        self,
        mode: str,
        config: Config,
        seeds: Sequence[int],
        n: int,
        metrics: Mapping[str, Sequence[float | None]],
    ) -> None:
        """Adds a line.

        Args:
          mode: that measures.
          config: of the run.
          seeds: of the models that were measured.
          n: the number of examples.
          metrics: name -> a value of each seed, None for one that is not finite.

        Raises: OSError if it cannot be written.
        """
        now = datetime.datetime.now(datetime.UTC)
        line = {
            "date": now.isoformat(timespec="seconds"),
            "commit": git_commit(),
            "experiment": self.experiment,
            "variant": self.variant,
            "config": shared_digest(to_dict(config)),
            "mode": mode,
            "seeds": list(seeds),
            "n": n,
            "metrics": {name: list(values) for name, values in metrics.items()},
        }
        append_line(self.path, line)

    def check(self) -> None:
        """Before minutes of measuring, not after. Raises: InputError if no line can be added."""
        try:
            check_appendable(self.path)
        except OSError as error:
            raise InputError(
                f"cannot note readings of the test split in {self.path} ({error.strerror}): name "
                "another file by --test_reads"
            ) from error


def ledger_of(workdir: Path, path: str = "", called: str = "") -> Ledger:
    """The ledger of a run's folder, or another one. called: EXPERIMENT:VARIANT, as its lines are
    to say."""
    experiment, _, variant = called.partition(":")
    return Ledger(expanded(path) if path else workdir / FILE, experiment, variant)


def adopt(workdir: Path, ledger: Ledger) -> None:
    """Adds the lines of a run's folder that a ledger has not yet. Raises: InputError, OSError."""

    def plain(line: Line) -> Line:
        return line | {"experiment": "", "variant": ""}

    there = [plain(line) for line in read_lines(ledger.path)]
    for line in read_lines(workdir / FILE):
        if plain(line) not in there:
            named = {"experiment": ledger.experiment, "variant": ledger.variant}
            append_line(ledger.path, line | named)


def reads_of(folder: Path, experiment: str) -> list[Line]:
    """The lines of an experiment in the ledger beside its records. Raises: InputError."""
    return [line for line in read_lines(folder / FILE) if line.get("experiment") == experiment]


def count(lines: Sequence[Line]) -> int:
    """How many measurements of a model they are: one for each seed."""
    return sum(len(line["seeds"]) for line in lines)
