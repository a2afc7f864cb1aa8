"""Shared parts of the experiments on colour images: what is shown, and the figure."""

from pathlib import Path

import numpy as np

FIGURE_MODES = ("reconstruct", "sample", "interpolate")
INTERPOLATIONS = 3

SHOWN = (
    "label_agreement",
    "label_agreement_true",
    "classifier_accuracy",
    "pixel_error",
    "pixel_error_ratio",
    "pixel_error_pca",
    "pixel_error_ratio_pca",
    "feature_error_ratio",
    "feature_error_ratio_pca",
    "label_agreement_pca",
    "label_agreement_second",
    "feature_error_ratio_second",
    "feature_error_ratio_pca_second",
    "local_spread",
    "local_spread_red",
    "local_spread_green",
    "local_spread_blue",
    "local_tint_red",
    "local_tint_green",
    "local_tint_blue",
    "frechet_sample",
    "frechet_reconstruction",
    "frechet_data",
    "frechet_reconstruction_unpaired",
    "frechet_data_unpaired",
    "sample_ratio",
    "sample_ratio_second",
    "steps_per_second",
    "peak_memory_megabytes",
)


def figures_of(variants: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The variants of each figure SCALE_SET, or SCALE_SET_learned_prior: one for each code."""
    found: dict[str, tuple[str, ...]] = {}
    for variant in variants:
        name = "_".join(variant.split("/")[1:])
        found[name] = (*found.get(name, ()), variant)
    return found


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Originals, their reconstructions from a deterministic code and, with another local code in
    each row, from a shorter one; samples from the prior, and ways between the codes of two images.
    One seed.

    Args:
      path: of the figure.
      runs: variant -> its workdir.
    """
    from iae_jax.files.figures import rows_of_images

    groups: list[tuple[str, list[np.ndarray]]] = []
    codes = [(code_name(variant), workdir) for variant, workdir in runs.items()]
    for name, workdir in codes:
        with np.load(workdir / "reconstructions.npz") as file:
            if not groups:
                groups.append(("original", [file["x"]]))
            groups.append((name, list(file["x_hat"])))
    for name, workdir in codes:
        with np.load(workdir / "samples.npz") as file:
            groups.append((f"{name}, samples", [file["x"]]))
    for name, workdir in codes:
        with np.load(workdir / "interpolations.npz") as file:
            groups.append((f"{name}, between two images", list(file["x"][:INTERPOLATIONS])))
    rows_of_images(path, groups)


def code_name(variant: str) -> str:
    """global_75_local_1000/... -> 75D + 1000D."""
    code = variant.split("/")[0]
    return " + ".join(f"{part}D" for part in code.split("_") if part.isdigit())
