"""docs/results/NAME.md: all that is measured of one experiment, value by value."""

import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iae_jax.files.numbers import mean_and_sd, number
from iae_jax.records.experiment import Experiment
from iae_jax.records.record import Record
from iae_jax.records.references import Reference
from iae_jax.records.sampling_error import intervals
from iae_jax.records.tables import Table, markdown
from iae_jax.runs.ledger import FILE, count

MINUTES_FROM = 120  # seconds
HEAD = """Written by `make results`; do not edit it. ± is the standard deviation over seeds, or over
the rounds of a benchmark. In brackets: how many seeds meet the value that they are compared with;
of one value, a 95 % confidence interval, that of a share of examples by Wilson's formula. n is the
number of examples that a value is measured on, `time` the training time of the slowest seed.
Settings are chosen on other images than those of the test split; where the search for a setting was
prompted by a value of the test split, the notes say so."""
# Records that agree in these, and in their variant, come from the same runs.
RUNS = ("seconds", "device", "date", "commit", "command")


def page(one: Experiment, figures: Path, beside: Path) -> str:
    """The page of an experiment as Markdown.

    Args:
      one: the experiment.
      figures: the folder of the figures.
      beside: the folder that the page is in.
    """
    parts = [f"# `{one.name}`", f"{one.title}.", HEAD]
    for stem, text in one.figures.items():
        if (figures / f"{stem}.png").exists():
            path = Path(os.path.relpath(figures / f"{stem}.png", beside)).as_posix()
            parts += [f"![{text}]({path})", text]
    parts.append(_compared(one))
    if one.reads:
        parts.append(_reads(one))
    if hasattr(one.module, "table"):
        parts.append(one.module.table(one.records))
    if claims := one.claims:
        outcome = {True: "Holds", False: "**Does not hold**", None: "Not decided"}
        parts.append("\n".join(f"- {outcome[holds]}: {text}." for text, holds in claims))
    if worse := [f"`{record['metric']}` of `{record['variant']}`" for record in one.worse()]:
        parts.append(f"**Worse than the published value or the aim**: {', '.join(worse)}.")
    if notes := one.notes:
        parts.append(f"## Notes\n\n{notes}")
    return "\n\n".join([*parts, *_provenance(one.records), *_by_seed(one.records)]) + "\n"


def _compared(one: Experiment) -> str:
    """The shown values beside what they are compared with."""
    rows = []
    for record in one.shown:
        against = one.reference(record)
        rows.append(
            (
                record["metric"],
                record["variant"],
                "" if against is None else against.sourced,
                ours(record, against),
                str(record["n_seeds"]),
                str(record["n_examples"]),
                duration(max(record["seconds"])),
            )
        )
    header = ("metric", "variant", "published or aim", "ours", "seeds", "n", "time")
    return markdown(Table(header, rows))


def _reads(one: Experiment) -> str:
    """How often its models were measured on the test split."""
    variants = {line["variant"] for line in one.reads}
    dates = sorted(line["date"][:10] for line in one.reads)
    when = " to ".join(dict.fromkeys([dates[0], dates[-1]]))
    return (
        f"Trained models of {len(variants)} variants were measured on the test split at least "
        f"{count(one.reads)} times ({when}; `{FILE}` beside the records)."
    )


def ours(record: Record, against: Reference | None) -> str:
    """Mean ± SD, and how many seeds meet the reference."""
    text = mean_and_sd(record["mean"], record["sd"])
    if record["n_seeds"] > 1 and against is not None:
        text += f" ({sum(map(against.met, record['values']))} of {record['n_seeds']})"
    return text


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < MINUTES_FROM else f"{seconds / 60:.0f} min"


def _provenance(records: Sequence[Record]) -> list[str]:
    """The commands; then device, dates, commit and time in all."""
    commands = list(dict.fromkeys(record["command"] for record in records))
    devices, commits = (
        dict.fromkeys(one for record in records for one in record[field].split(between))
        for field, between in (("device", "; "), ("commit", ", "))
    )
    dates = sorted({record["date"] for record in records})
    where = f"{'; '.join(devices)}, {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}"
    # Each of a run's metrics has its seconds, and each variant of a benchmark.
    once = {(record["command"], *record["seconds"]) for record in records}
    total = duration(sum(sum(seconds) for _, *seconds in once))
    return [
        "## Commands",
        "\n".join(f"    {command}" for command in commands),
        f"Measured on {where}, commit {', '.join(commits)}; {total} in all.",
    ]


def _by_seed(records: Sequence[Record]) -> list[str]:
    """Every value: a section for the runs of each variant."""
    parts = ["## Every value"]

    def runs(record: Record) -> str:
        return json.dumps([record[field] for field in RUNS])

    # The variants of a benchmark, which one command measures, share a table.
    together = len(set(map(runs, records))) == 1
    for _, group in itertools.groupby(
        records, lambda record: "" if together else runs(record) + record["variant"]
    ):
        own = list(group)
        first = own[0]
        title = "All variants" if together else f"`{first['variant']}`"
        seconds = ", ".join(f"{value:.0f}" for value in first["seconds"])
        parts.append(f"### {title}")
        config = f"; config {first['config']}" if "config" in first else ""
        if "draws" in first:
            config += f"; labels of the draws {', '.join(map(str, first['draws']))}"
        versions = ", ".join(f"{name} {one}" for name, one in first.get("versions", {}).items())
        parts.append(
            f"{seconds} s; {first['device']}; {first['date']}; commit {first['commit']}{config}; "
            f"{versions and versions + '; '}"
            f"by\n`{first['command']}`"
        )
        parts.append(_values(own, with_variant=together))
    return parts


def _values(records: Sequence[Record], with_variant: bool) -> str:
    """One row for each record, one column for each seed."""
    seeds = list(dict.fromkeys(seed for record in records for seed in record["seeds"]))
    rows = []
    for record in records:
        values = dict(zip(record["seeds"], record["values"], strict=True))
        low_high = dict(zip(record["seeds"], intervals(record), strict=True))
        rows.append(
            (
                record["metric"],
                *([record["variant"]] if with_variant else []),
                mean_and_sd(record["mean"], record["sd"]),
                *(_value(values.get(seed), low_high.get(seed)) for seed in seeds),
                str(record["n_examples"]),
                record["extractor"],
            )
        )
    names = ["metric", *(["variant"] if with_variant else []), "mean ± SD"]
    header = (*names, *(f"seed {seed}" for seed in seeds), "n", "measured in")
    return markdown(Table(header, rows))


def _value(value: float | None, interval: Any) -> str:
    """A value, with its 95 % confidence interval if it has one."""
    if value is None:
        return ""
    low_high = f" [{number(interval[0])}, {number(interval[1])}]" if interval else ""
    return f"{value:.6g}{low_high}"
