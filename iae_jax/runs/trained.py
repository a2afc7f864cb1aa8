"""A trained run as it is read from its folder: its game and one of its checkpoints."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from iae_jax.data.dataset import Source
from iae_jax.data.sources import is_files
from iae_jax.errors import InputError, TransientError
from iae_jax.game.step import init
from iae_jax.metrics.evaluate import best_metric
from iae_jax.objectives.weights import at
from iae_jax.runs.build import build
from iae_jax.runs.checkpoint import Checkpoints, Restored
from iae_jax.runs.config import Config, identity
from iae_jax.runs.console import log
from iae_jax.runs.data_sets import also, open_split
from iae_jax.runs.feed import Feed, images_digest, seeds_of
from iae_jax.runs.run_folder import checkpoints_of
from iae_jax.runs.saved_config import config_of
from iae_jax.runs.workdir import DATA_FILE, changes_since, check_images, check_unchanged
from iae_jax.types import DISCRIMINATORS, Array, Game, Players

MAX_READS = 5  # of checkpoints that a training deletes meanwhile


class TrainedRun(NamedTuple):
    """A trained run.

    ema: the averaged parameters of encoder and generator, the last ones of the discriminators; with
        several seeds each array has a leading axis [S].
    step: of the checkpoint.
    images: a fingerprint of its training images, None of an old run. place: where they were, if the
        config names another place than the checkpoint does, else "". data: see `data_of`.
    """

    config: Config
    game: Game
    ema: Players
    step: int
    images: str | None = None
    place: str = ""
    data: Mapping[str, Any] = MappingProxyType({})

    def params(self, index: int = 0) -> Players:
        """Of one of the seeds, by its place."""
        if self.config.run.seeds == 1:
            return self.ema
        return jax.tree.map(lambda leaf: leaf[index], self.ema)

    @property
    def local_scale(self) -> Array | float:
        return at(self.game.local_scale, jnp.float32(self.step))


def trained(config: Config, path: Path, checkpoint: str | int) -> TrainedRun:
    """The run in the folder `path` at its checkpoint "latest", "best" or of a step.

    Raises:
      InputError: there is no such checkpoint, or the run has another config.
      TransientError: a training deletes checkpoints faster than they can be read.
    """
    if isinstance(checkpoint, Integral) and not isinstance(checkpoint, bool):
        checkpoint = str(checkpoint)
    if not isinstance(checkpoint, str):
        raise InputError(f"checkpoint is latest, best or a step, not {checkpoint!r}")
    data = data_of(config, path)
    game = _game(config, data)
    for _ in range(MAX_READS):
        with suppress(FileNotFoundError):  # of a checkpoint that is no longer kept
            found, place = restored(game, config, path, checkpoint)
            state = found.state
            # Discriminators have no averages.
            kept = {name: getattr(state.params, name) for name in DISCRIMINATORS}
            ema, images = state.ema._replace(**kept), found.extra.get("data")
            return TrainedRun(config, game, ema, found.step, images, place, data)
    raise TransientError(
        f"a training deletes the checkpoints in {path} while they are read: try again"
    )


def game_of(config: Config, path: Path) -> Game:
    """The game of a run, from the shapes that are saved with it."""
    return _game(config, data_of(config, path))


def _game(config: Config, data: Mapping[str, Any]) -> Game:
    shapes = dict(data["shapes"])
    return build(config, shapes.pop("x"), data["values"], shapes)


def data_of(config: Config, path: Path) -> dict[str, Any]:
    """What is known of a run's data: "shapes" of an example of each set by its name, "values",
    "classes", "class_names", and "held_out", hashes of the images of its other splits, of files. Of
    a run from before that was saved with it, from the data.

    Raises:
      InputError: the file is damaged, or the data are not there.
    """
    saved = path / DATA_FILE
    if not saved.is_file():
        source = open_split(config, "train")
        further = {name: open_split(config, "train", name).shape for name in also(config)}
        shapes = {"x": source.shape, **further}
        known = {"classes": source.classes, "class_names": source.class_names}
        return {"shapes": shapes, "values": source.values, "held_out": {}, **known}
    try:
        data: dict[str, Any] = json.loads(saved.read_text())
        shapes = {name: tuple(shape) for name, shape in data["shapes"].items()}
        return {
            "shapes": {"x": shapes.pop("x"), **shapes},
            "values": data["values"],
            "classes": data.get("classes"),
            "class_names": tuple(data.get("class_names", ())),
            "held_out": dict(data.get("held_out", {})),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{saved} is damaged: move it away, and the data set is read in its place"
        ) from error


def restored(game: Game, config: Config, path: Path, checkpoint: str) -> tuple[Restored, str]:
    """The same checkpoint for a game that is built already, and `TrainedRun.place`.

    Raises:
      InputError: as `trained`.
      FileNotFoundError: another process has deleted it meanwhile.
    """
    folder = checkpoints_of(config, path)
    if not folder.is_dir():
        raise InputError(f"there is no trained run in {path}: train one there first")
    with Checkpoints(folder, config.run.keep, best_metric(game)) as checkpoints:
        saved = checkpoints.config()
        check_unchanged(saved, config, _advice(config, path))
        if checkpoint == "latest":
            step = None
        elif checkpoint == "best":
            step = checkpoints.best_step()
            if step is None:
                raise InputError(f"no checkpoint in {path} was validated: use the latest")
        elif re.fullmatch("[0-9]{1,18}", checkpoint):
            step = int(checkpoint)
        else:
            raise InputError(f"the checkpoint is latest, best or a step, not {checkpoint!r}")
        found = checkpoints.restore(_template(game, config), step)
    if found is None:
        raise InputError(f"there is no checkpoint in {path}: go on with its training")
    # A longer training of the same model is none of another config.
    changed = [one for one in changes_since(found.config, config) if not one.startswith("steps: ")]
    if changed:
        log(f"the checkpoint of step {found.step} is of another config ({'; '.join(changed)})")
    return found, _other_place(saved, config)


def _other_place(saved: dict[str, Any] | None, config: Config) -> str:
    old = {} if saved is None else saved.get("data", {})
    new = identity(config)["data"]
    named = [name for name in ("name", "also", "labels") if name in old]
    return "" if all(list(old[name]) == list(new[name]) for name in named) else str(old["name"])


def check_own_images(run: TrainedRun, split: str, source: Source) -> None:
    """Before a run's own images are read: `source` is that split of them.

    Raises: InputError if they are others than those of the training: they lie elsewhere, or files
    have changed.
    """
    name = run.config.data.name
    if run.place:
        advice = f"name the place of those, which was {run.place}, by --data"
    elif is_files(name) and run.images is not None:
        advice = "name a copy of those by --data, or the images to read by --images"
    else:
        return
    check_images(run.images, Feed(run.config).fingerprint(), name, advice)
    if run.data["held_out"].get(split) not in (None, images_digest(source)):
        raise InputError(f"{name}: the {split} images are others than in the training: {advice}")


def _advice(config: Config, path: Path) -> str:
    """What to do if the newest checkpoint has another config."""
    if (path / "config.json").is_file() and identity(config_of(path)) == identity(config):
        return "it was changed after that checkpoint, so train until the next one is saved"
    return "leave --config out, or give the flags that it was trained with"


def _template(game: Game, config: Config) -> Any:
    """The shapes and types of the run's state."""
    if config.run.seeds == 1:
        return jax.eval_shape(lambda: init(game, jax.random.key(config.seed)))
    keys = jax.eval_shape(lambda: jnp.stack([jax.random.key(seed) for seed in seeds_of(config)]))
    return jax.eval_shape(jax.vmap(lambda key: init(game, key)), keys)
