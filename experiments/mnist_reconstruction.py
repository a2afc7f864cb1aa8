"""Slides, Fig. 2: MNIST reconstructions as the global code shrinks and a local one takes over.

    python -m iae_jax.launch --config=experiments/mnist_reconstruction.py:deterministic_20 \\
        --workdir=runs/mnist_20

    python -m iae_jax.sweep mnist_reconstruction --seeds=3

Variants: deterministic_20 (Fig. 2b), global_10_local_100 (2c), global_5_local_100 (2d), and others.
VARIANT/learned_prior, of deterministic_20, global_10_local_100 and vae_20: p(z) is a mixture of 100
Gaussians that learns from the codes. The first figure has the slides' models, with N(0, I); that of
the learned priors has these three. A sweep evaluates the last checkpoint.

Expected: 5 to 10 minutes on 2 CPU cores for a run, and 8 to 13 for deterministic_20; three times
that on slow ones; VAE and AAE a third of it. Measured numbers: RESULTS.md.
"""

import itertools
import statistics
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from experiments import controls
from iae_jax.presets import mnist_reconstruction as preset
from iae_jax.presets.beyond import beyond
from iae_jax.records.paired import Claim, all_of, by_seed, compared, difference
from iae_jax.records.references import Headline, Reference

get_config, table = preset.get_config, controls.table
FIGURE_MODES = ("reconstruct", "sample")
# Fig. 2, and the other models.
FIGURES = {
    "": (
        "deterministic_20",
        "global_10_local_100",
        "global_5_local_100",
        "vae_20",
        "aae_20",
        "ali_20",
    ),
    "learned_prior": (
        "deterministic_20/learned_prior",
        "global_10_local_100/learned_prior",
        "vae_20/learned_prior",
    ),
}
# Metrics over the global size, beside a local code of 100, and what they are in.
CURVE = {
    "label_agreement": "share of images",
    "pixel_error": "mean |x̂ − x|, x in 0 to 1",
    "local_spread": "mean difference, x in 0 to 1",
    "frechet_reconstruction": "in 64 features",
}
# Of the last panel: label -> variants, in the order of the regularization's weight.
TRADED = {
    "IAE, N(0, I)": ("", "/weight_0.3", "/weight_1", "/weight_3"),
    "IAE, learned prior": tuple(
        f"/learned_prior{one}" for one in ("", "/weight_0.3", "/weight_1", "/weight_3")
    ),
    "IAE, ALI's term": ("/joint_model",),
}
OTHERS = {
    "VAE": "vae_20",
    "VAE, learned prior": "vae_20/learned_prior",
    "AAE": "aae_20",
    "ALI": "ali_20",
}

REFERENCES: dict[tuple[str, str] | str, Reference] = {
    ("label_agreement", "deterministic_20"): Reference(0.98, "higher", "aim"),
    ("label_agreement", "global_10_local_100"): Reference(0.95, "higher", "aim"),
    ("pixel_error", "deterministic_20"): Reference(0.045, "lower", "aim"),
    ("label_agreement", "deterministic_20/learned_prior"): Reference(0.98, "higher", "aim"),
    ("label_agreement", "global_10_local_100/learned_prior"): Reference(0.96, "higher", "aim"),
    **{
        (metric, f"{code}/learned_prior"): Reference(value, "lower", "aim")
        for code in ("deterministic_20", "global_10_local_100")
        for metric, value in (("frechet_sample", 5.0), ("two_sample_accuracy", 0.6))
    },
    ("frechet_sample", "global_10_local_100"): Reference(15.0, "lower", "aim"),
    "classifier_test_accuracy": Reference(0.993, "higher", "aim"),
}
SHOWN = (
    "label_agreement",
    "pixel_error",
    "pixel_error_ratio",
    "label_agreement_pca",
    "label_agreement_second",
    "pixel_error_pca",
    "feature_error_ratio",
    "feature_error_ratio_pca",
    "local_spread",
    "frechet_sample",
    "frechet_reconstruction",
    "frechet_data",
    "frechet_reconstruction_unpaired",
    "frechet_data_unpaired",
    "sample_ratio",
    "sample_ratio_second",
    "kernel_distance",
    "precision",
    "coverage",
    "two_sample_accuracy",
    "code_standard_deviation",
    "classifier_test_accuracy",
    "peak_memory_megabytes",
)
HEADLINE = tuple(
    Headline(
        "reconstructions in which a classifier sees the same digit (share); Fréchet distance of "
        "samples; accuracy of telling codes from the prior (chance: 0.5)",
        "label_agreement",
        variant,
        beyond(preset.get_config(variant)),
        ("frechet_sample", "two_sample_accuracy"),
    )
    for variant in (
        "deterministic_20",
        "global_10_local_100",
        "vae_20",
        "aae_20",
        "deterministic_20/learned_prior",
        "global_10_local_100/learned_prior",
        "vae_20/learned_prior",
    )
)


# A Fréchet distance is no worse than another if it is larger by at most this.
MARGIN = 0.5


def claims(records: list[dict[str, Any]]) -> list[Claim]:
    """The statements of the slides' figure: each step is compared seed by seed."""
    shrinking = ("deterministic_20", "global_10_local_100", "global_5_local_100")
    ways = {
        "20D, 10D + 100D, 5D + 100D": shrinking,
        "50, 20, 10, 5 and 2D, each + 100D": tuple(
            f"global_{size}_local_100" for size in (50, 20, 10, 5, 2)
        ),
    }
    found: list[Claim] = []
    for metric, statement, sign in (
        ("label_agreement", "fewer reconstructions keep the label", -1),
        ("pixel_error", "the pixel error grows", 1),
        ("local_spread", "the local code (none beside 20D) changes more", 1),
        ("frechet_reconstruction", "reconstructions get no worse as images", 0),
    ):
        values = by_seed(records, metric)
        for which, variants in ways.items():
            seeds = [values[one] for one in variants if one in values]
            if len(seeds) < len(variants):
                continue
            steps = [
                difference(after, before) if sign <= 0 else difference(before, after)
                for before, after in zip(seeds, seeds[1:], strict=False)
            ]
            least = 0.0 if sign else -MARGIN
            holds = all_of([step and step.above(least) for step in steps])
            numbers = ", ".join(f"{statistics.fmean(one.values()):.4f}" for one in seeds)
            text = f"as the global code shrinks ({which}), {statement}: {numbers}"
            found.append((f"{text} (each step by a paired 95 % interval)", holds))
    text = (
        f"as images, reconstructions of 10D + 100D are at most {MARGIN} worse than those of the "
        "VAE of 20D"
    )
    found += compared(
        records, "frechet_reconstruction", shrinking[1], "vae_20", text, margin=MARGIN
    )
    found += controls.claims(records, shrinking[:2])
    text = "with the same prior that learns, samples of 20D are nearer to the data than the VAE's"
    return found + compared(
        records, "frechet_sample", f"{shrinking[0]}/learned_prior", "vae_20/learned_prior", text
    )


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Held-out originals, and their reconstructions by each model, each row with another draw of
    the noise. Rows called samples are of the prior. One seed.

    runs: variant -> its workdir.
    """
    from iae_jax.files.figures import rows_of_images

    groups: list[tuple[str, list[np.ndarray]]] = []
    samples = []
    for variant, workdir in runs.items():
        with np.load(workdir / "reconstructions.npz") as file:
            x, x_hat = file["x"], file["x_hat"]
        if not groups:
            groups.append(("original", [x]))
        groups.append((name_of(variant), list(x_hat)))
        with np.load(workdir / "samples.npz") as file:
            samples.append((f"{name_of(variant)}, samples", [file["x"][: len(x)]]))
    rows_of_images(path, groups + samples)


def name_of(variant: str) -> str:
    """global_10_local_100/... -> 10D + 100D."""
    code = variant.partition("/")[0]
    size, local = preset.SIZES[code]
    model = code.split("_")[0].upper()
    name = model if model in ("VAE", "AAE", "ALI") else f"{size}D"
    return f"{name} + {local}D" if local else name


def draw_curve(path: Path, records: list[dict[str, Any]]) -> None:
    """Over the components of the global code, beside a local code of 100: mean over seeds, and the
    SD as a shade; dotted: the deterministic code of 20. In the last panel the labels that
    reconstructions keep, over how far samples are from the data: IAEs of 10D + 100D, along a line
    as the weight of the regularization grows (from 0.1, the large dot), and other models.
    """
    from iae_jax.files.canvas import MODELS
    from iae_jax.files.figures import band, panels

    found = {(one["metric"], one["variant"]): one for one in records}
    sizes = {size: name for name, (size, local) in preset.SIZES.items() if local}
    titles = [metric.replace("_", " ") for metric in CURVE]
    with panels(path, 3, 2, [*titles, "agreement and samples"]) as axes:
        *over_sizes, traded, names = itertools.chain(*axes)
        _draw_traded(traded, {key: one["mean"] for key, one in found.items()})
        names.legend(*traded.get_legend_handles_labels(), frameon=False, loc="center")
        for ax, (metric, unit) in zip(over_sizes, CURVE.items(), strict=True):
            measured = [size for size in sorted(sizes) if (metric, sizes[size]) in found]
            of_size = [found[metric, sizes[size]] for size in measured]
            mean, sd = (np.array([one[name] or 0.0 for one in of_size]) for name in ("mean", "sd"))
            if measured:
                band(ax, np.array(measured), mean, mean - sd, mean + sd, color=MODELS["IAE"])
            if (metric, "deterministic_20") in found:
                ax.axhline(found[metric, "deterministic_20"]["mean"], ls=":", color=MODELS["IAE"])
            ax.set(xscale="log", xticks=measured, xticklabels=measured, ylabel=unit)
            ax.set(xlabel="components of the global code")
            ax.minorticks_off()


def _draw_traded(ax: Any, means: dict[tuple[str, str], float]) -> None:
    from iae_jax.files.canvas import MODELS

    def places(variants: Iterable[str]) -> np.ndarray:
        """[N, 2] of those that are measured: how far samples are, in units of the distance of other
        real images; agreement."""
        found = []
        for one in variants:
            with suppress(KeyError):
                ratio = means["frechet_sample", one] / means["frechet_data", one]
                found.append((ratio, means["label_agreement", one]))
        return np.reshape(found, (-1, 2))

    for line, (label, options) in zip(("o-", "s--", "P-"), TRADED.items(), strict=True):
        path = places(f"global_10_local_100{option}" for option in options)
        if len(path):
            ax.plot(*path.T, line, ms=4, color=MODELS["IAE"], label=label)
            ax.plot(*path[0], line[0], ms=8, color=MODELS["IAE"])
    for marker, (label, variant) in zip("os^v", OTHERS.items(), strict=True):
        where = places([variant])
        if len(where):
            color = MODELS[label.partition(",")[0]]
            ax.plot(*where.T, marker, ms=6, color=color, label=label)
    ticks = (1, 2, 5, 10, 20, 50)
    ax.set(xscale="log", xticks=ticks, xticklabels=ticks, ylabel="label agreement, share")
    ax.set(xlabel="Fréchet distance of samples,\nin that of other real images")
    ax.minorticks_off()
