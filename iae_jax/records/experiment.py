"""An experiment as its reports read it: its records, and what its module says of them.

Its notes are experiments/NAME.md. Its module may have:

REFERENCES       what a value is compared with, by metric or by (metric, variant)
HEADLINE         the values that a reader looks for first, the rows of RESULTS.md
SHOWN            the metrics that are worth a reader's time (all by default)
FIGURES          suffixes of its figures beside NAME.png and NAME_curve.png
draw, draw_curve the first paragraphs of these are what the figures show
table(records)   another view of the records, as Markdown
claims(records)  what they are to show together: [(statement, whether it holds)], see `paired`
"""

import importlib
import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from iae_jax.errors import InputError
from iae_jax.records.experiment_module import declared
from iae_jax.records.paired import Claim
from iae_jax.records.record import FIELDS, Record
from iae_jax.records.references import Headline, Reference
from iae_jax.runs.ledger import Line, reads_of
from iae_jax.runs.renamed import measured

NAME = "experiments"  # of the package whose modules they are


class Experiment(NamedTuple):
    """reads: the lines of its measurements on a test split, see `runs.ledger`."""

    name: str
    records: list[Record]
    module: ModuleType
    reads: Sequence[Line] = ()

    @property
    def title(self) -> str:
        """The first paragraph of the module, without the full stop."""
        return (self.module.__doc__ or self.name).split("\n\n")[0].replace("\n", " ").rstrip(".")

    @property
    def notes(self) -> str:
        """The notes beside the module, without their title and with headings a level lower."""
        path = Path(self.module.__file__ or "").with_suffix(".md")
        if not path.is_file():
            return ""
        lines = path.read_text().splitlines()
        if lines and lines[0].startswith("# "):
            lines = lines[1:]
        return "\n".join(f"#{line}" if line.startswith("#") else line for line in lines).strip()

    @property
    def shown(self) -> list[Record]:
        metrics = getattr(self.module, "SHOWN", None)
        return [one for one in self.records if metrics is None or one["metric"] in metrics]

    @property
    def claims(self) -> list[Claim]:
        claims = getattr(self.module, "claims", None)
        found: list[Claim] = claims(self.records) if claims else []
        return found

    @property
    def figures(self) -> dict[str, str]:
        """The stem of each of its figures, of which some may not exist -> what it shows: the first
        paragraph of `draw`, or of `draw_curve`."""
        found = {}
        own = [suffix for suffix in getattr(self.module, "FIGURES", ()) if suffix]
        for suffix in ("", "curve", *own):
            draw = getattr(self.module, "draw_curve" if suffix == "curve" else "draw", None)
            text = (inspect.getdoc(draw) if draw else None) or self.title
            stem = "_".join(filter(None, (self.name, suffix)))
            text = text.split("\n\n")[0].replace("\n", " ")
            found[stem] = f"{suffix.replace('_', ' ')}: {text}" if suffix in own else text
        return found

    def reference(self, record: Record) -> Reference | None:
        """What a record is compared with: by (metric, variant), else by metric."""
        known: dict[Any, Reference] = getattr(self.module, "REFERENCES", {})
        return known.get((record["metric"], record["variant"])) or known.get(record["metric"])

    def compared(self) -> list[tuple[Record, Reference]]:
        """The shown records that are compared with something, and with what."""
        pairs = [(record, self.reference(record)) for record in self.shown]
        return [(record, against) for record, against in pairs if against is not None]

    def worse(self) -> list[Record]:
        """The shown records that are worse than the published value or the aim."""
        return [record for record, against in self.compared() if against.worse(record["values"])]

    def headlines(self) -> list[tuple[Headline, list[Record | None]]]:
        """The rows of HEADLINE that are measured, with the records of the metric and of those
        beside it, None for one that is not.

        Raises:
          InputError: there is no record of any.
        """
        by_name = {(one["metric"], one["variant"]): one for one in self.records}
        rows: tuple[Headline, ...] = getattr(self.module, "HEADLINE", ())
        found = [
            (row, [by_name.get((name, row.variant)) for name in (row.metric, *row.beside)])
            for row in rows
        ]
        measured = [(row, records) for row, records in found if records[0] is not None]
        if rows and not measured:
            raise InputError(
                f"no row of HEADLINE in experiments/{self.name}.py has a record: name a metric and "
                "a variant of its records"
            )
        return measured

    def command(self, record: Record) -> str:
        """The shortest command that makes a record again: a sweep, if the module can be swept and
        its first seeds are the record's."""
        first = declared(self.module, "FIRST_SEED", 0)
        seeds = list(range(first, first + record["n_seeds"]))
        swept = record["variant"] in declared(self.module, "VARIANTS", ())
        command: str = record["command"]
        if not swept or record["seeds"] != seeds or not command.startswith("python -m iae_jax."):
            return command
        variant = f" --variants={record['variant']}" if "iae_jax.launch" in command else ""
        return f"python -m iae_jax.sweep {self.name}{variant} --seeds={len(seeds)}"


def load(path: Path, own: bool = False) -> Experiment:
    """The experiment of a results file.

    Args:
      path: the file.
      own: its config may be a file of one's own, and no module of experiments/.

    Raises:
      InputError: the file is damaged, or there is no such experiment.
    """
    try:
        content = measured(json.loads(path.read_text()))
        name, records = content["experiment"], content["records"]
        complete = bool(records) and all(set(FIELDS) <= set(record) for record in records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a results file: run its experiment again") from error
    if not complete:
        raise InputError(f"{path} has no records, or not all of each: run its experiment again")
    reads = reads_of(path.parent, name)
    try:
        return Experiment(name, records, importlib.import_module(f"{NAME}.{name}"), reads)
    except ModuleNotFoundError as error:
        if error.name not in (NAME, f"{NAME}.{name}"):
            raise
        if own:
            return Experiment(name, records, ModuleType(name), reads)
        raise InputError(
            f"{path} has no experiments/{name}.py: remove the one or add the other"
        ) from error
