"""Slides, "Code space of MNIST": adversarial autoencoders whose code follows a 2-D Gaussian, a
mixture of ten Gaussians, and a swiss roll.

    python -m iae_jax.launch --config=experiments/aae_priors.py:swiss_roll --workdir=runs/roll
    python -m iae_jax.sweep aae_priors

Needs MNIST (`python -m iae_jax.data.prepare mnist`). Distances between q(z) and p(z) are of the
codes of held-out images: how often a classifier tells them apart (0.5: never), and the sliced
Wasserstein distance, each beside the same for two independent samples of the prior.

Expected: two-sample accuracy at most 0.60; 31 minutes on one CPU core for three seeds. Measured
2026-11-25, so: 0.548 ± 0.006 (Gaussian), 0.568 ± 0.001 (mixture), 0.558 ± 0.013 (swiss roll), at
most 0.572 in any seed; 0.50 ± 0.01 for two samples of a prior.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iae_jax import Config, InputError
from iae_jax.data import Dataset, Source, load, open_source
from iae_jax.files.atomic import write_npz
from iae_jax.metrics.codes import prior_vectors
from iae_jax.metrics.measurement import Measurement, Trained
from iae_jax.records.references import Headline, Reference
from iae_jax.sampling.noise import to_unit
from iae_jax.types import Array

KINDS = {"gaussian": "gaussian", "mixture": "petals", "swiss_roll": "swiss_roll"}
VARIANTS = tuple(KINDS)
SEEDS, FIRST_SEED, TOGETHER = 3, 0, True
VIEWS: tuple[str, ...] = ()
FIGURE_FILE = "code_space.npz"

REFERENCES = {"two_sample_accuracy": Reference(0.60, "lower", "aim; 0.5 is equal")}
SHOWN = (
    "two_sample_accuracy",
    "two_sample_accuracy_prior",
    "sliced_wasserstein",
    "sliced_wasserstein_prior",
)
HEADLINE = tuple(
    Headline("codes told from draws of the prior (share)", "two_sample_accuracy", variant)
    for variant in ("mixture", "swiss_roll")
)


class Binarized(Source):
    """Images as a Bernoulli likelihood has them: a pixel is 1 with its intensity as probability.

    `sample` draws images with replacement and each image's pixels anew, so that no image is twice
    the same in training, and codes of held-out images are distributed as those of the others are.
    `read` draws the pixels of an image once, by its position.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, grey: Source) -> None:
        self.grey = grey
        self.shape, self.classes = grey.shape, grey.classes
        self.sample = self._sample

    @cached_property
    def _images(self) -> np.ndarray:
        return load(self.grey).x

    def _sample(self, key: Array, count: int) -> Array:
        where, how = jax.random.split(key)
        which = jax.random.randint(where, (count,), 0, len(self))
        unit = to_unit(jnp.asarray(self._images)[which])
        return (jax.random.uniform(how, unit.shape) < unit).astype(unit.dtype)

    def __len__(self) -> int:
        return len(self.grey)

    def read(self, positions: Sequence[int] | np.ndarray) -> Dataset:
        x, labels = self.grey.read(positions)
        uniform = [np.random.default_rng(int(place)).random(self.shape) for place in positions]
        unit = x / 255 if x.dtype == np.uint8 else x
        return Dataset((np.reshape(uniform, x.shape) < unit).astype(np.float32), labels)

    def labels(self) -> np.ndarray:
        return self.grey.labels()


def binarized(split: str, name: str = "mnist", directory: str = "") -> Binarized:
    """A set of images binarized. name, directory: of the set, see `open_source`."""
    return Binarized(open_source(name, split, directory or None))


def get_config(variant: str = "gaussian") -> Config:
    if variant not in KINDS:
        raise InputError(f"a variant is one of {', '.join(KINDS)}, not {variant!r}")
    config = Config(steps=7000, batch_size=256, turns="two_to_one")
    config.metrics = ("experiments.aae_priors:keep_codes",)
    config.run.classifier = False  # nothing here is about images
    config.data.name = "experiments.aae_priors:binarized"
    # All of train is trained on; to choose settings, leave validation out of it.
    config.data.train, config.data.validation = "train", "train[50000:]"
    config.code.size, config.prior.kind = 2, KINDS[variant]
    config.generator.likelihood = "bernoulli"
    config.reconstruction.kind = "likelihood"
    # Beside a likelihood of 784 pixels.
    config.regularization.weight = 100.0
    # What is left to match becomes finer, so that the penalty falls.
    config.regularization.r1, config.regularization.r1_final = 0.02, 0.1
    config.regularization.r1_fall_from, config.regularization.r1_fall_until = 0.3, 0.8
    config.regularization.r1_interval_steps = 1
    for player in config.players:
        player.network.kind = "mlp"
        player.optimizer.rate, player.optimizer.final = 1e-3, 0.01
    return config


def keep_codes(trained: Trained) -> Iterator[Measurement]:
    """Measures nothing more; the codes of the split, their labels and as many samples of the prior
    go to the model's folder, for the figure."""
    codes = trained.streamed.rows["code_vector"]
    if trained.folder is not None:
        prior = prior_vectors(trained, 0, len(codes))
        labels = trained.all_labels
        write_npz(trained.folder / FIGURE_FILE, codes=codes, labels=labels, prior=prior)
    yield from ()


def draw(path: Path, runs: dict[str, Path]) -> None:
    """Rows: q(z) coloured by digit, p(z). Columns: the priors. runs: variant -> its workdir."""
    from iae_jax.files import figures

    titles = [f"q(z): {name}" for name in runs] + [f"p(z): {name}" for name in runs]
    with figures.panels(path, 2, len(runs), titles, size=340) as axes:
        for above, below, workdir in zip(*axes, runs.values(), strict=True):
            with np.load(workdir / FIGURE_FILE) as file:
                codes, labels, prior = file["codes"], file["labels"], file["prior"]
            reach = 1.1 * np.abs(prior).max()
            color: dict[str, Any] = {"c": labels, "cmap": "tab10", "vmin": 0, "vmax": 9}
            drawn = figures.dots(above, codes, **color)
            figures.dots(below, prior, color="0.3")
            for ax in (above, below):
                ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        legend: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        axes[0][-1].legend(*drawn.legend_elements(), fontsize=8, frameon=False, **legend)
