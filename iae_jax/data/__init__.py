"""Images in: data sets, and batches of them as a pure function of (seed, step)."""

from iae_jax.data.batches import indices, stream
from iae_jax.data.dataset import Dataset, Source, load
from iae_jax.data.labels import ALL, bank
from iae_jax.data.sources import open_source, title

__all__ = ["ALL", "Dataset", "Source", "bank", "indices", "load", "open_source", "stream", "title"]
