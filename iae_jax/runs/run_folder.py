"""The folder of a run: where it is, what lies where in it, and that one process alone has it."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from etils import epath

from iae_jax.errors import InputError
from iae_jax.files.atomic import open_folder
from iae_jax.files.home import expanded
from iae_jax.files.lock import lock
from iae_jax.runs.config import Config

LOCK = ".training.lock"
WANDB = "wandb"  # a folder that W&B fills


def folder_of(path: Any) -> Path:
    """The path of a run's folder, a text or a Path; ~ is the home. Raises: InputError."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise InputError(f"the path of a run is a text or a Path, not {path!r}")
    return expanded(str(Path(path)))


def checkpoints_of(config: Config, path: Path) -> epath.Path:
    """Where the checkpoints of the run in the folder `path` are.

    Raises:
      InputError: the config names a place of an unknown kind.
    """
    named = config.run.checkpoints
    if named and "://" not in named:
        return epath.Path(expanded(named))
    try:
        return epath.Path(named or path / "checkpoints")
    except KeyError as error:  # an unknown scheme
        raise InputError(
            f"run.checkpoints is a path or gs://BUCKET/FOLDER, not {config.run.checkpoints!r}"
        ) from error


def check_no_links(folder: Path) -> None:
    """Whoever has made a run's folder could lead what is written there to files of others.

    Raises:
      InputError: there is a symbolic link in the folder, but for those of W&B that stay in its own,
        or a pipe or a device, for which a run would wait.
    """
    wandb = folder / WANDB
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            leads_to = Path(os.path.realpath(path))
            stays = wandb in path.parents and leads_to.is_relative_to(os.path.realpath(wandb))
            if path.is_symlink() and not stays:
                raise InputError(
                    f"{path} is a link, and a run writes in its own folder alone: put what it "
                    "leads to in its place (checkpoints elsewhere are --config.run.checkpoints)"
                )
            if not (stays or path.is_file() or path.is_dir()):
                raise InputError(f"{path} is no file and no folder: remove it")


def locked(folder: Path, option: str) -> TextIO:
    """Reserves a folder for this process until the returned file is closed.

    Args:
      folder: the folder; it is made.
      option: the flag that could choose another one, for the error message.

    Raises:
      InputError: another process has it, or it cannot be written to or locked.
    """
    open_folder(folder, option)
    busy = f"another process trains in {folder}: wait for it, or choose another {option}"
    return lock(folder / LOCK, wait=False, busy=busy, option=option)


def undo(made: list[Path]) -> None:
    """Removes the files and empty folders of a run that was refused before it began."""
    for path in made:
        with suppress(OSError):  # it was not made, or somebody else has put something in it
            path.rmdir() if path.is_dir() else path.unlink()
