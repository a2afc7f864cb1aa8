"""The part of a config that the seeds of a variant have in common, and its hash."""

import json
from typing import Any

from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.config_changes import hash_of


def without_seed(config: dict[str, Any]) -> dict[str, Any]:
    """That part of a nested config, as JSON has it."""
    kept = {name: value for name, value in config.items() if name not in ("seed", "run", "metrics")}
    shared = kept | {"data": {**config["data"], "directory": ""}}
    plain: dict[str, Any] = json.loads(json.dumps(shared))  # tuples become lists
    return plain


def shared_digest(config: dict[str, Any]) -> str:
    """A short hash of it."""
    return hash_of(without_seed(to_dict(Config())), without_seed(config))
