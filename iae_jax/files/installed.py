"""What training needs beside the packages that a trained model is read with: the extra `train`."""

import importlib.util
import sys
from typing import NoReturn

from iae_jax.errors import EXIT_USER, InputError

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
