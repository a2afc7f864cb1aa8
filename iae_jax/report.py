"""RESULTS.md from results/*.json: published value, ours, seeds, time, command.

    python -m iae_jax.report

What a value is compared with stands in the experiment's own file, as `REFERENCES`; what its numbers
do not say, as `NOTES`; which metrics are worth a reader's time, as `SHOWN` (all, if it is missing);
another view of the records, if it has one, as `table(records) -> Markdown`; and what they are to
show together, as `claims(records) -> [(statement, whether it holds)]`.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from iae_jax.errors import InputError
from iae_jax.files.metrics_log import write_text
from iae_jax.records.results import FIELDS, Reference

HEAD = """# Results

Written by `make results` from `results/*.json`; edit neither. A value is the mean over seeds ±
their standard deviation, and in brackets how many seeds meet the value beside it; `time` is what
the slowest seed's training took. Settings are chosen by other images than those of the test split;
where one was looked for because of a value that the test split had given, the notes say so.
"""


def load(path: Path) -> tuple[str, list[dict[str, Any]], ModuleType]:
    """Name, records and module of one results file. Errors: InputError if a part is missing."""
    try:
        content = json.loads(path.read_text())
        name, records = content["experiment"], content["records"]
        whole = bool(records) and all(set(FIELDS) <= set(record) for record in records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a results file: run its experiment again") from error
    if not whole:
        raise InputError(f"{path} has no records, or not all of each: run its experiment again")
    try:
        return name, records, importlib.import_module(f"experiments.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("experiments", f"experiments.{name}"):
            raise
        raise InputError(
            f"{path} has no experiments/{name}.py: remove the one or add the other"
        ) from error


def reference(module: ModuleType, record: dict[str, Any]) -> Reference | None:
    """What a record is compared with: by (metric, variant), else by metric."""
    known: dict[Any, Reference] = getattr(module, "REFERENCES", {})
    return known.get((record["metric"], record["variant"])) or known.get(record["metric"])


def number(value: float) -> str:
    """Four significant digits; whole numbers as they are."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def ours(record: dict[str, Any], against: Reference | None) -> str:
    """Mean ± spread, and how many seeds meet what it is compared with."""
    text = number(record["mean"])
    if record["sd"] is not None:
        text += f" ± {record['sd']:.2g}"
        if against is not None:
            met = sum(map(against.met, record["values"]))
            text += f" ({met} of {record['n_seeds']})"
    return text


def duration(seconds: list[float]) -> str:
    total = max(seconds)
    return f"{total:.0f} s" if total < 120 else f"{total / 60:.0f} min"


def section(name: str, records: list[dict[str, Any]], module: ModuleType, figures: Path) -> str:
    """One experiment as Markdown."""
    title = (module.__doc__ or name).split("\n\n")[0].replace("\n", " ").rstrip(".")
    parts = [f"## `{name}`", f"{title}."]
    suffixes = ("", "curve", *getattr(module, "FIGURES", {}))
    for stem in dict.fromkeys("_".join(filter(None, (name, suffix))) for suffix in suffixes):
        if (figures / f"{stem}.png").exists():
            parts.append(f"![{stem}]({(figures / stem).as_posix()}.png)")
    shown = getattr(module, "SHOWN", None)
    rows = [
        "| metric | variant | published or aim | ours | seeds | n | time |",
        "|---|---|---|---|---|---|---|",
    ]
    worse = []
    for record in records:
        if shown is not None and record["metric"] not in shown:
            continue
        against = reference(module, record)
        told = "" if against is None else f"{against.text} ({against.source})"
        if against is not None and not against.met_by(record["values"]):
            worse.append(f"`{record['metric']}` of `{record['variant']}`")
        rows.append(
            f"| {record['metric']} | {record['variant']} | {told} | {ours(record, against)} "
            f"| {record['n_seeds']} | {record['n_examples']} | {duration(record['seconds'])} |"
        )
    parts.append("\n".join(rows))
    if hasattr(module, "table"):
        parts.append(module.table(records))
    if hasattr(module, "claims"):
        said = {True: "Holds", False: "**Does not hold**"}
        lines = [f"- {said[holds]}: {text}." for text, holds in module.claims(records)]
        parts += ["\n".join(lines)] if lines else []
    if worse:
        parts.append(f"**Worse than the published value or the aim**: {', '.join(worse)}.")
    notes = getattr(module, "NOTES", "").strip()
    if notes:
        parts.append(notes)
    commands = list(dict.fromkeys(record["command"] for record in records))
    devices, commits = (
        dict.fromkeys(one for record in records for one in record[field].split(between))
        for field, between in (("device", "; "), ("commit", ", "))
    )
    dates = sorted({record["date"] for record in records})
    where = f"{'; '.join(devices)}, {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}"
    parts.append("\n".join(f"    {command}" for command in commands))
    # A run's seconds stand at each of its metrics, and those of a benchmark at each variant.
    once = {(record["command"], *record["seconds"]) for record in records}
    total = sum(sum(seconds) for _, *seconds in once)
    parts.append(f"Measured on {where}, commit {', '.join(commits)}; {duration([total])} in all.")
    return "\n\n".join(parts)


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
        return 2
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
