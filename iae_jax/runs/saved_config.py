"""The config of a run, read from its folder."""

import json
from pathlib import Path

from iae_jax.errors import InputError
from iae_jax.runs.config import Config, from_dict
from iae_jax.runs.renamed import translated


def config_of(path: Path) -> Config:
    """The config that a run was trained with. Raises: InputError."""
    file = path / "config.json"
    if not file.is_file():
        raise InputError(f"there is no trained run in {path}: name the folder of one")
    try:
        saved = translated(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file} cannot be read: copy it from a backup of the run") from error
    config: Config = from_dict(saved)
    return config
