"""What is asked of a trained run: which model, whose images, how many, written where."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iae_jax.data.reading import Reading
from iae_jax.errors import InputError
from iae_jax.files.npz_writer import NpzWriter
from iae_jax.runs.config import digest
from iae_jax.runs.images import NOTHING_SAID, Images, open_images
from iae_jax.runs.ledger import Ledger
from iae_jax.runs.loaded import Model

CHUNK = 1000  # examples in memory at once, whole batches of a model
COMPARED = ("config", "images", "fingerprint")  # of a file's origin with that of its successor


@dataclass(frozen=True)
class Request:
    """output: the folder for what is written. split, images, select, reading: see `open_images`.
    count: how many, None for the mode's own number. category: of samples. format: npz or png.
    ledger: notes measurements on the test split. workdir: the run's folder."""

    model: Model
    output: Path
    split: str = "test"
    images: str = ""
    select: tuple[str, ...] = ()
    count: int | None = None
    category: int | None = None
    format: str = "npz"
    ledger: Ledger | None = None
    reading: Reading = NOTHING_SAID
    workdir: Path = Path()

    @property
    def seed(self) -> int:
        return self.model.run.config.seed

    def opened(self, selected: bool = True) -> Images:
        """selected: those that were selected, or all."""
        select = self.select if selected else ()
        return open_images(self.model, self.split, self.images, select, self.reading)

    @property
    def measures_test(self) -> bool:
        """Whether its images are those of the run's own test split."""
        return not self.images and self.split == "test"

    def note(self, mode: str, n: int, means: Mapping[str, float]) -> None:
        """Notes what was measured, if it was of the test split. means: over its examples."""
        if self.ledger is None or not self.measures_test:
            return
        values = {name: [value if math.isfinite(value) else None] for name, value in means.items()}
        self.ledger.note(mode, self.model.run.config, [self.seed], n, values)

    @contextmanager
    def npz(self, name: str, images: Images | None = None) -> Iterator[NpzWriter]:
        """The npz file NAME.npz, which has the `origin` of what is in it.

        Raises:
          InputError: there is one of another model or of other images already.
        """
        path = self.output / f"{name}.npz"
        self.check_replaced(path, _origin_in(path), images)
        with NpzWriter(path) as writer:
            writer.add(**self.origin(images))
            yield writer

    def origin(self, images: Images | None = None) -> dict[str, Any]:
        """What is written beside the numbers: `step` of the checkpoint, `seed`, the hash of the
        run's `config`; and of images `images`, which set in words, and `fingerprint`, a hash."""
        run = self.model.run
        own = {"step": run.step, "seed": self.seed, "config": digest(run.config)}
        of = {} if images is None else {"images": images.where, "fingerprint": images.fingerprint}
        return own | of

    def check_replaced(self, path: Path, there: Mapping[str, str], images: Images | None) -> None:
        """there: the origin of the file that is there already, {} for none or unknown.

        Raises: InputError if it would be lost. In the run's own folder all is of this model.
        """
        own, other = self.origin(images), ""
        elsewhere = self.output.resolve() != self.workdir.resolve()
        if elsewhere and there.get("config", own["config"]) != own["config"]:
            other = f"another model (config {there['config']})"
        # The same words may name other images, and other words the same ones.
        same = "fingerprint" if "fingerprint" in there else "images"
        if images is not None and there.get(same, own[same]) != own[same]:
            other = f"other images ({there.get('images')})"
        if other:
            raise InputError(f"{path} is of {other}: move it away, or choose another --output")


def _origin_in(path: Path) -> dict[str, str]:
    with suppress(Exception), np.load(path) as file:  # whatever a damaged file makes numpy raise
        return {name: str(file[name]) for name in COMPARED if name in file}
    return {}
