"""Config words: what a command line says of its config, --config=NAME and --config.FIELD=VALUE."""

import re
from pathlib import Path
from typing import Any

from iae_jax.errors import InputError
from iae_jax.presets import FOLDER, file_of
from iae_jax.runs.config import Config
from iae_jax.runs.config_help import check_fields
from iae_jax.runs.data_config import forget_preset


def config_of(flags: Any) -> Any:
    """What the parsed flags --config and --config.FIELD say: a `Config`, unless the file returns
    something else; None without --config. flags: absl's FlagValues."""
    from ml_collections import config_flags

    config = flags["config"].value
    given = config_flags.get_override_values(flags["config"]) if config is not None else {}
    if isinstance(config, Config) and "data.name" in given:
        preset = str(flags["config.data.name"].default)
        forget_preset(config.data, preset, [name.removeprefix("data.") for name in given])
    return config


def located(argv: list[str]) -> tuple[list[str], list[str]]:
    """The words, with the file of a preset in place of its name; and the folder of a config file of
    one's own. Raises: InputError if there is no such file or preset."""
    argv, folders = list(argv), []
    for i, word in enumerate(argv):
        flag, equals, config = word.partition("=")
        if flag not in ("--config", "-config"):
            continue
        if not equals:  # the next word
            i, config = i + 1, argv[i + 1] if i + 1 < len(argv) else ""
        if config:
            file = file_of(config)
            argv[i] = flag + equals + file if equals else file
            folders = [str(Path(file.partition(":")[0]).resolve().parent)]
    return argv, [folder for folder in folders if folder != str(FOLDER)]


def unknown_field(argv: list[str]) -> str:
    """What to say of the first --config.FIELD that is not there; "" if there is none."""
    found = [re.fullmatch(r"--?(?:no)?config\.([^=]*)(?:=.*)?", word, re.DOTALL) for word in argv]
    try:
        check_fields(match[1] for match in found if match)
    except InputError as error:
        return str(error)
    return ""
