"""Two evaluated runs side by side.

    python -m iae_jax.compare runs/one runs/other --split=test

Prints the runs' configs and every metric that both have. Metrics with another extractor, number of
examples, split or data set cannot be compared and are refused.
"""

import sys
from pathlib import Path
from typing import Any

from iae_jax.errors import EXIT_USER, InputError
from iae_jax.records.parser import Parser
from iae_jax.records.results import read

ALIKE = ("extractor", "n", "split", "data")


def records_of(path: Path, split: str) -> dict[str, dict[str, Any]]:
    """The records of a workdir, or of an evaluation's file, by metric, with the data they are of.

    Raises:
      InputError: there is no evaluation, or it is of several seeds.
    """
    content = read(path / f"evaluation_{split}.json" if path.is_dir() else path)
    fields = ("metric", "value", "config", *ALIKE[:-1])
    try:
        metrics = [record["metric"] for record in content["records"]]
        if len(set(metrics)) < len(metrics):
            raise InputError(f"{path} is of several seeds: compare by python -m iae_jax.report")
        return {
            record["metric"]: {name: record[name] for name in fields}
            | {"data": content["data"], "step": content["step"]}
            for record in content["records"]
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not an evaluation: name a workdir, or its file") from error


def compare(
    one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]
) -> list[tuple[str, float | None, float | None]]:
    """The metrics that both have: (metric, value of one, value of the other).

    A value that is not finite is None.

    Raises:
      InputError: a metric was not measured alike, or there is none that both have.
    """
    rows = []
    for metric, record in one.items():
        if metric not in other:
            continue
        for field in ALIKE:
            if record[field] != other[metric][field]:
                raise InputError(
                    f"{metric} cannot be compared: its {field} is {record[field]!r} in one and "
                    f"{other[metric][field]!r} in the other: evaluate both alike"
                )
        rows.append((metric, record["value"], other[metric]["value"]))
    if not rows:
        raise InputError("the two runs have no metric in common")
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="python -m iae_jax.compare", allow_abbrev=False)
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN", help="a workdir or a file")
    parser.add_argument("--split", default="test", choices=("train", "validation", "test"))
    try:
        options = parser.parse_args(arguments)
        one, other = (records_of(path, options.split) for path in options.runs)
        rows = compare(one, other)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER

    first = [next(iter(records.values())) for records in (one, other)]

    def cell(value: float | None) -> str:
        return "–" if value is None else f"{value:.4f}"

    for name, last in (("config", "difference"), ("step", "")):
        a_name, b_name = (str(record[name]) for record in first)
        print(f"{name:36s} {a_name:>14s} {b_name:>14s} {last:>14s}".rstrip())
    for metric, a, b in rows:
        difference = "–" if a is None or b is None else f"{b - a:+.4f}"
        print(f"{metric:36s} {cell(a):>14s} {cell(b):>14s} {difference:>14s}")
    if unshared := sorted(one.keys() ^ other.keys()):
        print(f"only in one: {', '.join(unshared)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
