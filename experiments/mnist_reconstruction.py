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

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.presets import mnist_reconstruction as preset
from iae_jax.records.references import Headline, Reference

get_config = preset.get_config
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
# Metrics over the global size, beside a local code of 100.
CURVE = ("label_agreement", "pixel_error", "local_spread", "frechet_reconstruction")
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

# The auxiliary losses, which the slides do not have.
BEYOND = "KL of the moments of q(z), code information, consistency"
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
    "local_spread",
    "frechet_sample",
    "frechet_reconstruction",
    "frechet_data",
    "sample_ratio",
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
        "reconstructions in which a classifier sees the same digit (share)",
        "label_agreement",
        variant,
        beyond,
    )
    for variant, beyond in (
        ("deterministic_20", BEYOND),
        ("global_10_local_100", BEYOND),
        ("vae_20", ""),
        ("aae_20", ""),
    )
)


# A Fréchet distance is no worse than another if it is larger by at most this.
MARGIN = 0.5


def claims(records: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """The statements of the slides' figure, each with whether it holds of the means over seeds."""
    means = {(one["metric"], one["variant"]): one["mean"] for one in records}
    shrinking = ("deterministic_20", "global_10_local_100", "global_5_local_100")
    ways = {
        "20D, 10D + 100D, 5D + 100D": shrinking,
        "50, 20, 10, 5 and 2D, each + 100D": [
            f"global_{size}_local_100" for size in (50, 20, 10, 5, 2)
        ],
    }
    found = []
    for metric, statement, sign in (
        ("label_agreement", "fewer reconstructions keep the label", -1),
        ("pixel_error", "the pixel error grows", 1),
        ("local_spread", "the local code (none beside 20D) changes more", 1),
        ("frechet_reconstruction", "reconstructions get no worse as images", 0),
    ):
        for which, variants in ways.items():
            values = [means[metric, one] for one in variants if (metric, one) in means]
            if len(values) == len(variants):
                pairs = zip(values, values[1:], strict=False)
                holds = all(
                    sign * (after - before) > 0 if sign else after <= before + MARGIN
                    for before, after in pairs
                )
                numbers = ", ".join(f"{one:.4f}" for one in values)
                text = f"as the global code shrinks ({which}), {statement}: {numbers}"
                found.append((text, holds))
    ours, theirs = (
        means.get(("frechet_reconstruction", variant)) for variant in (shrinking[1], "vae_20")
    )
    if ours is not None and theirs is not None:
        text = (
            f"as images, reconstructions of 10D + 100D are at most {MARGIN} worse than those of "
            f"the VAE of 20D: {ours:.2f} and {theirs:.2f}"
        )
        found.append((text, ours <= theirs + MARGIN))
    ours, theirs = (
        means.get(("frechet_sample", f"{variant}/learned_prior"))
        for variant in (shrinking[0], "vae_20")
    )
    if ours is not None and theirs is not None:
        text = (
            "with the same prior that learns, samples of 20D are nearer to the data than those of "
            f"the VAE: {ours:.2f} and {theirs:.2f}"
        )
        found.append((text, ours < theirs))
    return found


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Fig. 2: originals, and their reconstructions by each model; below them samples of each.
    runs: variant -> its workdir."""
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
            samples.append((f"{name_of(variant)},\nsamples", [file["x"][: len(x)]]))
    rows_of_images(path, groups + samples)


def name_of(variant: str) -> str:
    """global_10_local_100/... -> 10D + 100D."""
    code = variant.partition("/")[0]
    size, local = preset.SIZES[code]
    model = code.split("_")[0].upper()
    name = model if model in ("VAE", "AAE", "ALI") else f"{size}D"
    return f"{name} + {local}D" if local else name


def draw_curve(path: Path, records: list[dict[str, Any]]) -> None:
    """Each metric over the size of the global code, mean and SD over seeds; dotted: the
    deterministic code of 20. At the right the labels that reconstructions keep over the distance of
    samples from the data, as the weight of the regularization grows (from 0.1, the large dot), of
    10D + 100D; and other models."""
    from iae_jax.files.canvas import COLORS
    from iae_jax.files.figures import panels

    found = {(one["metric"], one["variant"]): one for one in records}
    sizes = {size: name for name, (size, local) in preset.SIZES.items() if local}
    titles = [metric.replace("_", " ") for metric in CURVE]
    with panels(path, 1, len(CURVE) + 1, [*titles, "label agreement and samples"]) as axes:
        _draw_traded(axes[0][-1], {key: one["mean"] for key, one in found.items()})
        for ax, metric in zip(axes[0], CURVE, strict=False):
            measured = [size for size in sorted(sizes) if (metric, sizes[size]) in found]
            of_size = [found[metric, sizes[size]] for size in measured]
            means, sds = [one["mean"] for one in of_size], [one["sd"] or 0.0 for one in of_size]
            ax.errorbar(measured, means, sds, fmt="o-", color=COLORS[0])
            if (metric, "deterministic_20") in found:
                ax.axhline(found[metric, "deterministic_20"]["mean"], ls=":", color=COLORS[6])
            ax.set(xscale="log", xticks=measured, xticklabels=measured, xlabel="global size")
            ax.minorticks_off()


def _draw_traded(ax: Any, means: dict[tuple[str, str], float]) -> None:
    from iae_jax.files.canvas import COLORS

    def places(variants: Iterable[str]) -> np.ndarray:
        """[N, 2] of those that are measured: how far samples are, in units of the distance of other
        real images; agreement."""
        found = []
        for one in variants:
            with suppress(KeyError):
                ratio = means["frechet_sample", one] / means["frechet_data", one]
                found.append((ratio, means["label_agreement", one]))
        return np.reshape(found, (-1, 2))

    for color, (label, options) in zip(COLORS, TRADED.items(), strict=False):
        path = places(f"global_10_local_100{option}" for option in options)
        if len(path):
            ax.plot(*path.T, "o-", ms=3, color=color, label=label)
            ax.plot(*path[0], "o", ms=7, color=color)
    for marker, (label, variant) in zip("sD^v", OTHERS.items(), strict=True):
        where = places([variant])
        if len(where):
            ax.plot(*where.T, marker, ms=5, color="0.3", label=label)
    ax.set(xscale="log", xlabel="samples' Fréchet distance / that of real images")
    if ax.lines:
        ax.legend(frameon=False, fontsize=7)
