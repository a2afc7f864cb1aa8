"""What a run needs before its first step: the game, the devices, the data, all checked."""

from typing import NamedTuple

import jax
import numpy as np

from iae_jax.data import Dataset
from iae_jax.data.sources import is_files
from iae_jax.devices import multihost
from iae_jax.devices.parallel import check_divisible
from iae_jax.errors import InputError
from iae_jax.files.curve_writers import writers_of
from iae_jax.files.installed import check_installed
from iae_jax.metrics.evaluate import check_metrics, named
from iae_jax.runs.build import build
from iae_jax.runs.config import Config
from iae_jax.runs.config_checks import check_types
from iae_jax.runs.data_checks import check_splits, lines_about
from iae_jax.runs.data_sets import open_split
from iae_jax.runs.feed import Feed, check_sources, images_digest
from iae_jax.types import Game

VALIDATION_EXAMPLES = 1000


def devices_of(config: Config) -> list[jax.Device]:
    """This process's devices that the run asks for. Raises: InputError if there are too few."""
    found = jax.local_devices()
    # Several seeds fill one device.
    default = 1 if config.run.seeds > 1 else len(found)
    wanted = config.run.devices or default
    if wanted > len(found):
        raise InputError(f"run.devices is {wanted} and there are {len(found)}: ask for fewer")
    check_divisible(config.batch_size, wanted * multihost.count(), config.run.microbatches)
    return found[:wanted]


class Setup(NamedTuple):
    """A run before its first step. data: a fingerprint of the training data. held_out: validation
    and test -> a hash of their images, where these are files, which may change. about: lines about
    the data, for whoever trains on it."""

    game: Game
    devices: list[jax.Device]
    feed: Feed
    validation: Dataset
    data: str
    held_out: dict[str, str]
    about: list[str]


def set_up(config: Config) -> Setup:
    """Raises: InputError that says what does not fit."""
    check_installed()
    check_types(config)
    feed, validated = Feed(config), open_split(config, "validation")
    further = {name: shape for name, shape in feed.shapes.items() if name != "x"}
    game, devices = build(config, feed.x.shape, feed.x.values, further), devices_of(config)
    # By these the run is measured later: too late to mend then.
    check_metrics(named(config.metrics))
    writers_of(config.run.curves)
    try:
        tested = open_split(config, "test")
    except InputError as error:
        raise InputError(f"data.test, for --mode=evaluate: {error}") from error
    splits = {"validation": validated, "test": tested}
    check_splits(feed.x, splits)
    # From all over the split: its images may lie in the order of their classes.
    count = min(len(validated), VALIDATION_EXAMPLES)
    validation = validated.read(np.linspace(0, len(validated) - 1, count).astype(int))
    check_sources(game, feed)
    feed.check_examples()
    about = lines_about(config.data.name, feed.x, validated, tested)
    files = splits if is_files(config.data.name) else {}
    held_out = {split: images_digest(source) for split, source in files.items()}
    return Setup(game, devices, feed, validation, feed.fingerprint(), held_out, about)
