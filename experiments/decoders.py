"""Slides, "autoregressive decoders": what the code still says as the decoder gets stronger.

The table and the figure of `likelihoods`, of its records and of those of `mnist_reconstruction`:
nothing is trained for them.

    python -m iae_jax.sweep likelihoods --draw    # the figure, docs/likelihoods_curve.png
    python -m experiments.decoders                # the table
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iae_jax.files.numbers import mean_and_sd
from iae_jax.presets.likelihoods import SAMPLES
from iae_jax.records.record import Record, read_records
from iae_jax.records.tables import Table, markdown

RESULTS = Path("results")
NLL = f"nll_iwae_{SAMPLES}"
# What p(x|z) of a pixel reads beside z: how many other pixels, at most.
READS = {
    "vae": "none: factorized", "made": "all before it", "window_3": "4", "window_5": "12",
    "window_7": "24", "pixelcnn": "84", "vlae": "12; a prior that learns",
}  # fmt: skip
# Whose decoder reads a local code in the place of pixels; its label agreement is a line.
BESIDE = ("mnist_reconstruction", "global_10_local_100")
LOCAL = "none: a local code of 100 numbers"
COLUMNS = {
    NLL: "-log p(x), nats",
    "kl_code": "KL(q(z\\|x) ‖ p(z)), nats",
    "label_agreement": "same label in x̂",
    "code_nearest_accuracy": "label read off z",
}
Known = Mapping[str, Record]


def beside() -> Known:
    """The records of the implicit autoencoder, by metric."""
    records = read_records(RESULTS / f"{BESIDE[0]}.json")
    return {one["metric"]: one for one in records if one["variant"] == BESIDE[1]}


def by_decoder(records: list[Record]) -> dict[str, Known]:
    """The records of each decoder that was measured, by metric."""
    found = {
        variant: {one["metric"]: one for one in records if one["variant"] == variant}
        for variant in READS
    }
    return {variant: known for variant, known in found.items() if {NLL, "kl_code"} <= set(known)}


def table(records: list[Record]) -> str:
    """Markdown: each decoder, and the implicit autoencoder; mean and SD over seeds."""

    def row(name: str, reads: str, known: Known) -> tuple[str, ...]:
        cells = (known.get(metric) for metric in COLUMNS)
        return (
            name,
            reads,
            *(mean_and_sd(one["mean"], one["sd"]) if one else "–" for one in cells),
        )

    rows = [row(f"`{name}`", READS[name], own) for name, own in by_decoder(records).items()]
    if rows and (own := beside()):
        rows.append(row(f"IAE, `{BESIDE[0]}:{BESIDE[1]}`", LOCAL, own))
    header = ("decoder", "other pixels that a pixel reads", *COLUMNS.values())
    return markdown(Table(header, rows)) if rows else ""


def draw_curve(path: Path, records: list[Record]) -> None:
    """What the code still says as the decoder gets stronger. Over KL(q(z|x) || p(z)), a point for
    each decoder: -log p(x), the share of reconstructions that keep the label, and how often it is
    read off the code by its nearest neighbour; mean and SD over seeds. Dotted: the implicit
    autoencoder of 10D + 100D, whose decoder reads a local code.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import panels

    found, other = by_decoder(records), beside()
    titles = {
        NLL: "-log p(x), nats",
        "label_agreement": "same label in x̂, share",
        "code_nearest_accuracy": "label read off z, share",
    }
    with panels(path, 1, len(titles), list(titles.values()), size=420) as axes:
        for ax, metric in zip(axes[0], titles, strict=True):
            for variant, known in found.items():
                if metric in known:
                    _point(ax, variant, known["kl_code"], known[metric], MODELS["VAE"])
            ax.set(xlabel="KL(q(z|x) || p(z)), nats")
            if metric in other and metric != NLL:
                ax.axhline(other[metric]["mean"], ls=":", color=MODELS["IAE"])


def _point(ax: Any, name: str, x: Record, y: Record, color: str) -> None:
    """With its SDs, where there are some."""
    where = (x["mean"], y["mean"])
    ax.errorbar(*where, y["sd"] or 0.0, x["sd"] or 0.0, "o", color=color)
    ax.annotate(f" {name}", where)


if __name__ == "__main__":
    print(table(read_records(RESULTS / "likelihoods.json")))
