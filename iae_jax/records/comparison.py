"""Evaluated runs side by side, as a table; runs that are seeds of one model share a column."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iae_jax.errors import InputError
from iae_jax.files.numbers import deviation, mean_and_sd, number
from iae_jax.records.results import common, read
from iae_jax.records.tables import Table

ALIKE = ("n", "extractor", "split", "data")  # or two values of a metric cannot be compared
EVALUATION = ("data", "checkpoint", "step", "records")
RECORD = ("metric", "value", "n", "seed", "split", "extractor")
OF_RUN = ("training_seconds", "steps_per_second", "compile_seconds", "peak_memory_megabytes")
COLUMNS = (
    "run", "metric", "seed", "value", "low", "high", "n", "split", "extractor", "data", "step",
    "checkpoint", "config",
)  # fmt: skip
NONE = "–"
_OF_A_RUN = ("config.json", "run.json", "metrics.jsonl")


class Column(NamedTuple):
    """Runs that are seeds of one model.

    name: as it was typed.
    workdirs: of the runs.
    values: records of their evaluations with the data, the step and the checkpoint.
    runs: what run.json has of each; nothing where it is missing.
    steps: at which each was measured.
    config: without what differs between seeds, as JSON has it; empty where there is none.
    """

    name: str
    workdirs: list[Path]
    values: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    steps: list[int]
    config: dict[str, Any]

    def of(self, metric: str) -> list[dict[str, Any]]:
        return [one for one in self.values if one["metric"] == metric]


def column(word: str, split: str) -> Column:
    """The column of WORKDIR, or of WORKDIR,WORKDIR,...: seeds of one model.

    Raises:
      InputError: a run has no evaluation of the split, or a damaged one; the runs have different
        configs, or a seed twice.
    """
    workdirs = [Path(one) for one in word.split(",")]
    values, runs, steps, configs = [], [], [], []
    for workdir in workdirs:
        path = workdir / f"evaluation_{split}.json"
        content = read(path, EVALUATION)
        shared = {name: content[name] for name in EVALUATION[:-1]}
        records = content["records"]
        if not isinstance(records, list) or not records:
            raise InputError(f"{path} has no measurements: evaluate the run again")
        for record in records:
            if not isinstance(record, dict) or not set(RECORD) <= set(record):
                raise InputError(f"{path} is damaged: evaluate the run again")
            values.append(record | shared)
        steps.append(content["step"])
        runs.append(read(workdir / "run.json") if (workdir / "run.json").is_file() else {})
        if (workdir / "config.json").is_file():
            configs.append(common(read(workdir / "config.json")))
    if any(config != configs[0] for config in configs):
        raise InputError(f"{word}: the runs have different configs: give each a column of its own")
    own = [(one["metric"], one["seed"]) for one in values]
    if len(set(own)) < len(own):
        raise InputError(f"{word}: a seed is there twice: give each run a column of its own")
    return Column(word, workdirs, values, runs, steps, configs[0] if configs else {})


def columns_of(words: Sequence[str], split: str) -> list[Column]:
    """The columns of words as `column` has them, or folders of runs, of which each model is one.

    Raises: InputError as `column`, or a column is there twice.
    """
    found = [one for word in words for one in _runs_in(word, split)]
    if len(set(found)) < len(found):
        raise InputError("a run is there twice: name each once")
    return [column(word, split) for word in found]


def _runs_in(word: str, split: str) -> list[str]:
    """The word, or of a folder that is no run the evaluated runs in it, those of one model as
    one."""
    folder = Path(word)
    if not folder.is_dir() or any((folder / name).is_file() for name in _OF_A_RUN):
        return [word]
    models: dict[str, list[str]] = {}
    for path in sorted(folder.rglob(f"evaluation_{split}.json")):
        run = path.parent
        config = run / "config.json"
        model = json.dumps(common(read(config))) if config.is_file() else str(run)
        models.setdefault(model, []).append(str(run))
    if not models:
        raise InputError(
            f"there is no evaluated run in {word}: name a run, or run the launcher with "
            f"--mode=evaluate --split={split} first"
        )
    return [",".join(runs) for runs in models.values()]


def side_by_side(columns: Sequence[Column], metrics: Sequence[str] = ()) -> Table:
    """A row for each metric, a column for each model: mean ± SD of three seeds or more, and n
    where there are two or more.

    Args:
      columns: the models.
      metrics: the rows; by default everything measured, below the config fields and steps in which
        the models differ, and above what the training took.

    Raises:
      InputError: a metric was not measured alike, or in no run.
    """
    found = list(dict.fromkeys(one["metric"] for each in columns for one in each.values))
    if unknown := [metric for metric in metrics if metric not in found]:
        raise InputError(f"no run has {', '.join(unknown)}: there are {', '.join(sorted(found))}")
    rows = [*([] if metrics else settings(columns)), *_steps(columns)]
    for metric in metrics or found:
        rows.append((metric, *(cell(each, metric) for each in columns), *_how(columns, metric)))
    for metric in () if metrics else OF_RUN:
        values = [[run[metric] for run in each.runs if run.get(metric)] for each in columns]
        if any(values):
            rows.append((metric, *map(_mean, values), "", ""))
    names = [each.name for each in columns]
    return Table(("metric", *names, "n", "measured in"), rows, numbers=(*names, "n"))


def every_value(columns: Sequence[Column], metrics: Sequence[str] = ()) -> Table:
    """One row for each measured value, with all digits; what is not there is empty."""
    rows = [
        tuple("" if one.get(name) is None else str(one[name]) for name in COLUMNS)
        for each in columns
        for value in each.values
        if not metrics or value["metric"] in metrics
        for one in [value | {"run": each.name}]
    ]
    return Table(COLUMNS, rows)


def cell(each: Column, metric: str) -> str:
    """Mean ± SD (n) of a metric, or its only value."""
    return _mean([one["value"] for one in each.of(metric) if one["value"] is not None])


def _mean(values: Sequence[float]) -> str:
    """Mean ± SD (n), or the only value."""
    if len(values) < 2:
        return number(values[0]) if values else NONE
    return f"{mean_and_sd(statistics.fmean(values), deviation(values))} ({len(values)})"


def _how(columns: Sequence[Column], metric: str) -> tuple[str, str]:
    """On how many examples and in which features a metric was measured, alike in all runs."""
    measured = [(each.name, one) for each in columns for one in each.of(metric)]
    first_name, first = measured[0]
    for name, one in measured:
        for field in ALIKE:
            if one[field] != first[field]:
                raise InputError(
                    f"{metric} cannot be compared: its {field} is {first[field]!r} in {first_name} "
                    f"and {one[field]!r} in {name}: evaluate them alike, or leave it out by "
                    "--metrics"
                )
    return str(first["n"]), first["extractor"]


def settings(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """The config fields in which the models differ."""
    flat = [dict(_leaves(each.config)) for each in columns]
    fields = dict.fromkeys(field for one in flat for field in one) if all(flat) else {}
    rows = [(field, *(_setting(one, field) for one in flat), "", "") for field in fields]
    return [row for row in rows if len(set(row[1:-2])) > 1]


def _steps(columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """The steps, if the models were measured at different ones, or one before its last."""
    steps = [dict.fromkeys(str(one["step"]) for one in each.values) for each in columns]
    row = ("measured at step", *map(", ".join, steps), "", "")
    return [row] if len(set(row[1:-2])) > 1 or earlier(columns) else []


def earlier(columns: Sequence[Column]) -> list[str]:
    """A line for each run that was measured before its last step."""
    lines = []
    for each in columns:
        for workdir, run, steps in zip(each.workdirs, each.runs, each.steps, strict=True):
            if run.get("steps", steps) != steps:
                lines.append(f"{workdir} was measured at step {steps}, and has {run['steps']}")
    return lines


def _setting(config: Mapping[str, Any], field: str) -> str:
    return str(config[field]) if field in config else NONE


def _leaves(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted field, value) of each."""
    found = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            found += _leaves(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value))
    return found
