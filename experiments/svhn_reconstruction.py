"""Slides, Fig. 3: SVHN with a deterministic code of 150, and with 75 global and 1000 local ones.

    python -m iae_jax.launch --config=experiments/svhn_reconstruction.py:\\
deterministic_150/full/svhn_cropped --workdir=runs/svhn_150

    python -m iae_jax.sweep svhn_reconstruction --seeds=3 \\
        --variants=deterministic_150/small/svhn_cropped,global_75_local_1000/small/svhn_cropped

A variant is CODE/PRESET/SET. Sets: svhn_cropped, which `python -m iae_jax.data.prepare` makes, or
`standin`: not SVHN but 10,000 images of its test split, in a file svhn_standin.zip in this folder,
named INDEX_DIGIT, and labelled so. Presets: `small` for 2 CPU cores, `full` for one accelerator.

Expected: small not measured yet; full not measured (no accelerator was at hand).
"""

from pathlib import Path

import numpy as np

from experiments.semisupervised import SETS as DATA
from iae_jax.config import Config, Data
from iae_jax.results import Reference
from iae_jax.types import InputError

# Of the global and of the local code.
CODES = {"deterministic_150": (150, 0), "global_75_local_1000": (75, 1000)}
SETS = {
    "standin": DATA["svhn_standin"],
    "svhn_cropped": Data("svhn_cropped", train="train[:70000]", validation="train[70000:]"),
}
VARIANTS = (
    "deterministic_150/small/standin", "global_75_local_1000/small/standin",
    "deterministic_150/small/svhn_cropped", "global_75_local_1000/small/svhn_cropped",
    "deterministic_150/full/svhn_cropped", "global_75_local_1000/full/svhn_cropped",
)
FIGURED = VARIANTS[:2]
VIEWS = ("reconstruct", "sample", "interpolate")
DRAWS = 4  # of the local code, for each image of the figure
WAYS = 3  # between two images

REFERENCES = {
    ("label_agreement", VARIANTS[0]): Reference(0.80, "higher", "aim"),
    ("label_agreement", VARIANTS[1]): Reference(0.65, "higher", "aim"),
}
SHOWN = (
    "label_agreement", "label_agreement_true", "judge_accuracy", "pixel_error",
    "pixel_error_ratio", "local_spread", "local_spread_red", "local_spread_green",
    "local_spread_blue", "frechet_sample", "frechet_reconstruction", "frechet_data",
    "steps_per_second", "peak_memory_megabytes",
)
NOTES = """
Not measured yet.
"""


def get_config(variant: str = VARIANTS[0]) -> Config:
    code, preset, data = parts_of(variant, CODES, SETS)
    config = preset_of(preset, *CODES[code])
    config.data = Data(**vars(SETS[data]))
    return config


def parts_of(
    variant: str, codes: dict[str, tuple[int, int]], sets: dict[str, Data]
) -> tuple[str, str, str]:
    """CODE, PRESET, SET. Errors: InputError if one of them is not there."""
    parts = variant.split("/")
    known = [*codes], [*PRESETS], [*sets]
    if len(parts) != len(known) or any(p not in k for p, k in zip(parts, known, strict=True)):
        raise InputError(
            f"a variant is CODE/PRESET/SET with a code of {', '.join(codes)}; a preset of "
            f"{', '.join(PRESETS)}; a set of {', '.join(sets)}; not {variant!r}"
        )
    code, preset, data = parts
    return code, preset, data


# Network kind, width, hidden, precision, batch size, steps.
PRESETS = {
    "small": ("conv", 32, 256, "float32", 32, 12_000),
    "full": ("residual", 64, 512, "bfloat16", 128, 100_000),
}


def preset_of(name: str, size: int, local: int) -> Config:
    """An implicit autoencoder of colour images."""
    kind, width, hidden, precision, batch_size, steps = PRESETS[name]
    config = Config(steps=steps, batch_size=batch_size, turns="alternating")
    config.code.size, config.generator.noise = size, local
    if local:
        # Beside z, so many more components would drown it.
        config.generator.noise_at = "depth"
        config.reconstruction.numerator_weight = 0.05
    for player in (config.encoder, config.generator, config.reconstruction, config.regularization):
        player.network.kind, player.network.width = kind, width
        player.network.hidden, player.network.precision = hidden, precision
        player.optimizer.rate, player.optimizer.final = 5e-4, 0.1
    config.regularization.network.kind = "mlp"
    config.reconstruction.r1, config.regularization.r1 = 0.1, 0.1
    config.regularization.weight = 0.1
    config.code.marginal_weight = config.code.recovery_weight = 1.0
    config.code.consistency_weight = 1.0 if local else 0.2
    config.diffaugment.shift, config.diffaugment.cutout = 0.125, 0.25
    return config


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Originals; what the deterministic code makes of them; what local codes do. Under them prior
    samples, and ways between two images. runs: variant -> its workdir."""
    draw_codes(path, [(one.split("/")[0], runs[one]) for one in FIGURED])


def draw_codes(path: Path, codes: list[tuple[str, Path]]) -> None:
    """codes: a name of CODES and the workdir of its run."""
    from iae_jax.figures import rows_of_images

    groups: list[tuple[str, list[np.ndarray]]] = []
    for code, workdir in codes:
        with np.load(workdir / "reconstructions.npz") as file:
            if not groups:
                groups.append(("original", [file["x"]]))
            groups.append((named(code), list(file["x_hat"][:DRAWS])))
    for code, workdir in codes:
        with np.load(workdir / "samples.npz") as file:
            groups.append((f"{named(code)}, samples", [file["x"]]))
    for code, workdir in codes:
        with np.load(workdir / "interpolations.npz") as file:
            groups.append((f"{named(code)}, ways", list(file["x"][:WAYS])))
    rows_of_images(path, groups)


def named(code: str) -> str:
    """deterministic_150 -> 150D, global_75_local_1000 -> 75D + 1000D."""
    return " + ".join(f"{part}D" for part in code.split("_") if part.isdigit())
