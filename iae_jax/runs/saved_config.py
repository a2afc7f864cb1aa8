"""The config of a run, read from its folder."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iae_jax.errors import InputError
from iae_jax.runs.config import Config
from iae_jax.runs.renamed import translated


def config_of(path: Path) -> Config:
    """The config that a run was trained with. Raises: InputError."""
    file = path / "config.json"
    if not file.is_file():
        raise InputError(f"there is no trained run in {path}: name the --workdir of one")
    try:
        saved = translated(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file} cannot be read: copy it from a backup of the run") from error
    config: Config = from_dict(saved)
    return config


def from_dict(plain: Mapping[str, Any], defaults: Any = None) -> Any:
    """A config from nested data with today's fields (see `renamed.translated`); a field that is not
    there keeps its default.

    Raises:
      InputError: for a field that does not exist, or a section that is none.
    """
    config = Config() if defaults is None else defaults
    for name, value in plain.items():
        own = getattr(config, name, None)
        if dataclasses.is_dataclass(own):
            if not isinstance(value, Mapping):
                raise InputError(f"the config's {name} is a section, not {value!r}")
            value = from_dict(value, own)
        elif isinstance(own, tuple):
            value = tuple(value)
        setattr(config, name, value)
    return config
