"""What was measured of a run, as its evaluation files say it: rows of a table."""

import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.errors import InputError
from iae_jax.files.numbers import deviation, mean_and_sd, number
from iae_jax.runs.renamed import measured

SPLITS = ("test", "validation", "train")


class Row(NamedTuple):
    """A metric. value: as text, mean ± SD over the seeds of the run. exact: of each seed, with all
    digits. interval: of 95 %, or ""."""

    metric: str
    value: str
    exact: str
    interval: str
    n: int
    space: str


class Evaluation(NamedTuple):
    """An evaluation of a split: data: what was measured. step: of the checkpoint. seeds: how
    many."""

    split: str
    data: str
    step: int
    seeds: int
    rows: list[Row]


def evaluations(workdir: Path) -> list[Evaluation]:
    """Those that are in a run's folder. Raises: InputError if one is damaged."""
    paths = {split: workdir / f"evaluation_{split}.json" for split in SPLITS}
    return [_read(path, split) for split, path in paths.items() if path.is_file()]


def _read(path: Path, split: str) -> Evaluation:
    try:
        content = measured(json.loads(path.read_text()))
        names = dict.fromkeys(one["metric"] for one in content["records"])
        rows = [_row([one for one in content["records"] if one["metric"] == n]) for n in names]
        seeds = len({one["seed"] for one in content["records"]})
        return Evaluation(split, content["data"], content["step"], seeds, rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: evaluate the run again") from error


def _row(records: list[dict[str, Any]]) -> Row:
    """The records of one metric, one of each seed."""
    first, values = records[0], [one["value"] for one in records]
    known = [value for value in values if value is not None]
    text = number(known[0]) if known else "–"
    if len(known) > 1:
        text = mean_and_sd(statistics.fmean(known), deviation(known))
    interval = ""
    if len(records) == 1 and first.get("low") is not None and first.get("high") is not None:
        interval = f"{number(first['low'])} to {number(first['high'])}"
    exact = ", ".join("–" if value is None else repr(value) for value in values)
    return Row(first["metric"], text, exact, interval, first["n"], first["extractor"])
