"""The configs that come with the package, by name: `--config=NAME` or `--config=NAME:VARIANT`.

A preset is a module with `get_config()`, or with `get_config(variant)` and VARIANTS. What a sweep
may read of one is in `records.variants`.
"""

import importlib
from pathlib import Path
from types import ModuleType

from iae_jax.errors import InputError, meant

NAMES = (
    "digits",
    "demo",
    "mnist_reconstruction",
    "mnist_clustering",
    "semisupervised",
    "semisupervised_ablation",
    "svhn_reconstruction",
    "celeba_reconstruction",
    "gaussian_mixture",
    "elbo_grid",
    "regression",
    "avb_four_points",
    "aae_priors",
    "ali",
    "likelihoods",
    "posteriors",
    "pixelgan_clusters",
    "translation",
    "ingredients",
)
FOLDER = Path(__file__).parent


def file_of(config: str) -> str:
    """NAME or NAME:VARIANT of a preset -> the path of its file, with the variant. The path of a
    file of one's own stays as it is.

    Raises:
      InputError: there is neither.
    """
    name, colon, variant = config.partition(":")
    if Path(name).is_file():
        return config
    if name in NAMES:
        return f"{FOLDER / name}.py{colon}{variant}"
    near = meant(Path(name).stem, NAMES)
    if name != Path(name).stem:
        raise InputError(f"there is no file {name}{near}: a preset has a name, see --list")
    raise InputError(f"there is no preset {name}{near}: see --list, or name a file, NAME.py")


def preset(name: str) -> ModuleType:
    """The module of a preset. Raises: InputError if there is none."""
    if name not in NAMES:
        raise InputError(f"there is no preset {name}{meant(name, NAMES)}: see --list")
    return importlib.import_module(f"iae_jax.presets.{name}")


def variants_of(name: str) -> list[str]:
    """NAME:VARIANT of each variant that a preset names."""
    module = preset(name)
    named = [*getattr(module, "VARIANTS", ()), *getattr(module, "FULL", ())]
    return [f"{name}:{variant}" for variant in named]


def listing() -> str:
    """Every preset: its first line and its variants."""
    lines = []
    for name in NAMES:
        title = (preset(name).__doc__ or "").split("\n\n")[0]
        lines += [f"{name}  {title}", *(f"  {variant}" for variant in variants_of(name))]
    return "\n".join(lines)


def description(config: str) -> str:
    """A preset at length, and its variants. config: as `file_of` returns it. Raises: InputError if
    it is a file of one's own."""
    path = Path(config.partition(":")[0])
    name = path.stem
    if path.parent != FOLDER:
        raise InputError(
            f"--list is of presets, and {path} is a file of your own: leave --config out, or name "
            "a preset"
        )
    return "\n".join([(preset(name).__doc__ or "").strip(), "", *variants_of(name)]).rstrip()
