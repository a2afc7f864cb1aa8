"""Runs as one HTML file, which needs no other file and no network: report.html.

A row for each model with its seeds and key measures, their curves over each other, the whole table,
and the pictures of every run. A run with a page of its own (--mode=page) is linked to it.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from iae_jax.files import curves, html_page, metrics_log
from iae_jax.files.canvas import COLORS
from iae_jax.files.chart import DASHES, Chart, chart
from iae_jax.records.comparison import Column, cell, settings
from iae_jax.records.tables import Table
from iae_jax.runs.run_page import NAME
from iae_jax.runs.run_pictures import Picture, pictures

# In this order, those that a run has; the rest is in the whole table.
KEY = (
    "test_error", "validation_error", "cluster_accuracy", "label_agreement", "pixel_error",
    "negative_elbo", "frechet_reconstruction", "frechet_sample", "sample_ratio",
)  # fmt: skip
MAX_KEY = 5
MAX_BYTES = 10_000_000  # of the pictures of all runs
SWEPT = re.compile(r"\d+(to\d+)?-[0-9a-f]+")  # a run in the folder of its variant: SEEDS-CONFIG
LOSSES = ("reconstruction", "regularization")  # curves beside those of validation


class Run(NamedTuple):
    """link: of its page from where this one is, or ""."""

    name: str
    link: str
    pictures: list[Picture]


class Model(NamedTuple):
    """Runs that are seeds of one model. label: by which its curves are known. color, dash: theirs,
    as `files.chart` has them. settings: values of the fields in which the models differ.
    measures: of `KEY`."""

    label: str
    color: int
    dash: str
    runs: list[Run]
    seeds: str
    settings: list[str]
    measures: list[str]


def runs_page(
    table: Table, columns: Sequence[Column], path: Path, metrics: Sequence[str] = ()
) -> str:
    """The text of the page.

    Args:
      table: of all measures.
      columns: the models.
      path: where the page will be, for its links.
      metrics: the key measures; by default some of `KEY`.
    """
    differing = [row[0] for row in settings(columns)]
    values = [row[1 : 1 + len(columns)] for row in settings(columns)]
    names, labels = metrics or key_measures(columns), _labels(columns)
    limit = MAX_BYTES // sum(len(each.workdirs) for each in columns)
    models = [
        Model(
            labels[i],
            i % len(COLORS),
            DASHES[i // len(COLORS) % len(DASHES)],
            [_run(workdir, path.parent, limit) for workdir in column.workdirs],
            ", ".join(map(str, sorted({one["seed"] for one in column.values}))),
            [row[i] for row in values],
            [cell(column, name) for name in names],
        )
        for i, column in enumerate(columns)
    ]
    return html_page.page(
        "runs.html",
        models=models,
        fields=differing,
        measures=names,
        charts=_charts(columns, labels),
        table=table,
    )


def key_measures(columns: Sequence[Column]) -> list[str]:
    """Those of `KEY` that a model has; where there is none, the first that were measured."""
    found = list(dict.fromkeys(one["metric"] for each in columns for one in each.values))
    return ([name for name in KEY if name in found] or found)[:MAX_KEY]


def _labels(columns: Sequence[Column]) -> list[str]:
    """A short name of each model: the path of its runs, or of their variant in a sweep, without
    what all have in common, and the fields in which models differ where that is not enough."""
    own = [
        os.path.commonpath([os.path.abspath(_variant(one)) for one in each.workdirs])
        for each in columns
    ]
    common = os.path.commonpath(own)
    short = [os.path.relpath(one, common) for one in own]
    short = [
        Path(one).name if label == "." else label for label, one in zip(short, own, strict=True)
    ]
    fields = [
        ", ".join(f"{row[0]}={row[1 + i]}" for row in settings(columns))
        for i in range(len(columns))
    ]
    changed = [f"{one}, {own}" for one, own in zip(short, fields, strict=True)]
    for names in (short, changed):
        if len(set(names)) == len(names):
            return names
    return [each.name for each in columns]


def _variant(workdir: Path) -> Path:
    return workdir.parent if SWEPT.fullmatch(workdir.name) else workdir


def _run(workdir: Path, beside: Path, limit: int) -> Run:
    page = workdir / NAME
    link = quote(Path(os.path.relpath(page, beside)).as_posix()) if page.is_file() else ""
    return Run(str(workdir), link, pictures(workdir, limit))


def _charts(columns: Sequence[Column], labels: Sequence[str]) -> list[Chart]:
    """Of each validation metric and loss: a colour for each model, a curve for each run."""
    logs = [[metrics_log.read(one / "metrics.jsonl") for one in each.workdirs] for each in columns]
    names = {name for each in logs for log in each for line in log for name in line}
    validated = sorted(name for name in names if name.startswith(curves.VALIDATION))
    found = []
    for name in (*validated, *(one for one in LOSSES if one in names)):
        of_model = {
            label: [curves.curve(log, name) for log in each]
            for label, each in zip(labels, logs, strict=True)
        }
        title = f"losses: {name}" if name in LOSSES else name.replace("_", ": ", 1)
        title = title.replace("_", " ")
        found.append(chart(title, curves.unit(title, "real"), of_model))
    return [one for one in found if one is not None]
