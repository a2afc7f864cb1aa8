"""The data sets of a config: its splits, opened or loaded."""

from iae_jax.data.binarized import Binarized
from iae_jax.data.dataset import Dataset, Source, load
from iae_jax.data.reading import Reading
from iae_jax.data.sources import open_within
from iae_jax.errors import InputError
from iae_jax.files.home import expanded
from iae_jax.runs.config import Config
from iae_jax.runs.data_config import Data, split_of


def open_split(config: Config, split: str, name: str = "") -> Source:
    """One of the config's splits: "train", "validation" or "test"; of another of its sets, by the
    name it has in the batch."""
    data = config.data
    reading = Reading(
        data.label_pattern,
        data.shuffled,
        "" if name else data.labels,  # of `x`; others' are not read
        data.size,
        data.arrays,
    )
    source = open_within(
        config.run.limits,
        also(config)[name] if name else data.name,
        split_of(data, split),
        directory_of(data) or None,
        reading,
    )
    return Binarized(source) if data.binarize and not name else source


def directory_of(data: Data) -> str:
    """Where TFDS keeps its data sets, "" for its own place. Raises: InputError for a ~ that is no
    home."""
    local = data.directory and "://" not in data.directory
    return str(expanded(data.directory)) if local else data.directory


def also(config: Config) -> dict[str, str]:
    """The further sets of the config by their names in the batch. Raises: InputError."""
    found: dict[str, str] = {}
    for one in config.data.also:
        name, equals, where = one.partition("=")
        if not (name.isidentifier() and equals and where) or name in ("x", "labelled", "labels"):
            raise InputError(f"data.also is NAME=SET with a new NAME, not {one!r}")
        if name in found:
            raise InputError(f"data.also has {name} twice: leave one out")
        found[name] = where
    return found


def load_split(config: Config, split: str) -> Dataset:
    """All of one of the config's splits."""
    return load(open_split(config, split))
