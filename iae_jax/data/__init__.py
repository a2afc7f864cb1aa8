"""Data sets (`open_source`, `Source`), and batches of them as a pure function of (seed, step)."""

from iae_jax.data.batches import indices, stream
from iae_jax.data.dataset import ArraySource, Dataset, Source, load
from iae_jax.data.labels import ALL, labelled
from iae_jax.data.sources import open_source, title
from iae_jax.data.splits import select
from iae_jax.data.synthetic import SyntheticSource

__all__ = [
    "ALL",
    "ArraySource",
    "Dataset",
    "Source",
    "SyntheticSource",
    "indices",
    "labelled",
    "load",
    "open_source",
    "select",
    "stream",
    "title",
]
