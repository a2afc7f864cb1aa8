"""Values of records as tables for other programs: every value, or means ± SD."""

from collections.abc import Sequence

from iae_jax.files.numbers import mean_and_sd
from iae_jax.records.experiment import Experiment
from iae_jax.records.sampling_error import intervals
from iae_jax.records.tables import Table

COLUMNS = (
    "experiment",
    "variant",
    "metric",
    "seed",
    "draw",
    "value",
    "low",
    "high",
    "mean",
    "sd",
    "n_seeds",
    "n_examples",
    "extractor",
    "seconds",
    "device",
    "date",
    "commit",
    "config",
    "command",
)


def every_value(experiments: Sequence[Experiment]) -> Table:
    """One row for each value, with all digits; the mean and SD of its record are beside it.

    draw is that of the seed's labelled images. seconds is the training time of the seed, or of all
    seeds that were trained at once; low and high are a 95 % confidence interval, of a share of n
    examples Wilson's. What is not there is empty.
    """
    rows = []
    for one in experiments:
        for record in one.records:
            count = record["n_seeds"]
            own = record["seconds"]
            seconds = own if len(own) == count else [sum(own)] * count
            low_high = intervals(record)
            for i, value in enumerate(record["values"]):
                low, high = low_high[i] or ("", "")
                cells = {
                    **record,
                    "experiment": one.name,
                    "seed": record["seeds"][i],
                    "draw": record["draws"][i] if "draws" in record else "",
                    "value": value,
                    "low": low,
                    "high": high,
                    "sd": "" if record["sd"] is None else record["sd"],
                    "seconds": seconds[i],
                }
                rows.append(tuple(str(cells.get(column, "")) for column in COLUMNS))
    return Table(COLUMNS, rows)


def means(experiments: Sequence[Experiment]) -> Table:
    """One row for each record: what it is compared with, and its mean ± SD (SD of three seeds or
    more)."""
    header = ("experiment", "variant", "metric", "published or aim", "ours", "n")
    rows = []
    for one in experiments:
        for record in one.records:
            against = one.reference(record)
            rows.append(
                (
                    one.name,
                    record["variant"],
                    record["metric"],
                    against.sourced if against else "",
                    mean_and_sd(record["mean"], record["sd"]),
                    str(record["n_seeds"]),
                )
            )
    return Table(header, rows, numbers=("ours", "n"))
