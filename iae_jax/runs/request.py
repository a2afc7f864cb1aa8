"""What is asked of a trained run: which model, whose images, how many, written where."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iae_jax.data.reading import Reading
from iae_jax.files.npz_writer import NpzWriter
from iae_jax.runs.images import NOTHING_SAID, Images, open_images
from iae_jax.runs.loaded import Model

CHUNK = 1000  # examples in memory at once, whole batches of a model


@dataclass(frozen=True)
class Request:
    """output: the folder for what is written. split, images, select, reading: see `open_images`.
    count: how many, None for the mode's own number. category: of samples. format: npz or png."""

    model: Model
    output: Path
    split: str = "test"
    images: str = ""
    select: tuple[str, ...] = ()
    count: int | None = None
    category: int | None = None
    format: str = "npz"
    reading: Reading = NOTHING_SAID

    @property
    def seed(self) -> int:
        return self.model.run.config.seed

    def opened(self) -> Images:
        return open_images(self.model, self.split, self.images, self.select, self.reading)

    @contextmanager
    def npz(self, name: str, images: Images | None = None) -> Iterator[NpzWriter]:
        """The npz file NAME.npz, which says what it is of: `step` of the checkpoint, `seed`, and
        `images`, which set."""
        with NpzWriter(self.output / f"{name}.npz") as writer:
            writer.add(step=self.model.run.step, seed=self.seed, images=images and images.where)
            yield writer
