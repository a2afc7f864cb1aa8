"""RESULTS.md: a row for each value that a reader looks for first."""

import os
from collections.abc import Sequence
from pathlib import Path

from iae_jax.files.numbers import mean_and_sd, number
from iae_jax.records.experiment import Experiment
from iae_jax.records.record import Record
from iae_jax.records.references import Reference
from iae_jax.records.tables import Table, markdown
from iae_jax.runs.ledger import count

HEAD = """# Results

Mean over seeds ± standard deviation (SD) of three or more, and in brackets their number n (of a
benchmark: of rounds). **Bold**: the published value or the aim is not met. "Slides" are those of
Makhzani, Implicit Autoencoders (arXiv:1805.09804); "beyond the slides" is what the model has beside
what they describe. All values by seed, hardware, times, commits and notes are behind the links;
`python -m iae_jax.report --format=csv` (or `latex`) writes them for other programs.
"""
# Of a metric, see `metrics.controls`.
CONTROLS = {"_pca": "PCA of the same size", "_random_pair": "a random pair"}
COLUMNS = (
    "experiment",
    "what is measured",
    "variant",
    "published or aim",
    "ours ± SD (n)",
    "best known",
    "beyond the slides",
    "command",
)


def overview(experiments: Sequence[Experiment], pages: Path, beside: Path) -> str:
    """RESULTS.md.

    Args:
      experiments: its rows are their headlines; one without any has a row with its link.
      pages: the folder of the experiments' pages.
      beside: the folder that RESULTS.md is in.
    """
    rows: list[tuple[str, ...]] = []
    folder = Path(os.path.relpath(pages, beside)).as_posix()
    for one in experiments:
        # What a row has in common with the one above is not said again.
        link, claim = f"[{one.name}]({folder}/{one.name}.md)", ""
        for headline, records in one.headlines():
            known = [one.reference(record) if record else None for record in records]
            aims = [against.sourced if against else "–" for against in known]
            best = known[0].best_known if known[0] else None
            rows.append(
                (
                    link,
                    headline.claim if headline.claim != claim else "",
                    headline.variant,
                    "; ".join(aims) if any(known) else "",
                    "; ".join(map(measured, records, known)) + without_model(one, records[0]),
                    best.text if best else "",
                    headline.beyond,
                    f"`{one.command(records[0])}`" if records[0] else "",
                )
            )
            link, claim = "", headline.claim
        if link:
            rows.append((link, one.title, *[""] * (len(COLUMNS) - 2)))
    table, worse = markdown(Table(COLUMNS, rows)), worse_values(experiments)
    return f"{HEAD}\n{table}\n\n{worse}{test_reads(experiments)}"


def test_reads(experiments: Sequence[Experiment]) -> str:
    """How often models were measured on a test split, by experiment; "" if none was."""
    counts = [f"{one.name} {count(one.reads)}" for one in experiments if one.reads]
    if not counts:
        return ""
    return (
        "\nHow often trained models were measured on a test split, at least: "
        f"{', '.join(counts)}.\n"
    )


def measured(record: Record | None, against: Reference | None) -> str:
    """Mean ± SD (n), bold if it does not meet what it is compared with; a dash for none."""
    if record is None:
        return "–"
    text = f"{mean_and_sd(record['mean'], record['sd'])} ({record['n_seeds']})"
    worse = against is not None and against.worse(record["values"])
    return f"**{text}**" if worse else text


def without_model(one: Experiment, record: Record | None) -> str:
    """What the same metric is without a model, where that is recorded."""
    if record is None:
        return ""
    own = {other["metric"]: other for other in one.records if other["variant"] == record["variant"]}
    found = {name: own.get(record["metric"] + suffix) for suffix, name in CONTROLS.items()}
    texts = [f"{name} {number(known['mean'])}" for name, known in found.items() if known]
    return f"; without a model: {', '.join(texts)}" if texts else ""


def worse_values(experiments: Sequence[Experiment]) -> str:
    """How many values are worse than what they are compared with, by experiment."""
    counts = [(one.name, len(one.compared()), len(one.worse())) for one in experiments]
    total = sum(compared for _, compared, _ in counts)
    found = [f"{name} {worse} of {compared}" for name, compared, worse in counts if worse]
    return (
        f"Of all {total} values that have a published value or an aim, these do not meet it: "
        f"{', '.join(found) or 'none'}.\n"
    )
