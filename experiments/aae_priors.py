"""Slides, "Code space of MNIST": adversarial autoencoders whose code follows a 2-D Gaussian, a
mixture of ten Gaussians, and a swiss roll.

    python -m experiments.aae_priors

Needs MNIST (`python -m iae_jax.data.prepare mnist`); `--data=digits` runs on the embedded set.
Distances between q(z) and p(z) are on the codes of held-out images: how often a classifier tells
them apart (.5: never), and the sliced Wasserstein distance, each beside the same for two
independent samples of the prior.

Expected: two-sample accuracy at most .60; 31 minutes on one CPU core for three seeds. Measured
2026-11-25, so: .548 ± .006 (Gaussian), .568 ± .001 (mixture), .558 ± .013 (swiss roll), at most
.572 in any seed; .50 ± .01 for two samples of a prior.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from iae_jax.devices.seeds import seed_of, train_seeds

from iae_jax import R1, TWO_TO_ONE, Adversary, Players, build, by_step, cell, encode, networks
from iae_jax.data import load, open_source
from iae_jax.metrics.distances import sliced_wasserstein, two_sample_accuracy
from iae_jax.records.experiment import Clock, Measured, Running, main, progress
from iae_jax.records.references import Reference
from iae_jax.sampling import priors
from iae_jax.sampling.draws import example_keys, to_unit
from iae_jax.types import Array, Game, Prior

PRIORS = {
    "gaussian": priors.gaussian(2),
    "mixture": priors.petals(),
    "swiss_roll": priors.swiss_roll(),
}


REFERENCES = {"two_sample_accuracy": Reference(0.60, "lower", "aim; .5 is equal")}


class Settings(NamedTuple):
    data: str = "mnist"
    train: str = "train"
    held_out: str = "test"  # for tuning, a part of train
    directory: str = ""
    steps: int = 7000
    batch_size: int = 256
    hidden: int = 256
    rate: float = 1e-3
    r1: float = 0.02
    r1_final: float = 0.1  # as a share of r1: what is left to match is finer
    regularization_weight: float = 100.0  # beside a likelihood of 784 pixels


def game(settings: Settings, shape: tuple[int, ...], prior: Prior) -> Game:
    layout = networks.Layout("mlp", hidden=settings.hidden)
    rate = optax.cosine_decay_schedule(settings.rate, settings.steps, 0.01)

    def adam(player: str) -> optax.GradientTransformation:
        return optax.adam(by_step(rate, TWO_TO_ONE, player), b1=0.5, b2=0.99)

    def falling(step: Array) -> Array:
        fallen = jnp.clip((step / settings.steps - 0.3) / 0.5, 0, 1)
        return settings.r1 * settings.r1_final**fallen

    adversary = Adversary(r1=R1(falling, on="denominator"))
    return build(
        Players(
            networks.encoder(layout, shape, "deterministic", size=2),
            networks.generator(layout, shape, size=2, likelihood="bernoulli"),
            None,
            networks.discriminator(layout, shape, ("z",), size=2),
        ),
        prior,
        cell(
            "likelihood",
            "marginal_code",
            regularization_adversary=adversary,
            regularization_weight=settings.regularization_weight,
        ),
        Players(adam("encoder"), adam("generator"), None, adam("regularization_discriminator")),
        TWO_TO_ONE,
    )


def binarized(images: Array, key: Array) -> Array:
    """A pixel is 1 with its intensity as the probability, drawn anew each time: what a Bernoulli
    likelihood is of, and no image is twice the same, so that codes of held-out images fall as those
    of the others do."""
    unit = to_unit(images)
    return (jax.random.uniform(key, unit.shape) < unit).astype(unit.dtype)


def run(settings: Settings, seeds: Sequence[int]) -> Running:
    directory = settings.directory or None
    images = jnp.asarray(load(open_source(settings.data, settings.train, directory)).images)
    held_out = load(open_source(settings.data, settings.held_out, directory))
    x, count = jnp.asarray(held_out.images), len(held_out.images)

    def batch(key: Array) -> Array:
        where, how = jax.random.split(key)
        which = jax.random.randint(where, (settings.batch_size,), 0, len(images))
        return binarized(images[which], how)

    shown = {}
    for variant, prior in PRIORS.items():
        clock, played = Clock(), game(settings, images.shape[1:], prior)
        states, _ = train_seeds(played, batch, settings.steps, seeds, progress(variant))
        codes_of = jax.jit(partial(encode, played))
        values: dict[str, list[float]] = {}
        for s, seed in enumerate(seeds):
            params = seed_of(states, s).average
            keys = jax.random.split(jax.random.fold_in(jax.random.key(40), seed), 4)
            codes = np.asarray(codes_of(params, binarized(x, keys[0]), keys[1]).vector)
            one, other = (
                np.asarray(prior.sample(example_keys(key, 0, count)).vector) for key in keys[2:]
            )
            for name, value in (
                ("two_sample_accuracy", two_sample_accuracy(codes, one, seed)),
                ("two_sample_accuracy_of_prior", two_sample_accuracy(other, one, seed)),
                ("sliced_wasserstein", sliced_wasserstein(codes, one)),
                ("sliced_wasserstein_of_prior", sliced_wasserstein(other, one)),
            ):
                values.setdefault(name, []).append(value)
            if s == 0:
                shown[variant] = (codes, one)
        seconds = clock.lap()
        yield from [
            Measured(name, variant, each, count, seconds, extractor="code")
            for name, each in values.items()
        ]
    return partial(draw, shown=shown, labels=held_out.labels)


def draw(path: Path, shown: dict, labels: np.ndarray) -> None:
    """Rows: q(z) coloured by digit, p(z). Columns: the priors."""
    from iae_jax.files import figures

    titles = [f"q(z): {name}" for name in shown] + [f"p(z): {name}" for name in shown]
    with figures.panels(path, 2, len(shown), titles, size=340) as axes:
        for above, below, (codes, prior) in zip(*axes, shown.values(), strict=True):
            reach = 1.1 * np.abs(prior).max()
            color: dict[str, Any] = {"c": labels, "cmap": "tab10", "vmin": 0, "vmax": 9}
            drawn = figures.dots(above, codes, **color)
            figures.dots(below, prior, color="0.3")
            for ax in (above, below):
                ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes[0][-1].legend(
            *drawn.legend_elements(),
            fontsize=8,
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1, 1),
        )


if __name__ == "__main__":
    raise SystemExit(main(__file__, run, Settings(), seeds=3))
