"""The records of results/EXPERIMENT.json: one metric of one variant, a value for each seed."""

import datetime
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.errors import InputError
from iae_jax.files.atomic import write_json
from iae_jax.files.lock import lock
from iae_jax.files.numbers import deviation, mean_and_sd
from iae_jax.records.tables import Table, markdown
from iae_jax.runs.renamed import measured

Record = dict[str, Any]

# Every record has these.
FIELDS = (
    "metric",
    "variant",
    "values",
    "mean",
    "sd",
    "n_seeds",
    "seeds",
    "n_examples",
    "extractor",
    "command",
    "seconds",
    "device",
    "date",
    "commit",
)


class Trainings(NamedTuple):
    """The runs that a variant's metrics come from.

    seeds: of the runs.
    command: how to get the same.
    seconds: of each training, which may be of several seeds at once.
    config: hash of what the configs of the seeds have in common; "" without a config file.
    versions: of Python and packages, by name.
    draws: which images each seed had labels of, by `data.draw`; none where no few are drawn.
    """

    seeds: list[int]
    command: str
    seconds: list[float]
    device: str
    commit: str
    config: str = ""
    versions: Mapping[str, str] = {}
    draws: Sequence[int] = ()


def record(
    metric: str,
    variant: str,
    values: Sequence[float],
    n_examples: int,
    extractor: str,
    trainings: Trainings,
    intervals: list[list[float] | None] | None = None,
) -> Record:
    """One record.

    Args:
      metric, variant: its name.
      values: one for each seed.
      n_examples: that each value was measured on.
      extractor: whose features the metric uses; "" for none.
      trainings: the runs.
      intervals: the 95 % confidence interval [low, high] of each value that has one.
    """
    optional: Record = {"config": trainings.config} if trainings.config else {}
    if trainings.versions:
        optional["versions"] = dict(trainings.versions)
    if trainings.draws:
        optional["draws"] = list(trainings.draws)
    if intervals:
        optional["intervals"] = intervals
    return optional | {
        "metric": metric,
        "variant": variant,
        "values": list(values),
        "mean": statistics.fmean(values),
        "sd": deviation(values),
        "n_seeds": len(values),
        "seeds": trainings.seeds,
        "n_examples": n_examples,
        "extractor": extractor,
        "command": trainings.command,
        "seconds": trainings.seconds,
        "device": trainings.device,
        "date": datetime.date.today().isoformat(),
        "commit": trainings.commit,
    }


def read_records(path: Path) -> list[Record]:
    """The records of a results file; none if there is no file.

    Raises:
      InputError: the file is damaged.
    """
    if not path.exists():
        return []
    damaged = InputError(f"{path} is damaged: move it away, then run the same command")
    try:
        records: list[Record] = measured(json.loads(path.read_text()))["records"]
        complete = all(set(FIELDS) <= set(record) for record in records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged from error
    if not isinstance(records, list) or not complete:
        raise damaged
    return records


def write_records(
    directory: Path, experiment: str, records: list[Record], suffix: str = ".json"
) -> Path:
    """Writes directory/EXPERIMENT.json atomically."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{experiment}{suffix}"
    write_json(path, {"experiment": experiment, "records": records})
    return path


@contextmanager
def locked_records(directory: Path, experiment: str) -> Iterator[list[Record]]:
    """An experiment's records, which no other process changes meanwhile; changes are written when
    the block ends."""
    path = directory / f"{experiment}.json"
    with lock(directory / f".{experiment}.lock", wait=True):
        records = read_records(path)
        before = list(records)
        yield records
        if records != before:
            write_records(directory, experiment, records)


def summary(records: list[Record]) -> str:
    """A Markdown table: metrics down, variants across."""
    variants = list(dict.fromkeys(one["variant"] for one in records))
    metrics = list(dict.fromkeys(one["metric"] for one in records))
    cells = {
        (one["metric"], one["variant"]): mean_and_sd(one["mean"], one["sd"]) for one in records
    }
    rows = [
        (metric, *(cells.get((metric, variant), "–") for variant in variants)) for metric in metrics
    ]
    return markdown(Table(("metric", *variants), rows, numbers=tuple(variants)))
