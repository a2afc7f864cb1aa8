"""What is installed: the versions that records have, and whether the extra `train` is there, which
training needs beside the packages that a trained model is read with.
"""

import importlib.util
import platform
import sys
from contextlib import suppress
from importlib import metadata
from typing import NoReturn

from iae_jax.errors import EXIT_USER, InputError
from iae_jax.files.version import VERSION

# Whose versions a record has: torch and pythae are those of the peers in benchmarks.
VERSIONED = ("jax", "jaxlib", "torch", "pythae")

TRAIN = (
    "array_record",
    "grain",
    "jinja2",
    "matplotlib",
    "ml_collections",
    "PIL",
    "scipy",
    "sklearn",
    "tensorflow_datasets",
    "tqdm",
)


def versions() -> dict[str, str]:
    """Of Python, of each of VERSIONED that is installed, and of this package."""
    found = {"python": platform.python_version()}
    for package in VERSIONED:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found | {"iae_jax": VERSION}


def check_installed() -> None:
    """Raises: InputError if one of them is not installed."""
    missing = [name for name in TRAIN if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"this needs more than a trained model does ({', '.join(missing)}): "
            "pip install 'iae_jax[train]'"
        )


def stop_unless_installed() -> NoReturn:
    """Ends a command that could not even be imported."""
    try:
        check_installed()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    sys.exit(EXIT_USER)
