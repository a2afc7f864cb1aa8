"""Experiments: what can be swept, as modules with `get_config`.

digits          a preset, or the module experiments/NAME.py of the current folder, which goes first
my_config.py    a file of one's own

`records.variants` says what such a module may have beside it.
"""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from iae_jax import presets
from iae_jax.errors import InputError, first_line, meant
from iae_jax.runs.config import Config

ROOM = "experiments"  # of the current folder


def module_of(experiment: str) -> ModuleType:
    """The module of an experiment.

    Raises:
      InputError: there is none, or it has no config.
    """
    module = _file(Path(experiment)) if experiment.endswith(".py") else _named(experiment)
    if not hasattr(module, "get_config"):
        raise InputError(f"{experiment} has no configs: run it as python -m {module.__name__}")
    return module


def _file(path: Path) -> ModuleType:
    folder = str(path.resolve().parent)
    if folder not in sys.path:  # it imports its neighbours, and its configs name them
        sys.path.insert(0, folder)
    if not path.is_file():
        raise InputError(f"there is no file {path}: name the file of a config")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # it ends with .py
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:  # whatever the file does
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"cannot run {path} ({reason}): mend it") from error
    module.__file__ = str(path)  # as it was typed, for the records' commands
    return module


def _named(name: str) -> ModuleType:
    known = presets.NAMES
    if name.isidentifier():
        try:
            return importlib.import_module(f"{ROOM}.{name}")
        except ModuleNotFoundError as error:
            if error.name not in (ROOM, f"{ROOM}.{name}"):
                raise
        if name in known:
            return presets.preset(name)
    raise InputError(
        f"there is no experiment or preset {name}{meant(name, known)}: see iae-jax --list, or name "
        "a file, NAME.py"
    )


def name_of(module: ModuleType) -> str:
    """What its records and folders are called."""
    return module.__name__.rpartition(".")[2]


def is_own(module: ModuleType) -> bool:
    """Whether it is no experiment of the current folder: its records are not the project's."""
    return not module.__name__.startswith(f"{ROOM}.")


def word_of(module: ModuleType, variant: str) -> str:
    """What --config names it by, in the folder that the sweep was started from."""
    name = name_of(module)
    if not is_own(module):
        name = f"{ROOM}/{name}.py"
    elif module.__name__ == name:
        name = str(module.__file__)
    return f"{name}:{variant}" if variant else name


def declared(module: ModuleType, name: str, default: Any) -> Any:
    """What a module has of this name; else the one that its `get_config` is from, a preset."""
    origin = getattr(getattr(module, "get_config", None), "__module__", None)
    return getattr(module, name, getattr(sys.modules.get(str(origin)), name, default))


def variants_in(module: ModuleType) -> tuple[str, ...]:
    """Its VARIANTS, or the one without a name of a module that has none."""
    return tuple(declared(module, "VARIANTS", ("",)))


def config_of(module: ModuleType, variant: str) -> Config:
    """The config of a variant.

    Raises:
      InputError: there is no such variant, or the module returns something else.
    """
    wanted = inspect.signature(module.get_config).parameters
    if variant and not wanted:
        raise InputError(f"{name_of(module)} has no variants, and --variants names {variant}")
    if not variant and any(one.default is one.empty for one in wanted.values()):
        raise InputError(f"{name_of(module)} has no VARIANTS: name them, --variants=A,B")
    config = module.get_config(variant) if variant else module.get_config()
    if not isinstance(config, Config):
        raise InputError(f"get_config of {name_of(module)} returns {type(config)}, no Config")
    return config
