"""A config as the Python file that makes it: what differs from the defaults, and nothing else."""

import pprint
from typing import Any

from iae_jax.runs.config import Config, to_dict
from iae_jax.runs.config_changes import changes

# Where files lie on the machine of a run: another one has them elsewhere.
PLACES = ("data.directory", "run.cache", "run.checkpoints")
WIDTH = 92


def config_source(config: Config) -> str:
    """The text of a file for `--config=FILE.py`, of a run with the same numbers."""
    nested: dict[str, Any] = {}
    for name, value in changes(to_dict(Config()), to_dict(config)):
        *sections, field = name.split(".")
        section = nested
        for one in sections:
            section = section.setdefault(one, {})
        if name not in PLACES:
            section[field] = value
    text = pprint.pformat(nested, width=WIDTH, sort_dicts=False)
    indented = text.replace("\n", "\n        ")
    return (
        "from iae_jax.runs.config import from_dict\n\n\n"
        f"def get_config():\n    return from_dict(\n        {indented}\n    )\n"
    )
