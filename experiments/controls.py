"""Shared by the experiments on reconstructions: a table of models beside what comes near an image
without one."""

from collections.abc import Sequence
from typing import Any

from iae_jax.files.numbers import mean_and_sd
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
