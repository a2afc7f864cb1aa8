"""A trained run as it is read from its folder: its game and one of its checkpoints."""

import re
from contextlib import suppress
from pathlib import Path

import jax

from iae_jax.errors import InputError, TransientError
from iae_jax.game.step import init
from iae_jax.runs.build import build, open_split
from iae_jax.runs.checkpoint import Checkpoints, Restored
from iae_jax.runs.config import Config
from iae_jax.runs.workdir import best_metric, check_unchanged, checkpoints_of
from iae_jax.types import Game

MAX_READS = 5  # of checkpoints that a training deletes meanwhile


def trained(config: Config, path: Path, checkpoint: str) -> tuple[Game, Restored]:
    """The game of the run in the folder `path`, and its checkpoint "latest", "best" or at a step.

    Raises:
      InputError: there is no such checkpoint, or the run has another config.
      TransientError: a training deletes checkpoints faster than they can be read.
    """
    game = build(config, open_split(config, "train").shape)
    for _ in range(MAX_READS):
        with suppress(FileNotFoundError):  # of a checkpoint that is no longer kept
            return game, restored(game, config, path, checkpoint)
    raise TransientError(
        f"a training deletes the checkpoints in {path} while they are read: try again"
    )


def restored(game: Game, config: Config, path: Path, checkpoint: str) -> Restored:
    """The same checkpoint for a game that is built already.

    Raises:
      InputError: as `trained`.
      FileNotFoundError: another process has deleted it meanwhile.
    """
    folder = checkpoints_of(config, path)
    if not folder.is_dir():
        raise InputError(f"there is no trained run in {path}: train one with --mode=train")
    with Checkpoints(folder, config.run.keep, best_metric(game)) as checkpoints:
        check_unchanged(checkpoints.config(), config, "give the flags that it was trained with")
        if checkpoint == "latest":
            step = None
        elif checkpoint == "best":
            step = checkpoints.best_step()
            if step is None:
                raise InputError(f"no checkpoint in {path} was validated: use the latest")
        elif re.fullmatch("[0-9]{1,18}", checkpoint):
            step = int(checkpoint)
        else:
            raise InputError(f"--checkpoint is latest, best or a step, not {checkpoint!r}")
        template = jax.eval_shape(lambda: init(game, jax.random.key(config.seed)))
        found = checkpoints.restore(template, step)
    if found is None:
        raise InputError(f"there is no checkpoint in {path}: train with --mode=train")
    return found
