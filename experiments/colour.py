"""What the experiments on colour images share: presets, names of variants, a figure, a set."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from iae_jax.errors import InputError
from iae_jax.runs.config import Config, Data
from iae_jax.sampling.augmentation import Affine

VIEWS = ("reconstruct", "sample", "interpolate")
INTERPOLATIONS = 3
# Not SVHN but 10,000 images of its test split, named INDEX_DIGIT. Digits of one photo follow each
# other and overlap.
SVHN_STANDIN = Data(
    "images:svhn_standin.zip",
    label_pattern=r"_(\d+)\.",
    shuffled=False,
    train="train[:7000]",
    validation="train[7000:8000]",
    test="train[8000:]",
)

SHOWN = (
    "label_agreement",
    "label_agreement_true",
    "judge_accuracy",
    "pixel_error",
    "pixel_error_ratio",
    "pixel_error_pca",
    "feature_error_ratio",
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
    "steps_per_second",
    "peak_memory_megabytes",
)


def config_of(variant: str, codes: dict[str, tuple[int, int]], sets: dict[str, Data]) -> Config:
    """Of CODE/PRESET/SET. codes: global and local size. Errors: InputError if a part is not one."""
    parts = variant.split("/")
    known = [*codes], [*PRESETS], [*sets]
    if len(parts) != len(known) or any(p not in k for p, k in zip(parts, known, strict=True)):
        raise InputError(
            f"a variant is CODE/PRESET/SET with a code of {', '.join(codes)}; a preset of "
            f"{', '.join(PRESETS)}; a set of {', '.join(sets)}; not {variant!r}"
        )
    code, preset, data = parts
    config = preset_of(preset, *codes[code])
    config.data = dataclasses.replace(sets[data])
    return config


class Preset(NamedTuple):
    """Sizes. kind, width: of every player's network but the generator's, which has its own."""

    kind: str
    width: int
    generator_kind: str
    generator_width: int
    hidden: int
    precision: str
    batch_size: int
    steps: int


PRESETS = {
    "small": Preset("conv", 32, "residual", 16, 256, "float32", batch_size=32, steps=6_000),
    "full": Preset("residual", 64, "residual", 64, 512, "bfloat16", batch_size=128, steps=100_000),
}


def preset_of(name: str, size: int, local: int) -> Config:
    """An implicit autoencoder of colour images."""
    preset = PRESETS[name]
    config = Config(steps=preset.steps, batch_size=preset.batch_size, turns="alternating")
    config.code.size, config.generator.noise = size, local
    if local:
        # As one input with z, so many more components would drown it.
        config.generator.noise_at = "depth"
        config.reconstruction.numerator_weight = 0.05
    for player in (config.encoder, config.generator, config.reconstruction, config.regularization):
        player.network.kind, player.network.width = preset.kind, preset.width
        player.network.hidden, player.network.precision = preset.hidden, preset.precision
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    drawn = config.generator.network
    drawn.kind, drawn.width = preset.generator_kind, preset.generator_width
    config.reconstruction.r1 = config.regularization.r1 = 0.1
    config.regularization.weight = 0.1
    # What held for MNIST's 20D, and 10D beside a local code: charges are sums over components.
    share = (10 if local else 20) / size
    config.code.marginal_weight = share
    config.code.consistency_weight, config.code.recovery_weight = share, share
    if not local:
        config.reconstruction.r1, config.reconstruction.r1_final = 0.01, 0.1
        config.code.consistency_weight, config.code.recovery_weight = 0.2 * share, 5 * share
    bounds = config.affine = Affine(rotation=5.0, scale=0.1, shear=0.05, shift=1.0, edge="nearest")
    if local:
        # Light and colour are style, for n.
        bounds.brightness, bounds.saturation, bounds.contrast = 0.2, 0.4, 0.2
    # A discriminator that is shown pairs moved about cannot tell where in x_hat something is.
    config.diffaugment.cutout = 0.25
    return config


def figures_of(variants: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """A figure for each PRESET_SET, of all its codes."""
    found: dict[str, tuple[str, ...]] = {}
    for variant in variants:
        _, preset, data = variant.split("/")
        name = f"{preset}_{data}"
        found[name] = (*found.get(name, ()), variant)
    return found


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Originals; what the deterministic code makes of them; what local codes do. Under them prior
    samples, and interpolations between two images. runs: variant -> its workdir."""
    from iae_jax.files.figures import rows_of_images

    groups: list[tuple[str, list[np.ndarray]]] = []
    codes = [(named(variant), workdir) for variant, workdir in runs.items()]
    for name, workdir in codes:
        with np.load(workdir / "reconstructions.npz") as file:
            if not groups:
                groups.append(("original", [file["x"]]))
            groups.append((name, list(file["x_hat"])))
    for name, workdir in codes:
        with np.load(workdir / "samples.npz") as file:
            groups.append((f"{name},\nsamples", [file["x"]]))
    for name, workdir in codes:
        with np.load(workdir / "interpolations.npz") as file:
            groups.append((f"{name},\nbetween", list(file["x"][:INTERPOLATIONS])))
    rows_of_images(path, groups)


def named(variant: str) -> str:
    """global_75_local_1000/... -> 75D + 1000D."""
    code = variant.split("/")[0]
    return " + ".join(f"{part}D" for part in code.split("_") if part.isdigit())
