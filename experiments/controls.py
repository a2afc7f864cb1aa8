"""Shared by the experiments on reconstructions: models beside what comes near an image without one,
as a table and as claims."""

from collections.abc import Sequence
from typing import Any

from iae_jax.files.numbers import mean_and_sd, number
from iae_jax.records.paired import Claim, by_seed, difference
from iae_jax.records.tables import Table, markdown

ROWS = {
    "pixel_error": "pixel error",
    "label_agreement": "label agreement",
    "feature_error_ratio": "feature error over that of random pairs",
    "frechet_reconstruction_unpaired": "Fréchet distance of reconstructions, unpaired",
}
COLUMNS = {
    "model": "",
    "PCA of its size": "_pca",
    "random pair": "_random_pair",
    "median image": "_median",
    "black image": "_black",
    "real images": "_data",
}
# Records that have another name than those of their row and column.
NAMES = {
    "pixel_error_random_pair": "random_pair_error",
    "frechet_reconstruction_unpaired_data": "frechet_data_unpaired",
}
CLASSIFIERS = {"": "", "_second": ", second classifier"}
# Metric -> what is claimed, and whether it is that ours is higher.
CLAIMED = {
    "feature_error_ratio": ("features of reconstructions are nearer to those of x", False),
    "label_agreement": ("more reconstructions keep their class", True),
}


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records of each variant that have a control, mean ± SD over seeds, as Markdown."""
    values = {
        (one["variant"], one["metric"]): mean_and_sd(one["mean"], one["sd"]) for one in records
    }
    rows = []
    for variant in dict.fromkeys(one["variant"] for one in records):
        for classifier, who in CLASSIFIERS.items():
            for metric, title in ROWS.items():
                names = [f"{metric}{control}" for control in COLUMNS.values()]
                found = [
                    values.get((variant, f"{NAMES.get(name, name)}{classifier}"), "")
                    for name in names
                ]
                if found[0] and any(found[1:]):
                    rows.append((variant, f"{title}{who}", *found))
    written = markdown(Table(("variant", "of", *COLUMNS), rows, tuple(COLUMNS)))
    return f"Models beside what comes near an image without one:\n\n{written}"


def claims(records: Sequence[dict[str, Any]], variants: Sequence[str] = ()) -> list[Claim]:
    """That models are better than principal components of their size, seed by seed: in the second
    classifier, which has not learned to ignore colours, or where there is none in the one extractor
    that there is. variants: all by default."""
    found: list[Claim] = []
    for variant in variants or dict.fromkeys(one["variant"] for one in records):
        for metric, (statement, higher) in CLAIMED.items():
            for suffix in ("_second", ""):
                names = [f"{metric}{suffix}", f"{metric}_pca{suffix}"]
                pair = [by_seed(records, name).get(variant, {}) for name in names]
                gain = difference(*(pair[::-1] if higher else pair))
                if gain is not None:
                    values = " and ".join(number(sum(own.values()) / len(own)) for own in pair)
                    which = "" if not suffix else ", in the second classifier"
                    text = f"{variant}: {statement} than by as many principal components{which}"
                    found.append((f"{text}: {values} ({gain.text})", gain.above(0.0)))
                    break
    return found
