"""Records as CSV: a row for each variant and seed, a column for each field that was changed and for
each metric."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iae_jax.files.atomic import write_text
from iae_jax.records.record import Record


def rows_of(records: Sequence[Record]) -> list[dict[str, Any]]:
    """{"variant", the changed fields, "seed", the metrics} of each run, in the records' order."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for record in records:
        variant, *changes = record["variant"].split(",")
        for seed, value in zip(record["seeds"], record["values"], strict=True):
            fields = dict(change.split("=", 1) for change in changes)
            row = rows.setdefault(
                (record["variant"], seed), {"variant": variant, **fields, "seed": seed}
            )
            row[record["metric"]] = value
    return list(rows.values())


def write_csv(path: Path, records: Sequence[Record]) -> None:
    rows, metrics = rows_of(records), {record["metric"] for record in records}
    names = dict.fromkeys(name for row in rows for name in row)
    # Fields that only some variants have come before the metrics too.
    columns = [name for name in names if name not in metrics | {"seed"}]
    columns += ["seed", *(name for name in names if name in metrics)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
