"""RESULTS.md from results/*.json: published value, ours, seeds, time, command.

    python -m iae_jax.report

Each section is one experiment. Its notes are experiments/NAME.md. Its module may have:

REFERENCES       what a value is compared with, by metric or by (metric, variant)
SHOWN            the metrics that are worth a reader's time (all by default)
FIGURES          suffixes of its figures beside NAME.png and NAME_curve.png
table(records)   another view of the records, as Markdown
claims(records)  what they are to show together: [(statement, whether it holds)]
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.atomic import write_text
from iae_jax.records.record import FIELDS
from iae_jax.records.references import Reference

HEAD = """# Results

Written by `make results` from `results/*.json` and `experiments/*.md`; do not edit it. A value is
the mean over seeds ± their standard deviation, and in brackets how many seeds meet the value that
it is compared with. `time` is the training time of the slowest seed. Settings are chosen on other
images than those of the test split; where the search for a setting was prompted by a value of the
test split, the notes say so.
"""
MINUTES_FROM = 120  # seconds


def load(path: Path) -> tuple[str, list[dict[str, Any]], ModuleType]:
    """Name, records and module of the experiment of a results file.

    Raises:
      InputError: the file is damaged, or there is no such experiment.
    """
    try:
        content = json.loads(path.read_text())
        name, records = content["experiment"], content["records"]
        complete = bool(records) and all(set(FIELDS) <= set(record) for record in records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a results file: run its experiment again") from error
    if not complete:
        raise InputError(f"{path} has no records, or not all of each: run its experiment again")
    try:
        return name, records, importlib.import_module(f"experiments.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("experiments", f"experiments.{name}"):
            raise
        raise InputError(
            f"{path} has no experiments/{name}.py: remove the one or add the other"
        ) from error


def notes_of(module: ModuleType) -> str:
    """The notes beside a module, without their title and with headings one level lower."""
    path = Path(module.__file__ or "").with_suffix(".md")
    if not path.is_file():
        return ""
    lines = path.read_text().splitlines()
    if lines and lines[0].startswith("# "):
        lines = lines[1:]
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in lines).strip()


def reference(module: ModuleType, record: dict[str, Any]) -> Reference | None:
    """What a record is compared with: by (metric, variant), else by metric."""
    known: dict[Any, Reference] = getattr(module, "REFERENCES", {})
    return known.get((record["metric"], record["variant"])) or known.get(record["metric"])


def number(value: float) -> str:
    """Four significant digits; whole numbers as they are."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def ours(record: dict[str, Any], against: Reference | None) -> str:
    """Mean ± SD, and how many seeds meet the reference."""
    text = number(record["mean"])
    if record["sd"] is not None:
        text += f" ± {record['sd']:.2g}"
        if against is not None:
            met = sum(map(against.met, record["values"]))
            text += f" ({met} of {record['n_seeds']})"
    return text


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < MINUTES_FROM else f"{seconds / 60:.0f} min"


def section(name: str, records: list[dict[str, Any]], module: ModuleType, figures: Path) -> str:
    """One experiment as Markdown."""
    title = (module.__doc__ or name).split("\n\n")[0].replace("\n", " ").rstrip(".")
    parts = [f"## `{name}`", f"{title}."]
    suffixes = ("", "curve", *getattr(module, "FIGURES", {}))
    for stem in dict.fromkeys("_".join(filter(None, (name, suffix))) for suffix in suffixes):
        if (figures / f"{stem}.png").exists():
            parts.append(f"![{stem}]({(figures / stem).as_posix()}.png)")
    parts += _rows(records, module)
    if hasattr(module, "table"):
        parts.append(module.table(records))
    if hasattr(module, "claims"):
        outcome = {True: "Holds", False: "**Does not hold**"}
        lines = [f"- {outcome[holds]}: {text}." for text, holds in module.claims(records)]
        parts += ["\n".join(lines)] if lines else []
    if worse := _worse(records, module):
        parts.append(f"**Worse than the published value or the aim**: {', '.join(worse)}.")
    if notes := notes_of(module):
        parts.append(notes)
    parts += _provenance(records)
    return "\n\n".join(parts)


def _shown(records: list[dict[str, Any]], module: ModuleType) -> list[dict[str, Any]]:
    shown = getattr(module, "SHOWN", None)
    return [record for record in records if shown is None or record["metric"] in shown]


def _rows(records: list[dict[str, Any]], module: ModuleType) -> list[str]:
    """The table of values beside what they are compared with."""
    rows = [
        "| metric | variant | published or aim | ours | seeds | n | time |",
        "|---|---|---|---|---|---|---|",
    ]
    for record in _shown(records, module):
        against = reference(module, record)
        aim = "" if against is None else f"{against.text} ({against.source})"
        rows.append(
            f"| {record['metric']} | {record['variant']} | {aim} | {ours(record, against)} "
            f"| {record['n_seeds']} | {record['n_examples']} | {duration(max(record['seconds']))} |"
        )
    return ["\n".join(rows)]


def _worse(records: list[dict[str, Any]], module: ModuleType) -> list[str]:
    """The values that do not meet what they are compared with."""
    pairs = [(record, reference(module, record)) for record in _shown(records, module)]
    return [
        f"`{record['metric']}` of `{record['variant']}`"
        for record, against in pairs
        if against is not None and not against.met_by(record["values"])
    ]


def _provenance(records: list[dict[str, Any]]) -> list[str]:
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
        "\n".join(f"    {command}" for command in commands),
        f"Measured on {where}, commit {', '.join(commits)}; {total} in all.",
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m iae_jax.report")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--figures", type=Path, default=Path("docs"))
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"))
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))
    try:
        paths = sorted(options.results.glob("*.json"))
        if not paths:
            raise InputError(f"there is no results file in {options.results}: run an experiment")
        sections = [section(*load(path), options.figures) for path in paths]
        write_text(options.output, "\n\n".join([HEAD.strip(), *sections]) + "\n")
    except (InputError, OSError) as error:
        if isinstance(error, OSError):
            reason = f"cannot write {options.output} ({error.strerror}): choose another --output"
            error = InputError(reason)
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
